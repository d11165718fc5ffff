//! `quivive admin keys`: the keys that sign tokens.

use clap::Subcommand;
use serde_json::json;

use super::answer::Answer;
use crate::app::App;
use crate::error::Result;
use crate::keys::KeyState;
use crate::keys::rotation;

/// What `keys` takes.
#[derive(Subcommand)]
pub(super) enum Command {
    /// List the keys: which one signs, which are only published, and until when.
    List,
    /// Publish a new key that signs an hour from now, when every verifier has it; running servers follow by themselves
    /// within a minute. The former key stays published for 90 days more.
    Rotate {
        /// Sign with the new key, or the one that is waiting, at once. Verifiers that hold older keys refuse its tokens
        /// until they ask again, for up to an hour.
        #[arg(long)]
        now: bool,
    },
}

pub(super) async fn execute(app: &App, command: Command) -> Result<Answer> {
    match command {
        Command::List => Ok(list(app)),
        Command::Rotate { now } => {
            let kid = rotation::rotate(app, now).await?;
            let states = app.keys.states();
            let signs_at = states.iter().find(|state| state.kid == kid).map(|state| state.signs_at);
            let signs_at = signs_at.unwrap_or_else(|| app.now());
            let text = format!("{kid} is published and signs from {signs_at} on");
            Ok(Answer::new(text, json!({ "kid": kid, "signs_at": signs_at.to_string() })))
        }
    }
}

fn list(app: &App) -> Answer {
    let signing = app.keys.signing_key_id();
    let now = app.now();
    let describe = |key: &KeyState| match &signing {
        Some(kid) if *kid == key.kid => "signing",
        _ if key.signs_at > now => "next",
        _ => "former",
    };
    let states = app.keys.states();
    let text = |time: Option<quivive_core::Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
    let rows = states
        .iter()
        .map(|key| {
            let made = key.created_at.map_or_else(|| "by the configuration".to_owned(), |at| at.to_string());
            [key.kid.clone(), describe(key).to_owned(), made, text(key.expires_at)]
        })
        .collect();
    let json = states
        .iter()
        .map(|key| {
            json!({
                "kid": key.kid,
                "state": describe(key),
                "created_at": key.created_at.map(|at| at.to_string()),
                "signs_at": key.created_at.map(|_| key.signs_at.to_string()),
                "expires_at": key.expires_at.map(|at| at.to_string()),
            })
        })
        .collect();
    Answer::list(["KEY", "STATE", "MADE", "PUBLISHED UNTIL"], rows, json)
}
