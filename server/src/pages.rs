//! What our own pages have in common: templates, headers, and the choice between HTML, JSON and Markdown.

mod accept;
pub mod document;
mod template;

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, header};

pub use self::accept::{Format, preferred_format, prefers_json, prefers_page};
pub use self::template::{escape, fill, script_json};

/// No inline script or style, no other host; wasm is compiled, nothing is evaluated.
const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; base-uri 'none'; form-action 'self'; \
     frame-ancestors 'none'; object-src 'none'",
);

/// The settings of htmx, which finds them in the page because scripts may not be written into it.
pub const HTMX: &str = r#"{"allowEval":false,"allowScriptTags":false,"includeIndicatorStyles":false,"selfRequestsOnly":true,"historyCacheSize":0,"refreshOnHistoryMiss":true,"attributesToSettle":["class"],"responseHandling":[{"code":"204","swap":false},{"code":"[23]..","swap":true},{"code":"422","swap":true},{"code":"[45]..","swap":false,"error":true}]}"#;

/// An HTML page with the headers that every page of ours has.
pub fn html(body: String) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=UTF-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Authorization"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A Markdown page; `X-Markdown-Tokens` estimates its tokens as a quarter of its bytes, rounded up.
pub fn markdown(body: String) -> Response {
    let tokens = body.len().div_ceil(4);
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/markdown; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Authorization"));
    headers.insert(HeaderName::from_static("x-markdown-tokens"), HeaderValue::from(tokens));
    response
}
