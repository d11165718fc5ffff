//! First-party ingest as a tower layer.

use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::{CACHE_CONTROL as CACHE_CONTROL_HEADER, SET_COOKIE};
use http::header::{CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{Extensions, HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited};
use tower_layer::Layer;
use tower_service::Service;

use super::{GuardBody, Hooks};
use crate::facts::Facts;
use crate::first_party::FirstParty;
use crate::first_party::track::{CACHE_CONTROL, Html, REMOVED_HEADERS, Visit};
use crate::guard::{Answer, text};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Puts first-party ingest around a service: its pages carry the collector, and its proxy path takes events.
///
/// Put it outside of [`GuardLayer`](super::GuardLayer), whose refusals are then left as they are, and inside of whatever
/// compresses answers. The request of a page carries a [`Page`](crate::first_party::Page) as an extension.
///
/// ```
/// use axum::{Router, response::Html, routing::get};
/// use quivive_middleware::FirstParty;
/// use quivive_middleware::tower::FirstPartyLayer;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = quivive::Client::builder().url("https://quivive.example").build()?;
/// let first_party = FirstParty::new(client.botect("sk_example"), "pk_example")?.origin("https://shop.example")?;
/// let app: Router = Router::new()
///     .route("/", get(|| async { Html("<html><head></head><body>shop</body></html>") }))
///     .layer(FirstPartyLayer::new(first_party.clone()));
/// # let _ = app;
/// # Ok(()) }
/// ```
///
/// An axum layer covers the routes of its router only; so that the proxy's path reaches it, give the router a fallback
/// (`Router::fallback`), which layers cover, too.
#[derive(Clone)]
pub struct FirstPartyLayer {
    first_party: FirstParty,
    hooks: Hooks,
}

impl FirstPartyLayer {
    /// A layer of this site; the address of the connection is the extension `IpAddr` or `SocketAddr`, if any.
    pub fn new(first_party: FirstParty) -> Self {
        Self { first_party, hooks: Hooks::default() }
    }

    /// How to find the address of the connection; with axum
    /// `|extensions| extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip())`.
    #[must_use]
    pub fn peer(mut self, find: impl Fn(&Extensions) -> Option<IpAddr> + Send + Sync + 'static) -> Self {
        self.hooks.peer = Arc::new(find);
        self
    }

    /// How to find the whole path of the request, without query, inside of nested routers; as
    /// [`GuardLayer::path`](super::GuardLayer::path).
    #[must_use]
    pub fn path(mut self, find: impl Fn(&Extensions) -> Option<String> + Send + Sync + 'static) -> Self {
        self.hooks.path = Arc::new(find);
        self
    }
}

impl std::fmt::Debug for FirstPartyLayer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("FirstPartyLayer").field(&self.first_party).finish()
    }
}

impl<S> Layer<S> for FirstPartyLayer {
    type Service = FirstPartyService<S>;

    fn layer(&self, service: S) -> Self::Service {
        FirstPartyService { first_party: self.first_party.clone(), hooks: self.hooks.clone(), service }
    }
}

/// A service with first-party ingest; made by [`FirstPartyLayer`].
#[derive(Clone)]
pub struct FirstPartyService<S> {
    first_party: FirstParty,
    hooks: Hooks,
    service: S,
}

impl<S: std::fmt::Debug> std::fmt::Debug for FirstPartyService<S> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = formatter.debug_struct("FirstPartyService");
        text.field("first_party", &self.first_party).field("service", &self.service).finish_non_exhaustive()
    }
}

impl<S, B, R> Service<Request<B>> for FirstPartyService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
    R: Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<GuardBody<R>>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let facts = self.hooks.facts(&request);
        let first_party = self.first_party.clone();
        if first_party.is_proxy(facts.path()) {
            return Box::pin(async move { Ok(proxy(&first_party, &facts, request).await.map(own)) });
        }
        let visit = first_party.begin(facts);
        if let Some(visit) = &visit {
            request.extensions_mut().insert(visit.page().clone());
        }
        // The service that was made ready is the one to call; its clone waits for the next request.
        let clone = self.service.clone();
        let mut ready = std::mem::replace(&mut self.service, clone);
        Box::pin(async move {
            let response = ready.call(request).await?;
            Ok(match visit {
                Some(visit) => track(visit, response).await,
                None => response.map(Either::Left),
            })
        })
    }
}

async fn proxy<B>(first_party: &FirstParty, facts: &Facts, request: Request<B>) -> Answer
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    if let Some(refusal) = first_party.refuse(facts) {
        return refusal;
    }
    let (parts, body) = request.into_parts();
    match Limited::new(body, first_party.most_bytes()).collect().await {
        Ok(body) => first_party.forward(facts, parts.uri.query(), &body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => FirstParty::too_large(),
        Err(_) => text(StatusCode::BAD_REQUEST, "The body could not be read"),
    }
}

async fn track<R: Body<Data = Bytes>>(visit: Visit, response: Response<R>) -> Response<GuardBody<R>> {
    if !is_page(&response) {
        return response.map(Either::Left);
    }
    let (mut parts, body) = response.into_parts();
    let Ok(body) = body.collect().await else {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "The page could not be read").map(own);
    };
    let body = body.to_bytes();
    let policy = parts.headers.get(CONTENT_SECURITY_POLICY).and_then(|value| value.to_str().ok());
    match visit.finish(policy, &body) {
        Some(html) => {
            dress(&mut parts.headers, &html);
            Response::from_parts(parts, own(html.body))
        }
        None => Response::from_parts(parts, own(body)),
    }
}

fn is_page<R: Body>(response: &Response<R>) -> bool {
    let header = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let length = response.body().size_hint().exact();
    Visit::is_page(response.status().as_u16(), header(CONTENT_TYPE), header(CONTENT_ENCODING), length)
}

fn dress(headers: &mut HeaderMap, html: &Html) {
    for name in REMOVED_HEADERS {
        headers.remove(name);
    }
    headers.insert(CACHE_CONTROL_HEADER, HeaderValue::from_static(CACHE_CONTROL));
    if let Ok(cookie) = HeaderValue::from_str(&html.cookie) {
        headers.append(SET_COOKIE, cookie);
    }
}

fn own<R>(body: Bytes) -> GuardBody<R> {
    Either::Right(Full::new(body))
}
