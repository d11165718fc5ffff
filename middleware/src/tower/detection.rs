//! Detection of agents as a tower layer.

use bytes::Bytes;
use futures::future::BoxFuture;
use http::uri::PathAndQuery;
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{Either, Full};
use quivive_core::guard::Incoming;
use tower_service::Service;

use super::GuardBody;
use super::wrap::{Around, Finders, WrapLayer};
use crate::detection::{DetectAgents, Detected, arrived, pairs};

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
pub type DetectionLayer = WrapLayer<DetectAgents>;

impl<S, B, R> Around<S, B, R> for DetectAgents
where
    S: Service<Request<B>, Response = Response<R>> + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Future = BoxFuture<'static, Result<Response<GuardBody<R>>, S::Error>>;

    fn around(&self, finders: &Finders, mut request: Request<B>, mut service: S) -> Self::Future {
        let checking = self.check(incoming(finders, &request));
        Box::pin(async move {
            let detected = checking.outcome().await;
            let mut response = if detected.response.is_some() {
                refusal(&detected)
            } else {
                pass(&mut request, &detected);
                service.call(request).await?.map(Either::Left)
            };
            append(response.headers_mut(), &detected.set_headers);
            Ok(response)
        })
    }
}

fn incoming<B>(finders: &Finders, request: &Request<B>) -> Incoming<'static> {
    let (uri, extensions) = (request.uri(), request.extensions());
    let path = (finders.path)(extensions);
    let path = path.as_deref().unwrap_or_else(|| uri.path());
    let target = uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let mut incoming = arrived(request.method().as_str(), target, headers);
    incoming.peer = (finders.peer)(extensions);
    incoming.authority = uri.authority().map(|authority| authority.as_str().to_owned().into());
    let told = finders.is_https.map(|is_https| if is_https { "https" } else { "http" });
    incoming.scheme = told.or(uri.scheme_str()).map(|scheme| scheme.to_owned().into());
    incoming
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
