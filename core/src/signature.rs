//! HTTP message signatures (RFC 9421) as agents use them: Web Bot Auth, and Visa's Trusted Agent Protocol.
//!
//! [`verify`] judges every signature of a message on its own and tells `verified`, `invalid` and `unverified` apart.
//! It asks the host for keys through [`KeySource`] and fetches nothing; [`wanted_keys`] says ahead which keys those
//! will be. A key counts only for the location that the signature covers, never by its id alone.
//!
//! ```
//! use std::sync::Arc;
//! use quivive_core::Timestamp;
//! use quivive_core::signature::{
//!     DatedJwk, FoundKey, KeyLocation, Line, LocationKind, MessageSigner, Request, SignaturePolicy, SigningPlan,
//!     VerificationKey, WantedKey, verify,
//! };
//!
//! let now = Timestamp::from_seconds(1_795_000_000);
//! let signer = MessageSigner::generate(&[7; 32])?;
//! let agent: Line = ("signature-agent", br#"sig1="https://agent.example""#);
//! let plan = SigningPlan::new(["@authority", r#""signature-agent";key="sig1""#], "web-bot-auth", now, 60);
//! let lines = [agent];
//! let unsigned = Request { headers: &lines, ..Request::default() }.with_url("https://shop.example/cart");
//! let fields = signer.sign(&(&unsigned).into(), &plan)?;
//!
//! let headers =
//!     [agent, ("signature-input", fields.signature_input.as_bytes()), ("signature", fields.signature.as_bytes())];
//! let request = Request { headers: &headers, ..unsigned };
//! let key = DatedJwk { jwk: signer.public_key().jwk().clone(), ..DatedJwk::default() };
//! let key = Arc::new(VerificationKey::from_jwk(&key)?);
//! let home = KeyLocation::read("https://agent.example", LocationKind::Directory);
//! let keys = |wanted: &WantedKey| {
//!     (wanted.location == home && wanted.keyid == key.thumbprint())
//!         .then(|| FoundKey { key: Arc::clone(&key), source: None, is_registered: false })
//! };
//! let results = verify(&(&request).into(), &SignaturePolicy::default(), &keys, now);
//! assert!(results[0].is_verified());
//! # Ok::<(), quivive_core::Error>(())
//! ```

mod agent;
mod base;
mod component;
mod digest;
mod fields;
mod key;
mod message;
mod operations;
mod policy;
mod result;
mod signer;
pub(crate) mod uri;
mod verify;

#[cfg(test)]
mod tests;

pub use agent::{DIRECTORY_PATH, KeyLocation, LocationKind};
pub use digest::{content_digest, needs_body};
pub use key::{DatedJwk, KeyDirectory, VerificationKey};
pub use message::{Body, Line, Message, Request, Response};
pub use operations::{
    ParseKeyDirectory, ParsedKeyDirectory, PublishedKey, SignHttpRequest, SignatureAgentForm,
    SignatureVerifier, SignatureVerifierOptions, SignedHttpRequest, SignedRequest, VerifiedSignatures,
    VerifyHttpSignature, parse_key_directory, sign_http_request, verify_http_signature,
};
pub use policy::{
    BROWSER_TAG, DIRECTORY_TAG, PAYER_TAG, Profile, SignaturePolicy, WEB_BOT_AUTH_TAG, accept_signature,
};
pub use result::{BaseForm, NonceRecord, Reason, SignatureResult, Warning, signature_outcome};
pub use signer::{MessageSigner, SignatureFields, SigningPlan};
pub use verify::{FoundKey, KeySource, WantedKey, verify, verify_directory, wanted_keys};
