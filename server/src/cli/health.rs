//! `quivive health`.

use super::output;
use crate::config::ConfigError;

/// Asks `/-/ready`; succeeds only if the server is ready.
pub(super) async fn ask(url: &str) -> Result<(), ConfigError> {
    let url = format!("{}/-/ready", url.trim_end_matches('/'));
    let failed = |error: &dyn std::fmt::Display| ConfigError(format!("{url}: {error}"));
    let client = quivive::Client::builder().build().map_err(|error| failed(&error))?;
    let response = client.get(url.as_str()).await.map_err(|error| failed(&error))?;
    if response.status().is_success() {
        output::line("ready");
        return Ok(());
    }
    Err(failed(&format!("not ready, status {}", response.status())))
}
