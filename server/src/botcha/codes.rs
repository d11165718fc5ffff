//! Short codes that a person carries from one device to another.

use quivive_core::Timestamp;
use quivive_core::token::Claims;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::storage::Record;

/// What a code opens; no code opens another door.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CodePurpose {
    /// Shows a person that his agent is verified.
    Gate,
}

/// A code and what it stands for; one use.
#[derive(Debug, Deserialize, Serialize)]
pub struct StoredCode {
    /// `BOTCHA-` and six characters.
    pub code: String,
    /// What it opens.
    pub purpose: CodePurpose,
    /// The id of the token that it was made with; the token itself is not kept.
    pub token_id: String,
    /// What the token said.
    pub claims: Claims,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl Record for StoredCode {
    const KIND: &'static str = "code";

    fn id(&self) -> String {
        self.code.clone()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

/// A gate code for a new token, 300 seconds long.
pub fn gate_code(app: &App, token_id: &str, claims: &Claims) -> StoredCode {
    StoredCode {
        code: new_code(app),
        purpose: CodePurpose::Gate,
        token_id: token_id.to_owned(),
        claims: claims.clone(),
        expires_at: app.now().plus_milliseconds(300_000),
    }
}

/// 32 symbols, so that each of the random bytes gives one evenly.
fn new_code(app: &App) -> String {
    let symbols = app.random_bytes::<6>().into_iter().filter_map(|byte| ALPHABET.get(usize::from(byte % 32)));
    format!("BOTCHA-{}", symbols.map(|byte| char::from(*byte)).collect::<String>())
}

/// Without I, O, 0 and 1, which people mix up.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
