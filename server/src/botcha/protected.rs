//! `/agent-only`: a guarded route to try a token on.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use http::request::Parts;
use quivive_core::Timestamp;
use quivive_core::token::{Claims, OneOrMany};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::analytics::{Happening, Noted};
use super::auth::{self, BEARER_TYPES, Refusal, Wanted};
use super::challenges::judged;
use super::landing;
use super::token::uncached;
use super::wire::{ErrorBody, Failure, Form, Result};
use crate::app::App;
use crate::error::Error;
use crate::extract::{ClientIp, bearer, header_text};

/// The answer to an agent with a token.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaAgentOnly)]
struct Welcome {
    success: bool,
    message: &'static str,
    verified: bool,
    method: &'static str,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<Identity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<Capabilities>,
    secret: &'static str,
}

/// What the token says about its holder.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaIdentity)]
struct Identity {
    token_type: Option<String>,
    app_id: Option<String>,
    #[schema(value_type = Option<Value>)]
    audience: Option<OneOrMany>,
    client_ip: Option<String>,
    solve_time_ms: Option<i64>,
    issued_at: Option<String>,
    expires_at: Option<String>,
}

/// What the holder may do next.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaCapabilities)]
struct Capabilities {
    description: &'static str,
    next_steps: [&'static str; 4],
}

/// A route for agents only: with a token, or with an answered challenge in the headers.
#[utoipa::path(
    get, path = "/agent-only", tag = "botcha", operation_id = "botcha_read_agent_only",
    params(
        ("X-Botcha-Challenge-Id" = Option<String>, Header, description = "A challenge of `GET /v1/token`"),
        ("X-Botcha-Answers" = Option<String>, Header, description = "Its answers, a JSON array"),
    ),
    security(("BotchaBearerToken" = []), ("BotchaLandingToken" = [])),
    responses(
        (status = 200, body = Welcome),
        (status = 401, body = ErrorBody, description = "`UNAUTHORIZED`, `INVALID_TOKEN`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn agent_only(
    State(app): State<App>,
    ClientIp(ip): ClientIp,
    noted: Noted,
    parts: Parts,
) -> Result<Response> {
    if let Some(token) = header_text(&parts.headers, "x-botcha-landing-token")
        && landing::is_known(&app, token).await?
    {
        noted.note(Happening::authenticated("landing-token", None, Ok(())));
        return Ok(uncached(Welcome::landing(&app)));
    }
    let Some(token) = bearer(&parts.headers) else {
        return match answered(&app, &noted, &parts.headers).await? {
            Some(took) => Ok(uncached(Welcome::challenge(&app, took))),
            None => Err(unauthorized()),
        };
    };
    let wanted =
        Wanted { types: BEARER_TYPES, audience: app.config.tokens.self_audience.as_deref(), client_ip: None };
    let claims = auth::verify(&app, token, &wanted).await.and_then(|claims| {
        let is_elsewhere = claims.client_ip.is_some() && claims.require_client(&ip.to_string()).is_err();
        if is_elsewhere { Err(Refusal::Token("Client IP mismatch")) } else { Ok(claims) }
    });
    match claims {
        Ok(claims) => {
            noted.note(Happening::authenticated("bearer-token", claims.app_id.as_deref(), Ok(())));
            Ok(uncached(Welcome::token(&app, claims)))
        }
        Err(Refusal::Token(reason)) => {
            noted.note(Happening::authenticated("bearer-token", None, Err(reason)));
            let error = Error::unauthenticated(reason).with_code("INVALID_TOKEN");
            Err(Failure { error, form: Form::Bare })
        }
        Err(Refusal::Fault(error)) => Err(Failure { error, form: Form::Bare }),
    }
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(agent_only))
}

/// The milliseconds that a challenge took which the headers answer, if they answer one right.
async fn answered(app: &App, noted: &Noted, headers: &HeaderMap) -> Result<Option<i64>> {
    let id = header_text(headers, "x-botcha-challenge-id").or_else(|| header_text(headers, "x-botcha-id"));
    let answers =
        header_text(headers, "x-botcha-answers").or_else(|| header_text(headers, "x-botcha-solution"));
    let (Some(id), Some(answers)) = (id, answers) else { return Ok(None) };
    let Ok(answers) = serde_json::from_str::<Value>(answers) else { return Ok(None) };
    let judgement = judged::speed(app, id, &answers).await?;
    let told = judgement.outcome.as_ref().map(|_| ()).map_err(String::as_str);
    noted.note(Happening::authenticated("challenge", judgement.app_id.as_deref(), told));
    Ok(judgement.outcome.ok())
}

fn unauthorized() -> Failure {
    let steps = json!({
        "step1": "GET /v1/token for a challenge",
        "step2": "Hash the five numbers and POST /v1/token/verify with {id, answers}",
        "step3": "GET /agent-only with the header Authorization: Bearer <access_token>",
    });
    let error = Error::unauthenticated("This route is for verified agents")
        .with_code("UNAUTHORIZED")
        .with("how_to_verify", steps)
        .with(
            "alternative",
            "Send X-Botcha-Challenge-Id and X-Botcha-Answers of a challenge that you have just solved",
        );
    Failure { error, form: Form::Bare }
}

impl Welcome {
    fn landing(app: &App) -> Self {
        let agent = Some("landing-challenge-verified".to_owned());
        Self { method: "landing-token", agent, ..Self::new(app) }
    }

    fn challenge(app: &App, took: i64) -> Self {
        Self {
            method: "challenge",
            agent: Some(format!("speed-challenge-verified ({took}ms)")),
            ..Self::new(app)
        }
    }

    fn token(app: &App, claims: Claims) -> Self {
        let time = |seconds: i64| Timestamp::from_seconds(seconds).to_string();
        let identity = Identity {
            token_type: claims.token_type,
            app_id: claims.app_id,
            audience: claims.aud,
            client_ip: claims.client_ip,
            solve_time_ms: claims.solve_time,
            issued_at: claims.iat.map(time),
            expires_at: claims.exp.map(time),
        };
        let capabilities = Capabilities {
            description: "This token proves that its holder solved a challenge that takes a program.",
            next_steps: [
                "Send it to any service that trusts this server: Authorization: Bearer <access_token>",
                "Services verify it offline with /.well-known/jwks.json or by POST /v1/token/validate",
                "Renew it with POST /v1/token/refresh before it ends",
                "End it with POST /v1/token/revoke when you are done",
            ],
        };
        Self { identity: Some(identity), capabilities: Some(capabilities), ..Self::new(app) }
    }

    fn new(app: &App) -> Self {
        Self {
            success: true,
            message: "Welcome, agent. You are verified.",
            verified: true,
            method: "bearer-token",
            timestamp: app.now().to_string(),
            agent: None,
            identity: None,
            capabilities: None,
            secret: "People count sheep to fall asleep. You count nonces to stay awake.",
        }
    }
}
