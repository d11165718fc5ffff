//! The files by which crawlers and clients find out what this service is.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{ai, saving};
use crate::app::App;
use crate::botcha::KNOWN_METHODS;
use crate::botcha::wire::{ErrorBody, Result};
use crate::extract::Origin;

/// Rules for crawlers: everything is allowed.
#[utoipa::path(
    get, path = "/robots.txt", tag = "botcha", operation_id = "botcha_read_robots",
    responses(
        (status = 200, description = "The rules", content_type = "text/plain", body = String),
        (status = 503, body = ErrorBody, description = "Storage does not answer"),
    ),
)]
async fn robots(State(app): State<App>, Origin(base): Origin) -> Result<Response> {
    let mut text = format!(
        "# {}: agents are welcome. BOTCHA-compatible API, see {base}/ai.txt and {base}/openapi.json\n",
        app.config.service_name
    );
    for agent in CRAWLERS {
        text.push_str(&format!("\nUser-agent: {agent}\nAllow: /\n"));
    }
    let saving = saving::percent(&app, &base).await?;
    text.push_str(&format!(
        "\nSitemap: {base}/sitemap.xml\nCrawl-delay: 0\n\n\
         # Every page also comes as Markdown: send Accept: text/markdown. For / and /docs that is {saving} % fewer tokens\n\
         # than HTML. Every public page holds a challenge for programs: script[type='application/botcha+json'].\n"
    ));
    Ok(file("text/plain; charset=utf-8", DAY, text.into_bytes()))
}

/// What an agent should know, one fact in a line.
#[utoipa::path(
    get, path = "/ai.txt", tag = "botcha", operation_id = "botcha_read_ai_txt",
    responses(
        (status = 200, description = "`Key: value` lines", content_type = "text/plain", body = String),
        (status = 503, body = ErrorBody, description = "Storage does not answer"),
    ),
)]
async fn ai_txt(State(app): State<App>, Origin(base): Origin) -> Result<Response> {
    let saving = saving::percent(&app, &base).await?;
    Ok(file("text/plain; charset=utf-8", DAY, ai::text(&app, &base, saving).into_bytes()))
}

/// The pages of this service.
#[utoipa::path(
    get, path = "/sitemap.xml", tag = "botcha", operation_id = "botcha_read_sitemap",
    responses((status = 200, description = "The sitemap", content_type = "application/xml", body = String)),
)]
async fn sitemap(Origin(base): Origin) -> Response {
    let base = crate::pages::escape(&base);
    let pages = PAGES.iter().map(|(path, frequency, priority)| {
        format!(
            "  <url><loc>{base}{path}</loc><changefreq>{frequency}</changefreq><priority>{priority}</priority></url>\n"
        )
    });
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n\
         {}</urlset>\n",
        pages.collect::<String>()
    );
    file("application/xml; charset=utf-8", DAY, text.into_bytes())
}

/// The plugin manifest.
#[utoipa::path(
    get, path = "/.well-known/ai-plugin.json", tag = "botcha", operation_id = "botcha_read_plugin_manifest",
    responses((status = 200, description = "The manifest", body = Object)),
)]
async fn plugin(State(app): State<App>, Origin(base): Origin) -> Response {
    let name = &app.config.service_name;
    cached_json(json!({
        "schema_version": "v1",
        "name_for_human": name,
        "name_for_model": "botcha",
        "description_for_human": format!("{name} tells sites who is at their door, and gives agents a token that proves it."),
        "description_for_model": "Prove that you are a program: get a challenge, solve it within half a second, and carry \
            the signed token to sites that ask who you are. Start with GET /v1/token. Never ask a person for a secret.",
        "auth": { "type": "none" },
        "api": { "type": "openapi", "url": format!("{base}/openapi.json") },
        "logo_url": format!("{base}/og.png"),
        "contact_email": contact(&app),
        "legal_info_url": format!("{base}/whitepaper"),
        "embedded_challenge": {
            "description": "Public pages hold a challenge that is solved without any other request.",
            "selector": "script[type='application/botcha+json']",
            "content_type": "application/botcha+json",
            "verify_endpoint": "/api/verify-landing",
        },
    }))
}

/// Where challenges, tokens and keys are.
#[utoipa::path(
    get, path = "/.well-known/botcha.json", tag = "botcha", operation_id = "botcha_read_manifest",
    responses((status = 200, description = "The facts", body = Object)),
)]
async fn manifest(State(app): State<App>, Origin(base): Origin) -> Response {
    cached_json(json!({
        "version": app.config.botcha.version,
        "enabled": true,
        "methods": KNOWN_METHODS.split(',').collect::<Vec<_>>(),
        "docs": format!("{base}/openapi.json"),
        "jwks": format!("{base}/.well-known/jwks"),
        "challenge_endpoint": format!("{base}/v1/challenges"),
        "token_endpoint": format!("{base}/v1/token"),
    }))
}

/// The picture that others show with a link to this service, 1200 by 630.
#[utoipa::path(
    get, path = "/og.png", tag = "botcha", operation_id = "botcha_read_picture",
    responses((status = 200, description = "The picture", content_type = "image/png", body = Vec<u8>)),
)]
async fn picture() -> Response {
    const PICTURE: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/og/og.png"));
    file("image/png", "public, max-age=604800", PICTURE.to_vec())
}

/// The routes.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(robots))
        .routes(routes!(ai_txt))
        .routes(routes!(sitemap))
        .routes(routes!(plugin))
        .routes(routes!(manifest))
        .routes(routes!(picture))
}

/// The address in the sender of mails.
pub(super) fn contact(app: &App) -> &str {
    let from = app.config.mail.from.as_str();
    let inner = from.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or(from, |(address, _)| address).trim()
}

fn cached_json(value: Value) -> Response {
    let mut response = Json(value).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(DAY));
    response
}

fn file(media_type: &'static str, cache: &'static str, bytes: Vec<u8>) -> Response {
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

const DAY: &str = "public, max-age=86400";

const CRAWLERS: &[&str] = &[
    "*",
    "GPTBot",
    "ChatGPT-User",
    "Claude-Web",
    "anthropic-ai",
    "Google-Extended",
    "PerplexityBot",
    "Amazonbot",
];

const PAGES: &[(&str, &str, &str)] = &[
    ("/", "weekly", "1.0"),
    ("/openapi.json", "weekly", "0.8"),
    ("/ai.txt", "monthly", "0.8"),
    ("/robots.txt", "monthly", "0.5"),
    ("/whitepaper", "monthly", "0.9"),
    ("/docs", "weekly", "0.9"),
];
