//! One request through one guard, in each framework; the handler tells what it found attached. The guard stands before
//! everything, and before the route `/orders/{order}` of a router that is nested at `/api`.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use quivive_middleware::guard::Guard;
use quivive_middleware::{AgentIdentity, Decision, Session, Verdict};
use serde_json::{Value, json};

/// A request.
#[derive(Clone, Default)]
pub struct Ask {
    pub path: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub peer: Option<IpAddr>,
    pub session: Option<&'static str>,
}

impl Ask {
    pub fn new() -> Self {
        Self { path: "/door", ..Self::default() }
    }

    pub fn path(self, path: &'static str) -> Self {
        Self { path, ..self }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    pub fn peer(self, address: &str) -> Self {
        Self { peer: Some(address.parse().unwrap()), ..self }
    }

    pub fn session(self, session: &'static str) -> Self {
        Self { session: Some(session), ..self }
    }

    fn socket(&self) -> Option<SocketAddr> {
        self.peer.map(|address| SocketAddr::new(address, 40_000))
    }
}

/// An answer; a body that is no JSON is a text.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Value,
}

impl Got {
    fn new<'a>(status: u16, headers: impl Iterator<Item = (&'a str, &'a [u8])>, body: &[u8]) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self {
            status,
            headers: headers.map(|(name, value)| (name.to_owned(), text(value))).collect(),
            body: serde_json::from_slice(body).unwrap_or_else(|_| text(body).into()),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

pub trait Framework {
    fn ask<G: Guard>(guard: &G, ask: Ask) -> impl Future<Output = Got>;
}

fn attached(agent: Option<&AgentIdentity>, verdict: Option<&Verdict>, decision: Option<&Decision>) -> Value {
    json!({
        "agent": agent.map(|agent| &agent.subject),
        "by": agent.map(|agent| format!("{:?}", agent.method)),
        "verdict": verdict.map(|verdict| verdict.action),
        "unavailable": verdict.map(|verdict| verdict.unavailable),
        "decision": decision.map(|decision| decision.action),
    })
}

pub struct Tower;

impl Framework for Tower {
    async fn ask<G: Guard>(guard: &G, ask: Ask) -> Got {
        use axum::body::Body;
        use axum::extract::{MatchedPath, OriginalUri};
        use axum::http::{Extensions, Request};
        use axum::routing::get;
        use http_body_util::BodyExt;
        use tower::ServiceExt;

        let handler = async |extensions: Extensions| {
            axum::Json(attached(extensions.get(), extensions.get(), extensions.get()))
        };
        let layer = quivive_middleware::tower::GuardLayer::new(guard.clone());
        let inside = layer
            .clone()
            .path(|extensions| extensions.get::<OriginalUri>().map(|uri| uri.path().to_owned()))
            .route(|extensions| extensions.get::<MatchedPath>().map(|route| route.as_str().to_owned()));
        let nested = axum::Router::new().route("/orders/{order}", get(handler)).layer(inside);
        let app = axum::Router::new().fallback(handler).layer(layer).nest("/api", nested);
        let mut request = Request::builder().uri(ask.path);
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        if let Some(socket) = ask.socket() {
            request.extensions_mut().insert(socket);
        }
        if let Some(session) = ask.session {
            request.extensions_mut().insert(Session(session.to_owned()));
        }
        let (parts, body) = app.oneshot(request).await.unwrap().into_parts();
        let headers = parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        Got::new(parts.status.as_u16(), headers, &body.collect().await.unwrap().to_bytes())
    }
}

pub struct Actix;

impl Framework for Actix {
    async fn ask<G: Guard>(guard: &G, ask: Ask) -> Got {
        use actix_web::{App, HttpMessage, HttpRequest, HttpResponse, test, web};

        let handler = async |request: HttpRequest| {
            let extensions = request.extensions();
            HttpResponse::Ok().json(attached(extensions.get(), extensions.get(), extensions.get()))
        };
        let transform = quivive_middleware::actix::GuardTransform::new(guard.clone());
        let nested = web::scope("/api")
            .wrap(transform.clone())
            .service(web::resource("/orders/{order}").route(web::get().to(handler)));
        let others = web::scope("").wrap(transform).default_service(web::to(handler));
        let app = test::init_service(App::new().service(nested).service(others)).await;
        let mut request = test::TestRequest::with_uri(ask.path);
        for (name, value) in &ask.headers {
            request = request.append_header((*name, value.as_str()));
        }
        if let Some(socket) = ask.socket() {
            request = request.peer_addr(socket);
        }
        let request = request.to_request();
        if let Some(session) = ask.session {
            request.extensions_mut().insert(Session(session.to_owned()));
        }
        let response = test::call_service(&app, request).await;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = test::read_body(response).await;
        Got::new(status, headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())), &body)
    }
}
