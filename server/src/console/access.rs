//! Who is in the console: one-time links, sessions, the mark on forms, and the projects that are one's own.

use std::collections::HashMap;

use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use quivive_core::crypto::hmac_sha256;
use quivive_core::{Timestamp, encoding};
use serde::{Deserialize, Serialize};

use super::failure::{Failure, Result};
use crate::app::App;
use crate::audit::Actor;
use crate::error::{self, Error, ErrorKind};
use crate::extract::cookie as cookie_of;
use crate::storage::Record;
use crate::tenant::{Account, Membership, Project, User, credentials, directory};

/// A link that logs a user in once, of which only the hash is kept.
#[derive(Debug, Deserialize, Serialize)]
struct ConsoleLink {
    hash: String,
    user_id: i64,
    expires_at: Timestamp,
}

/// A logged-in browser, of which only the hash of the cookie is kept.
#[derive(Debug, Deserialize, Serialize)]
struct ConsoleSession {
    hash: String,
    user_id: i64,
    expires_at: Timestamp,
}

/// Makes a one-time link for a user and returns its secret, which is good for ten minutes.
///
/// # Errors
/// `NOT_FOUND` when there is no such user.
pub async fn create_link(app: &App, user_id: i64) -> error::Result<String> {
    directory::user(app, user_id).await?;
    let secret = credentials::new_console_secret(app);
    let expires_at = app.now().plus_milliseconds(LINK_MILLISECONDS);
    app.storage.insert(&ConsoleLink { hash: credentials::hash(&secret), user_id, expires_at }).await?;
    Ok(secret)
}

/// Takes a link: of many who use it at most one gets the user.
pub(super) async fn take_link(app: &App, secret: &str) -> error::Result<Option<i64>> {
    let link = app.storage.take::<ConsoleLink>(&credentials::hash(secret)).await?;
    Ok(link.map(|link| link.user_id))
}

/// Begins a session and returns its cookie.
pub(super) async fn log_in(app: &App, user_id: i64, is_https: bool) -> Result<HeaderValue> {
    let secret = credentials::new_console_secret(app);
    let expires_at = app.now().plus_milliseconds(SESSION_SECONDS * 1_000);
    app.storage.insert(&ConsoleSession { hash: credentials::hash(&secret), user_id, expires_at }).await?;
    cookie(&secret, SESSION_SECONDS, is_https)
}

/// The cookie that takes the session's cookie away.
pub(super) fn no_cookie(is_https: bool) -> Result<HeaderValue> {
    cookie("", 0, is_https)
}

/// A logged-in user.
pub(super) struct Owner {
    /// The user.
    pub user: User,
    /// The mark that forms of this session carry.
    pub mark: String,
    session: String,
}

impl Owner {
    /// Who he is to the audit trail.
    pub(super) fn actor(&self) -> Actor {
        Actor::User(self.user.id)
    }

    /// Ends the session.
    pub(super) async fn log_out(&self, app: &App) -> Result<()> {
        app.storage.delete::<ConsoleSession>(&self.session).await?;
        Ok(())
    }
}

impl FromRequestParts<App> for Owner {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let hash = session_hash(&parts.headers).ok_or_else(Failure::not_logged_in)?;
        let session = app.storage.get::<ConsoleSession>(&hash).await?.ok_or_else(Failure::not_logged_in)?;
        match directory::user(app, session.user_id).await {
            Ok(user) => Ok(Self { user, mark: mark(app, &hash), session: hash }),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Failure::not_logged_in()),
            Err(error) => Err(error.into()),
        }
    }
}

/// A logged-in user and the project of the path, which belongs to an account that he is a member of.
pub(super) struct Owned {
    /// The user.
    pub owner: Owner,
    /// The project's account.
    pub account: Account,
    /// The project.
    pub project: Project,
}

impl FromRequestParts<App> for Owned {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let owner = Owner::from_request_parts(parts, app).await?;
        let parameters =
            RawPathParams::from_request_parts(parts, app).await.map_err(|_| Failure::not_found())?;
        let id = parameters.iter().find(|(name, _)| *name == "project").map(|(_, value)| value.parse());
        let Some(Ok(id)) = id else { return Err(Failure::not_found()) };
        let project = match directory::project(app, id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(Failure::not_found()),
            other => other?,
        };
        // Somebody else's project and no project look the same.
        let membership = directory::membership(app, project.account_id, owner.user.id).await?;
        membership.ok_or_else(Failure::not_found)?;
        let account = directory::account(app, project.account_id).await?;
        Ok(Self { owner, account, project })
    }
}

/// The accounts of a user with his place in each.
pub(super) async fn accounts(app: &App, user: &User) -> Result<Vec<(Account, Membership)>> {
    let mut accounts = Vec::new();
    for membership in directory::memberships_of(app, user.id).await? {
        accounts.push((directory::account(app, membership.account_id).await?, membership));
    }
    Ok(accounts)
}

/// The fields of a form that carries the mark of its session.
pub(super) struct Form(HashMap<String, String>);

impl Form {
    /// The value of a field; empty when it is missing.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Whether a check box is ticked.
    pub(super) fn is_ticked(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

impl FromRequest<App> for Form {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let expected = session_hash(request.headers()).map(|hash| mark(app, &hash));
        let form = Self(fields(request, app).await?);
        let is_own = expected.is_some_and(|expected| {
            encoding::equal_in_constant_time(expected.as_bytes(), form.text("mark").as_bytes())
        });
        if is_own {
            return Ok(form);
        }
        let message =
            "This form was not made for your present login. Go back, load the page again and repeat.";
        Err(Error::forbidden(message).with_code("FORM_MARK_MISMATCH").into())
    }
}

/// The fields of a form that needs no session.
pub(super) async fn fields(request: Request, app: &App) -> Result<HashMap<String, String>> {
    let unreadable = || Error::invalid("The form could not be read.");
    let body = Bytes::from_request(request, app).await.map_err(|_| unreadable())?;
    Ok(form_urlencoded::parse(&body).into_owned().collect())
}

fn session_hash(headers: &HeaderMap) -> Option<String> {
    cookie_of(headers, COOKIE).map(credentials::hash)
}

/// Ties a form to a session: whoever cannot read a page of the session cannot make it.
fn mark(app: &App, session: &str) -> String {
    encoding::hex(&hmac_sha256(&app.keys.derive("console-form"), session.as_bytes()))
}

/// `Strict` holds: a link leads to a page of ours, and that page's own form logs in.
fn cookie(value: &str, seconds: i64, is_https: bool) -> Result<HeaderValue> {
    let secure = if is_https { "; Secure" } else { "" };
    let text = format!("{COOKIE}={value}; Path=/-/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&text).map_err(|_| Error::internal("the cookie has no text form").into())
}

impl Record for ConsoleLink {
    const KIND: &'static str = "console_link";

    fn id(&self) -> String {
        self.hash.clone()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

impl Record for ConsoleSession {
    const KIND: &'static str = "console_session";

    fn id(&self) -> String {
        self.hash.clone()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

const COOKIE: &str = "quivive_console";
const LINK_MILLISECONDS: i64 = 600_000;
const SESSION_SECONDS: i64 = 43_200;
