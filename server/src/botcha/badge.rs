//! Badges: a signed note that somebody once passed a challenge. It names no holder.

mod picture;
mod routes;

use quivive_core::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

pub use self::routes::router;
use crate::app::App;
use crate::error::Result;

/// A badge in an answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotchaBadge)]
#[serde(rename_all = "camelCase")]
pub struct Badge {
    /// The badge itself, a signed token.
    id: String,
    /// The page that shows it.
    verify_url: String,
    /// Ready-made texts.
    share: Share,
    /// Its picture.
    image_url: String,
    /// What it says.
    meta: Meta,
}

/// Ready-made texts about a badge.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotchaBadgeShare)]
pub struct Share {
    /// For a short message.
    twitter: String,
    /// A picture that links to the page.
    markdown: String,
    /// Plain text.
    text: String,
}

/// What a badge says.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotchaBadgeMeta)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// The kind of challenge.
    method: &'static str,
    /// Milliseconds that it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    solve_time_ms: Option<i64>,
    /// When, ISO 8601.
    verified_at: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Claims {
    sub: &'static str,
    method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    solve_time_ms: Option<i64>,
    verified_at: i64,
    iat: i64,
}

/// Makes a badge, signed with a key of its own that is derived from the master secret.
///
/// # Errors
/// Practically never: if signing fails.
pub fn create(
    app: &App,
    origin: &str,
    method: &'static str,
    solve_time: i64,
    now: Timestamp,
) -> Result<Badge> {
    let claims = Claims {
        sub: SUBJECT,
        method,
        solve_time_ms: Some(solve_time),
        verified_at: now.milliseconds(),
        iat: now.seconds(),
    };
    let id = app.keys.badge_signer().sign_payload(&claims)?;
    let verify_url = format!("{origin}/badge/{id}");
    let image_url = format!("{verify_url}/image");
    let name = &app.config.service_name;
    let text =
        format!("{name} Verified - Solved in {solve_time}ms - Method: {method} - Verify: {verify_url}");
    Ok(Badge {
        share: Share {
            twitter: format!("My agent proved to be one in {solve_time}ms. Verify: {verify_url}"),
            markdown: format!("[![{name} Verified]({image_url})]({verify_url})"),
            text,
        },
        id,
        verify_url,
        image_url,
        meta: Meta { method, solve_time_ms: Some(solve_time), verified_at: now.to_string() },
    })
}

/// What a badge says, once it is read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seen {
    /// The kind of challenge.
    pub method: String,
    /// Milliseconds that it took.
    pub solve_time: Option<i64>,
    /// When.
    pub verified_at: Timestamp,
}

/// Reads a badge; nothing unless this server signed it.
pub fn read(app: &App, id: &str) -> Option<Seen> {
    let claims = app.keys.badge_verifier().verify_signature(id).ok()?;
    if claims.sub.as_deref() != Some(SUBJECT) {
        return None;
    }
    Some(Seen {
        method: claims.extra.get("method")?.as_str()?.to_owned(),
        solve_time: claims.extra.get("solveTimeMs").and_then(serde_json::Value::as_i64),
        verified_at: Timestamp::from_milliseconds(claims.extra.get("verifiedAt")?.as_i64()?),
    })
}

impl Seen {
    /// What the challenge is called on a badge, and its colour.
    fn label(&self) -> (&'static str, &'static str) {
        match self.method.as_str() {
            "speed-challenge" => ("SPEED TEST", "#f59e0b"),
            "landing-challenge" => ("LANDING CHALLENGE", "#10b981"),
            "web-bot-auth" => ("WEB BOT AUTH", "#8b5cf6"),
            "reasoning-challenge" => ("REASONING TEST", "#ec4899"),
            "hybrid-challenge" => ("HYBRID TEST", "#ef4444"),
            _ => ("CHALLENGE", "#3b82f6"),
        }
    }

    /// When, for people.
    fn day(&self) -> String {
        let text = self.verified_at.to_string();
        text.split_once('T').map_or(text.clone(), |(day, _)| day.to_owned())
    }
}

const SUBJECT: &str = "botcha-badge";
