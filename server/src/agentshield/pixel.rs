//! The image that pages without script report by. It comes whatever happens; what became of the report stands in a
//! header.

use axum::extract::{Extension, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Denied;
use super::body::is_absolute_url;
use super::cors;
use super::event::{self, SentEvent};
use super::sender::{self, Door, Identified, Sender};
use super::wire::Result;
use crate::app::App;
use crate::extract::{ClientIp, header_text, query_value};
use crate::flows::detection::Source;
use crate::flows::tracking;
use crate::tenant::pixel;

/// The path.
pub const PATH: &str = "/api/v1/pixel";

/// The header that says what became of a report.
pub const OUTCOME: HeaderName = HeaderName::from_static("x-agentshield-pixel");

/// What became of a report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It is recorded.
    Ok,
    /// There is no such pixel.
    Unknown,
    /// The pixel takes no events, or none of this page.
    Inactive,
    /// A parameter is missing or breaks a rule.
    Invalid,
    /// There was no room for the request.
    Limited,
    /// The visitor asked not to be tracked and was only counted.
    NotTracked,
    /// A fault of ours.
    Error,
}

impl Outcome {
    /// Its word in the header `X-AgentShield-Pixel`.
    pub fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Inactive => "inactive",
            Self::Invalid => "invalid",
            Self::Limited => "limited",
            Self::NotTracked => "dnt",
            Self::Error => "error",
        }
    }
}

/// Report a page view by an image.
///
/// The answer is always the image; `X-AgentShield-Pixel` says what became of the report: `ok`, `unknown`, `inactive` (also
/// for pages of domains that the pixel does not allow), `invalid`, `limited`, `dnt` or `error`.
#[utoipa::path(
    get, path = "/api/v1/pixel", tag = "agentshield", operation_id = "agentshield_read_pixel",
    params(
        ("id" = Option<String>, Query, description = "The pixel"),
        ("u" = Option<String>, Query, description = "Address of the page; else that of the header Referer"),
        ("r" = Option<String>, Query, description = "The page before"),
        ("t" = Option<String>, Query, description = "Time in Unix seconds or milliseconds; serves against caches"),
        ("e" = Option<String>, Query, description = "What happened; page_view when absent"),
        ("s" = Option<String>, Query, description = "Joins the events of one visit"),
    ),
    responses((status = 200, content_type = "image/gif", body = Vec<u8>, description = "A transparent point")),
)]
async fn read(
    State(app): State<App>,
    Extension(Identified(sender)): Extension<Identified>,
    ip: ClientIp,
    parts: Parts,
) -> Response {
    let outcome = match sender {
        Ok(sender) => report(&app, sender, ip, &parts).await.unwrap_or_else(|failure| {
            failure.0.log();
            Outcome::Error
        }),
        Err(Denied::Key("missing")) => Outcome::Invalid,
        Err(Denied::Key(_)) => Outcome::Unknown,
        Err(Denied::Busy) => Outcome::Limited,
        Err(Denied::Unavailable) => Outcome::Error,
    };
    image(outcome)
}

/// Ask whether a page may ask for the image.
#[utoipa::path(
    options, path = "/api/v1/pixel", tag = "agentshield", operation_id = "agentshield_preflight_pixel",
    params(("id" = Option<String>, Query, description = "The pixel")),
    responses((status = 204, description = "The methods that pages may use"), (status = 429, body = super::wire::ErrorBody)),
)]
async fn preflight() -> Response {
    cors::preflight("GET, HEAD, OPTIONS")
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(read, preflight))
}

/// The image with an outcome.
pub fn image(outcome: Outcome) -> Response {
    metrics::counter!("quivive_pixel_requests_total", "outcome" => outcome.text()).increment(1);
    let headers: [(HeaderName, &str); 10] = [
        (header::CONTENT_TYPE, "image/gif"),
        (header::CONTENT_LENGTH, "43"),
        (header::CACHE_CONTROL, "no-store, no-cache, must-revalidate, max-age=0, private"),
        (header::PRAGMA, "no-cache"),
        (header::EXPIRES, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (HeaderName::from_static("timing-allow-origin"), "*"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (OUTCOME, outcome.text()),
    ];
    let mut response = IMAGE.into_response();
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn report(app: &App, sender: Sender, ip: ClientIp, parts: &Parts) -> Result<Outcome> {
    let Sender::Visitor(holder) = sender else { return Ok(Outcome::Unknown) };
    if !sender::is_welcome(&holder, &parts.headers) {
        return Ok(Outcome::Inactive);
    }
    if sender::is_untracked(&holder, &parts.headers) {
        pixel::count_untracked(app, &holder.pixel.id).await?;
        return Ok(Outcome::NotTracked);
    }
    let referer = header_text(&parts.headers, "referer");
    let Some(event) = page_view(&parts.uri, referer, app) else { return Ok(Outcome::Invalid) };
    let project = holder.project.clone();
    let door = Door { project, pixel: Some(holder), is_visitor: true, is_test: false };
    let facts = event::facts(app, &door, parts, ip, &event);
    let detection_id = match facts {
        Some(facts) => event::observe(app, &door, Source::Pixel, facts, &event).await,
        None => None,
    };
    tracking::store(app, vec![event.into_tracked(&door, detection_id)]).await?;
    Ok(Outcome::Ok)
}

/// The event that a query describes, unless a parameter breaks a rule.
fn page_view(uri: &Uri, referer: Option<&str>, app: &App) -> Option<SentEvent> {
    let value = |name: &str| query_value(uri, name).filter(|value| !value.is_empty());
    let within = |value: Option<String>, most: usize| match value {
        Some(value) if value.len() > most => Err(()),
        value => Ok(value),
    };
    let url = match within(value("u"), 8_192).ok()? {
        Some(url) if !is_absolute_url(&url) => return None,
        Some(url) => url,
        None => referer.filter(|referer| is_absolute_url(referer)).unwrap_or_default().to_owned(),
    };
    let name = value("e").unwrap_or_else(|| "page_view".to_owned());
    if !event::is_name(&name) {
        return None;
    }
    let now = app.now();
    let (at, client_timestamp) = match value("t") {
        None => (now, None),
        Some(text) => {
            let time = text.parse::<f64>().ok().filter(|time| time.is_finite())?;
            match event::believed(time, now) {
                Some(at) => (at, None),
                None => (now, serde_json::Number::from_f64(time)),
            }
        }
    };
    Some(SentEvent {
        name,
        url,
        at,
        client_timestamp,
        session_id: within(value("s"), 256).ok()?,
        referrer: within(value("r"), 8_192).ok()?,
        ..SentEvent::default()
    })
}

/// GIF89a, one point, two colours, the first transparent.
const IMAGE: &[u8; 43] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

#[cfg(test)]
mod tests {
    use quivive_core::encoding;
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_image_has_the_documented_bytes() {
        let hash = "693d949d8c3fdc7fd4ace7c340b5f177a9f0c5be7bafee8bc93a7d88b7523d75";
        assert_eq!(encoding::hex(&Sha256::digest(IMAGE)), hash);
    }
}
