//! Login by refresh token.

use axum::extract::State;
use axum::response::Response;
use http::request::Parts;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::IdentityToken;
use super::refresh_tokens::{self, Rotation};
use crate::app::App;
use crate::botcha::analytics::{Happening, Noted};
use crate::botcha::limits;
use crate::botcha::token::uncached;
use crate::botcha::wire::{ErrorBody, Failure, Result, lenient_members};
use crate::error::Error;
use crate::extract::Body;

/// An agent's refresh token.
#[derive(ToSchema)]
#[schema(as = BotchaAgentRefresh)]
#[expect(dead_code, reason = "describes a body that is read leniently")]
struct AgentRefresh {
    /// `brt_` and 32 hexadecimal digits.
    refresh_token: String,
}

/// Get a new token for an agent's refresh token.
#[utoipa::path(
    post, path = "/v1/agents/auth/refresh", tag = "botcha", operation_id = "botcha_refresh_agent_login",
    request_body = AgentRefresh,
    responses(
        (status = 200, body = IdentityToken),
        (status = 400, body = ErrorBody, description = "`INVALID_TOKEN`: no refresh token of an agent"),
        (status = 401, body = ErrorBody, description = "`INVALID_TOKEN`: unknown, ended, or of an agent that is gone"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn refresh(
    State(app): State<App>,
    noted: Noted,
    parts: Parts,
    Body(body, _): Body<Failure>,
) -> Result<Response> {
    limits::count_address(&app, &parts, &super::rule(&app)).await?;
    let members = lenient_members(&body);
    let token =
        members.get("refresh_token").and_then(Value::as_str).filter(|text| refresh_tokens::is_one(text));
    let token = token.ok_or_else(|| {
        Error::invalid("refresh_token must be a token that starts with brt_").with_code("INVALID_TOKEN")
    })?;
    let rotation = if app.config.agents.refresh_rotation { Rotation::WithGrace } else { Rotation::Never };
    let Some(redeemed) = refresh_tokens::redeem(&app, token, rotation).await? else {
        noted.note(Happening::authenticated("refresh-token", None, Err("INVALID_TOKEN")));
        let error =
            Error::unauthenticated("The refresh token is unknown or has ended").with_code("INVALID_TOKEN");
        return Err(error.into());
    };
    noted.note(Happening::authenticated("refresh-token", Some(&redeemed.agent.app_id), Ok(())));
    let mut answer = IdentityToken::issue(&app, &redeemed.agent, "The agent is logged in again.")?;
    if let Some((token, ends_at)) = redeemed.next {
        answer.refresh_token = Some(token);
        answer.refresh_expires_in = Some(ends_at.milliseconds_since(app.now()) / 1000);
    }
    Ok(uncached(answer))
}

/// The route.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(refresh))
}
