//! Guards as actix-web middleware.
//!
//! ```
//! use actix_web::{App, HttpMessage, HttpRequest, web};
//! use quivive_middleware::actix::GuardTransform;
//! use quivive_middleware::{AgentIdentity, RequireAgent};
//!
//! async fn for_agents(request: HttpRequest) -> String {
//!     match request.extensions().get::<AgentIdentity>() {
//!         Some(agent) => format!("hello, {}", agent.subject),
//!         None => "hello".to_owned(),
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let guard = RequireAgent::at("https://quivive.example")?.audience("https://shop.example");
//! let app = App::new().service(
//!     web::resource("/for-agents").wrap(GuardTransform::new(guard)).route(web::get().to(for_agents)),
//! );
//! # let _ = app;
//! # Ok(()) }
//! ```
//!
//! A guard's caches live in the guard: make it once and clone it into every worker.

mod detection;
mod first_party;
mod wrap;

use std::rc::Rc;

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::{Error, HttpMessage, HttpResponse, HttpResponseBuilder};

pub use detection::DetectionTransform;
pub use first_party::FirstPartyTransform;
pub use wrap::{Middleware, Wrapped};

use crate::facts::Facts;
use crate::guard::{Admission, Answer, Check, Guard};
use crate::session::Session;
use wrap::{Answering, Around};

/// Puts a guard in front of an app, scope or resource.
pub type GuardTransform<G> = Middleware<G>;

impl<G: Guard> Around for G {
    fn around<S, B>(&self, request: ServiceRequest, service: Rc<S>) -> Answering<B>
    where
        S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
        B: MessageBody + 'static,
    {
        let check = self.check(facts(&request));
        Box::pin(async move {
            let outcome = match check {
                Check::Done(outcome) => outcome,
                Check::Waiting(outcome) => outcome.await,
            };
            match outcome {
                Ok(Admission { value, decision }) => {
                    if let Some(value) = value {
                        request.extensions_mut().insert(value);
                    }
                    request.extensions_mut().insert(decision);
                    Ok(service.call(request).await?.map_into_left_body())
                }
                Err(answer) => Ok(request.into_response(response(*answer)).map_into_right_body()),
            }
        })
    }
}

fn facts(request: &ServiceRequest) -> Facts {
    let session = request.extensions().get::<Session>().map(|session| session.0.clone());
    let peer = request.peer_addr().map(|address| address.ip());
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    Facts::read(request.method().as_str(), request.path(), peer, session, headers)
        .with_route(request.match_pattern())
}

fn response(answer: Answer) -> HttpResponse {
    let (parts, body) = answer.into_parts();
    let status = StatusCode::from_u16(parts.status.as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut builder = HttpResponseBuilder::new(status);
    for (name, value) in &parts.headers {
        builder.append_header((name.as_str(), value.as_bytes()));
    }
    builder.body(body)
}
