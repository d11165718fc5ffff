//! `/docs`, `/whitepaper` and `/showcase`.

mod guide;
mod reference;
mod whitepaper;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page::{self, Frame, Page};
use super::wire::{ErrorBody, Result};
use crate::app::App;
use crate::extract::Origin;
use crate::pages::{Format, preferred_format};

/// How to use the API: a guide, and every endpoint.
#[utoipa::path(
    get, path = "/docs", tag = "botcha", operation_id = "botcha_read_docs",
    responses(
        (status = 200, description = "The page", content((String = "text/html"), (String = "text/markdown"))),
        (status = 503, body = ErrorBody, description = "Storage does not answer"),
    ),
)]
async fn docs(State(app): State<App>, origin: Origin, headers: HeaderMap) -> Result<Response> {
    Ok(page::respond(&app, &origin, &headers, DOCS, &docs_page(&app, &origin.0)).await?)
}

/// The whitepaper, as a list of its sections.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaWhitepaper)]
struct Outline {
    title: String,
    version: &'static str,
    date: &'static str,
    url: String,
    format_hint: &'static str,
    sections: Vec<&'static str>,
}

/// How it works, what it is good against, and what a pass proves: HTML for browsers, JSON or Markdown by `Accept`.
#[utoipa::path(
    get, path = "/whitepaper", tag = "botcha", operation_id = "botcha_read_whitepaper",
    responses(
        (status = 200, description = "The paper, or the list of its sections", content(
            (Outline = "application/json"),
            (String = "text/html"),
            (String = "text/markdown"),
        )),
        (status = 503, body = ErrorBody, description = "Storage does not answer"),
    ),
)]
async fn whitepaper(State(app): State<App>, origin: Origin, headers: HeaderMap) -> Result<Response> {
    let paper = whitepaper::page(&app.config.service_name);
    if preferred_format(&headers) != Format::Json {
        let frame = Frame { path: "/whitepaper", styles: &["docs.css"], ..Frame::default() };
        return Ok(page::respond(&app, &origin, &headers, frame, &paper).await?);
    }
    let outline = Outline {
        title: paper.title,
        version: "1.0",
        date: whitepaper::DATE,
        url: format!("{}/whitepaper", origin.0),
        format_hint: "Ask with Accept: text/markdown for the whole text",
        sections: whitepaper::sections(),
    };
    let mut response = Json(outline).into_response();
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    Ok(response)
}

/// Leads to the front page.
#[utoipa::path(
    get, path = "/showcase", tag = "botcha", operation_id = "botcha_read_showcase",
    responses((status = 301, description = "To the front page")),
)]
async fn showcase() -> Response {
    (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, "/")]).into_response()
}

/// `/docs` in HTML and in Markdown.
pub(super) fn both_forms(app: &App, base: &str) -> [String; 2] {
    let page = docs_page(app, base);
    [page::public_html(app, base, DOCS, &page, &"0".repeat(32)), page.markdown()]
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(whitepaper)).routes(routes!(showcase))
}

/// The route that is served even when the family is off.
pub fn always() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(docs))
}

fn docs_page(app: &App, base: &str) -> Page {
    let name = &app.config.service_name;
    let mut blocks = guide::blocks(app, base);
    blocks.extend(reference::blocks(app));
    Page {
        title: format!("{name} API"),
        description: format!("How agents prove themselves to {name}, and how sites check it."),
        blocks,
    }
}

const DOCS: Frame<'_> = Frame {
    status: StatusCode::OK,
    path: "/docs",
    image: None,
    is_private: false,
    is_narrow: false,
    scripts: &[],
    styles: &["docs.css"],
};
