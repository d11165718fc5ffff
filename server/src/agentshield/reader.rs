//! A caller who may read the project that the path names.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;

use super::auth::ApiKey;
use super::wire::{Failure, Result};
use crate::app::App;
use crate::tenant::Project;
use crate::tenant::detection_key::Scope;

/// The project of a path, for a key with the scope `read`.
pub struct ReadProject {
    /// The project.
    pub project: Project,
    /// What the path names below the project; empty when it names nothing.
    pub id: String,
}

impl FromRequestParts<App> for ReadProject {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let key = ApiKey::from_request_parts(parts, app).await?;
        key.require(Scope::Read)?;
        // An id of another form, even one that is no text, is one that nothing has.
        let named =
            RawPathParams::from_request_parts(parts, app).await.map_err(|_| Failure::not_found("project"))?;
        let of = |name: &str| named.iter().find(|(found, _)| *found == name).map_or("", |(_, value)| value);
        Ok(Self { project: key.project_at(app, of("projectId")).await?, id: of("id").to_owned() })
    }
}
