//! The life of a token: refreshed, revoked, validated.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use quivive_core::token::{Claims, OneOrMany, REFRESH_TOKEN_TYPE};
use quivive_core::{ErrorKind, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::analytics::{Happening, Noted};
use super::auth::{self, PUBLIC_TYPES, Refusal, Wanted};
use super::issue::{self, StoredRefresh};
use super::limits;
use super::owner;
use super::revocation::{self, Revocation};
use super::token::uncached;
use super::wire::{ErrorBody, Failure, Form, Result, lenient_members, members};
use crate::app::App;
use crate::error::{self, Error};
use crate::extract::{Body, ClientIp};
use crate::storage::{self, Condition, Put};

/// A refresh token.
#[derive(ToSchema)]
#[schema(as = BotchaRefresh)]
#[expect(dead_code, reason = "describes a body that is read leniently")]
struct Refresh {
    refresh_token: String,
}

/// A new access token.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaRefreshed)]
struct Refreshed {
    success: bool,
    access_token: String,
    /// Seconds.
    expires_in: u32,
    /// Only if refresh tokens are rotated: use this one from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_expires_in: Option<i64>,
}

/// A token to revoke.
#[derive(ToSchema)]
#[schema(as = BotchaRevoke)]
#[expect(dead_code, reason = "describes a body that is read leniently")]
struct Revoke {
    /// An access or refresh token.
    token: String,
}

/// That a token is revoked.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaRevoked)]
struct Revoked {
    success: bool,
    revoked: bool,
    message: &'static str,
}

/// A token to validate.
#[derive(ToSchema)]
#[schema(as = BotchaValidate)]
#[expect(dead_code, reason = "describes a body that is read leniently")]
struct Validate {
    /// Any token of this server but a refresh token.
    token: String,
    /// The audience that it must name.
    audience: Option<String>,
    /// The address that it must be bound to.
    client_ip: Option<String>,
}

/// What a token says, or why it does not hold.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaValidation)]
struct Validation {
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Payload>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
}

/// The claims of a valid token.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaPayload)]
struct Payload {
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    token_type: Option<String>,
    #[serde(rename = "solveTime", skip_serializing_if = "Option::is_none")]
    solve_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    aud: Option<OneOrMany>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<String>,
}

/// Get a new access token for a refresh token.
#[utoipa::path(
    post, path = "/v1/token/refresh", tag = "botcha", operation_id = "botcha_refresh_token",
    request_body = Refresh,
    responses(
        (status = 200, body = Refreshed),
        (status = 400, body = ErrorBody, description = "Token missing, `INVALID_JSON`"),
        (status = 401, body = ErrorBody, description = "`INVALID_REFRESH_TOKEN`"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn refresh(
    State(app): State<App>,
    ip: ClientIp,
    noted: Noted,
    parts: Parts,
    Body(body, _): Body<Failure>,
) -> Result<Response> {
    limits::count_verification(&app, &parts).await?;
    let members = members(&body)?;
    let token = text(&members, "refresh_token").ok_or_else(|| {
        Failure::plain("Missing refresh_token", "Send the refresh_token that POST /v1/token/verify answered")
    })?;
    let exchanged = exchange(&app, token, ip).await;
    match &exchanged {
        Ok((_, app_id)) => {
            noted.note(Happening::authenticated("refresh-token", app_id.as_deref(), Ok(())));
        }
        Err(error) if error.kind() == error::ErrorKind::Unauthenticated => {
            noted.note(Happening::authenticated("refresh-token", None, Err(error.public_message())));
        }
        Err(_) => {}
    }
    Ok(uncached(exchanged?.0))
}

/// Revoke a token; revoking a refresh token also revokes the access tokens that it led to.
#[utoipa::path(
    post, path = "/v1/token/revoke", tag = "botcha", operation_id = "botcha_revoke_token",
    request_body = Revoke,
    responses(
        (status = 200, body = Revoked),
        (status = 400, body = ErrorBody, description = "Token missing, malformed or not signed by this server"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn revoke(State(app): State<App>, parts: Parts, Body(body, _): Body<Failure>) -> Result<Response> {
    limits::count_verification(&app, &parts).await?;
    let members = members(&body)?;
    let token = text(&members, "token")
        .ok_or_else(|| Failure::plain("Missing token", "Send the access or refresh token to revoke"))?;
    if token.split('.').count() != 3 {
        return Err(Failure::plain(
            "Invalid token format",
            "A token has three parts with points between them",
        ));
    }
    // An expired token may still be revoked: its refresh token lives on.
    let claims = app.keys.verify_signature(token).map_err(|error| {
        let failure = Error::invalid("Failed to decode or revoke token");
        Failure { error: failure.with("message", auth::text(&app.config, error.kind())), form: Form::Plain }
    })?;
    let jti = claims
        .jti
        .as_deref()
        .ok_or_else(|| Failure::plain("No JTI found in token", "Only tokens with an id can be revoked"))?;
    let now = app.now();
    let end = claims.exp.map_or(now, Timestamp::from_seconds);
    let until = end.max(now.plus_milliseconds(LEAST_REVOCATION));
    let mut changes = vec![Put::any(&Revocation::of_token(jti, until))?];
    if claims.token_type.as_deref() == Some(owner::SESSION_TYPE) {
        changes.push(owner::end_of_session(jti));
    }
    if claims.token_type.as_deref() == Some(REFRESH_TOKEN_TYPE) {
        let last_access = now.plus_milliseconds(i64::from(app.config.tokens.access_ttl) * 1000);
        changes.push(Put::delete::<StoredRefresh>(jti));
        if let Some(subject) = &claims.sub {
            changes.push(Put::any(&Revocation::of_family(subject, until.max(last_access)))?);
        }
    }
    app.storage.write(changes).await?;
    Ok(uncached(Revoked { success: true, revoked: true, message: "Token has been revoked" }))
}

/// Find out whether a token holds, without any key. Always 200 for a token that was sent.
#[utoipa::path(
    post, path = "/v1/token/validate", tag = "botcha", operation_id = "botcha_validate_token",
    request_body = Validate,
    responses(
        (status = 200, body = Validation),
        (status = 400, body = Validation, description = "Token missing, `audience` or `client_ip` no text"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = Validation, description = "Rate limit exceeded"),
        (status = 503, body = Validation, description = "Storage does not answer"),
    ),
)]
async fn validate(State(app): State<App>, parts: Parts, Body(body, _): Body<Failure>) -> Result<Response> {
    limits::count_validation(&app, &parts).await?;
    let members = lenient_members(&body);
    let Some(token) = text(&members, "token") else {
        let error = Error::invalid("Missing or invalid token field");
        return Err(Failure { error, form: Form::Validation });
    };
    let wanted = Wanted {
        types: PUBLIC_TYPES,
        audience: wish(&members, "audience")?,
        client_ip: wish(&members, "client_ip")?,
    };
    let answer = match auth::verify(&app, token, &wanted).await {
        Ok(claims) if claims.sub.as_deref() == Some("dashboard-session") => Err("Invalid token type"),
        Ok(claims) => Ok(claims),
        Err(Refusal::Token(reason)) => Err(reason),
        Err(Refusal::Fault(error)) => return Err(Failure { error, form: Form::Validation }),
    };
    let answer = match answer {
        Ok(claims) => Validation { valid: true, payload: Some(claims.into()), error: None },
        Err(reason) => Validation { valid: false, payload: None, error: Some(reason) },
    };
    Ok(Json(answer).into_response())
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(refresh)).routes(routes!(revoke)).routes(routes!(validate))
}

impl From<Claims> for Payload {
    fn from(claims: Claims) -> Self {
        Self {
            sub: claims.sub,
            iat: claims.iat,
            exp: claims.exp,
            jti: claims.jti,
            token_type: claims.token_type,
            solve_time: claims.solve_time,
            aud: claims.aud,
            client_ip: claims.client_ip,
            app_id: claims.app_id,
            agent_id: claims.agent_id,
        }
    }
}

/// A new access token, and the app that it is for.
async fn exchange(
    app: &App,
    token: &str,
    ClientIp(ip): ClientIp,
) -> error::Result<(Refreshed, Option<String>)> {
    let claims =
        auth::verify_offline(app, token, &[REFRESH_TOKEN_TYPE], app.now()).map_err(|kind| match kind {
            ErrorKind::TokenTypeMismatch => refused("Invalid token type. Expected refresh token."),
            kind => refused(auth::text(&app.config, kind)),
        })?;
    if revocation::is_revoked(app, &claims).await? {
        return Err(refused("Refresh token has been revoked"));
    }
    let gone = || refused("Refresh token not found or expired");
    let id = claims.jti.as_deref().ok_or_else(gone)?;
    let stored = app.storage.get::<StoredRefresh>(id).await?.ok_or_else(gone)?;
    if stored.client_ip.as_deref().is_some_and(|bound| bound != ip.to_string()) {
        return Err(refused("Client IP mismatch"));
    }
    let app_id = stored.app_id.clone();
    let access_token = issue::renew(app, &stored.value)?;
    let rotated = if app.config.tokens.refresh_rotation {
        Some(rotate(app, stored.value, stored.version).await?)
    } else {
        None
    };
    let (refresh_token, ends_at) = rotated.unzip();
    let refreshed = Refreshed {
        success: true,
        access_token,
        expires_in: app.config.tokens.access_ttl,
        refresh_token,
        refresh_expires_in: ends_at.map(|ends_at: Timestamp| ends_at.milliseconds_since(app.now()) / 1000),
    };
    Ok((refreshed, app_id))
}

/// Replaces a refresh token. One that was replaced is good for a little longer, because an answer can get lost;
/// used after that it was stolen, from its owner or by him, and the whole family ends.
async fn rotate(app: &App, mut old: StoredRefresh, version: i64) -> error::Result<(String, Timestamp)> {
    let now = app.now();
    let (next, token) = issue::rotate(app, &old)?;
    let ends_at = next.ends_at;
    let mut changes = vec![Put::absent(&next)?];
    match old.replaced_at {
        Some(at) if now.milliseconds_since(at) > REPLACED_GRACE => {
            let last = now.plus_milliseconds(i64::from(app.config.tokens.access_ttl) * 1000).max(old.ends_at);
            app.storage.put(&Revocation::of_family(&old.subject, last)).await?;
            return Err(refused("Refresh token has been revoked"));
        }
        Some(_) => {}
        None => {
            old.replaced_at = Some(now);
            changes.push(Put::new(&old, Condition::Version(version))?);
        }
    }
    match app.storage.write(changes).await {
        Ok(()) => Ok((token, ends_at)),
        Err(storage::Error::Conflict) => {
            // Another request replaced it at this moment, so this one is within the grace.
            app.storage.insert(&next).await?;
            Ok((token, ends_at))
        }
        Err(error) => Err(error.into()),
    }
}

fn refused(reason: &str) -> Error {
    Error::unauthenticated(reason).with_code("INVALID_REFRESH_TOKEN")
}

/// What is demanded of a token: left out, or a text. A demand that cannot be read is never passed over.
fn wish<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
        Some(_) => {
            let error = Error::invalid(format!("{name} must be a text that is not empty"));
            Err(Failure { error, form: Form::Validation })
        }
    }
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Milliseconds that a revocation is kept at least.
const LEAST_REVOCATION: i64 = 60_000;
/// Milliseconds that a replaced refresh token stays good.
const REPLACED_GRACE: i64 = 60_000;
