//! `POST /v1/apps`: a new app for an address that has none.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use quivive_core::encoding;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::rotation::new_secret;
use super::{AppEmail, Holder, RegisteredApp, email_hash, holder, normalize_email};
use crate::app::App;
use crate::audit::{self, Actor};
use crate::botcha::limits::{self, Rule};
use crate::botcha::token::uncached;
use crate::botcha::wire::{ErrorBody, Failure, Result, lenient_members};
use crate::botcha::{email_verification, gate};
use crate::error::Error;
use crate::extract::Body;
use crate::mail;
use crate::storage::{self, Condition, Put};
use crate::tenant::credentials;

/// Who wants an app.
#[derive(ToSchema)]
#[schema(as = BotchaSignUp)]
#[expect(dead_code, reason = "describes a body that is read leniently")]
pub(super) struct SignUp {
    /// The owner's address; an address has one app.
    #[schema(format = Email, max_length = 254)]
    email: String,
    /// Shown to people.
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
}

/// A new app.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaNewApp)]
struct Created {
    success: bool,
    app_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Shown this one time.
    app_secret: String,
    email: String,
    email_verified: bool,
    verification_required: bool,
    /// Only as configured for clients of the originals: whoever signs up then needs no mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    verification_code: Option<String>,
    warning: &'static str,
    credential_advice: &'static str,
    /// ISO 8601.
    created_at: String,
    /// Challenges per hour.
    rate_limit: u32,
    next_step: String,
}

/// That a mail is on its way, whoever the address belongs to.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaSignUpMailed)]
struct Mailed {
    success: bool,
    verification_required: bool,
    message: &'static str,
}

