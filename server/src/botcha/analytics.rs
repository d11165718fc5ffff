//! What happened on the family's routes, for the owner's dashboard: noted by handlers, completed by the layer.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

use axum::extract::FromRequestParts;
use http::request::Parts;

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

/// What can happen. The layer adds refusals by a rate limit and faults by their status.
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
