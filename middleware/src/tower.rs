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
//! let guard = RequireAgent::at("https://quivive.example")?;
//! let app: Router = Router::new()
//!     .route("/for-agents", get(for_agents))
//!     .layer(GuardLayer::new(guard));
//! # let _ = app;
//! # Ok(()) }
//! ```
//!
//! The address of a connection is not part of an HTTP request. Where a guard needs it, say how your server stores
//! it, with [`GuardLayer::peer`].

mod future;

use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body_util::{Either, Full};
use tower_layer::Layer;
use tower_service::Service;

pub use future::GuardFuture;

use crate::facts::Facts;
use crate::guard::Guard;
use crate::session::Session;

type FindPeer = dyn Fn(&Extensions) -> Option<IpAddr> + Send + Sync;

/// Puts a guard in front of a service.
#[derive(Clone)]
pub struct GuardLayer<G> {
    guard: G,
    peer: Arc<FindPeer>,
}

impl<G: Guard> GuardLayer<G> {
    /// A layer with this guard; the address of the connection is the extension `IpAddr` or `SocketAddr`, if any.
    pub fn new(guard: G) -> Self {
        let peer = |extensions: &Extensions| {
            let socket = || extensions.get::<std::net::SocketAddr>().map(std::net::SocketAddr::ip);
            extensions.get::<IpAddr>().copied().or_else(socket)
        };
        Self { guard, peer: Arc::new(peer) }
    }

    /// How to find the address of the connection; with axum
    /// `|extensions| extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip())`.
    #[must_use]
    pub fn peer(mut self, find: impl Fn(&Extensions) -> Option<IpAddr> + Send + Sync + 'static) -> Self {
        self.peer = Arc::new(find);
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
        GuardService { guard: self.guard.clone(), peer: Arc::clone(&self.peer), service }
    }
}

/// A service behind a guard; made by [`GuardLayer`].
#[derive(Clone)]
pub struct GuardService<G, S> {
    guard: G,
    peer: Arc<FindPeer>,
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
        let check = self.guard.check(self.facts(&request));
        // The service that was made ready is the one to call; its clone waits for the next request.
        let clone = self.service.clone();
        let ready = std::mem::replace(&mut self.service, clone);
        GuardFuture::new(check, ready, request)
    }
}

impl<G, S> GuardService<G, S> {
    fn facts<B>(&self, request: &Request<B>) -> Facts {
        let extensions = request.extensions();
        let session = extensions.get::<Session>().map(|session| session.0.clone());
        let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        Facts::read(
            request.method().as_str(),
            request.uri().path(),
            (self.peer)(extensions),
            session,
            headers,
        )
    }
}
