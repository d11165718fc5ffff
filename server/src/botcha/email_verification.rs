//! Proving an app's address: six digits from a mail, good for ten minutes and for few tries.
//!
//! Whoever has the code has read the mail, so it is a proof without the app's secret as well. Tries without the secret
//! are counted apart from the owner's: nobody can use up an owner's tries or end his code.

use axum::extract::State;
use axum::response::Response;
use http::request::Parts;
use quivive_core::crypto::hmac_sha256;
use quivive_core::{Timestamp, encoding};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::apps::{self, RegisteredApp};
use super::limits::{self, Rule};
use super::owner::{self, Proof};
use super::pairing::OwnerProof;
use super::token::uncached;
use super::wire::{ErrorBody, Failure, Form, Result, lenient_members};
use crate::app::App;
use crate::audit::{self, Actor};
use crate::error::Error;
use crate::extract::{Body, Path};
use crate::limits::Standing;
use crate::mail;
use crate::storage::{self, Condition, Put, Record, Versioned};
use crate::tenant::credentials;

/// How long a code is good, in milliseconds.
const CODE_MILLISECONDS: i64 = 600_000;
/// Tries of the owner, who brings the secret or a session; one more wrong one and the code is void.
const OWNER_TRIES: i64 = 5;
/// Tries without a proof: by one address, and by all together.
const TRIES_OF_ADDRESS: i64 = 5;
const TRIES_OF_ALL: i64 = 50;

/// A code that was mailed and not entered yet.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Pending {
    app_id: String,
    /// Names this code among those that an app had; tries are counted under it.
    serial: String,
    /// Keyed hash of app, serial and code.
    code_hash: String,
    expires_at: Timestamp,
}

impl Record for Pending {
    const KIND: &'static str = "app_verification";

    fn id(&self) -> String {
        self.app_id.clone()
    }

    /// Later than the code's own end, so that a late one can be told from none.
    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at.plus_milliseconds(DAY))
    }
}

/// Whether a wrong code may be followed by another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Tries {
    Last,
    More,
}

/// A code from a mail.
#[derive(ToSchema)]
#[schema(as = BotchaEmailCode)]
#[expect(dead_code, reason = "describes a body that is read leniently")]
struct EmailCode {
    /// Six digits.
    code: String,
    /// The app's secret: gives tries of one's own.
    app_secret: Option<String>,
}

/// That the address is proven.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaEmailVerified)]
struct Verified {
    success: bool,
    email_verified: bool,
    message: &'static str,
}

/// That a mail is on its way.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaCodeMailed)]
struct Mailed {
    success: bool,
    message: &'static str,
}

