//! Verifying tokens of this server: signature, time, issuer, type, revocation, audience, address.

use http::HeaderMap;
use quivive_core::token::{ACCESS_TOKEN_TYPE, Claims, VerifyPolicy, decode_unverified};
use quivive_core::{ErrorKind, Timestamp};

use super::revocation;
use super::wire::Result;
use crate::app::App;
use crate::config::Config;
use crate::error::Error;
use crate::extract::bearer;

/// The `type` of a token that names an agent.
pub const AGENT_IDENTITY_TYPE: &str = "botcha-agent-identity";

/// Types that `POST /v1/token/validate` accepts; never refresh tokens, never sessions.
pub const PUBLIC_TYPES: &[&str] =
    &[ACCESS_TOKEN_TYPE, AGENT_IDENTITY_TYPE, "botcha-attestation", "botcha-ans-badge", "botcha-vc"];

/// Types that open guarded routes.
pub const BEARER_TYPES: &[&str] = &[ACCESS_TOKEN_TYPE, AGENT_IDENTITY_TYPE];

/// What is wanted of a token beyond its signature.
#[derive(Clone, Debug, Default)]
pub struct Wanted<'a> {
    /// The accepted types.
    pub types: &'a [&'a str],
    /// The audience that it must name.
    pub audience: Option<&'a str>,
    /// The address that it must be bound to.
    pub client_ip: Option<&'a str>,
}

/// Why a token does not hold, or that it could not be found out.
#[derive(Debug)]
pub enum Refusal {
    /// The token is refused; the text is the documented one.
    Token(&'static str),
    /// A fault of ours: without an answer about revocation no token is accepted.
    Fault(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Fault(error)
    }
}

/// Verifies a token of this server.
///
/// # Errors
/// In the order signature, time and issuer, type, revocation, audience, address.
pub async fn verify(app: &App, token: &str, wanted: &Wanted<'_>) -> Result<Claims, Refusal> {
    let claims = verify_offline(app, token, wanted.types, app.now())
        .map_err(|kind| Refusal::Token(text(&app.config, kind)))?;
    if revocation::is_revoked(app, &claims).await? {
        return Err(Refusal::Token("Token has been revoked"));
    }
    let audience = wanted.audience.map_or(Ok(()), |audience| claims.require_audience(audience));
    let address = wanted.client_ip.map_or(Ok(()), |address| claims.require_client(address));
    match audience.and(address) {
        Ok(()) => Ok(claims),
        Err(error) => Err(Refusal::Token(text(&app.config, error.kind()))),
    }
}

/// Everything that can be checked without storage.
///
/// # Errors
/// What does not hold.
pub fn verify_offline(app: &App, token: &str, types: &[&str], now: Timestamp) -> Result<Claims, ErrorKind> {
    let claims = app.keys.verify_signature(token).map_err(|error| error.kind())?;
    let policy = VerifyPolicy {
        issuers: Some(vec![app.config.tokens.token_issuer.clone()]),
        types: Some(types.iter().map(|&name| name.to_owned()).collect()),
        ..VerifyPolicy::default()
    };
    policy.check(&claims, now).map_err(|error| error.kind())?;
    Ok(claims)
}

/// The app of a valid Bearer token; nothing costs a signature check unless the token claims one.
pub fn app_of_bearer(app: &App, headers: &HeaderMap) -> Option<String> {
    app_of_token(app, bearer(headers)?)
}

/// The app of a valid token.
pub fn app_of_token(app: &App, token: &str) -> Option<String> {
    claims_of_token(app, token)?.app_id
}

/// The claims of a valid token that names an app.
pub fn claims_of_token(app: &App, token: &str) -> Option<Claims> {
    decode_unverified(token).ok()?.claims.app_id?;
    verify_offline(app, token, BEARER_TYPES, app.now()).ok()
}

/// The documented text for what does not hold.
pub fn text(config: &Config, kind: ErrorKind) -> &'static str {
    let (ours, original) = match kind {
        ErrorKind::TokenExpired => ("Token expired", "\"exp\" claim timestamp check failed"),
        ErrorKind::NotYetValid => ("Token not yet valid", "\"nbf\" claim timestamp check failed"),
        ErrorKind::SignatureMismatch | ErrorKind::UnknownKey => {
            ("Invalid signature", "signature verification failed")
        }
        ErrorKind::UnsupportedAlgorithm => {
            ("Unsupported algorithm", "\"alg\" (Algorithm) Header Parameter value not allowed")
        }
        ErrorKind::TokenTypeMismatch => return "Invalid token type",
        ErrorKind::AudienceMismatch => return "Invalid audience claim",
        ErrorKind::ClientMismatch => return "Client IP mismatch",
        ErrorKind::IssuerMismatch => return "Invalid issuer claim",
        _ => ("Invalid token", "Invalid Token or Protected Header formatting"),
    };
    if config.compat.vocabulary { original } else { ours }
}
