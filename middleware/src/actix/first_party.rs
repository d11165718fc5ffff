//! First-party ingest as actix-web middleware.

use std::rc::Rc;

use actix_web::body::{BodySize, EitherBody, MessageBody, to_bytes};
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse};
use actix_web::error::ErrorInternalServerError;
use actix_web::http::header::{
    self, CACHE_CONTROL as CACHE_CONTROL_HEADER, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    HeaderMap, HeaderName, HeaderValue, SET_COOKIE,
};
use actix_web::{Error, HttpMessage, HttpResponse};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::StatusCode;

use super::wrap::{Answering, Around, Middleware};
use super::{facts, response};
use crate::facts::Facts;
use crate::first_party::FirstParty;
use crate::first_party::track::{CACHE_CONTROL, Html, REMOVED_HEADERS, Visit};
use crate::guard::{Answer, text};

/// Puts first-party ingest around an app: its pages carry the collector, and its proxy path takes events.
///
/// Wrap it after, that is outside of, [`GuardTransform`](super::GuardTransform), and inside of whatever compresses
/// answers. The request of a page carries a [`Page`](crate::first_party::Page) as an extension.
///
/// ```
/// use actix_web::{App, HttpResponse, web};
/// use quivive_middleware::FirstParty;
/// use quivive_middleware::actix::FirstPartyTransform;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = quivive::Client::builder().url("https://quivive.example").build()?;
/// let first_party = FirstParty::new(client.botect("sk_example"), "pk_example")?.origin("https://shop.example")?;
/// let app = App::new()
///     .wrap(FirstPartyTransform::new(first_party.clone()))
///     .route("/", web::get().to(|| async { HttpResponse::Ok().content_type("text/html").body("<body></body>") }));
/// # let _ = app;
/// # Ok(()) }
/// ```
pub type FirstPartyTransform = Middleware<FirstParty>;

impl Around for FirstParty {
    fn around<S, B>(&self, mut request: ServiceRequest, service: Rc<S>) -> Answering<B>
    where
        S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
        B: MessageBody + 'static,
    {
        let is_https = request.app_config().secure();
        let facts = facts(&request).with_https(is_https);
        if self.is_proxy(facts.path()) {
            let site = self.clone();
            return Box::pin(async move {
                let query = request.query_string().to_owned();
                let answer = proxy(&site, &facts, &query, request.take_payload()).await;
                Ok(request.into_response(response(answer)).map_into_right_body())
            });
        }
        let visit = self.begin(facts);
        if let Some(visit) = &visit {
            request.extensions_mut().insert(visit.page().clone());
        }
        Box::pin(async move {
            let response = service.call(request).await?;
            match visit {
                Some(visit) => track(visit, response).await,
                None => Ok(response.map_into_left_body()),
            }
        })
    }
}

async fn proxy(first_party: &FirstParty, facts: &Facts, query: &str, mut payload: Payload) -> Answer {
    if let Some(refusal) = first_party.refuse(facts) {
        return refusal;
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let Ok(chunk) = chunk else {
            return text(StatusCode::BAD_REQUEST, "The body could not be read");
        };
        if body.len() + chunk.len() > first_party.most_bytes() {
            return FirstParty::too_large();
        }
        body.extend_from_slice(&chunk);
    }
    first_party.forward(facts, Some(query), &body)
}

async fn track<B: MessageBody + 'static>(
    visit: Visit,
    response: ServiceResponse<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let header = |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok());
    let length = match response.response().body().size() {
        BodySize::Sized(length) => Some(length),
        _ => None,
    };
    if !Visit::is_page(response.status().as_u16(), header(CONTENT_TYPE), header(CONTENT_ENCODING), length) {
        return Ok(response.map_into_left_body());
    }
    let policy = header(CONTENT_SECURITY_POLICY).map(str::to_owned);
    let (request, response) = response.into_parts();
    let (mut response, body) = response.into_parts();
    let body = to_bytes(body).await.map_err(|_| ErrorInternalServerError("The page could not be read"))?;
    let body: Bytes = match visit.finish(policy.as_deref(), &body) {
        Some(html) => {
            dress(response.headers_mut(), &html);
            html.body
        }
        None => body,
    };
    let response: HttpResponse = response.set_body(actix_web::body::BoxBody::new(body));
    Ok(ServiceResponse::new(request, response).map_into_right_body())
}

fn dress(headers: &mut HeaderMap, html: &Html) {
    for name in REMOVED_HEADERS {
        headers.remove(name);
    }
    headers.insert(CACHE_CONTROL_HEADER, header::HeaderValue::from_static(CACHE_CONTROL));
    if let Ok(cookie) = HeaderValue::from_str(&html.cookie) {
        headers.append(SET_COOKIE, cookie);
    }
}
