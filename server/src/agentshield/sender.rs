//! Who sends events: a page by its pixel, or a server by its API key.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::ORIGIN;
use axum::http::request::Parts;
use serde_json::{Map, Value};

use super::auth::{self, ApiKey, Denied, PIXEL_HEADER};
use super::cors;
use super::wire::{Failure, Result};
use crate::app::App;
use crate::extract::query_value;
use crate::tenant::Project;
use crate::tenant::detection_key::{KeyHolder, Scope};
use crate::tenant::pixel::{self, PixelHolder};

/// A proven sender.
#[derive(Clone)]
pub enum Sender {
    /// A visitor's browser, for the page that holds the pixel.
    Visitor(Arc<PixelHolder>),
    /// A server, which may name one of its pixels.
    Server(Arc<KeyHolder>, Option<Arc<PixelHolder>>),
}

/// Who sends, worked out once for each request by the layer of these routes.
#[derive(Clone)]
pub struct Identified(pub std::result::Result<Sender, Denied>);

impl Sender {
    /// The pixel that was named.
    pub fn pixel(&self) -> Option<&PixelHolder> {
        match self {
            Self::Visitor(pixel) => Some(pixel),
            Self::Server(_, pixel) => pixel.as_deref(),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Sender {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let identified = parts.extensions.get::<Identified>().ok_or(Denied::Key("missing"))?;
        Ok(identified.0.clone()?)
    }
}

/// Who sends by what stands in headers and query: an API key, a pixel's id, or both.
pub async fn identify(app: &App, parts: &Parts) -> std::result::Result<Sender, Denied> {
    let named = parts
        .headers
        .get(PIXEL_HEADER)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
        .or_else(|| query_value(&parts.uri, "id"))
        .filter(|id| !id.is_empty());
    if auth::has_key(app, &parts.headers) {
        let holder = auth::identify(app, &parts.headers).await?;
        let pixel = match named {
            Some(id) => Some(by_pixel(app, &id).await?),
            None => None,
        };
        return Ok(Sender::Server(holder, pixel));
    }
    Ok(Sender::Visitor(by_pixel(app, &named.ok_or(Denied::Key("missing"))?).await?))
}

/// The pixel of an id.
pub async fn by_pixel(app: &App, id: &str) -> std::result::Result<Arc<PixelHolder>, Denied> {
    if !pixel::is_id(id) {
        return Err(Denied::Key("invalid"));
    }
    let found = app.callers.by_pixel(app, id).await.map_err(|error| {
        error.log();
        Denied::Unavailable
    })?;
    found.ok_or(Denied::Key("invalid"))
}

/// A sender that may send, and where its events go.
pub struct Door {
    /// The project of the events.
    pub project: Project,
    /// The pixel that they came by.
    pub pixel: Option<Arc<PixelHolder>>,
    /// Whether the request itself is a visitor's, rather than a server's.
    pub is_visitor: bool,
    /// Whether what it sends is a test.
    pub is_test: bool,
}

impl Door {
    /// Demands that the sender may send: an active pixel that the page's origin may use, or a key with the scope
    /// `ingest` whose projects hold the pixel.
    ///
    /// # Errors
    /// `FORBIDDEN` with the reason `pixel_inactive`, `origin`, `scope` or `project`; `NOT_FOUND` for a named project
    /// of another account.
    pub async fn open(app: &App, sender: Sender, headers: &HeaderMap) -> Result<Self> {
        match sender {
            Sender::Visitor(holder) => {
                demand_active(&holder)?;
                if headers.get(ORIGIN).is_some_and(|origin| !cors::is_allowed(&holder.pixel.settings, origin))
                {
                    return Err(Failure::forbidden("origin"));
                }
                let project = holder.project.clone();
                Ok(Self { project, pixel: Some(holder), is_visitor: true, is_test: false })
            }
            Sender::Server(holder, pixel) => {
                let key = ApiKey::new(holder);
                key.require(Scope::Ingest)?;
                let project = match &pixel {
                    Some(pixel) => project_of(&key, pixel)?,
                    None => key.active_project(app, headers).await?,
                };
                Ok(Self { project, pixel, is_visitor: false, is_test: key.is_test() })
            }
        }
    }

    /// For a server that names its pixel in the body alone, the door that this pixel opens.
    ///
    /// # Errors
    /// As [`Door::open`]; `UNAUTHORIZED` for an unknown pixel.
    pub async fn named(
        self,
        app: &App,
        sender: Sender,
        body: &Map<String, Value>,
        headers: &HeaderMap,
    ) -> Result<Self> {
        match (sender, body.get("pixelId").and_then(Value::as_str)) {
            (Sender::Server(key, None), Some(id)) => {
                let pixel = by_pixel(app, id).await?;
                Self::open(app, Sender::Server(key, Some(pixel)), headers).await
            }
            _ => Ok(self),
        }
    }

    /// The sender's name for ids of its own.
    pub fn sender(&self) -> String {
        let pixel = self.pixel.as_ref().map(|holder| holder.pixel.id.clone());
        pixel.unwrap_or_else(|| self.project.public_id.clone())
    }

    /// Whether the visitor asked not to be tracked and is only counted.
    pub fn is_untracked(&self, headers: &HeaderMap) -> bool {
        self.is_visitor && self.pixel.as_ref().is_some_and(|holder| is_untracked(holder, headers))
    }
}

/// Whether a visitor asked not to be tracked (`DNT: 1`, `Sec-GPC: 1`), and the pixel heeds it.
pub fn is_untracked(holder: &PixelHolder, headers: &HeaderMap) -> bool {
    let asks = |name: &str| headers.get(name).is_some_and(|value| value.as_bytes().trim_ascii() == b"1");
    holder.pixel.settings.respect_do_not_track && (asks("dnt") || asks("sec-gpc"))
}

/// The project of a pixel that a server names; the pixel must be one of its account, in a project that the key sees.
fn project_of(key: &ApiKey, holder: &PixelHolder) -> Result<Project> {
    let own = key.holder();
    if holder.project.account_id != own.account.id || !own.key.sees(holder.project.id) {
        return Err(Failure::forbidden("project"));
    }
    demand_active(holder)?;
    Ok(holder.project.clone())
}

fn demand_active(holder: &PixelHolder) -> Result<()> {
    if holder.is_active() { Ok(()) } else { Err(Failure::forbidden("pixel_inactive")) }
}
