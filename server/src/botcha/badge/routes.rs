//! Pages, pictures and JSON of badges.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use maud::html;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Seen, picture, read};
use crate::app::App;
use crate::botcha::page::{self, Block, Frame, Page, Tone};
use crate::botcha::wire::{ErrorBody, Result};
use crate::extract::Origin;

/// A badge that holds.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaSeenBadge)]
struct Verified {
    success: bool,
    verified: bool,
    badge: Facts,
    urls: Urls,
}

/// What a badge says.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaSeenBadgeFacts)]
#[serde(rename_all = "camelCase")]
struct Facts {
    /// The kind of challenge.
    method: String,
    /// Milliseconds that it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    solve_time_ms: Option<i64>,
    /// When, ISO 8601.
    verified_at: String,
}

/// Where a badge is shown.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaSeenBadgeUrls)]
struct Urls {
    /// For people.
    verify: String,
    /// Its picture.
    image: String,
}

/// A badge that this server did not sign.
#[derive(ToSchema)]
#[schema(as = BotchaInvalidBadge)]
#[expect(dead_code, reason = "describes a body that is built as a value")]
struct Invalid {
    /// Always false.
    success: bool,
    /// Always false.
    verified: bool,
    /// `Invalid badge`.
    error: String,
    /// A sentence for a person.
    message: String,
}

/// The page of a badge. A badge proves that somebody once passed; it names no holder.
#[utoipa::path(
    get, path = "/badge/{id}", tag = "botcha", operation_id = "botcha_read_badge_page",
    params(("id" = String, Path, description = "The badge")),
    responses(
        (status = 200, description = "The badge", content((String = "text/html"), (String = "text/markdown"))),
        (status = 400, description = "Not signed by this server", content(
            (String = "text/html"), (String = "text/markdown"),
        )),
        (status = 503, body = ErrorBody, description = "Storage does not answer"),
    ),
)]
async fn show(
    State(app): State<App>,
    origin: Origin,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response> {
    let id = id.map(|Path(id)| id).unwrap_or_default();
    let path = format!("/badge/{id}");
    match read(&app, &id) {
        Some(seen) => {
            let image = format!("{path}/image");
            let frame = Frame { path: &path, image: Some(&image), styles: &["docs.css"], ..Frame::default() };
            Ok(page::respond(&app, &origin, &headers, frame, &card(&app, &origin.0, &path, &seen)).await?)
        }
        None => {
            let frame = Frame { status: StatusCode::BAD_REQUEST, path: "/badge", ..Frame::default() };
            Ok(page::respond(&app, &origin, &headers, frame, &invalid()).await?)
        }
    }
}

/// The picture of a badge, 400 by 120.
#[utoipa::path(
    get, path = "/badge/{id}/image", tag = "botcha", operation_id = "botcha_read_badge_image",
    params(("id" = String, Path, description = "The badge")),
    responses(
        (status = 200, description = "The picture", content_type = "image/svg+xml", body = String),
        (status = 400, description = "A picture that says so", content_type = "image/svg+xml", body = String),
    ),
)]
async fn image(State(app): State<App>, id: Result<Path<String>, PathRejection>) -> Response {
    let name = &app.config.service_name;
    let (status, picture, cache) = match id.ok().and_then(|Path(id)| read(&app, &id)) {
        Some(seen) => (StatusCode::OK, picture::valid(name, &seen), "public, max-age=3600"),
        None => (StatusCode::BAD_REQUEST, picture::invalid(name), "max-age=60"),
    };
    let mut response = (status, picture).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    response
}

/// Whether a badge holds, for programs.
#[utoipa::path(
    get, path = "/api/badge/{id}", tag = "botcha", operation_id = "botcha_verify_badge",
    params(("id" = String, Path, description = "The badge")),
    responses((status = 200, body = Verified), (status = 400, body = Invalid)),
)]
async fn verify(
    State(app): State<App>,
    Origin(origin): Origin,
    id: Result<Path<String>, PathRejection>,
) -> Response {
    let id = id.map(|Path(id)| id).unwrap_or_default();
    let Some(seen) = read(&app, &id) else {
        let body = json!({
            "success": false,
            "verified": false,
            "error": "Invalid badge",
            "message": "This badge was not signed by this server",
        });
        return (StatusCode::BAD_REQUEST, Json(body)).into_response();
    };
    let page = format!("{origin}/badge/{id}");
    let verified_at = seen.verified_at.to_string();
    Json(Verified {
        success: true,
        verified: true,
        badge: Facts { method: seen.method, solve_time_ms: seen.solve_time, verified_at },
        urls: Urls { image: format!("{page}/image"), verify: page },
    })
    .into_response()
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show)).routes(routes!(image)).routes(routes!(verify))
}

fn card(app: &App, origin: &str, path: &str, seen: &Seen) -> Page {
    let name = &app.config.service_name;
    let text = format!("{name} badge: {}", seen.method);
    let mut facts = vec![("Challenge".to_owned(), format!("`{}`", seen.method))];
    if let Some(time) = seen.solve_time {
        facts.push(("Solved in".to_owned(), format!("{time} ms")));
    }
    facts.push(("On".to_owned(), seen.verified_at.to_string()));
    let image = format!("{path}/image");
    Page {
        title: "Verified agent".to_owned(),
        description: format!("An agent passed the {} of {name}.", seen.method),
        blocks: vec![
            Block::Notice(Tone::Good, "The signature holds: this server issued the badge.".to_owned()),
            Block::Card(vec![
                Block::Both {
                    html: html! { img src=(image) width="400" height="120" alt=(text); },
                    markdown: format!("![{text}]({origin}{image})"),
                },
                Block::Facts(facts),
            ]),
            Block::text(
                "A badge says that somebody passed this challenge once. It names no holder: whoever shows it may have \
                 copied it. To know who is calling now, ask for a token and check it.",
            ),
            Block::Links(vec![
                ("The same as JSON".to_owned(), format!("/api{path}")),
                ("How to check a token".to_owned(), "/docs#verify-a-token".to_owned()),
            ]),
        ],
    }
}

fn invalid() -> Page {
    Page {
        title: "Invalid badge".to_owned(),
        description: "This badge was not signed by this server.".to_owned(),
        blocks: vec![
            Block::Notice(Tone::Bad, "This badge was not signed by this server.".to_owned()),
            Block::text(
                "It is damaged, cut short, made up, or of another server. Ask whoever showed it for the whole link.",
            ),
            Block::Links(vec![("Front page".to_owned(), "/".to_owned())]),
        ],
    }
}
