//! Challenges: given out, kept for one attempt, judged.
//!
//! Every kind is kept apart and judged as what it was issued as; the first answer takes the challenge, whatever it
//! says. A hybrid or speed challenge that was solved gives tokens, the others say that it was.

mod hybrid;
pub mod judged;
pub mod kept;
mod legacy;
pub mod posed;
mod reasoning;
mod routes;
pub mod stream;

use http::request::Parts;
use serde_json::{Map, Value};
use utoipa_axum::router::OpenApiRouter;

use super::limits;
use super::wire::Result;
use crate::app::App;
use crate::config::AppGate;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(routes::router())
        .merge(reasoning::router())
        .merge(hybrid::router())
        .merge(legacy::router())
        .merge(stream::router())
}

/// The member of a body, unless it is missing, null or an empty text.
pub(super) fn given<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    members.get(name).filter(|value| !value.is_null() && value.as_str() != Some(""))
}

/// The id in a body.
pub(super) fn id_in(members: &Map<String, Value>) -> Option<&str> {
    given(members, "id")?.as_str()
}

/// Whether a solved challenge gives tokens: with a strict gate only one that an app asked for does.
fn gives_tokens(app: &App, app_id: Option<&str>) -> bool {
    app_id.is_some() || app.config.botcha.app_gate == AppGate::Open
}

/// Counts a request of the older routes, which the gate does not guard.
async fn count(app: &App, parts: &Parts) -> Result<()> {
    limits::count_verification(app, parts).await
}
