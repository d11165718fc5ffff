//! What every guard is: facts in, admission or answer out; the adapters know nothing else.

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, LOCATION};
use http::{HeaderValue, Response, StatusCode};
use quivive_core::decision::{Action, Decision};
use serde_json::Value;

use crate::facts::Facts;

/// A check of requests that an adapter can put in front of a service.
pub trait Guard: Clone + Send + Sync + 'static {
    /// What an admitted request carries from here on as an extension.
    type Pass: Clone + Send + Sync + 'static;

    /// Checks one request.
    fn check(&self, facts: Facts) -> Check<Self::Pass>;
}

/// A check that is done, or one that waits for the network.
pub enum Check<P> {
    /// Done without waiting.
    Done(Outcome<P>),
    /// Waits for keys, a store or a verdict.
    Waiting(BoxFuture<'static, Outcome<P>>),
}

/// Admitted, or answered by the guard.
pub type Outcome<P> = Result<Admission<P>, Box<Answer>>;

/// What a guard answers instead of the service.
pub type Answer = Response<Bytes>;

/// Leave to go on.
#[derive(Clone, Debug, PartialEq)]
pub struct Admission<P> {
    /// What the guard learned; `None` where its policy does not apply.
    pub value: Option<P>,
    /// The decision of the core; attached to the request as well.
    pub decision: Decision,
}

impl<P> Admission<P> {
    pub(crate) fn new(value: Option<P>, decision: Decision) -> Self {
        Self { value, decision }
    }
}

/// A JSON answer that no cache keeps.
pub(crate) fn json(status: StatusCode, body: &Value) -> Answer {
    private(status, "application/json", body.to_string())
}

/// A plain text answer that no cache keeps.
pub(crate) fn text(status: StatusCode, body: &str) -> Answer {
    private(status, "text/plain; charset=utf-8", body.to_owned())
}

/// Adds a header; a value that no header can hold is left out.
pub(crate) fn with_header(mut answer: Answer, name: HeaderName, value: &str) -> Answer {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
    answer
}

/// 302 to where the policy sends a visitor; `None` when it does not, or to no address that a header can hold.
pub(crate) fn redirected(decision: &Decision) -> Option<Answer> {
    let address = decision.redirect_url.as_deref().filter(|_| decision.action == Action::Redirect)?;
    let address = HeaderValue::from_str(address).ok()?;
    let mut answer = text(StatusCode::FOUND, "Found");
    answer.headers_mut().insert(LOCATION, address);
    Some(answer)
}

fn private(status: StatusCode, media: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Bytes::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    answer
}
