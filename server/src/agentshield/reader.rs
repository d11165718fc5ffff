//! A caller who may read the project that the path names.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;

use super::auth::ApiKey;
use super::wire::{Failure, Result};
use crate::app::App;
use crate::tenant::Project;
use crate::tenant::detection_key::Scope;

/// A caller with a key and what the path names; the project is [looked up](Self::project) once the query is in order.
pub struct ReadProject {
    key: ApiKey,
    project_id: String,
    /// What the path names below the project; empty when it names nothing.
    pub id: String,
}

impl ReadProject {
    /// The project of the path, for a key with the scope `read`.
    ///
    /// # Errors
    /// `FORBIDDEN` without that scope, otherwise as [`ApiKey::project_at`].
    pub async fn project(&self, app: &App) -> Result<Project> {
        self.key.require(Scope::Read)?;
        self.key.project_at(app, &self.project_id).await
    }
}

impl FromRequestParts<App> for ReadProject {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let key = ApiKey::from_request_parts(parts, app).await?;
        // An id of another form, even one that is no text, is one that nothing has.
        let named =
            RawPathParams::from_request_parts(parts, app).await.map_err(|_| Failure::not_found("project"))?;
        let of = |name: &str| named.iter().find(|(found, _)| *found == name).map_or("", |(_, value)| value);
        let (project_id, id) = (of("projectId").to_owned(), of("id").to_owned());
        Ok(Self { key, project_id, id })
    }
}
