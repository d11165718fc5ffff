//! The frame of this family's pages, and their choice between HTML and Markdown.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::{Value, json};

use super::landing;
use super::wire::Failure;
use crate::app::App;
use crate::browser::assets_path;
use crate::error::{Error, Result};
use crate::extract::Origin;
use crate::pages::{self, Format, preferred_format, script_json};

pub use crate::pages::document::{Block, Button, Field, Form, Page, Tone};

/// What stands around a page.
#[derive(Clone, Copy, Debug, Default)]
pub struct Frame<'a> {
    /// The status of the answer, 200 if left out.
    pub status: StatusCode,
    /// The path for `rel=alternate` to the same page in Markdown; none if empty.
    pub path: &'a str,
    /// The path of the picture that others show with a link to the page, `/og.png` if left out.
    pub image: Option<&'a str>,
    /// Whether somebody is logged in: such pages hold no challenge for visitors and are not stored.
    pub is_private: bool,
    /// Whether it is one column: a form, a message.
    pub is_narrow: bool,
    /// Further scripts of the folder of assets, such as `htmx.min.js`.
    pub scripts: &'a [&'a str],
    /// Further style sheets of the folder of assets.
    pub styles: &'a [&'a str],
}

/// A page in the form that the caller prefers.
///
/// # Errors
/// If storage does not answer.
pub async fn respond(
    app: &App,
    origin: &Origin,
    headers: &HeaderMap,
    frame: Frame<'_>,
    page: &Page,
) -> Result<Response> {
    let mut response = if preferred_format(headers) == Format::Markdown {
        pages::markdown(page.markdown())
    } else {
        let challenge = if frame.is_private {
            None
        } else {
            Some(embedded_challenge(&origin.0, &landing::create_nonce(app)))
        };
        pages::html(render(app, &origin.0, frame, page, challenge.as_ref()).into_string())
    };
    *response.status_mut() = frame.status;
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Cookie"));
    if frame.is_private || !frame.status.is_success() {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

/// What a route answers; an error as [`failure`] shows it.
pub async fn answer(app: &App, origin: &Origin, headers: &HeaderMap, answer: Result<Response>) -> Response {
    match answer {
        Ok(response) => response,
        Err(error) => failure(app, origin, headers, error).await,
    }
}

/// An error: as a page for whoever prefers one, else in the family's form.
pub async fn failure(app: &App, origin: &Origin, headers: &HeaderMap, error: Error) -> Response {
    if !pages::prefers_page(headers) {
        return Failure::from(error).into_response();
    }
    let status = error.status();
    let title = match status {
        StatusCode::NOT_FOUND => "Nobody here",
        StatusCode::TOO_MANY_REQUESTS => "Too many attempts",
        status if status.is_server_error() => "That did not work",
        _ => "Halt",
    };
    let page = Page {
        title: title.to_owned(),
        description: "An error.".to_owned(),
        blocks: vec![Block::Card(vec![
            Block::text(format!("{}.", error.public_message().trim_end_matches('.'))),
            Block::text(format!("Status {}, code `{}`.", status.as_u16(), error.code())),
            Block::Links(vec![
                ("Front page".to_owned(), "/".to_owned()),
                ("Docs".to_owned(), "/docs".to_owned()),
                ("Log in".to_owned(), "/login".to_owned()),
            ]),
        ])],
    };
    let frame = Frame { status, is_narrow: true, ..Frame::default() };
    let Ok(mut response) = respond(app, origin, headers, frame, &page).await else {
        return Failure::from(error).into_response();
    };
    error.log();
    if let Some(seconds) = error.retry_after_seconds() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The HTML of a public page with a nonce of the caller's.
pub fn public_html(app: &App, origin: &str, frame: Frame<'_>, page: &Page, nonce: &str) -> String {
    render(app, origin, frame, page, Some(&embedded_challenge(origin, nonce))).into_string()
}

/// What a program that reads a page may solve without any other request.
pub fn embedded_challenge(base: &str, nonce: &str) -> Value {
    json!({
        "version": "1.0",
        "type": "inline-challenge",
        "description": "For AI agents: prove what you are and get a token.",
        "challenge": {
            "type": "sha256",
            "instruction": "Hash the text BOTCHA-LANDING-<date>-<timestamp>-<nonce> with SHA-256 and answer the first \
                16 hexadecimal digits. <date> is today in UTC as YYYY-MM-DD, <timestamp> the text that you send, \
                <nonce> the one given here, good once and for two minutes.",
            "example": "Without a nonce, BOTCHA-LANDING-2026-01-15-2026-01-15T12:00:00.000Z gives 8e2964323ff073ca",
            "nonce": nonce,
            "submit_to": format!("{base}/api/verify-landing"),
            "method": "POST",
            "body_format": { "answer": "your 16 hex chars", "timestamp": "ISO 8601 timestamp", "nonce": "as given" },
        },
        "on_success": {
            "grants_access_to": format!("{base}/agent-only"),
            "header_to_include": "X-Botcha-Landing-Token",
        },
    })
}

fn render(app: &App, origin: &str, frame: Frame<'_>, page: &Page, challenge: Option<&Value>) -> Markup {
    let assets = assets_path();
    let name = &app.config.service_name;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="description" content=(page.description);
                meta name="ai-agent-welcome" content="true";
                title { (page.title) ": " (name) }
                @if !frame.path.is_empty() { link rel="alternate" type="text/markdown" href=(frame.path); }
                link rel="alternate" type="application/json" href="/openapi.json" title="OpenAPI document";
                link rel="alternate" type="application/json" href="/.well-known/ai-plugin.json" title="Manifest";
                link rel="icon" type="image/svg+xml" href=(format!("{assets}/icon.svg"));
                link rel="stylesheet" href=(format!("{assets}/page.css"));
                link rel="stylesheet" href=(format!("{assets}/console.css"));
                link rel="stylesheet" href=(format!("{assets}/site.css"));
                @for style in frame.styles { link rel="stylesheet" href=(format!("{assets}/{style}")); }
                @if frame.scripts.contains(&"htmx.min.js") { meta name="htmx-config" content=(pages::HTMX); }
                @for script in frame.scripts {
                    // Libraries of others are classic scripts, ours are modules.
                    @if script.ends_with(".min.js") { script defer src=(format!("{assets}/{script}")) {} }
                    @else { script type="module" src=(format!("{assets}/{script}")) {} }
                }
                @if let Some(challenge) = challenge {
                    meta property="og:type" content="website";
                    meta property="og:title" content=(format!("{}: {name}", page.title));
                    meta property="og:description" content=(page.description);
                    meta property="og:url" content=(format!("{origin}{}", frame.path));
                    meta property="og:image" content=(format!("{origin}{}", frame.image.unwrap_or("/og.png")));
                    meta name="twitter:card" content="summary_large_image";
                    meta name="botcha-challenge" content="embedded"
                        data-selector="script[type='application/botcha+json']";
                    link rel="botcha-challenge" href="#botcha-challenge" type="application/botcha+json";
                    script type="application/botcha+json" id="botcha-challenge" { (PreEscaped(script_json(challenge))) }
                } @else {
                    meta name="robots" content="noindex";
                }
            }
            body class="console" {
                a class="skip" href="#content" { "Skip to the content" }
                header class="top" {
                    a class="brand" href="/" aria-label=(format!("{name}, home")) {
                        svg viewBox="0 0 32 32" width="30" height="30" aria-hidden="true" {
                            path class="mark-frame" d="M9 28V14a7 7 0 0 1 14 0v14M6 28h20" {}
                            circle class="mark-light" cx="16" cy="17" r="3.2" {}
                        }
                        span { (name) }
                    }
                    nav aria-label="Site" {
                        @if frame.is_private {
                            a href="/account" { "Account" }
                            a href="/dashboard" { "Dashboard" }
                            a href="/dashboard/logout" { "Log out" }
                        } @else {
                            a href="/docs" { "Docs" }
                            a href="/login" { "Log in" }
                        }
                    }
                }
                main id="content" tabindex="-1" class=[frame.is_narrow.then_some("narrow-page")] { (page.html()) }
                footer class="bottom" {
                    p { "Times are in UTC. This page asks no other host for anything." }
                    p { a href="/" { "Front page" } a href="/docs" { "Docs" } (name) " " (env!("CARGO_PKG_VERSION")) }
                }
            }
        }
    }
}
