//! The BOTCHA-compatible family: challenges and tokens.

pub mod wire;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// The family's routes.
pub fn router(app: &App) -> OpenApiRouter<App> {
    always(app)
}

/// Routes that are served even when the family is off.
pub fn always(_app: &App) -> OpenApiRouter<App> {
    OpenApiRouter::new()
}

/// Layer: what every answer of the family carries.
/// Makes the records that the family needs.
///
/// # Errors
/// If storage does not answer.
pub async fn prepare(_app: &App) -> crate::error::Result<()> {
    Ok(())
}

pub async fn skin(State(_app): State<App>, request: Request, next: Next) -> Response {
    next.run(request).await
}
