//! What agents are told who are not let in.

use http::header::{HeaderName, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use quivive_core::challenge::{Challenge, SECURE_RTT_CAP_MS, TimeLimit, parse_client_time, speed};
use quivive_core::decision::{Decision, Reason};
use quivive_core::{Error as CoreError, Timestamp};
use serde_json::{Value, json};

use crate::facts::Facts;
use crate::guard::{Answer, json as json_answer, redirected, with_header};

/// The version of the API whose forms the answers have.
const API_VERSION: &str = "0.23.0";
/// The ways in which this guard can be passed.
const METHODS: &str = "speed-challenge,jwt-token";

/// 403 with a speed challenge inside: what clients of the BOTCHA-compatible API solve and answer at once.
pub(crate) fn challenge(
    facts: &Facts,
    hint: &str,
    docs: &str,
    seed: &[u8; 32],
    now: Timestamp,
) -> (Challenge, Answer) {
    let client_time = facts.header("x-client-timestamp").and_then(parse_client_time);
    let limit = TimeLimit::for_client(client_time, SECURE_RTT_CAP_MS, now);
    let made = speed::generate(None, limit, seed, now);
    let question = made.question;
    let body = json!({
        "success": false,
        "error": "BOTCHA_VERIFICATION_FAILED",
        "code": "BOTCHA_CHALLENGE",
        "message": "This resource is for verified agents. Solve the challenge, or send an agent token.",
        "hint": hint,
        "challenge": {
            "id": question.id,
            "type": "speed",
            "problems": question.problems,
            "timeLimit": format!("{}ms", question.limit_ms),
            "instructions": question.instructions,
            "submitHeader": "X-Botcha-Challenge-Id",
            "answerHeader": "X-Botcha-Answers",
        },
    });
    let limit = question.limit_ms.to_string();
    let headers = [
        ("x-botcha-challenge-id", question.id.as_str()),
        ("x-botcha-challenge-type", "speed"),
        ("x-botcha-time-limit", &limit),
        ("x-botcha-version", API_VERSION),
        ("x-botcha-enabled", "true"),
        ("x-botcha-methods", METHODS),
        ("x-botcha-docs", docs),
    ];
    let answer =
        headers.into_iter().fold(json_answer(StatusCode::FORBIDDEN, &body), |answer, (name, value)| {
            with_header(answer, HeaderName::from_static(name), value)
        });
    (made.challenge, answer)
}

/// 401 for a request without a credential (RFC 6750 section 3: no error code then).
pub(crate) fn token_required(hint: &str) -> Answer {
    let mut body = coded("TOKEN_REQUIRED", "This resource is for verified agents. Send an agent token.");
    if let Some(members) = body.as_object_mut() {
        members.insert("hint".to_owned(), hint.into());
    }
    authenticate(&body, "Bearer")
}

/// 401 for a token that does not hold, with the core's code.
pub(crate) fn invalid_token(error: &CoreError) -> Answer {
    authenticate(&coded(error.kind().code(), error.message()), "Bearer error=\"invalid_token\"")
}

/// 503 when no keys could be had: closed, but not the agent's fault.
pub(crate) fn keys_unavailable() -> Answer {
    json_answer(
        StatusCode::SERVICE_UNAVAILABLE,
        &coded(
            "KEYS_UNAVAILABLE",
            "The token cannot be checked at the moment: no public keys are available.",
        ),
    )
}

/// 403 for an agent whom the site's policy keeps out, or 302 where it is sent elsewhere.
pub(crate) fn denied(decision: &Decision) -> Answer {
    if let Some(answer) = redirected(decision) {
        return answer;
    }
    let (code, message) = match decision.reason {
        Reason::CapabilityMissing => {
            ("CAPABILITY_MISSING", "The token lacks the capability for this resource.")
        }
        _ => ("FORBIDDEN", "The policy of this site keeps this agent out."),
    };
    json_answer(StatusCode::FORBIDDEN, &coded(code, decision.message.as_deref().unwrap_or(message)))
}

fn coded(code: &str, message: &str) -> Value {
    json!({ "success": false, "error": code, "message": message })
}

fn authenticate(body: &Value, scheme: &'static str) -> Answer {
    let mut answer = json_answer(StatusCode::UNAUTHORIZED, body);
    answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
    answer
}
