//! Detection of agents as actix-web middleware.

use std::rc::Rc;

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{StatusCode, Uri};
use actix_web::{Error, HttpMessage, HttpResponse, HttpResponseBuilder};

use super::wrap::{Answering, Around, Middleware};
use crate::detection::{Checking, DetectAgents, Detected, arrived};

/// Puts [`DetectAgents`] in front of an app, scope or resource.
///
/// ```
/// use actix_web::{App, HttpMessage, HttpRequest, web};
/// use quivive_middleware::actix::DetectionTransform;
/// use quivive_middleware::{DetectAgents, Detected, GuardOptions};
///
/// async fn prices(request: HttpRequest) -> String {
///     match request.extensions().get::<Detected>() {
///         Some(detected) => format!("{:?}", detected.action),
///         None => "nobody looked".to_owned(),
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let agents = DetectAgents::new(GuardOptions::default())?;
/// let app = App::new().wrap(DetectionTransform::new(agents.clone())).route("/prices", web::get().to(prices));
/// # let _ = app;
/// # Ok(()) }
/// ```
///
/// Counters live in the guard: make it once and clone it into every worker. `rewrite` works around a whole app only,
/// which chooses the route after its middleware.
pub type DetectionTransform = Middleware<DetectAgents>;

impl Around for DetectAgents {
    fn around<S, B>(&self, mut request: ServiceRequest, service: Rc<S>) -> Answering<B>
    where
        S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
        B: MessageBody + 'static,
    {
        let checking = check(self, &request);
        Box::pin(async move {
            let detected = checking.outcome().await;
            let mut response = if detected.response.is_some() {
                request.into_response(refusal(&detected)).map_into_right_body()
            } else {
                pass(&mut request, &detected);
                service.call(request).await?.map_into_left_body()
            };
            for (name, value) in pairs(&detected.set_headers) {
                response.headers_mut().append(name, value);
            }
            Ok(response)
        })
    }
}

fn check(agents: &DetectAgents, request: &ServiceRequest) -> Checking {
    let uri = request.uri();
    let target =
        uri.path_and_query().map_or_else(|| uri.path().to_owned(), |target| target.as_str().to_owned());
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let mut incoming = arrived(request.method().as_str(), target, headers);
    incoming.peer = request.peer_addr().map(|address| address.ip());
    incoming.authority = uri.authority().map(|authority| authority.as_str().to_owned().into());
    let is_https = request.app_config().secure() || uri.scheme_str() == Some("https");
    incoming.scheme = Some(if is_https { "https" } else { "http" }.into());
    agents.check(incoming)
}

/// Tells the service who asks, and leads it to another path where the decision says so.
fn pass(request: &mut ServiceRequest, detected: &Detected) {
    let headers = request.headers_mut();
    for name in &detected.upstream.remove {
        headers.remove(name.as_str());
    }
    for (name, value) in pairs(&detected.upstream.set) {
        headers.insert(name, value);
    }
    if let Some(uri) = detected.rewrite.as_deref().and_then(|path| rewritten(request.uri(), path)) {
        request.head_mut().uri = uri.clone();
        request.match_info_mut().get_mut().update(&uri);
    }
    request.extensions_mut().insert(detected.clone());
}

fn rewritten(uri: &Uri, path: &str) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path.parse().ok()?);
    Uri::from_parts(parts).ok()
}

fn refusal(detected: &Detected) -> HttpResponse {
    let Some(answer) = &detected.response else { return HttpResponse::Forbidden().finish() };
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::FORBIDDEN);
    let mut builder = HttpResponseBuilder::new(status);
    for header in pairs(&answer.headers) {
        builder.append_header(header);
    }
    builder.body(answer.body.clone())
}

/// Headers in actix's form; what no header can hold is left out.
fn pairs(headers: &[(String, String)]) -> impl Iterator<Item = (HeaderName, HeaderValue)> + '_ {
    headers.iter().filter_map(|(name, value)| {
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
    })
}
