//! The agent's side of a device grant: asking for it, and exchanging codes and refresh tokens.

use axum::extract::State;
use axum::response::Response;
use http::request::Parts;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::grant::{self, Redemption};
use super::{OauthError, parameters, refusal, text};
use crate::app::App;
use crate::botcha::agents::{self, Agent};
use crate::botcha::analytics::{Happening, Noted};
use crate::botcha::identity;
use crate::botcha::identity::refresh_tokens::{self, Rotation};
use crate::botcha::limits::{self, Rule};
use crate::botcha::token::uncached;
use crate::botcha::wire::{Failure, Result};
use crate::error::Error;
use crate::extract::{Body, Origin};
use crate::tenant::credentials;

/// Which agent asks.
#[derive(ToSchema)]
#[schema(as = BotchaDeviceRequest)]
#[expect(dead_code, reason = "describes a body that is read leniently")]
struct DeviceRequest {
    agent_id: String,
    /// The agent's app.
    app_id: String,
}

/// Codes for the agent and for its owner (RFC 8628 section 3.2).
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaDeviceAuthorization)]
struct DeviceAuthorization {
    /// For the agent alone.
    device_code: String,
    /// For the owner: `BOTCHA-` and six characters.
    user_code: String,
    verification_url: String,
    verification_uri: String,
    verification_uri_complete: String,
    /// Seconds.
    expires_in: i64,
    /// Seconds between two polls.
    interval: i64,
    message: String,
}

/// A code or refresh token to exchange.
#[derive(ToSchema)]
#[schema(as = BotchaOauthTokenRequest)]
#[expect(dead_code, reason = "describes a body that is read leniently")]
struct TokenRequest {
    /// `urn:ietf:params:oauth:grant-type:device_code` or `refresh_token`.
    grant_type: String,
    /// For the first.
    device_code: Option<String>,
    /// For the second: `brt_` and 32 hexadecimal digits.
    refresh_token: Option<String>,
    /// If given, must be the grant's.
    agent_id: Option<String>,
    /// If given, must be the grant's.
    app_id: Option<String>,
}

/// A token that names the agent, and a refresh token.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaOauthToken)]
struct TokenAnswer {
    access_token: String,
    token_type: &'static str,
    /// Seconds.
    expires_in: u32,
    /// Good for 90 days from the owner's decision.
    refresh_token: String,
    agent_id: String,
    app_id: String,
    message: &'static str,
}

