//! What all layers of this crate share: how they find what is not part of every request, and what they stand around.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Extensions, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::GuardBody;
use crate::detection::DetectAgents;
use crate::facts::Facts;
use crate::guard::Guard;
use crate::session::Session;

/// What stands around a service.
pub trait Around<S: Service<Request<B>>, B, R>: Clone {
    /// Ends with the service's answer, or with one in its place.
    type Future: Future<Output = Result<Response<GuardBody<R>>, S::Error>>;

    /// Answers a request, by a service that was made ready or in its place.
    fn around(&self, finders: &Finders, request: Request<B>, service: S) -> Self::Future;
}

/// Puts a guard, detection or first-party ingest around a service.
///
/// Inside a nested router a layer sees a part of the path only, and a policy's paths do not match it, unless
/// [`path`](Self::path) is set.
#[derive(Clone)]
pub struct WrapLayer<A> {
    around: A,
    finders: Finders,
}

/// How to find in a request's extensions what is not part of every request.
#[derive(Clone)]
pub struct Finders {
    pub(super) peer: Find<IpAddr>,
    pub(super) path: Find<String>,
    pub(super) route: Find<String>,
    pub(super) is_https: Option<bool>,
}

pub(super) type Find<T> = Arc<dyn Fn(&Extensions) -> Option<T> + Send + Sync>;

impl<A> WrapLayer<A> {
    /// A layer of this; the address of the connection is the extension `IpAddr` or `SocketAddr`, if any.
    pub fn new(around: A) -> Self {
        Self { around, finders: Finders::default() }
    }

    /// How to find the address of the connection; with axum
    /// `|extensions| extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip())`.
    #[must_use]
    pub fn peer(mut self, find: impl Fn(&Extensions) -> Option<IpAddr> + Send + Sync + 'static) -> Self {
        self.finders.peer = Arc::new(find);
        self
    }

    /// How to find the whole path of the request, without query; with axum
    /// `|extensions| extensions.get::<OriginalUri>().map(|uri| uri.path().to_owned())`.
    ///
    /// **Set it wherever the layer stands inside `Router::nest`** or another service that changes the request's URI.
    /// Without it, or when it finds nothing, the path is that of the URI, as far as it is left; paths of a policy do
    /// not match then, and `included_paths` let everybody in.
    #[must_use]
    pub fn path(mut self, find: impl Fn(&Extensions) -> Option<String> + Send + Sync + 'static) -> Self {
        self.finders.path = Arc::new(find);
        self
    }
}

impl<G: Guard> WrapLayer<G> {
    /// How to find the template of the matched route, for example `/orders/{order}`; with axum
    /// `|extensions| extensions.get::<MatchedPath>().map(|route| route.as_str().to_owned())`.
    ///
    /// [`EnforceVerdict`](crate::EnforceVerdict) tells it to the service and keeps verdicts under it. Without it, the
    /// path takes its place: ids in paths then reach the service, and each new path asks for a new verdict.
    #[must_use]
    pub fn route(mut self, find: impl Fn(&Extensions) -> Option<String> + Send + Sync + 'static) -> Self {
        self.finders.route = Arc::new(find);
        self
    }
}

impl WrapLayer<DetectAgents> {
    /// Whether clients speak HTTPS with this server itself; where it is not set, the request's URI tells, or a trusted
    /// proxy.
    #[must_use]
    pub fn https(mut self, is_https: bool) -> Self {
        self.finders.is_https = Some(is_https);
        self
    }
}

impl<A: std::fmt::Debug> std::fmt::Debug for WrapLayer<A> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("WrapLayer").field(&self.around).finish()
    }
}

impl<A: Clone, S> Layer<S> for WrapLayer<A> {
    type Service = Wrapped<A, S>;

    fn layer(&self, service: S) -> Self::Service {
        Wrapped { layer: self.clone(), service }
    }
}

/// A service with a layer around it; made by [`WrapLayer`].
#[derive(Clone, Debug)]
pub struct Wrapped<A, S> {
    layer: WrapLayer<A>,
    service: S,
}

impl<A, S, B, R> Service<Request<B>> for Wrapped<A, S>
where
    A: Around<S, B, R>,
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    type Response = Response<GuardBody<R>>;
    type Error = S::Error;
    type Future = A::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The service that was made ready is the one to call; its clone waits for the next request.
        let clone = self.service.clone();
        let ready = std::mem::replace(&mut self.service, clone);
        self.layer.around.around(&self.layer.finders, request, ready)
    }
}

impl Default for Finders {
    fn default() -> Self {
        let peer = |extensions: &Extensions| {
            let socket = || extensions.get::<SocketAddr>().map(SocketAddr::ip);
            extensions.get::<IpAddr>().copied().or_else(socket)
        };
        let nowhere: Find<String> = Arc::new(|_| None);
        Self { peer: Arc::new(peer), path: Arc::clone(&nowhere), route: nowhere, is_https: None }
    }
}

impl Finders {
    pub(super) fn facts<B>(&self, request: &Request<B>) -> Facts {
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
