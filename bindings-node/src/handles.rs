//! Objects that are prepared once and called often, for hot paths.

use napi::Result;
use napi_derive::napi;
use quivive_core::{Timestamp, agent, guard, rules, signature, token};

use crate::{decode, encode};

/// Verifies tokens with one set of keys, under one policy.
///
/// A handle, because `verifyToken` reads its keys anew in each call, which costs more than the rest of the call.
#[napi]
pub struct Verifier(token::Verifier);

#[napi]
impl Verifier {
    /// Reads the keys and the policy.
    #[napi(constructor)]
    pub fn new(options: String) -> Result<Self> {
        decode(&options).and_then(token::VerifierOptions::verifier).map(Self).map_err(crate::raise)
    }

    /// Verifies a token; `now` is in milliseconds since the Unix epoch.
    #[napi]
    pub fn verify(&self, token: String, now: i64) -> Result<String> {
        encode(self.0.verify(&token, Timestamp::from_milliseconds(now)))
    }
}

/// Classifies requests with the built-in catalogue of agents.
///
/// A handle, because making the catalogue ready takes far longer than to classify one request.
#[napi]
pub struct Classifier(agent::Classifier);

#[napi]
impl Classifier {
    /// Makes the catalogue ready.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self(agent::Classifier::new())
    }

    /// Classifies one request from its facts.
    #[napi]
    pub fn classify(&self, facts: String) -> Result<String> {
        encode(decode::<agent::RequestFacts>(&facts).map(|facts| self.0.classify(&facts)))
    }

    /// Whether a user agent by itself says bot.
    #[napi]
    pub fn is_bot(&self, user_agent: String) -> bool {
        self.0.is_bot(&user_agent)
    }
}

/// Evaluates the rules of a site's owner.
///
/// A handle, because `evaluateRules` checks and prepares its rules anew in each call, which costs more than to
/// evaluate them.
#[napi]
pub struct RuleSet(rules::RuleSet);

#[napi]
impl RuleSet {
    /// Checks and prepares the rules.
    #[napi(constructor)]
    pub fn new(options: String) -> Result<Self> {
        decode(&options).and_then(rules::RuleSetOptions::rule_set).map(Self).map_err(crate::raise)
    }

    /// The rules that match, in order.
    #[napi]
    pub fn matches(&self, facts: String) -> Result<String> {
        encode(decode::<rules::Facts>(&facts).map(|facts| self.0.matches(&facts)))
    }
}

/// Decides about every request of a site, in this process.
///
/// A handle, because it counts visitors and holds keys and compiled rules.
#[napi]
pub struct DetectionGuard(guard::DetectionGuard);

#[napi]
impl DetectionGuard {
    /// Checks and prepares the options.
    #[napi(constructor)]
    pub fn new(options: String) -> Result<Self> {
        decode(&options).and_then(guard::DetectionGuard::new).map(Self).map_err(crate::raise)
    }

    /// What is to be done with a request.
    #[napi]
    pub fn check(&self, request: String) -> Result<String> {
        let request = decode::<guard::GuardRequest>(&request);
        encode(request.and_then(|request| Ok(self.0.check(&request.incoming()?))))
    }

    /// Takes the keys that an agent publishes.
    #[napi]
    pub fn set_directory(&self, fetched: String) -> Result<()> {
        decode(&fetched).and_then(|fetched| self.0.set_fetched(&fetched)).map_err(crate::raise)
    }

    /// Takes a policy in AgentShield's notation in the place of the one that counts.
    #[napi]
    pub fn set_policy(&self, policy: String) -> Result<()> {
        decode(&policy).and_then(|policy| self.0.set_policy(&policy)).map_err(crate::raise)
    }

    /// What a detection service is told that is asked about a request; `null` where the guard does not look.
    #[napi]
    pub fn enquiry(&self, request: String) -> Result<String> {
        let request = decode::<guard::GuardRequest>(&request);
        encode(request.and_then(|request| Ok(self.0.enquiry(&request.incoming()?))))
    }

    /// Takes the address ranges that operators publish.
    #[napi]
    pub fn set_feeds(&self, table: String) -> Result<()> {
        decode(&table).and_then(|table| self.0.set_feeds(&table)).map_err(crate::raise)
    }

    /// Where keys are that a request needs and that are not known.
    #[napi]
    pub fn wanted_directories(&self, request: String) -> Result<String> {
        let request = decode::<guard::GuardRequest>(&request);
        encode(request.and_then(|request| Ok(self.0.wanted_directories(&request.incoming()?))))
    }

    /// The origins at which catalogued agents publish their keys.
    #[napi(getter)]
    pub fn signing_origins(&self) -> Vec<String> {
        self.0.signing_origins().into_iter().map(str::to_owned).collect()
    }

    /// Whether the cookie's key is a random one of this guard alone.
    #[napi(getter)]
    pub fn has_own_key(&self) -> bool {
        self.0.has_own_key()
    }
}

/// Verifies message signatures with one set of keys, under one policy.
///
/// A handle, because `verifyHttpSignature` reads its keys anew in each call.
#[napi]
pub struct SignatureVerifier(signature::SignatureVerifier);

#[napi]
impl SignatureVerifier {
    /// Reads the keys and the policy.
    #[napi(constructor)]
    pub fn new(options: String) -> Result<Self> {
        decode(&options)
            .and_then(signature::SignatureVerifierOptions::verifier)
            .map(Self)
            .map_err(crate::raise)
    }

    /// Verifies every signature of a request; `now` is in milliseconds since the Unix epoch.
    #[napi]
    pub fn verify(&self, request: String, now: i64) -> Result<String> {
        let now = Timestamp::from_milliseconds(now);
        encode(decode(&request).and_then(|request| self.0.verify(&request, now)))
    }
}
