//! Reading of a session's verdict.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use quivive_core::score;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::PrivateKey;
use super::wire::{ErrorBody, Failure, Result};
use crate::app::App;
use crate::error::ErrorKind;
use crate::flows::scoring::read::{RequestContext, verdict};

/// What is known about a visitor's session and what to do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotectVerdict)]
pub struct Verdict {
    /// The band.
    verdict: Band,
    /// 1 (surest bot) to 99 (surest human); 0 when not computed or verified.
    #[schema(minimum = 0, maximum = 99)]
    score: u8,
    /// The advice; callers branch on this alone.
    action: Action,
    /// What was detected, ascending; empty for people who are simply allowed.
    detection_ids: Vec<u32>,
    /// A sentence for people.
    reason: String,
}

/// The bands.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = BotectBand)]
#[serde(rename_all = "snake_case")]
pub enum Band {
    /// Nothing is known; always allowed.
    NotComputed,
    /// Automated beyond doubt.
    Definite,
    /// Likely automated.
    LikelyAutomated,
    /// Likely a person.
    LikelyHuman,
    /// A welcome bot that proved its identity.
    Verified,
}

/// The actions.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = BotectAction)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Serve the request.
    Allow,
    /// Show a challenge.
    Challenge,
    /// Refuse the request.
    Block,
    /// Serve the request and note it.
    Log,
    /// Answer slowly.
    Delay,
}

/// Read a session's verdict.
///
/// Unknown, foreign, malformed and unscored sessions and every fault give the fail-open verdict: allow. Parameters
/// that are empty, over-long or unreadable count as absent.
#[utoipa::path(
    get, path = "/v1/sessions/{session_token}/verdict", tag = "botect", operation_id = "botect_read_verdict",
    params(
        ("session_token" = String, Path, description = "The session's token"),
        ("path" = Option<String>, Query, description = "Route template or path of the request, at most 2,048 bytes"),
        ("ip" = Option<String>, Query, description = "The visitor's address"),
        ("country" = Option<String>, Query, description = "The visitor's country, ISO 3166-1 alpha-2"),
        ("ua" = Option<String>, Query, description = "The visitor's user agent"),
        ("logged_in" = Option<String>, Query, description = "1, 0, true or false"),
    ),
    security(("private_key" = [])),
    responses((status = 200, body = Verdict), (status = 401, body = ErrorBody), (status = 402, body = ErrorBody)),
)]
async fn read(
    State(app): State<App>,
    headers: HeaderMap,
    token: std::result::Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<Verdict>> {
    // A token that is no text is malformed, and no session has the empty token.
    let token = token.map_or_else(|_| String::new(), |Path(token)| token);
    let context = context(query.as_deref().unwrap_or_default());
    let answer = async {
        let key = PrivateKey::prove(&app, &headers).await?;
        Ok(Json(Verdict::from(&*verdict(&app, &key.0, &token, &context).await)))
    };
    let budget = Duration::from_millis(app.config.botect.verdict_budget_ms);
    match tokio::time::timeout(budget, answer).await {
        // A key that cannot be looked up is no wrong key: reads fail open.
        Ok(Err(Failure(error))) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Internal) => {
            error.log();
            Ok(fail_open())
        }
        Ok(answer) => answer,
        Err(_) => {
            tracing::warn!("a verdict could not be read in time; it fails open");
            Ok(fail_open())
        }
    }
}

/// What is answered when the handler itself fails.
pub(super) fn stand_in() -> Response {
    fail_open().into_response()
}

fn fail_open() -> Json<Verdict> {
    Json(Verdict::from(&score::Verdict::fail_open()))
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(read))
}

impl From<&score::Verdict> for Verdict {
    fn from(verdict: &score::Verdict) -> Self {
        Self {
            verdict: verdict.verdict.into(),
            score: verdict.score,
            action: verdict.action.into(),
            detection_ids: verdict.detection_ids.clone(),
            reason: verdict.reason.clone(),
        }
    }
}

impl From<score::Band> for Band {
    fn from(band: score::Band) -> Self {
        match band {
            score::Band::NotComputed => Self::NotComputed,
            score::Band::Definite => Self::Definite,
            score::Band::LikelyAutomated => Self::LikelyAutomated,
            score::Band::LikelyHuman => Self::LikelyHuman,
            score::Band::Verified => Self::Verified,
        }
    }
}

impl From<score::Action> for Action {
    fn from(action: score::Action) -> Self {
        match action {
            score::Action::Allow => Self::Allow,
            score::Action::Challenge => Self::Challenge,
            score::Action::Block => Self::Block,
            score::Action::Log => Self::Log,
            score::Action::Delay => Self::Delay,
        }
    }
}

/// The first value of each known parameter that is of use; a read never fails because of the others.
fn context(query: &str) -> RequestContext {
    let mut context = RequestContext::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if value.is_empty() || value.len() > MOST_CONTEXT_BYTES || value.contains('\u{fffd}') {
            continue;
        }
        let text = |place: &mut Option<String>| {
            if place.is_none() {
                *place = Some(value.to_string());
            }
        };
        match &*name {
            "path" => text(&mut context.path),
            "ip" if value.parse::<std::net::IpAddr>().is_ok() => text(&mut context.ip),
            "country" if is_country(&value) => text(&mut context.country),
            "ua" => text(&mut context.ua),
            "logged_in" => context.logged_in = context.logged_in.or_else(|| truth(&value)),
            _ => {}
        }
    }
    context
}

fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

const MOST_CONTEXT_BYTES: usize = 2_048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_takes_what_is_of_use() {
        let long = "a".repeat(2_049);
        let read = context(&format!(
            "path=%2Forders%2F%7Border%7D&ip=nonsense&ip=2001:db8::1&country=NLD&country=nl&ua=Mozilla%2F5.0+x\
             &logged_in=maybe&logged_in=true&ua={long}&other=1"
        ));
        assert_eq!(read.path.as_deref(), Some("/orders/{order}"));
        assert_eq!(read.ip.as_deref(), Some("2001:db8::1"));
        assert_eq!(read.country.as_deref(), Some("nl"));
        assert_eq!(read.ua.as_deref(), Some("Mozilla/5.0 x"));
        assert_eq!(read.logged_in, Some(true));
        assert_eq!(context(&format!("path=&ip=&country=1&path={long}&ua=%FF")), RequestContext::default());
    }
}
