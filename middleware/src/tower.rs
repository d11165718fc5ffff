//! Guards as tower layers, for axum, hyper, tonic and everything else that takes a tower service.
//!
//! ```
//! use axum::{Extension, Router, routing::get};
//! use quivive_middleware::tower::GuardLayer;
//! use quivive_middleware::{AgentIdentity, RequireAgent};
//!
//! async fn for_agents(Extension(agent): Extension<AgentIdentity>) -> String {
//!     format!("hello, {}", agent.subject)
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let guard = RequireAgent::at("https://quivive.example")?.audience("https://shop.example");
//! let app: Router = Router::new()
//!     .route("/for-agents", get(for_agents))
//!     .layer(GuardLayer::new(guard));
//! # let _ = app;
//! # Ok(()) }
//! ```
//!
//! # Nested routers: tell the layer the whole path
//!
//! Inside `Router::nest`, axum cuts the prefix off the request's URI: a guard there sees `/orders` where the visitor
//! asked for `/api/orders`, and **a policy's paths do not match: with `included_paths: ["/api/**"]`, everybody gets
//! in.** Put the guard outside of the nested router, or tell it the whole path with [`GuardLayer::path`]:
//!
//! ```
//! use std::net::SocketAddr;
//!
//! use axum::extract::{ConnectInfo, MatchedPath, OriginalUri};
//! use axum::{Router, routing::get};
//! use quivive_middleware::tower::GuardLayer;
//! use quivive_middleware::{Policy, RequireAgent};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let policy = Policy { included_paths: vec!["/api/**".to_owned()], ..Policy::default() };
//! let guard = RequireAgent::at("https://quivive.example")?.audience("https://shop.example").policy(policy)?;
//! let layer = GuardLayer::new(guard)
//!     .path(|request| request.get::<OriginalUri>().map(|uri| uri.path().to_owned()))
//!     .route(|request| request.get::<MatchedPath>().map(|route| route.as_str().to_owned()))
//!     .peer(|request| request.get::<ConnectInfo<SocketAddr>>().map(|connection| connection.0.ip()));
//! let orders = Router::new().route("/orders/{order}", get(|| async { "an order" })).layer(layer);
//! let app: Router = Router::new().nest("/api", orders);
//! # let _ = app;
//! # Ok(()) }
//! ```
//!
//! The address of a connection is not part of an HTTP request either. Where a guard needs it, say how your server
//! stores it, with [`GuardLayer::peer`].

mod detection;
mod first_party;
mod future;

use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body_util::{Either, Full};
use tower_layer::Layer;
use tower_service::Service;

pub use detection::{DetectionLayer, DetectionService};
pub use first_party::{FirstPartyLayer, FirstPartyService};
pub use future::GuardFuture;

use crate::facts::Facts;
use crate::guard::Guard;
use crate::session::Session;

type Find<T> = Arc<dyn Fn(&Extensions) -> Option<T> + Send + Sync>;

/// Puts a guard in front of a service.
///
/// Inside a nested router a guard sees a part of the path only, and a policy's paths do not match it, unless
/// [`path`](Self::path) is set.
#[derive(Clone)]
pub struct GuardLayer<G> {
    guard: G,
    hooks: Hooks,
}

/// How to find in a request's extensions what is not part of every request.
#[derive(Clone)]
struct Hooks {
    peer: Find<IpAddr>,
    path: Find<String>,
    route: Find<String>,
}

impl<G: Guard> GuardLayer<G> {
    /// A layer with this guard; the address of the connection is the extension `IpAddr` or `SocketAddr`, if any.
    pub fn new(guard: G) -> Self {
        Self { guard, hooks: Hooks::default() }
    }

    /// How to find the address of the connection; with axum
    /// `|extensions| extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip())`.
    #[must_use]
    pub fn peer(mut self, find: impl Fn(&Extensions) -> Option<IpAddr> + Send + Sync + 'static) -> Self {
        self.hooks.peer = Arc::new(find);
        self
    }

    /// How to find the whole path of the request, without query; with axum
    /// `|extensions| extensions.get::<OriginalUri>().map(|uri| uri.path().to_owned())`.
    ///
    /// **Set it wherever the guard stands inside `Router::nest`** or another service that changes the request's URI.
    /// Without it, or when it finds nothing, the path is that of the URI, as far as it is left; paths of a policy do
    /// not match then, and `included_paths` let everybody in.
    #[must_use]
    pub fn path(mut self, find: impl Fn(&Extensions) -> Option<String> + Send + Sync + 'static) -> Self {
        self.hooks.path = Arc::new(find);
        self
    }

    /// How to find the template of the matched route, for example `/orders/{order}`; with axum
    /// `|extensions| extensions.get::<MatchedPath>().map(|route| route.as_str().to_owned())`.
    ///
    /// [`EnforceVerdict`](crate::EnforceVerdict) tells it to the service and keeps verdicts under it. Without it, the
    /// path takes its place: ids in paths then reach the service, and each new path asks for a new verdict.
    #[must_use]
    pub fn route(mut self, find: impl Fn(&Extensions) -> Option<String> + Send + Sync + 'static) -> Self {
        self.hooks.route = Arc::new(find);
        self
    }
}

impl<G: std::fmt::Debug> std::fmt::Debug for GuardLayer<G> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("GuardLayer").field("guard", &self.guard).finish_non_exhaustive()
    }
}

impl<G: Clone, S> Layer<S> for GuardLayer<G> {
    type Service = GuardService<G, S>;

    fn layer(&self, service: S) -> Self::Service {
        GuardService { guard: self.guard.clone(), hooks: self.hooks.clone(), service }
    }
}

/// A service behind a guard; made by [`GuardLayer`].
#[derive(Clone)]
pub struct GuardService<G, S> {
    guard: G,
    hooks: Hooks,
    service: S,
}

impl<G: std::fmt::Debug, S: std::fmt::Debug> std::fmt::Debug for GuardService<G, S> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = formatter.debug_struct("GuardService");
        text.field("guard", &self.guard).field("service", &self.service).finish_non_exhaustive()
    }
}

/// The body of an answer: the service's own, or the guard's.
pub type GuardBody<B> = Either<B, Full<Bytes>>;

impl<G, S, B, R> Service<Request<B>> for GuardService<G, S>
where
    G: Guard,
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    type Response = Response<GuardBody<R>>;
    type Error = S::Error;
    type Future = GuardFuture<G, S, B>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let check = self.guard.check(self.hooks.facts(&request));
        // The service that was made ready is the one to call; its clone waits for the next request.
        let clone = self.service.clone();
        let ready = std::mem::replace(&mut self.service, clone);
        GuardFuture::new(check, ready, request)
    }
}

impl Default for Hooks {
    fn default() -> Self {
        let peer = |extensions: &Extensions| {
            let socket = || extensions.get::<std::net::SocketAddr>().map(std::net::SocketAddr::ip);
            extensions.get::<IpAddr>().copied().or_else(socket)
        };
        Self { peer: Arc::new(peer), path: Arc::new(|_| None), route: Arc::new(|_| None) }
    }
}

impl Hooks {
    fn facts<B>(&self, request: &Request<B>) -> Facts {
        let extensions = request.extensions();
        let session = extensions.get::<Session>().map(|session| session.0.clone());
        let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let path = (self.path)(extensions);
        let path = path.as_deref().unwrap_or_else(|| request.uri().path());
        let is_https = request.uri().scheme_str() == Some("https");
        Facts::read(request.method().as_str(), path, (self.peer)(extensions), session, headers)
            .with_https(is_https)
            .with_route((self.route)(extensions))
    }
}
