//! What happened on the family's routes, for the owner's dashboard: noted by handlers, completed by the layer,
//! written off the request path.

pub mod sink;

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::extract::{FromRequestParts, MatchedPath, Request};
use http::request::Parts;
use http::{Method, StatusCode};

use self::sink::Seen;
use super::auth;
use crate::app::App;
use crate::extract::{ClientIp, header_text, is_from_trusted_proxy};

/// What a handler tells of a request; status, time taken and country come from the family's layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// What happened.
    pub event: EventType,
    /// `hybrid`, `speed`, `standard`, `reasoning`, `landing`, `stream`, `dashboard`.
    pub challenge_type: Option<&'static str>,
    /// How a caller proved itself: `bearer-token`, `landing-token`, `challenge`, `key`, `refresh-token`, ….
    pub auth_method: Option<&'static str>,
    /// Whether it was right and in time; for verifications.
    pub passed: Option<bool>,
    /// Why it was not.
    pub reason: Option<String>,
    /// Milliseconds that solving took.
    pub solve_time_ms: Option<i64>,
    /// The app that it belongs to.
    pub app_id: Option<String>,
}

/// What can happen. Handlers note the first four; the layer knows the others by their status.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum EventType {
    /// A challenge was given out.
    ChallengeGenerated,
    /// An answer was judged.
    ChallengeVerified,
    /// A guarded route was opened.
    AuthSuccess,
    /// A guarded route stayed closed.
    AuthFailure,
    /// A limit refused the request (429).
    RateLimitExceeded,
    /// A fault of ours (5xx).
    Error,
}

impl EventType {
    /// The name on the wire and in labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::ChallengeGenerated => "challenge_generated",
            Self::ChallengeVerified => "challenge_verified",
            Self::AuthSuccess => "auth_success",
            Self::AuthFailure => "auth_failure",
            Self::RateLimitExceeded => "rate_limit_exceeded",
            Self::Error => "error",
        }
    }
}

impl Happening {
    /// A challenge was given out.
    pub fn generated(challenge_type: &'static str, app_id: Option<&str>) -> Self {
        Self { challenge_type: Some(challenge_type), ..Self::new(EventType::ChallengeGenerated, app_id) }
    }

    /// An answer was right, after so many milliseconds, or not, for that reason.
    pub fn verified(challenge_type: &'static str, app_id: Option<&str>, outcome: Result<i64, &str>) -> Self {
        Self {
            challenge_type: Some(challenge_type),
            passed: Some(outcome.is_ok()),
            reason: outcome.err().map(str::to_owned),
            solve_time_ms: outcome.ok(),
            ..Self::new(EventType::ChallengeVerified, app_id)
        }
    }

    /// A caller was let in or refused.
    pub fn authenticated(auth_method: &'static str, app_id: Option<&str>, outcome: Result<(), &str>) -> Self {
        let event = if outcome.is_ok() { EventType::AuthSuccess } else { EventType::AuthFailure };
        Self {
            auth_method: Some(auth_method),
            reason: outcome.err().map(str::to_owned),
            ..Self::new(event, app_id)
        }
    }

    fn new(event: EventType, app_id: Option<&str>) -> Self {
        Self {
            event,
            challenge_type: None,
            auth_method: None,
            passed: None,
            reason: None,
            solve_time_ms: None,
            app_id: app_id.map(str::to_owned),
        }
    }
}

/// Where a handler notes what happened; a request has one such place.
#[derive(Clone, Debug, Default)]
pub struct Noted(Arc<OnceLock<Happening>>);

impl Noted {
    /// Notes what happened; the first note of a request counts.
    pub fn note(&self, happening: Happening) {
        // A second note would tell of the same request again.
        let _ = self.0.set(happening);
    }

    /// What was noted.
    pub fn get(&self) -> Option<&Happening> {
        self.0.get()
    }
}

impl<S: Sync> FromRequestParts<S> for Noted {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// What the layer knows of a request before its handler runs.
#[derive(Debug)]
pub struct Arrival {
    noted: Noted,
    endpoint: Option<MatchedPath>,
    method: Method,
    ip: IpAddr,
    country: Option<String>,
    started: Instant,
}

impl Arrival {
    /// Puts a place for notes into the request and keeps what is needed afterwards.
    pub(super) fn of(app: &App, request: &mut Request) -> Self {
        let noted = Noted::default();
        request.extensions_mut().insert(noted.clone());
        let extensions = request.extensions();
        Self {
            noted,
            endpoint: extensions.get().cloned(),
            method: request.method().clone(),
            ip: extensions.get::<ClientIp>().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ip| ip.0),
            country: country(app, request),
            started: Instant::now(),
        }
    }

    /// Hands what happened to the sink. A refusal by a limit or a fault of ours is what the caller met, whatever the
    /// handler noted before; of those two the app is the noted one, else the one that `token` proves.
    pub(super) fn finish(self, app: &App, status: StatusCode, token: Option<&str>) {
        let event = match status {
            StatusCode::TOO_MANY_REQUESTS => Some(EventType::RateLimitExceeded),
            status if status.is_server_error() => Some(EventType::Error),
            _ => None,
        };
        let happening = match (event, self.noted.get()) {
            (None, None) => return,
            (None, Some(noted)) => noted.clone(),
            (Some(event), Some(noted)) => {
                Happening { event, passed: None, solve_time_ms: None, ..noted.clone() }
            }
            (Some(event), None) => {
                let proven = token.and_then(|token| auth::app_of_token(app, token));
                Happening::new(event, proven.as_deref())
            }
        };
        app.analytics.note(Seen {
            happening,
            endpoint: self.endpoint.map_or_else(|| "(unmatched)".to_owned(), |path| path.as_str().to_owned()),
            method: self.method,
            status: status.as_u16(),
            response_time_ms: self.started.elapsed().as_secs_f64() * 1000.0,
            ip: self.ip,
            country: self.country,
            at: app.now(),
        });
    }
}

/// The country that a trusted proxy names: two characters of ISO 3166-1 or the proxy's own, such as `T1`; `XX` is its
/// word for unknown.
fn country(app: &App, request: &Request) -> Option<String> {
    let text = header_text(request.headers(), "cf-ipcountry")?;
    if !is_from_trusted_proxy(app, request.extensions()) {
        return None;
    }
    let text = text.to_ascii_uppercase();
    let is_code = matches!(text.as_bytes(), [first, second]
        if first.is_ascii_uppercase() && second.is_ascii_alphanumeric());
    (is_code && text != "XX").then_some(text)
}
