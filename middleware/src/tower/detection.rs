//! Detection of agents as a tower layer.

use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::uri::PathAndQuery;
use http::{Extensions, HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{Either, Full};
use tower_layer::Layer;
use tower_service::Service;

use super::{GuardBody, Hooks};
use crate::detection::{Checking, DetectAgents, Detected, arrived, pairs};

/// Puts [`DetectAgents`] in front of a service.
///
/// ```
/// use axum::{Extension, Router, routing::get};
/// use quivive_middleware::tower::DetectionLayer;
/// use quivive_middleware::{DetectAgents, Detected, GuardOptions};
///
/// async fn prices(Extension(detected): Extension<Detected>) -> String {
///     match detected.classification.as_ref().and_then(|seen| seen.agent.as_ref()) {
///         Some(agent) => format!("hello, {}", agent.name),
///         None => "hello".to_owned(),
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let agents = DetectAgents::new(GuardOptions::default())?;
/// let app: Router = Router::new().route("/prices", get(prices)).layer(DetectionLayer::new(agents));
/// # let _ = app;
/// # Ok(()) }
/// ```
///
/// An axum router chooses the route before its layers run: where the action is `rewrite`, put the layer around the
/// whole router, with `DetectionLayer::new(agents).layer(router)`.
#[derive(Clone)]
pub struct DetectionLayer {
    agents: DetectAgents,
    hooks: Hooks,
    is_https: Option<bool>,
}

impl DetectionLayer {
    /// A layer with this guard; the address of the connection is the extension `IpAddr` or `SocketAddr`, if any.
    pub fn new(agents: DetectAgents) -> Self {
        Self { agents, hooks: Hooks::default(), is_https: None }
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

    /// Whether clients speak HTTPS with this server itself; where it is not set, the request's URI tells, or a trusted
    /// proxy.
    #[must_use]
    pub fn https(self, is_https: bool) -> Self {
        Self { is_https: Some(is_https), ..self }
    }
}

impl std::fmt::Debug for DetectionLayer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("DetectionLayer").field(&self.agents).finish()
    }
}

impl<S> Layer<S> for DetectionLayer {
    type Service = DetectionService<S>;

    fn layer(&self, service: S) -> Self::Service {
        DetectionService { layer: self.clone(), service }
    }
}

/// A service behind [`DetectAgents`]; made by [`DetectionLayer`].
#[derive(Clone, Debug)]
pub struct DetectionService<S> {
    layer: DetectionLayer,
    service: S,
}

impl<S, B, R> Service<Request<B>> for DetectionService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response<GuardBody<R>>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let checking = self.layer.check(&request);
        // The service that was made ready is the one to call; its clone waits for the next request.
        let clone = self.service.clone();
        let mut ready = std::mem::replace(&mut self.service, clone);
        Box::pin(async move {
            let detected = checking.outcome().await;
            let mut response = if detected.response.is_some() {
                refusal(&detected)
            } else {
                pass(&mut request, &detected);
                ready.call(request).await?.map(Either::Left)
            };
            append(response.headers_mut(), &detected.set_headers);
            Ok(response)
        })
    }
}

impl DetectionLayer {
    fn check<B>(&self, request: &Request<B>) -> Checking {
        let (uri, extensions) = (request.uri(), request.extensions());
        let path = (self.hooks.path)(extensions);
        let path = path.as_deref().unwrap_or_else(|| uri.path());
        let target = uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
        let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let mut incoming = arrived(request.method().as_str(), target, headers);
        incoming.peer = (self.hooks.peer)(extensions);
        incoming.authority = uri.authority().map(|authority| authority.as_str().to_owned().into());
        let told = self.is_https.map(|is_https| if is_https { "https" } else { "http" });
        incoming.scheme = told.or(uri.scheme_str()).map(|scheme| scheme.to_owned().into());
        self.agents.check(incoming)
    }
}

/// Tells the service who asks, and leads it to another path where the decision says so.
fn pass<B>(request: &mut Request<B>, detected: &Detected) {
    let headers = request.headers_mut();
    for name in &detected.upstream.remove {
        headers.remove(name.as_str());
    }
    for (name, value) in pairs(&detected.upstream.set) {
        headers.insert(name, value);
    }
    if let Some(rewritten) = detected.rewrite.as_deref().and_then(|path| rewritten(request.uri(), path)) {
        *request.uri_mut() = rewritten;
    }
    request.extensions_mut().insert(detected.clone());
}

fn rewritten(uri: &Uri, path: &str) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path.parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

fn refusal<R>(detected: &Detected) -> Response<GuardBody<R>> {
    let answer = detected.response.as_ref();
    let body = answer.map(|answer| Bytes::from(answer.body.clone())).unwrap_or_default();
    let mut response = Response::new(Either::Right(Full::new(body)));
    if let Some(answer) = answer {
        *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::FORBIDDEN);
        append(response.headers_mut(), &answer.headers);
    }
    response
}

/// Adds headers; existing ones of the same name stay.
fn append(headers: &mut HeaderMap, added: &[(String, String)]) {
    for (name, value) in pairs(added) {
        headers.append(name, value);
    }
}