/// Ask the owner for a refresh token: get a code for him and one for yourself.
#[utoipa::path(
    post, path = "/v1/oauth/device", tag = "botcha", operation_id = "botcha_begin_device_grant",
    request_body(content((DeviceRequest = "application/json"), (DeviceRequest = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, body = DeviceAuthorization),
        (status = 400, body = OauthError, description = "`invalid_request`"),
        (status = 403, body = OauthError, description = "`invalid_client`: the agent is another app's"),
        (status = 404, body = OauthError, description = "`invalid_client`: no such agent"),
        (status = 413, body = OauthError, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = OauthError, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = OauthError, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn begin(
    State(app): State<App>,
    Origin(origin): Origin,
    parts: Parts,
    Body(body, _): Body<Failure>,
) -> Result<Response> {
    let limit = app.config.limits.device_grants_per_hour;
    limits::count_address(&app, &parts, &Rule::per_hour("device-grant", limit)).await?;
    let members = parameters(&parts, &body)?;
    let (Some(agent_id), Some(app_id)) = (text(&members, "agent_id"), text(&members, "app_id")) else {
        return Err(refusal(Error::invalid("agent_id and app_id are required"), "invalid_request"));
    };
    let (agent, _) = agents::find_alive(&app, agent_id)
        .await?
        .ok_or_else(|| refusal(Error::not_found("There is no agent of this id"), "invalid_client"))?;
    if agent.app_id != app_id {
        return Err(refusal(Error::forbidden("The agent is another app's"), "invalid_client"));
    }
    let (device_code, user_code) = grant::begin(&app, &agent).await?;
    Ok(uncached(DeviceAuthorization {
        message: format!(
            "Ask the owner of the app to open {origin}/device, log in and enter {user_code}, then poll \
             POST /v1/oauth/token every {INTERVAL} seconds."
        ),
        verification_url: format!("{origin}/device"),
        verification_uri: format!("{origin}/device"),
        verification_uri_complete: format!("{origin}/device?code={user_code}"),
        device_code,
        user_code,
        expires_in: grant::SECONDS,
        interval: INTERVAL,
    }))
}

/// Exchange a device code, once its owner has agreed, or a refresh token, which is replaced.
#[utoipa::path(
    post, path = "/v1/oauth/token", tag = "botcha", operation_id = "botcha_exchange_device_code",
    request_body(content((TokenRequest = "application/json"), (TokenRequest = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, body = TokenAnswer),
        (status = 400, body = OauthError, description = "`invalid_request`, `unsupported_grant_type`, \
            `authorization_pending`, `slow_down`, `access_denied`, `expired_token`, `invalid_grant`"),
        (status = 413, body = OauthError, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = OauthError, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = OauthError, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn exchange(
    State(app): State<App>,
    noted: Noted,
    parts: Parts,
    Body(body, _): Body<Failure>,
) -> Result<Response> {
    super::count(&app, &parts).await?;
    let members = parameters(&parts, &body)?;
    let invalid = |message: &str| refusal(Error::invalid(message), "invalid_request");
    let agent_id = text(&members, "agent_id");
    let app_id = text(&members, "app_id");
    let is_meant = |agent: &str, owner: &str| {
        agent_id.is_none_or(|wanted| wanted == agent) && app_id.is_none_or(|wanted| wanted == owner)
    };
    match text(&members, "grant_type") {
        None => Err(invalid("grant_type is required")),
        Some(DEVICE_CODE) => {
            let code = text(&members, "device_code").ok_or_else(|| invalid("device_code is required"))?;
            let redeemed =
                grant::redeem(&app, code, |grant| is_meant(&grant.agent_id, &grant.app_id)).await?;
            match redeemed {
                Redemption::Granted(agent, token) => answer(&app, &noted, "device-grant", &agent, token),
                Redemption::Pending => Err(wait(&app, code).await?),
                Redemption::Denied => Err(refusal(Error::invalid("The owner has refused"), "access_denied")),
                Redemption::Gone => {
                    let error = Error::invalid("The device code is unknown, used or expired");
                    Err(refusal(error, "expired_token"))
                }
            }
        }
        Some("refresh_token") => {
            let token =
                text(&members, "refresh_token").ok_or_else(|| invalid("refresh_token is required"))?;
            let redeemed = if refresh_tokens::is_one(token) {
                refresh_tokens::redeem(&app, token, Rotation::Always).await?
            } else {
                None
            };
            match redeemed.and_then(|redeemed| Some((redeemed.agent, redeemed.next?.0))) {
                Some((agent, next)) => answer(&app, &noted, "refresh-token", &agent, next),
                None => {
                    noted.note(Happening::authenticated("refresh-token", None, Err("invalid_grant")));
                    Err(refusal(
                        Error::invalid("The refresh token is unknown, used or ended"),
                        "invalid_grant",
                    ))
                }
            }
        }
        Some(_) => {
            let message = format!("Use grant_type={DEVICE_CODE} or grant_type=refresh_token");
            Err(refusal(Error::invalid(message), "unsupported_grant_type"))
        }
    }
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(begin)).routes(routes!(exchange))
}

fn answer(
    app: &App,
    noted: &Noted,
    method: &'static str,
    agent: &Agent,
    refresh_token: String,
) -> Result<Response> {
    noted.note(Happening::authenticated(method, Some(&agent.app_id), Ok(())));
    Ok(uncached(TokenAnswer {
        access_token: identity::sign(app, agent)?,
        token_type: "Bearer",
        expires_in: app.config.tokens.access_ttl,
        refresh_token,
        agent_id: agent.id.clone(),
        app_id: agent.app_id.clone(),
        message: "The agent is logged in. Keep the refresh token secret; its owner can revoke it at any time.",
    }))
}

/// Why there is no token yet: nobody has decided, and whoever asks too often is told so (RFC 8628 section 3.5).
async fn wait(app: &App, device_code: &str) -> Result<Failure> {
    let key = format!("botcha:device-poll:{}", credentials::hash(device_code));
    let paced = app.storage.windows().admit(&key, INTERVAL * 1000, 1, app.now()).await?;
    Ok(if paced.admitted {
        refusal(Error::invalid("The owner has not decided yet"), "authorization_pending")
    } else {
        let message = format!("Poll every {INTERVAL} seconds, and 5 seconds slower after each such answer");
        refusal(Error::invalid(message), "slow_down")
    })
}

const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Seconds between two polls.
const INTERVAL: i64 = 5;
