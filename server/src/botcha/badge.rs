//! Badges: a signed note that somebody once passed a challenge. It names no holder.

use quivive_core::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

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
        sub: "botcha-badge",
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