/// Register an app. Its owner proves the address with a code from a mail.
#[utoipa::path(
    post, path = "/v1/apps", tag = "botcha", operation_id = "botcha_create_app",
    request_body = SignUp,
    responses(
        (status = 201, body = Created),
        (status = 202, body = Mailed, description = "As configured, instead of 201 and 409: a mail says more"),
        (status = 400, body = ErrorBody, description = "`MISSING_EMAIL`, `INVALID_EMAIL`, `INVALID_NAME`"),
        (status = 409, body = ErrorBody, description = "`EMAIL_ALREADY_REGISTERED`"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
pub(super) async fn sign_up(
    State(app): State<App>,
    parts: Parts,
    Body(body, _): Body<Failure>,
) -> Result<Response> {
    let rule = Rule::per_hour("sign_up", app.config.limits.app_registrations_per_hour);
    limits::count_address(&app, &parts, &rule).await?;
    let members = lenient_members(&body);
    let email = email(&members)?;
    let name = name(&members)?;
    if app.config.botcha.anti_enumeration_signup {
        return by_mail(&app, &parts, name, email).await;
    }
    let origin = gate::origin(&parts);
    for _ in 0..MOST_RACES {
        let holder = holder(&app, &email).await?;
        if let Some(taken) = &holder.app {
            return Err(taken_by(&app, origin, taken).into());
        }
        let new = New::draw(&app, name.clone(), email.clone());
        match new.store(&app, &holder).await {
            Ok(()) => {
                new.announce(&app).await?;
                return Ok(new.answer(&app, origin));
            }
            Err(storage::Error::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(storage::Error::Conflict.into())
}

/// The answer is the same whether the address has an app or not, after the same steps; what happened stands in a mail
/// to its owner. The secret of a new app is nobody's: its owner logs in with a mailed code and makes one.
async fn by_mail(app: &App, parts: &Parts, name: Option<String>, email: String) -> Result<Response> {
    let rule = Rule::per_hour("sign_up_mail", app.config.limits.mails_per_hour_to_one);
    limits::count_key(app, parts, &rule, &email_hash(app, &email)).await?;
    let mut found = holder(app, &email).await?;
    let mut new = New::draw(app, name, email);
    new.app.secret_hash = None;
    match new.store(app, &found).await {
        Ok(()) => new.announce(app).await?,
        Err(storage::Error::Conflict) => {
            if found.app.is_none() {
                found = holder(app, &new.email).await?;
            }
            let owner = found.app.ok_or(storage::Error::Conflict)?;
            audit::record(app, &owner.id, &Actor::Anyone, "app.sign_up_attempted", json!({})).await?;
            app.mail.send(app, mail::sign_up_attempt(app, &new.email, &owner.id));
        }
        Err(error) => return Err(error.into()),
    }
    let message = "A mail to this address says how to go on.";
    let mut response = uncached(Mailed { success: true, verification_required: true, message });
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

/// An app that is about to be registered.
struct New {
    app: RegisteredApp,
    email: String,
    app_secret: String,
    code: String,
    pending: email_verification::Pending,
}

impl New {
    fn draw(app: &App, name: Option<String>, email: String) -> Self {
        let app_secret = new_secret(app);
        let new = RegisteredApp {
            id: format!("app_{}", encoding::hex(&app.random_bytes::<8>())),
            name,
            email: Some(email.clone()),
            is_email_verified: false,
            secret_hash: Some(credentials::hash(&app_secret)),
            rate_limit: app.config.limits.challenges_per_hour,
            created_at: app.now(),
            is_demo: false,
            registration_policy: app.config.botcha.default_registration_policy,
            allowed_audiences: Vec::new(),
            credentials_rotated_at: None,
        };
        let (code, pending) = email_verification::draw(app, &new.id);
        Self { app: new, email, app_secret, code, pending }
    }

    /// The app, its address and its code, all or none.
    async fn store(&self, app: &App, holder: &Holder) -> storage::Result<()> {
        let index = AppEmail { hash: email_hash(app, &self.email), app_id: self.app.id.clone() };
        let changes = vec![
            Put::absent(&self.app)?,
            Put::new(&index, holder.is_free_if)?,
            Put::new(&self.pending, Condition::Any)?,
        ];
        app.storage.write(changes).await
    }

    async fn announce(&self, app: &App) -> Result<()> {
        app.mail.send(app, mail::verification(app, &self.email, &self.app.id, &self.code));
        Ok(audit::record(app, &self.app.id, &Actor::Anyone, "app.created", json!({})).await?)
    }

    fn answer(self, app: &App, origin: &str) -> Response {
        let id = &self.app.id;
        let next_step = format!(
            "POST {origin}/v1/apps/{id}/verify-email with {{\"code\": \"…\"}}, the code from the mail"
        );
        let mut response = uncached(Created {
            success: true,
            app_id: id.clone(),
            name: self.app.name,
            app_secret: self.app_secret,
            email: self.email,
            email_verified: false,
            verification_required: true,
            verification_code: app.config.compat.expose_verification_code.then_some(self.code),
            warning: "Save app_secret now: it is not shown again",
            credential_advice: "Keep app_id and app_secret where your secrets are: in a vault or in the environment \
                                of the program, never in code, logs or chats",
            created_at: self.app.created_at.to_string(),
            rate_limit: self.app.rate_limit,
            next_step,
        });
        *response.status_mut() = StatusCode::CREATED;
        response
    }
}

fn taken_by(app: &App, origin: &str, taken: &RegisteredApp) -> Error {
    let recovery =
        format!("POST {origin}/v1/auth/recover with {{\"email\": \"…\"}} mails its owner a login code");
    let error = Error::conflict("This address has an app already")
        .with_code("EMAIL_ALREADY_REGISTERED")
        .with("recovery", recovery);
    // Tells anybody which app belongs to an address.
    if app.config.compat.expose_verification_code {
        error.with("existing_app_id", taken.id.as_str())
    } else {
        error
    }
}

fn email(members: &Map<String, Value>) -> Result<String> {
    let given =
        members.get("email").and_then(Value::as_str).map(normalize_email).filter(|text| !text.is_empty());
    let missing =
        || Error::invalid("Send the address of the app's owner as email").with_code("MISSING_EMAIL");
    let email = given.ok_or_else(missing)?;
    if is_email(&email) {
        return Ok(email);
    }
    let message = "email must be an address such as you@example.com";
    Err(Error::invalid(message).with_code("INVALID_EMAIL").into())
}

/// One `@`, a dot in the host, nothing that could end a header or begin a display name, and a form that mail servers
/// take.
fn is_email(text: &str) -> bool {
    let forbidden = |character: char| {
        character.is_whitespace() || character.is_control() || matches!(character, '"' | '<' | '>' | ',')
    };
    let has_parts = text.split_once('@').is_some_and(|(user, host)| {
        let labels = host.rsplit_once('.');
        !user.is_empty()
            && !host.contains('@')
            && labels.is_some_and(|(left, right)| !left.is_empty() && !right.is_empty())
    });
    has_parts && text.len() <= LONGEST_EMAIL && !text.contains(forbidden) && mail::is_address(text)
}

fn name(members: &Map<String, Value>) -> Result<Option<String>> {
    let name = match members.get("name") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(name)) => Some(name.trim()),
        Some(_) => None,
    };
    name.filter(|name| (1..=LONGEST_NAME).contains(&name.chars().count()) && !name.contains(char::is_control))
        .map(|name| Some(name.to_owned()))
        .ok_or_else(|| {
            let message = "name must be a text of 1 to 100 characters";
            Error::invalid(message).with_code("INVALID_NAME").into()
        })
}

/// As mail servers take it (RFC 5321 section 4.5.3.1.3).
const LONGEST_EMAIL: usize = 254;
const LONGEST_NAME: usize = 100;
const MOST_RACES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_that_can_be_written_to() {
        for text in ["a@b.example", "ada+shop@mail.example.com", "ädä@bücher.example", "o_x-1@a.b.c"] {
            assert!(is_email(text), "{text}");
        }
        let long = format!("{}@example.com", "a".repeat(250));
        for text in [
            "",
            "a",
            "@b.example",
            "a@",
            "a@b",
            "a@b.",
            "a@.b",
            "a@b@c.example",
            "a b@c.example",
            "a@b.example\nbcc:x@y.z",
            "\"a\"@b.example",
            "a<x@b.example",
            "a,b@c.example",
            "a..b@c.example",
            "a@b..example",
            &long,
        ] {
            assert!(!is_email(text), "{text}");
        }
    }
}
