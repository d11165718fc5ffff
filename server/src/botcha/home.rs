//! `GET /`: a live demonstration for people, the same facts as JSON for programs and as Markdown for models.

mod guide;
mod html;
mod json;
mod markdown;
mod view;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Uri, header};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::view::Home;
use super::go;
use super::landing;
use super::wire::{ErrorBody, Result};
use crate::app::App;
use crate::extract::{Origin, query_value};
use crate::pages::{self, Format, preferred_format};

/// What links to the page tell it.
#[derive(Debug, Default)]
pub(crate) struct Visit {
    /// `invalid` or `missing`: why a link with a code did not work.
    error: Option<String>,
    /// `true` after a person followed a link of a verified agent.
    verified: Option<String>,
    /// How many milliseconds the agent took.
    t: Option<String>,
}

/// What this service is and how to use it: HTML for browsers, JSON or Markdown by `Accept`.
#[utoipa::path(
    get, path = "/", tag = "botcha", operation_id = "botcha_read_home",
    params(
        ("error" = Option<String>, Query, description = "Why a link with a code did not work: invalid or missing"),
        ("verified" = Option<String>, Query, description = "true after following a verified agent's link"),
        ("t" = Option<String>, Query, description = "How many milliseconds the agent took"),
    ),
    responses(
        (status = 200, description = "The page", content(
            (serde_json::Value = "application/json"),
            (String = "text/html"),
            (String = "text/markdown"),
        )),
        (status = 503, body = ErrorBody, description = "Storage does not answer"),
    ),
    security((), ("BotchaBearerToken" = [])),
)]
async fn read(
    State(app): State<App>,
    Origin(base): Origin,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response> {
    let home = Home::load(&app, base, &headers).await?;
    let visit = Visit {
        error: query_value(&uri, "error"),
        verified: query_value(&uri, "verified").filter(|_| go::is_visitor(&app, &headers)),
        t: query_value(&uri, "t"),
    };
    Ok(match preferred_format(&headers) {
        Format::Html => pages::html(html::render(&home, &visit, &landing::create_nonce(&app))),
        Format::Markdown => pages::markdown(markdown::render(&home)),
        Format::Json => {
            let mut response = Json(json::render(&home)).into_response();
            response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept, Authorization"));
            response
        }
    })
}

/// The page as everybody gets it, in HTML and in Markdown.
///
/// # Errors
/// If storage does not answer.
pub(super) async fn both_forms(app: &App, base: &str) -> crate::error::Result<[String; 2]> {
    let home = Home::load(app, base.to_owned(), &HeaderMap::new()).await?;
    let nonce = "0".repeat(32);
    Ok([html::render(&home, &Visit::default(), &nonce), markdown::render(&home)])
}

/// The route.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(read))
}
