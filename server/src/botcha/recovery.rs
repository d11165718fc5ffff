//! Ways back in for whoever has an app's address: a login code by mail.
//!
//! Whether an address has an app shows neither in the answer nor in the work behind it.

use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::apps;
use super::codes::{self, Content};
use super::form::Fields;
use super::gate;
use super::limits::{self, Rule};
use super::login::redirect;
use super::owner;
use super::page;
use super::token::uncached;
use super::wire::{ErrorBody, Failure, Result, lenient_members};
use crate::app::App;
use crate::audit::{self, Actor};
use crate::error::Error;
use crate::extract::{Body, Origin};
use crate::mail;

/// How long a login code from a mail is good, in seconds.
pub const CODE_SECONDS: i64 = 600;

/// Whose app it is.
#[derive(ToSchema)]
#[schema(as = BotchaRecovery)]
#[expect(dead_code, reason = "describes a body that is read leniently")]
struct Recovery {
    /// The address that the app was registered with.
    email: String,
}

/// The same for every address.
#[derive(Serialize, ToSchema)]
#[schema(as = BotchaRecoveryMailed)]
struct Mailed {
    success: bool,
    message: &'static str,
    hint: String,
}

/// A form with an address.
#[derive(ToSchema)]
#[schema(as = BotchaEmailForm)]
#[expect(dead_code, reason = "describes a form that is read field by field")]
struct EmailForm {
    /// The address that the app was registered with.
    email: String,
}

/// Mail a login code to the owner of an app.
#[utoipa::path(
    post, path = "/v1/auth/recover", tag = "botcha", operation_id = "botcha_recover",
    request_body = Recovery,
    responses(
        (status = 200, body = Mailed, description = "Whether or not the address has a verified app"),
        (status = 400, body = ErrorBody, description = "`MISSING_EMAIL`"),
        (status = 413, body = ErrorBody, description = "`PAYLOAD_TOO_LARGE`"),
        (status = 429, body = ErrorBody, description = "`RATE_LIMIT_EXCEEDED`"),
        (status = 503, body = ErrorBody, description = "`STORAGE_UNAVAILABLE`"),
    ),
)]
async fn recover(State(app): State<App>, parts: Parts, Body(body, _): Body<Failure>) -> Result<Response> {
    let members = lenient_members(&body);
    let email = members.get("email").and_then(Value::as_str).map(apps::normalize_email).unwrap_or_default();
    if email.is_empty() {
        let message = "Send the address that the app was registered with as email";
        return Err(Error::invalid(message).with_code("MISSING_EMAIL").into());
    }
    mail_code(&app, &parts, &email).await?;
    Ok(uncached(Mailed {
        success: true,
        message: "If an app with this email exists and is verified, a recovery code has been sent.",
        hint: format!("Enter the code at {}/dashboard/code", gate::origin(&parts)),
    }))
}

/// Mail a login code to the owner of an app, from the login page.
#[utoipa::path(
    post, path = "/dashboard/email-login", tag = "botcha", operation_id = "botcha_login_by_email",
    request_body(content((EmailForm = "application/x-www-form-urlencoded"), (EmailForm = "multipart/form-data"))),
    responses(
        (status = 302, description = "To `/dashboard/code?email_sent=1`, whether or not the address has a verified \
                                      app; to `/dashboard/login?error=email_missing` without an address"),
        (
            status = 400, description = "`INVALID_REQUEST`: the form cannot be read",
            content((ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown")),
        ),
        (
            status = 403, description = "`FOREIGN_FORM`: another site sent the form",
            content((ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown")),
        ),
        (
            status = 413, description = "`PAYLOAD_TOO_LARGE`",
            content((ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown")),
        ),
        (
            status = 429, description = "`RATE_LIMIT_EXCEEDED`",
            content((ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown")),
        ),
        (
            status = 503, description = "`STORAGE_UNAVAILABLE`",
            content((ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown")),
        ),
    ),
)]
async fn log_in_by_email(State(app): State<App>, origin: Origin, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let answer = async {
        owner::refuse_foreign(&parts.headers, &origin)?;
        let fields = Fields::read(Request::from_parts(parts.clone(), body)).await?;
        let email = apps::normalize_email(fields.text("email"));
        if email.is_empty() {
            return Ok(redirect("/dashboard/login?error=email_missing"));
        }
        mail_code(&app, &parts, &email).await.map_err(|failure| failure.error)?;
        Ok(redirect("/dashboard/code?email_sent=1"))
    };
    page::answer(&app, &origin, &parts.headers, answer.await).await
}

/// The routes.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(recover)).routes(routes!(log_in_by_email))
}

/// Makes a login code for the verified app of an address and mails it. Without such an app the same is done for nobody:
/// a code is stored that no one ever learns and that opens nothing.
async fn mail_code(app: &App, parts: &Parts, email: &str) -> Result<()> {
    let limits = &app.config.limits;
    limits::count_address(app, parts, &Rule::per_hour("recovery", limits.mails_per_hour)).await?;
    let rule = Rule::per_hour("recovery_to", limits.mails_per_hour_to_one);
    limits::count_key(app, parts, &rule, &apps::email_hash(app, email)).await?;
    let found = apps::find_by_email(app, email).await?.filter(|found| found.is_email_verified);
    let id = found.as_ref().map_or(apps::NOBODY, |found| &found.id);
    let code = codes::store(app, Content::Device { app_id: id.to_owned() }, CODE_SECONDS).await?;
    audit::record(app, id, &Actor::Anyone, "app.recovery_requested", json!({})).await?;
    let to = found.as_ref().and_then(|found| found.email.as_deref());
    let letter = mail::login(app, to.unwrap_or(email), id, &code);
    if to.is_some() {
        app.mail.send(app, letter);
    }
    Ok(())
}
