//! Who sends events: a page by its pixel, or a server by its API key.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::{ORIGIN, REFERER};
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
    /// Demands what can be told before the body is read: an active pixel that the page may use, or a key with the scope
    /// `ingest`.
    ///
    /// # Errors
    /// `FORBIDDEN` with the reason `pixel_inactive`, `origin` or `scope`.
    pub async fn knock(app: &App, sender: &Sender, headers: &HeaderMap) -> Result<()> {
        match sender {
            Sender::Visitor(_) | Sender::Server(_, Some(_)) => {
                Self::open(app, sender.clone(), headers).await.map(|_| ())
            }
            Sender::Server(holder, None) => ApiKey::new(holder.clone()).require(Scope::Ingest),
        }
    }

    /// Demands that the sender may send: an active pixel that the page may use, or a key with the scope `ingest` whose
    /// projects hold the pixel.
    ///
    /// # Errors
    /// `FORBIDDEN` with the reason `pixel_inactive`, `origin`, `scope` or `project`; `NOT_FOUND` for a named project
    /// of another account.
    pub async fn open(app: &App, sender: Sender, headers: &HeaderMap) -> Result<Self> {
        match sender {
            Sender::Visitor(holder) => {
                demand_active(&holder)?;
                if !is_of_allowed_page(&holder, headers) {
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

    /// As [`Door::open`], when the body is known: a server may name its pixel there alone.
    ///
    /// # Errors
    /// As [`Door::open`]; `UNAUTHORIZED` for an unknown pixel.
    pub async fn open_with(
        app: &App,
        sender: Sender,
        body: &Map<String, Value>,
        headers: &HeaderMap,
    ) -> Result<Self> {
        let sender = match (sender, body.get("pixelId").and_then(Value::as_str)) {
            (Sender::Server(key, None), Some(id)) => Sender::Server(key, Some(by_pixel(app, id).await?)),
            (sender, _) => sender,
        };
        Self::open(app, sender, headers).await
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

/// Whether a pixel takes what a page sends: it is active, and the page may use it.
pub fn is_welcome(holder: &PixelHolder, headers: &HeaderMap) -> bool {
    holder.is_active() && is_of_allowed_page(holder, headers)
}

/// Whether a pixel takes events of the page that a request comes from: by its `Origin`, else by its `Referer`. One that
/// names neither may come from anywhere.
fn is_of_allowed_page(holder: &PixelHolder, headers: &HeaderMap) -> bool {
    let page = headers.get(ORIGIN).or_else(|| headers.get(REFERER));
    page.is_none_or(|page| cors::is_allowed(&holder.pixel.settings, page))
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
