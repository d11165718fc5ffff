//! `quivive openapi`.

use std::sync::Arc;

use super::output;
use crate::app::{Clock, Entropy};
use crate::config::{Config, ConfigError, Family, Profile};
use crate::keys::master::MasterSecret;
use crate::storage::Storage;
use crate::storage::memory::Memory;
use crate::storage::sqlite::Sqlite;
use crate::{openapi, serve};

/// Prints a document. It follows from the routes, so nothing on disk is opened.
pub(super) async fn print(family: Option<Family>) -> Result<(), ConfigError> {
    let config = Config::defaults(Profile::Secure)?;
    let durable = Sqlite::in_memory().map_err(|error| ConfigError(error.to_string()))?;
    let storage = Storage::new(Arc::new(durable), Arc::new(Memory::new(1000)), Clock::System);
    let master = MasterSecret::from_bytes(Entropy::System.bytes());
    let app = serve::prepare(config, storage, master, Clock::System, Entropy::System).await?;
    let text = serde_json::to_string_pretty(&openapi::document(&app, family))
        .map_err(|error| ConfigError(format!("the document cannot be written: {error}")))?;
    output::line(&text);
    Ok(())
}
