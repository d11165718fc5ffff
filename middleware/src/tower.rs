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
//! in.** Put the guard outside of the nested router, or tell it the whole path with [`WrapLayer::path`]:
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
//! stores it, with [`WrapLayer::peer`].

mod detection;
mod first_party;
mod future;
mod wrap;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Either, Full};
use tower_service::Service;

pub use detection::DetectionLayer;
pub use first_party::FirstPartyLayer;
pub use future::GuardFuture;
pub use wrap::{WrapLayer, Wrapped};

use crate::guard::Guard;
use wrap::{Around, Finders};

/// Puts a guard in front of a service.
pub type GuardLayer<G> = WrapLayer<G>;

/// The body of an answer: the service's own, or the guard's.
pub type GuardBody<B> = Either<B, Full<Bytes>>;

impl<G, S, B, R> Around<S, B, R> for G
where
    G: Guard,
    S: Service<Request<B>, Response = Response<R>>,
{
    type Future = GuardFuture<G, S, B>;

    fn around(&self, finders: &Finders, request: Request<B>, service: S) -> Self::Future {
        GuardFuture::new(self.check(finders.facts(&request)), service, request)
    }
}
