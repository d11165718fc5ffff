//! First-party ingest as a tower layer.

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::{CACHE_CONTROL as CACHE_CONTROL_HEADER, SET_COOKIE};
use http::header::{CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited};
use tower_service::Service;

use super::GuardBody;
use super::wrap::{Around, Finders, WrapLayer};
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
pub type FirstPartyLayer = WrapLayer<FirstParty>;

impl<S, B, R> Around<S, B, R> for FirstParty
where
    S: Service<Request<B>, Response = Response<R>> + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
    R: Body<Data = Bytes> + Send + 'static,
{
    type Future = BoxFuture<'static, Result<Response<GuardBody<R>>, S::Error>>;

    fn around(&self, finders: &Finders, mut request: Request<B>, mut service: S) -> Self::Future {
        let facts = finders.facts(&request);
        if self.is_proxy(facts.path()) {
            let site = self.clone();
            return Box::pin(async move { Ok(proxy(&site, &facts, request).await.map(own)) });
        }
        let visit = self.begin(facts);
        if let Some(visit) = &visit {
            request.extensions_mut().insert(visit.page().clone());
        }
        Box::pin(async move {
            let response = service.call(request).await?;
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