/// Prove an app's address with the code from the mail. In profile `compat` with the app's secret or a session as well.
#[utoipa::path(
    post, path = "/v1/apps/{id}/verify-email", tag = "botcha", operation_id = "botcha_verify_email",
    params(("id" = String, Path, description = "The app's id")),
    request_body = EmailCode,
    security((), ("BotchaSession" = []), ("BotchaAppSecret" = [])),
    responses(
        (status = 200, body = Verified),
        (status = 400, body = ErrorBody, description = "`MISSING_CODE`; `VERIFICATION_FAILED`, `message` says why"),
        (status = 401, body = ErrorBody, description = "`UNAUTHORIZED`, in profile `compat`"),
        (status = 403, body = ErrorBody, description = "`FOREIGN_FORM` for another site's form"),
        (status = 404, body = ErrorBody, description = "`NOT_FOUND`: the path cannot be read"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`: too many tries"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn verify(
    State(app): State<App>,
    id: Result<Path<String>, Error>,
    parts: Parts,
    Body(body, _): Body<Failure>,
) -> Result<Response> {
    let Path(id) = id?;
    let members = lenient_members(&body);
    let Some(code) = members.get("code").and_then(Value::as_str) else {
        let message = "Send the six digits from the mail as code";
        return Err(Error::invalid(message).with_code("MISSING_CODE").into());
    };
    let proof = owner::prove(&app, &parts, &members, &id).await?;
    require_as_the_original(&app, proof.as_ref())?;
    limits::count_verification(&app, &parts).await?;
    // Only apps that exist have a window of their own: whoever makes up ids would fill the memory with windows.
    if apps::find(&app, &id).await?.is_some() {
        let rule = Rule::per_hour("email_code", app.config.limits.email_codes_per_hour).always();
        limits::count_key(&app, &parts, &rule, &share(&id, proof.as_ref(), &parts)).await?;
    }
    enter(&app, &parts, &id, code.trim(), proof.as_ref()).await?;
    let actor = proof.map_or(Actor::MailedCode, |proof| proof.actor);
    audit::record(&app, &id, &actor, "app.email_verified", json!({})).await?;
    let message = "The address is verified: the app is ready for use";
    Ok(uncached(Verified { success: true, email_verified: true, message }))
}

/// Mail a new code; the former one holds no more. In profile `compat` with the app's secret or a session.
#[utoipa::path(
    post, path = "/v1/apps/{id}/resend-verification", tag = "botcha", operation_id = "botcha_resend_verification",
    params(("id" = String, Path, description = "The app's id")),
    request_body = Option<OwnerProof>,
    security((), ("BotchaSession" = []), ("BotchaAppSecret" = [])),
    responses(
        (status = 200, body = Mailed),
        (status = 400, body = ErrorBody, description = "`Email already verified`"),
        (status = 401, body = ErrorBody, description = "`UNAUTHORIZED`, in profile `compat`"),
        (status = 403, body = ErrorBody, description = "`FOREIGN_FORM` for another site's form"),
        (status = 404, body = ErrorBody, description = "`App not found`"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn resend(
    State(app): State<App>,
    id: Result<Path<String>, Error>,
    parts: Parts,
    Body(body, _): Body<Failure>,
) -> Result<Response> {
    let Path(id) = id?;
    let proof = owner::prove(&app, &parts, &lenient_members(&body), &id).await?;
    require_as_the_original(&app, proof.as_ref())?;
    let limits = &app.config.limits;
    if proof.is_none() {
        limits::count_address(&app, &parts, &Rule::per_hour("resend", limits.mails_per_hour)).await?;
    }
    let plain = |error: Error| Failure { error, form: Form::Plain };
    let found = apps::find(&app, &id).await?.ok_or_else(|| plain(Error::not_found("App not found")))?;
    let owner = if proof.is_some() { "owner" } else { "anyone" };
    let rule = Rule::per_hour("resend_to", limits.mails_per_hour_to_one);
    limits::count_key(&app, &parts, &rule, &format!("{id}:{owner}")).await?;
    // The address is the stored one, whatever a request says.
    let Some(email) = found.email.as_deref().filter(|_| !found.is_email_verified) else {
        return Err(plain(Error::invalid("Email already verified")));
    };
    let (code, pending) = draw(&app, &id);
    app.storage.put(&pending).await?;
    let actor = proof.map_or(Actor::Anyone, |proof| proof.actor);
    audit::record(&app, &id, &actor, "app.verification_resent", json!({})).await?;
    app.mail.send(&app, mail::verification(&app, email, &id, &code));
    Ok(uncached(Mailed { success: true, message: "A new code is on its way; the former one holds no more" }))
}

/// The routes.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(verify)).routes(routes!(resend))
}

/// A new code of an app, and how it is kept.
pub(super) fn draw(app: &App, app_id: &str) -> (String, Pending) {
    let code = credentials::random_text(app, b"0123456789", 6);
    let serial = encoding::hex(&app.random_bytes::<8>());
    let pending = Pending {
        app_id: app_id.to_owned(),
        code_hash: hash(app, app_id, &serial, &code),
        serial,
        expires_at: app.now().plus_milliseconds(CODE_MILLISECONDS),
    };
    (code, pending)
}

/// Marks an app's address as proven, by word of the operator; false if it was already.
///
/// # Errors
/// 404 if there is no such app; if storage does not answer.
pub async fn confirm(app: &App, app_id: &str) -> crate::error::Result<bool> {
    let mut is_new = false;
    let changed = app.storage.update::<RegisteredApp>(app_id, |mut found| {
        is_new = !found.is_email_verified;
        found.is_email_verified = true;
        is_new.then_some(found)
    });
    changed.await?.ok_or_else(apps::gone)?;
    if is_new {
        app.storage.delete::<Pending>(app_id).await?;
        audit::record(app, app_id, &Actor::Operator, "app.email_verified", json!({})).await?;
    }
    Ok(is_new)
}

/// The originals' way: the code alone is not enough.
fn require_as_the_original(app: &App, proof: Option<&Proof>) -> Result<()> {
    if app.config.compat.vocabulary && proof.is_none() {
        return Err(apps::unauthorized().into());
    }
    Ok(())
}

/// Judges a code and, if it is right, verifies the address and ends the code in one step: of many who bring the right
/// one at once, one is told so.
async fn enter(app: &App, parts: &Parts, id: &str, code: &str, proof: Option<&Proof>) -> Result<()> {
    let mut counted = None;
    for _ in 0..MOST_RACES {
        let found = apps::find_versioned(app, id).await?.ok_or_else(|| refused("App not found"))?;
        if found.is_email_verified {
            return Err(refused("Email already verified").into());
        }
        let pending = app.storage.get::<Pending>(id).await?;
        let pending = pending.ok_or_else(|| refused("No verification pending"))?;
        if pending.expires_at <= app.now() {
            return Err(refused("Verification code expired").into());
        }
        let tries = match &counted {
            Some((serial, tries)) if *serial == pending.serial => *tries,
            _ => count(app, parts, &pending, proof).await?,
        };
        counted = Some((pending.serial.clone(), tries));
        let given = hash(app, id, &pending.serial, code);
        if !encoding::equal_in_constant_time(given.as_bytes(), pending.code_hash.as_bytes()) {
            if tries == Tries::Last {
                end(app, &pending).await?;
            }
            return Err(refused("Invalid verification code").into());
        }
        match finish(app, found, &pending).await {
            Err(storage::Error::Conflict) => {}
            other => return Ok(other?),
        }
    }
    Err(refused("Verification failed").into())
}

/// Counts a try before it is judged, so that tries at the same time gain nothing.
async fn count(app: &App, parts: &Parts, pending: &Pending, proof: Option<&Proof>) -> Result<Tries> {
    let add = async |who: &str| {
        let key = format!("app_verification:{}:{who}", pending.serial);
        let counters = app.storage.counters();
        counters.add(&key, pending.expires_at, 1, pending.expires_at.plus_milliseconds(DAY)).await
    };
    if proof.is_some() {
        return match add("owner").await? {
            ..OWNER_TRIES => Ok(Tries::More),
            OWNER_TRIES => Ok(Tries::Last),
            _ => Err(refused("No verification pending").into()),
        };
    }
    let limits =
        [(format!("address:{}", limits::caller(parts)), TRIES_OF_ADDRESS), ("all".to_owned(), TRIES_OF_ALL)];
    for (who, most) in limits {
        if add(&who).await? > most {
            let message = "Too many tries of this code: bring app_secret, or ask for a new code";
            let limit = u32::try_from(most).unwrap_or(u32::MAX);
            let standing = Standing { admitted: false, limit, remaining: 0, resets_at: pending.expires_at };
            limits::report_refusal(parts, standing);
            let seconds = standing.retry_after_seconds(app.now());
            let error = Error::rate_limited(message).with("retryAfter", seconds).retry_after(seconds);
            return Err(Failure { error, form: Form::Bare });
        }
    }
    Ok(Tries::More)
}

/// Ends a code that was tried too often, unless another request did.
async fn end(app: &App, pending: &Versioned<Pending>) -> Result<()> {
    match app.storage.write(vec![void(pending)]).await {
        Ok(()) | Err(storage::Error::Conflict) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn finish(
    app: &App,
    found: Versioned<RegisteredApp>,
    pending: &Versioned<Pending>,
) -> storage::Result<()> {
    let verified = RegisteredApp { is_email_verified: true, ..found.value };
    app.storage.write(vec![Put::new(&verified, Condition::Version(found.version))?, void(pending)]).await
}

/// Ends this code, and no later one.
fn void(pending: &Versioned<Pending>) -> Put {
    Put { condition: Condition::Version(pending.version), ..Put::delete::<Pending>(pending.app_id.as_str()) }
}

/// Whose tries these are.
fn share(id: &str, proof: Option<&Proof>, parts: &Parts) -> String {
    match proof {
        Some(_) => format!("{id}:owner"),
        None => format!("{id}:{}", limits::caller(parts)),
    }
}

fn refused(reason: &str) -> Error {
    Error::invalid(reason).with_code("VERIFICATION_FAILED")
}

fn hash(app: &App, app_id: &str, serial: &str, code: &str) -> String {
    let text = format!("{app_id}:{serial}:{code}");
    encoding::hex(&hmac_sha256(&app.keys.derive("email-codes"), text.as_bytes()))
}

const DAY: i64 = 86_400_000;
const MOST_RACES: usize = 8;
