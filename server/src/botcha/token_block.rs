//! The tokens in an answer, and what a submission may ask of them.

use http::HeaderMap;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::apps;
use super::challenges::kept::{self, Kept};
use super::issue::{self, Grant};
use super::owner;
use super::wire::{Result, optional_text, switch};
use crate::app::App;
use crate::error::{self, Error};
use crate::extract::{ClientIp, header_text};

/// New tokens, in every answer that gives some.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotchaTokenBlock)]
pub struct TokenBlock {
    access_token: String,
    token_type: &'static str,
    /// Seconds.
    expires_in: u32,
    refresh_token: String,
    /// Seconds.
    refresh_expires_in: u32,
    /// A page for the person behind the agent; good for 300 seconds and one use.
    human_link: String,
    human_code: String,
    human_instruction: String,
    usage: Usage,
    /// The same as `access_token`, for older clients.
    token: String,
    human_magic_link: String,
    human_url: String,
    #[serde(rename = "expiresIn")]
    expires_in_words: String,
}

/// What to do with a token.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotchaTokenUsage)]
struct Usage {
    header: &'static str,
    try_it: &'static str,
    full_docs: String,
    refresh: &'static str,
    revoke: &'static str,
}

impl TokenBlock {
    /// Issues tokens; all is stored when it returns.
    ///
    /// # Errors
    /// If signing fails or storage does not answer.
    pub async fn issue(app: &App, origin: &str, grant: &Grant) -> error::Result<Self> {
        let issued = issue::issue(app, grant).await?;
        let human_link = format!("{origin}/go/{}", issued.code);
        Ok(Self {
            token: issued.access_token.clone(),
            access_token: issued.access_token,
            token_type: "Bearer",
            expires_in: app.config.tokens.access_ttl,
            refresh_token: issued.refresh_token,
            refresh_expires_in: app.config.tokens.refresh_ttl,
            human_instruction: format!("For the person behind you: open {human_link} within 5 minutes."),
            human_magic_link: human_link.clone(),
            human_link,
            human_code: issued.code,
            human_url: origin.to_owned(),
            usage: Usage {
                header: "Authorization: Bearer <access_token>",
                try_it: "GET /agent-only",
                full_docs: format!("{origin}/openapi.json"),
                refresh: "POST /v1/token/refresh with {\"refresh_token\": \"<refresh_token>\"}",
                revoke: "POST /v1/token/revoke with {\"token\": \"<token>\"}",
            },
            expires_in_words: in_words(app.config.tokens.access_ttl),
        })
    }

    /// The access token.
    pub fn access_token(&self) -> &str {
        &self.access_token
    }

    /// The access token's life, `1h`.
    pub fn life(&self) -> &str {
        &self.expires_in_words
    }

    /// The schema of an answer that may come without tokens.
    pub(super) fn optional() -> RefOr<Schema> {
        let mut schema = Self::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.required.clear();
        }
        schema
    }
}

/// What a submission asks of the token that it may get.
#[derive(Debug)]
pub struct Wishes {
    audience: Option<String>,
    bind_ip: bool,
    app_id: Option<String>,
    secret: Option<String>,
    is_owner: bool,
}

impl Wishes {
    /// Reads them out of a body, and the secret out of the headers as well.
    ///
    /// # Errors
    /// 400 `INVALID_REQUEST` for a wrong type.
    pub fn read(members: &Map<String, Value>, headers: &HeaderMap) -> Result<Self> {
        let in_header = || header_text(headers, "x-app-secret").map(str::to_owned);
        Ok(Self {
            audience: optional_text(members, "audience")?,
            bind_ip: switch(members, "bind_ip")?,
            app_id: optional_text(members, "app_id")?,
            secret: optional_text(members, "app_secret")?.or_else(in_header),
            is_owner: false,
        })
    }

    /// Refuses what the app of a challenge does not allow, before the challenge is taken.
    ///
    /// # Errors
    /// 403 `AUDIENCE_NOT_ALLOWED`; 401 `INVALID_APP_SECRET` for a secret that is not the app's.
    pub async fn permit<K: Kept>(&mut self, app: &App, id: &str) -> Result<()> {
        if self.audience.is_none() && self.secret.is_none() {
            return Ok(());
        }
        // What is not there is refused when it is judged.
        let Some(waiting) = kept::look::<K>(app, id).await? else { return Ok(()) };
        let found = match &waiting.app_id {
            Some(id) => apps::find(app, id).await?,
            None => None,
        };
        if let Some(secret) = &self.secret {
            if !owner::has_secret(found.as_ref(), secret.trim()) {
                let message = "app_secret is not that of the app that the challenge is bound to";
                return Err(Error::unauthenticated(message).with_code("INVALID_APP_SECRET").into());
            }
            self.is_owner = true;
        }
        let allowed = found.map(|found| found.allowed_audiences).unwrap_or_default();
        match &self.audience {
            Some(audience) if !allowed.is_empty() && !allowed.contains(audience) => {
                let message = "The app does not allow tokens for this audience";
                Err(Error::forbidden(message).with_code("AUDIENCE_NOT_ALLOWED").into())
            }
            _ => Ok(()),
        }
    }

    /// What the token is issued for: a challenge that was solved, bound to that app.
    ///
    /// # Errors
    /// 400 `APP_ID_NOT_ALLOWED` if an app is named and the challenge is bound to none; 403 `APP_ID_MISMATCH` if it is
    /// bound to another one.
    pub fn grant(
        self,
        subject: &str,
        solve_time: i64,
        bound: Option<String>,
        ClientIp(ip): ClientIp,
    ) -> Result<Grant> {
        match (&self.app_id, &bound) {
            (Some(_), None) => {
                let message = "The challenge was fetched without an app: send app_id when you ask for one";
                return Err(Error::invalid(message).with_code("APP_ID_NOT_ALLOWED").into());
            }
            (Some(wanted), Some(bound)) if wanted != bound => {
                let message = "The challenge is bound to another app";
                return Err(Error::forbidden(message).with_code("APP_ID_MISMATCH").into());
            }
            _ => {}
        }
        Ok(Grant {
            subject: subject.to_owned(),
            solve_time,
            audience: self.audience,
            client_ip: self.bind_ip.then(|| ip.to_string()),
            app_id: bound,
            is_owner: self.is_owner,
        })
    }
}

fn in_words(seconds: u32) -> String {
    match (seconds % 3600, seconds % 60) {
        (0, _) => format!("{}h", seconds / 3600),
        (_, 0) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}
