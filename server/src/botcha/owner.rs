//! Who may act for an app: whoever has its secret, or a dashboard session that such a proof began.
//!
//! A session is a token of a type of its own, so that no access token opens a dashboard and no session opens a
//! guarded route, and a stored record, so that it ends when its owner says so.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};
use quivive_core::token::{Claims, VerifyPolicy};
use quivive_core::{Timestamp, encoding};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::apps::{self, RegisteredApp};
use super::issue::new_id;
use crate::app::App;
use crate::audit::Actor;
use crate::error::{Error, Result};
use crate::extract::{Origin, bearer, cookie, header_text, is_foreign_page, is_own_page};
use crate::storage::{Put, Record};
use crate::tenant::credentials;

/// The `type` of a session's token.
pub const SESSION_TYPE: &str = "botcha-dashboard-session";

/// The `sub` of a session's token.
pub const SESSION_SUBJECT: &str = "dashboard-session";

/// How long a session lasts, in seconds.
pub const SESSION_SECONDS: u32 = 3600;

/// The owner of an app in a browser or at a command line.
#[derive(Clone, Debug)]
pub struct Session {
    /// The session's id.
    pub id: String,
    /// The app.
    pub app: RegisteredApp,
    /// Whether it came as a cookie.
    pub is_cookie: bool,
}

/// What a request says about a session.
#[derive(Clone, Debug)]
pub enum Presented {
    /// Nothing.
    Nothing,
    /// A cookie or Bearer token that is no session, or one that has ended.
    Invalid,
    /// A session that holds.
    Session(Box<Session>),
}

/// A proof of ownership.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The app.
    pub app: RegisteredApp,
    /// Who acts.
    pub actor: Actor,
}

/// A stored session.
#[derive(Debug, Deserialize, Serialize)]
struct StoredSession {
    id: String,
    app_id: String,
    expires_at: Timestamp,
}

impl Record for StoredSession {
    const KIND: &'static str = "dashboard_session";

    fn id(&self) -> String {
        self.id.clone()
    }

