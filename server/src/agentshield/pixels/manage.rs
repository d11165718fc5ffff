//! What can be done with pixels, whoever asks for it: a holder of an API key, or a member of the account.

use serde_json::json;

use super::Change;
use crate::agentshield::wire::{Failure, Fault, Result};
use crate::app::App;
use crate::audit::{self, Actor};
use crate::tenant::Project;
use crate::tenant::pixel::{self, MOST_PIXELS, Pixel, PixelSettings};

/// Makes a pixel with these settings and the usual ones for the rest.
///
/// # Errors
/// `INVALID_REQUEST` when the project has all that it may have.
pub async fn make(app: &App, project: &Project, actor: &Actor, change: &Change) -> Result<Pixel> {
    let mut settings = PixelSettings::default();
    change.apply(&mut settings);
    let made = pixel::create(app, project.id, settings, None).await.map_err(|error| match error.code() {
        "TOO_MANY" => Failure::invalid(&[Fault::new("pixels", "too_many").with("max", MOST_PIXELS)]),
        _ => error.into(),
    })?;
    note(app, actor, "pixel.created", &made).await?;
    Ok(made)
}

/// Changes the settings of a pixel.
///
/// # Errors
/// `NOT_FOUND` when there is none, or it is another project's.
pub async fn alter(app: &App, project: &Project, id: &str, actor: &Actor, change: &Change) -> Result<Pixel> {
    let before = pixel::read(app, project.id, id).await?;
    let changed = pixel::change(app, project.id, id, |settings| change.apply(settings)).await?;
    let details = json!({ "id": changed.id, "before": before.settings, "after": changed.settings });
    audit::record(app, &project.id.to_string(), actor, "pixel.changed", details).await?;
    Ok(changed)
}

/// Deletes a pixel; what it recorded stays.
///
/// # Errors
/// `NOT_FOUND` when there is none, or it is another project's.
pub async fn remove(app: &App, project: &Project, id: &str, actor: &Actor) -> Result<()> {
    let before = pixel::read(app, project.id, id).await?;
    pixel::delete(app, project.id, id).await?;
    note(app, actor, "pixel.deleted", &before).await
}

/// Notes in the audit trail that a pixel was made or deleted.
async fn note(app: &App, actor: &Actor, action: &str, pixel: &Pixel) -> Result<()> {
    let details = json!({ "id": pixel.id, "settings": pixel.settings });
    Ok(audit::record(app, &pixel.project_id.to_string(), actor, action, details).await?)
}
