//! Objects that are prepared once and called often, for hot paths.

use quivive_core::{Timestamp, guard, rules, signature, token};
use wasm_bindgen::prelude::*;

use crate::exports::{decode, encode, raise};

/// Verifies tokens with one set of keys, under one policy.
#[wasm_bindgen]
pub struct Verifier(token::Verifier);

#[wasm_bindgen]
impl Verifier {
    /// Reads the keys and the policy.
    #[wasm_bindgen(constructor)]
    pub fn new(options: &str) -> Result<Self, JsError> {
        decode(options).and_then(token::VerifierOptions::verifier).map(Self).map_err(raise)
    }

    /// Verifies a token; `now` is in milliseconds since the Unix epoch.
    pub fn verify(&self, token: &str, now: f64) -> Result<String, JsError> {
        encode(self.0.verify(token, timestamp(now)))
    }
}

/// Evaluates the rules of a site's owner.
#[wasm_bindgen]
pub struct RuleSet(rules::RuleSet);

#[wasm_bindgen]
impl RuleSet {
    /// Checks and prepares the rules.
    #[wasm_bindgen(constructor)]
    pub fn new(options: &str) -> Result<Self, JsError> {
        decode(options).and_then(rules::RuleSetOptions::rule_set).map(Self).map_err(raise)
    }

    /// The rules that match, in order.
    pub fn matches(&self, facts: &str) -> Result<String, JsError> {
        encode(decode::<rules::Facts>(facts).map(|facts| self.0.matches(&facts)))
    }
}

/// Decides about every request of a site, in this process.
#[wasm_bindgen]
pub struct DetectionGuard(guard::DetectionGuard);

#[wasm_bindgen]
impl DetectionGuard {
    /// Checks and prepares the options.
    #[wasm_bindgen(constructor)]
    pub fn new(options: &str) -> Result<Self, JsError> {
        decode(options).and_then(guard::DetectionGuard::new).map(Self).map_err(raise)
    }

    /// What is to be done with a request.
    pub fn check(&self, request: &str) -> Result<String, JsError> {
        let request = decode::<guard::GuardRequest>(request);
        encode(request.and_then(|request| Ok(self.0.check(&request.incoming()?))))
    }

    /// Takes the keys that an agent publishes.
    #[wasm_bindgen(js_name = setDirectory)]
    pub fn set_directory(&self, fetched: &str) -> Result<(), JsError> {
        decode(fetched).and_then(|fetched| self.0.set_fetched(&fetched)).map_err(raise)
    }

    /// Takes a policy in AgentShield's notation in the place of the one that counts.
    #[wasm_bindgen(js_name = setPolicy)]
    pub fn set_policy(&self, policy: &str) -> Result<(), JsError> {
        decode(policy).and_then(|policy| self.0.set_policy(&policy)).map_err(raise)
    }

    /// What a detection service is told that is asked about a request; `null` where the guard does not look.
    pub fn enquiry(&self, request: &str) -> Result<String, JsError> {
        let request = decode::<guard::GuardRequest>(request);
        encode(request.and_then(|request| Ok(self.0.enquiry(&request.incoming()?))))
    }

    /// Takes the address ranges that operators publish.
    #[wasm_bindgen(js_name = setFeeds)]
    pub fn set_feeds(&self, table: &str) -> Result<(), JsError> {
        decode(table).and_then(|table| self.0.set_feeds(&table)).map_err(raise)
    }

    /// Where keys are that a request needs and that are not known.
    #[wasm_bindgen(js_name = wantedDirectories)]
    pub fn wanted_directories(&self, request: &str) -> Result<String, JsError> {
        let request = decode::<guard::GuardRequest>(request);
        encode(request.and_then(|request| Ok(self.0.wanted_directories(&request.incoming()?))))
    }

    /// Whether the cookie's key is a random one of this guard alone.
    #[wasm_bindgen(getter, js_name = hasOwnKey)]
    pub fn has_own_key(&self) -> bool {
        self.0.has_own_key()
    }
}

/// Verifies message signatures with one set of keys, under one policy.
#[wasm_bindgen]
pub struct SignatureVerifier(signature::SignatureVerifier);

#[wasm_bindgen]
impl SignatureVerifier {
    /// Reads the keys and the policy.
    #[wasm_bindgen(constructor)]
    pub fn new(options: &str) -> Result<Self, JsError> {
        decode(options).and_then(signature::SignatureVerifierOptions::verifier).map(Self).map_err(raise)
    }

    /// Verifies every signature of a request; `now` is in milliseconds since the Unix epoch.
    pub fn verify(&self, request: &str, now: f64) -> Result<String, JsError> {
        encode(decode(request).and_then(|request| self.0.verify(&request, timestamp(now))))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "JavaScript has no other number; the cast saturates")]
fn timestamp(now: f64) -> Timestamp {
    Timestamp::from_milliseconds(now as i64)
}