    fn parent(&self) -> String {
        self.app_id.clone()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

/// Begins a session of an app's owner and returns its token.
///
/// # Errors
/// If signing fails or storage does not answer.
pub async fn begin_session(app: &App, app_id: &str) -> Result<String> {
    let now = app.now();
    let id = new_id(app);
    let mut claims = Claims::access(SESSION_SUBJECT, 0, &id, now, SESSION_SECONDS);
    claims.token_type = Some(SESSION_TYPE.to_owned());
    claims.app_id = Some(app_id.to_owned());
    let token = app.keys.sign(&claims)?;
    let expires_at = now.plus_milliseconds(i64::from(SESSION_SECONDS) * 1000);
    app.storage.insert(&StoredSession { id, app_id: app_id.to_owned(), expires_at }).await?;
    Ok(token)
}

/// Ends one session.
///
/// # Errors
/// If storage does not answer.
pub async fn end_session(app: &App, session: &Session) -> Result<()> {
    app.storage.delete::<StoredSession>(&session.id).await?;
    Ok(())
}

/// The change that ends a session.
pub fn end_of_session(id: &str) -> Put {
    Put::delete::<StoredSession>(id)
}

/// Ends all sessions of an app, but the one that is named.
///
/// # Errors
/// If storage does not answer.
pub async fn end_sessions(app: &App, app_id: &str, but: Option<&str>) -> Result<()> {
    loop {
        let sessions = app.storage.list::<StoredSession>(app_id, None, 200).await?;
        let ends: Vec<Put> = sessions
            .iter()
            .filter(|session| but != Some(session.id.as_str()))
            .map(|session| Put::delete::<StoredSession>(session.id.as_str()))
            .collect();
        if ends.is_empty() {
            return Ok(());
        }
        app.storage.write(ends).await?;
    }
}

/// The session of a request: the cookie's, else the Bearer token's.
///
/// # Errors
/// If storage does not answer; 403 `FOREIGN_FORM` if a cookie comes with a request that changes something and was
/// not sent by a page of ours.
pub async fn session(app: &App, parts: &Parts) -> Result<Presented> {
    let by_cookie = cookie(&parts.headers, COOKIE);
    let Some(token) = by_cookie.or_else(|| bearer(&parts.headers)) else { return Ok(Presented::Nothing) };
    let is_cookie = by_cookie.is_some();
    let Some(session) = open(app, token, is_cookie).await? else { return Ok(Presented::Invalid) };
    if is_cookie && changes(&parts.method) && !is_from_own_page(parts) {
        let message = "This request came with a cookie but not from a page of this server: send the header Origin \
                       or X-Requested-With, or the session as a Bearer token";
        return Err(Error::forbidden(message).with_code("FOREIGN_FORM"));
    }
    Ok(Presented::Session(Box::new(session)))
}

/// The proof that a request may act for an app: `app_secret` in its body, else the header `X-App-Secret`, else a
/// session of that app. Nothing if it has none; whether the app exists makes no difference.
///
/// # Errors
/// As [`session`].
pub async fn prove(
    app: &App,
    parts: &Parts,
    body: &Map<String, Value>,
    app_id: &str,
) -> Result<Option<Proof>> {
    let found = apps::find(app, app_id).await?;
    let secret = body
        .get("app_secret")
        .and_then(Value::as_str)
        .or_else(|| header_text(&parts.headers, "x-app-secret"))
        .map(str::trim)
        .filter(|secret| !secret.is_empty());
    if let Some(secret) = secret
        && has_secret(found.as_ref(), secret)
    {
        return Ok(found.map(|app| Proof { app, actor: Actor::AppSecret }));
    }
    match session(app, parts).await? {
        Presented::Session(session) if session.app.id == app_id => {
            Ok(Some(Proof { app: session.app, actor: Actor::Session(session.id) }))
        }
        _ => Ok(None),
    }
}

/// Other sites cannot log a visitor in, under whatever name: a form that a browser says to be theirs is refused.
///
/// # Errors
/// 403 `FOREIGN_FORM`.
pub fn refuse_foreign(headers: &HeaderMap, own: &Origin) -> Result<()> {
    if is_foreign_page(headers, &own.0) {
        return Err(Error::forbidden("Another site sent this form").with_code("FOREIGN_FORM"));
    }
    Ok(())
}

/// Whether a secret is the app's; takes the same time for an app that does not exist.
pub fn has_secret(found: Option<&RegisteredApp>, secret: &str) -> bool {
    let given = credentials::hash(secret);
    let expected = found.and_then(|found| found.secret_hash.as_deref()).unwrap_or(NO_HASH);
    encoding::equal_in_constant_time(given.as_bytes(), expected.as_bytes())
}

/// The cookie that carries a session's token.
///
/// # Errors
/// Practically never: if the token has no header form.
pub fn session_cookie(token: &str, origin: &Origin) -> Result<HeaderValue> {
    set_cookie(COOKIE, token, i64::from(SESSION_SECONDS), origin)
}

/// The cookie that takes the session's cookie away.
///
/// # Errors
/// Never.
pub fn no_session_cookie(origin: &Origin) -> Result<HeaderValue> {
    set_cookie(COOKIE, "", 0, origin)
}

/// A cookie of this family: for the whole server, not for scripts; over plain HTTP for this machine alone.
///
/// # Errors
/// If the value has no header form.
pub fn set_cookie(name: &str, value: &str, seconds: i64, origin: &Origin) -> Result<HeaderValue> {
    let secure = if is_plain_loopback(&origin.0) { "" } else { "; Secure" };
    let text = format!("{name}={value}; Max-Age={seconds}; Path=/; HttpOnly{secure}; SameSite=Lax");
    HeaderValue::from_str(&text).map_err(|_| Error::internal("the cookie has no text form"))
}

async fn open(app: &App, token: &str, is_cookie: bool) -> Result<Option<Session>> {
    let Ok(claims) = app.keys.verify_signature(token) else { return Ok(None) };
    let policy = VerifyPolicy { types: Some(vec![SESSION_TYPE.to_owned()]), ..VerifyPolicy::default() };
    if policy.check(&claims, app.now()).is_err() {
        return Ok(None);
    }
    let (Some(id), Some(app_id)) = (claims.jti, claims.app_id) else { return Ok(None) };
    let stored = app.storage.get::<StoredSession>(&id).await?;
    if stored.is_none_or(|stored| stored.app_id != app_id) {
        return Ok(None);
    }
    Ok(apps::find(app, &app_id).await?.map(|app| Session { id, app, is_cookie }))
}

fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn is_from_own_page(parts: &Parts) -> bool {
    let own = parts.extensions.get::<Origin>().map(|origin| origin.0.as_str()).unwrap_or_default();
    parts.headers.contains_key("x-requested-with") || is_own_page(&parts.headers, own)
}

fn is_plain_loopback(origin: &str) -> bool {
    let Some(host) = origin.strip_prefix("http://") else { return false };
    let host = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|digit| digit.is_ascii_digit()));
    let host = host.map_or(origin.trim_start_matches("http://"), |(host, _)| host);
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

const COOKIE: &str = "botcha_session";
/// The hash of nothing that anybody has.
const NO_HASH: &str = "----------------------------------------------------------------";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_secure_but_on_this_machine() {
        let secure = |origin: &str| {
            let cookie = set_cookie("a", "b", 5, &Origin(origin.to_owned())).unwrap();
            cookie.to_str().unwrap().contains("; Secure")
        };
        for origin in
            ["https://door.example", "http://door.example", "http://10.0.0.1:8080", "https://localhost"]
        {
            assert!(secure(origin), "{origin}");
        }
        for origin in ["http://localhost", "http://127.0.0.1:8080", "http://[::1]:8080"] {
            assert!(!secure(origin), "{origin}");
        }
    }

    #[test]
    fn no_app_has_no_secret() {
        assert!(!has_secret(None, ""));
        assert!(!has_secret(None, NO_HASH));
    }
}
