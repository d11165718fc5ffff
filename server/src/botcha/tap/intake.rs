//! Taking a public key in: parsed by the declared algorithm, checked, and if a proof comes, proven to be held.

use quivive_core::public_key::{PublicKey, SignatureAlgorithm};
use quivive_core::{Timestamp, encoding};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::app::App;
use crate::botcha::agents::AgentKey;
use crate::error::Error;

/// The members by which a key is given.
#[derive(ToSchema)]
#[schema(as = BotchaKeyIntake)]
#[expect(dead_code, reason = "describes a body that is read leniently")]
pub struct KeyMembers {
    /// PEM, SPKI in base64, a JWK as an object or as text, or 32 raw bytes of an Ed25519 key in base64.
    #[schema(value_type = Option<Value>)]
    public_key: Option<Value>,
    /// `ed25519`, `ecdsa-p256-sha256` or `rsa-pss-sha256`.
    signature_algorithm: Option<String>,
    /// When the key ends: ISO 8601, a date or a time in UTC.
    key_expires_at: Option<String>,
    /// Proof that the key is held: base64 of the signature, by the new key, over
    /// `botcha-tap-register:<app_id>:<thumbprint>:<proof_time>`.
    proof: Option<String>,
    /// Seconds since the Unix epoch, at most 300 away.
    proof_time: Option<i64>,
}

/// Why a key is not taken.
#[derive(Debug)]
pub enum Refused {
    /// No algorithm, or not one of ours.
    Algorithm,
    /// No key of that algorithm, or one that must not be used.
    Key,
    /// An end that cannot be read or has passed.
    Expiry,
    /// A proof that does not hold, or none where one is needed.
    Proof,
}

/// Reads the key of a body.
///
/// # Errors
/// What is wrong with it.
pub fn read(app: &App, app_id: &str, members: &Map<String, Value>) -> Result<AgentKey, Refused> {
    let now = app.now();
    let algorithm = members.get("signature_algorithm").and_then(Value::as_str);
    let algorithm = algorithm.and_then(SignatureAlgorithm::from_name).ok_or(Refused::Algorithm)?;
    let text = match members.get("public_key") {
        Some(Value::String(text)) => text.clone(),
        Some(jwk @ Value::Object(_)) => jwk.to_string(),
        _ => return Err(Refused::Key),
    };
    let key = PublicKey::parse(&text, algorithm).map_err(|_| Refused::Key)?;
    if key.is_published_test_key() && !app.config.agents.allow_test_keys {
        return Err(Refused::Key);
    }
    let expires_at = match members.get("key_expires_at") {
        None | Some(Value::Null) => None,
        Some(value) => Some(read_time(value).filter(|end| *end > now).ok_or(Refused::Expiry)?),
    };
    let proof = members.get("proof").filter(|proof| !proof.is_null());
    let is_proven = match proof {
        Some(proof) => is_held(&key, app_id, proof, members.get("proof_time"), now),
        None => !app.config.agents.require_key_proof,
    };
    if !is_proven {
        return Err(Refused::Proof);
    }
    Ok(AgentKey {
        text,
        algorithm: algorithm.name().to_owned(),
        thumbprint: key.thumbprint().to_owned(),
        created_at: now,
        expires_at,
    })
}

/// 400 `INVALID_KEY_PROOF`.
pub fn invalid_proof() -> Error {
    let message = "proof must be the signature by the new key over \
                   botcha-tap-register:<app_id>:<thumbprint>:<proof_time>, proof_time at most 300 seconds away";
    Error::invalid(message).with_code("INVALID_KEY_PROOF")
}

/// The names of the algorithms, for messages.
pub fn algorithms() -> String {
    SignatureAlgorithm::REGISTRABLE.map(SignatureAlgorithm::name).join(", ")
}

fn is_held(key: &PublicKey, app_id: &str, proof: &Value, time: Option<&Value>, now: Timestamp) -> bool {
    let (Some(proof), Some(time)) = (proof.as_str(), time.and_then(Value::as_i64)) else { return false };
    let message = format!("botcha-tap-register:{app_id}:{}:{time}", key.thumbprint());
    let is_recent = now.seconds().saturating_sub(time).unsigned_abs() <= PROOF_SECONDS;
    let signature = encoding::decode_base64(proof.trim()).unwrap_or_default();
    is_recent && key.verify_any_form(message.as_bytes(), &signature)
}

fn read_time(value: &Value) -> Option<Timestamp> {
    let text = value.as_str()?;
    let time: jiff::Timestamp = text.parse().or_else(|_| format!("{text}T00:00:00Z").parse()).ok()?;
    Some(Timestamp::from_milliseconds(time.as_millisecond()))
}

const PROOF_SECONDS: u64 = 300;
