//! The layer around the routes that pages call: event, batch, pixel and the pixel's script. It works out who sends,
//! whether there is room for the request, and which pages may read the answer.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::ORIGIN;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::auth::{self, Denied};
use super::cors::Readers;
use super::limits::{self, Payer, Standing};
use super::pixel::{self, Outcome};
use super::sender::{self, Identified, Sender};
use super::wire::Result;
use super::{batch, body, event, pixel_script};
use crate::app::App;
use crate::error::Error;
use crate::extract::{ClientIp, query_value};

/// A route that pages call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// One event.
    Event,
    /// Several events.
    Batch,
    /// The image.
    Pixel,
    /// The script.
    Script,
}

impl Place {
    /// The route of a path, if it is one of these.
    pub fn of(path: &str) -> Option<Self> {
        match path {
            event::PATH => Some(Self::Event),
            batch::PATH => Some(Self::Batch),
            pixel::PATH => Some(Self::Pixel),
            pixel_script::PATH => Some(Self::Script),
            _ => None,
        }
    }

    /// The largest body that may carry a credential.
    fn body_limit(self) -> Option<usize> {
        match self {
            Self::Event => Some(event::BODY_LIMIT),
            Self::Batch => Some(batch::BODY_LIMIT),
            Self::Pixel | Self::Script => None,
        }
    }
}

/// Lets a request through; the image comes whatever happens, and in time.
pub async fn pass(app: &App, place: Place, request: Request, next: Next) -> (Response, Standing) {
    let is_image = place == Place::Pixel && matches!(*request.method(), Method::GET | Method::HEAD);
    if !is_image {
        return admit(app, place, request, next).await;
    }
    let ip = request.extensions().get::<ClientIp>().copied();
    match tokio::time::timeout(IMAGE_PATIENCE, admit(app, place, request, next)).await {
        Ok((response, standing)) if response.status() == StatusCode::OK => (response, standing),
        Ok((response, standing)) => {
            let is_refused = response.status() == StatusCode::TOO_MANY_REQUESTS;
            (pixel::image(if is_refused { Outcome::Limited } else { Outcome::Error }), standing)
        }
        Err(_) => {
            tracing::error!("storage was too slow for the pixel");
            let standing = limits::report(app, Payer::unknown(Denied::Unavailable, ip));
            (pixel::image(Outcome::Error), standing)
        }
    }
}

async fn admit(app: &App, place: Place, request: Request, next: Next) -> (Response, Standing) {
    let (mut parts, body) = request.into_parts();
    let ip = parts.extensions.get::<ClientIp>().copied();
    let origin = parts.headers.get(ORIGIN).cloned();
    let is_key = place.body_limit().is_some() && auth::has_key(app, &parts.headers);
    let is_preflight = parts.method == Method::OPTIONS;
    // The script is one file for all pages, and a preflight no request of its own.
    let is_visit = !is_key && !is_preflight && place != Place::Script;
    if is_visit && let Some((refusal, standing)) = limits::refused_visitor(app, ip).await {
        let mut response = refusal.into_response();
        Readers::All.write(response.headers_mut());
        return (response, standing);
    }
    let identified = if is_visit {
        identify(app, place, &parts, body).await
    } else {
        let is_known = is_key && auth::is_known(app, &parts.headers);
        Ok((limits::looked_up(app, ip, is_known, by_head(app, place, &parts)).await, body))
    };

    let known = identified.as_ref().ok().map(|(sender, _)| sender);
    let standing = match known {
        Some(Ok(Sender::Visitor(holder))) => {
            let payer = Payer::Pixel(holder, ip);
            // What a pixel refuses is none that its account has to pay for.
            let is_free = !is_visit || !sender::is_welcome(holder, &parts.headers);
            if is_free { limits::report(app, payer) } else { limits::admit(app, payer).await }
        }
        Some(Ok(Sender::Server(holder, _))) => limits::admit(app, Payer::Account(&holder.account)).await,
        Some(Err(denied @ Denied::Key("missing"))) if is_preflight => {
            limits::report(app, Payer::unknown(*denied, ip))
        }
        Some(Err(denied)) => limits::admit(app, Payer::unknown(*denied, ip)).await,
        None => limits::admit(app, Payer::unknown(Denied::Key("missing"), ip)).await,
    };
    let settings = known.and_then(|known| known.as_ref().ok()?.pixel()).map(|it| it.pixel.settings.clone());
    let readers = match place {
        Place::Pixel | Place::Script => Readers::All,
        Place::Event | Place::Batch if is_key => Readers::None,
        Place::Event | Place::Batch => Readers::of(settings.as_ref(), origin.as_ref()),
    };
    let mut response = match (standing.refusal(app), identified) {
        (Some(refusal), _) | (None, Err(refusal)) => refusal.into_response(),
        (None, Ok((sender, body))) => {
            parts.extensions.insert(Identified(sender));
            next.run(Request::from_parts(parts, body)).await
        }
    };
    readers.write(response.headers_mut());
    (response, standing)
}

/// Who sends, and the body as it is to be read on. A sender that can set no header names its pixel in the body.
async fn identify(
    app: &App,
    place: Place,
    parts: &Parts,
    body: Body,
) -> Result<(std::result::Result<Sender, Denied>, Body)> {
    match (by_head(app, place, parts).await, place.body_limit()) {
        (Err(Denied::Key("missing")), Some(most)) if parts.method == Method::POST => {
            let patience = Duration::from_secs(app.config.request_timeout_seconds);
            let collected = tokio::time::timeout(patience, body::collect(body, most)).await;
            let bytes = collected.map_err(|_| Error::unavailable("the request took too long"))??;
            let sender = match named_in(&bytes) {
                Some(id) => sender::by_pixel(app, &id).await.map(Sender::Visitor),
                None => Err(Denied::Key("missing")),
            };
            Ok((sender, Body::from(bytes)))
        }
        (identified, _) => Ok((identified, body)),
    }
}

/// Who sends by what stands before the body. Image and script take no header: pages cannot set one for them.
async fn by_head(app: &App, place: Place, parts: &Parts) -> std::result::Result<Sender, Denied> {
    if place.body_limit().is_some() {
        return sender::identify(app, parts).await;
    }
    let alias = || query_value(&parts.uri, "project_id").filter(|_| place == Place::Script);
    let id = query_value(&parts.uri, "id").or_else(alias).filter(|id| !id.is_empty());
    sender::by_pixel(app, &id.ok_or(Denied::Key("missing"))?).await.map(Sender::Visitor)
}

fn named_in(body: &[u8]) -> Option<String> {
    match body::object(body).ok()?.get("pixelId") {
        Some(Value::String(id)) if !id.is_empty() => Some(id.clone()),
        _ => None,
    }
}

/// How long a page may wait for the image.
const IMAGE_PATIENCE: Duration = Duration::from_secs(2);
