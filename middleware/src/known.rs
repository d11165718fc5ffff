//! What a request by itself tells the core's decision.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use quivive_core::Timestamp;
use quivive_core::agent::{BotType, Classification, RequestFacts, default_classifier};
use quivive_core::decision::{Decider, Decision, DecisionFacts, Policy, Require};

use crate::facts::{Facts, TrustedProxies};

/// A policy with what it needs to know.
#[derive(Clone)]
pub(crate) struct Judge {
    decider: Decider,
    pub proxies: TrustedProxies,
    classifies: bool,
}

impl Judge {
    /// For the policy that a guard has when the site sets none: nobody is judged by looks.
    pub fn new(policy: Policy) -> quivive_core::Result<Self> {
        Ok(Self { decider: Decider::new(policy)?, proxies: TrustedProxies::default(), classifies: false })
    }

    /// Takes the site's policy; from here on every request is classified.
    pub fn set_policy(&mut self, policy: Policy) -> quivive_core::Result<()> {
        self.decider = Decider::new(policy)?;
        self.classifies = true;
        // Compiled now, so that the first request does not wait for it.
        default_classifier();
        Ok(())
    }

    pub fn policy(&self) -> &Policy {
        self.decider.policy()
    }

    pub fn decide(&self, known: &DecisionFacts) -> Decision {
        self.decider.decide(known)
    }

    /// What the request tells.
    pub fn known(&self, facts: &Facts) -> DecisionFacts {
        DecisionFacts {
            path: Some(facts.path().to_owned()),
            method: Some(facts.method().to_owned()),
            origin: facts.header("origin").map(str::to_owned),
            user_agent: facts.header("user-agent").map(str::to_owned),
            ip: facts.client_ip(&self.proxies),
            classification: self.classifies.then(|| self.classify(facts)),
            ..DecisionFacts::default()
        }
    }

    fn classify(&self, facts: &Facts) -> Classification {
        let mut classification = default_classifier().classify(&RequestFacts {
            ip: facts.client_ip(&self.proxies),
            headers: Some(joined(facts)),
            method: Some(facts.method().to_owned()),
            now: now(),
            ..RequestFacts::default()
        });
        // Anybody can send a browser's headers: they are no proof where a person is demanded.
        if self.policy().require == Require::Human && classification.bot_type == BotType::Human {
            classification.bot_type = BotType::Unknown;
        }
        classification
    }
}

/// The present, in milliseconds since 1970.
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_milliseconds(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// All headers but those with secrets, which say nothing about who sends them.
fn joined(facts: &Facts) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::<String, String>::new();
    for (name, value) in facts.headers().filter(|(name, _)| !matches!(*name, "authorization" | "cookie")) {
        let line = headers.entry(name.to_owned()).or_default();
        if !line.is_empty() {
            line.push_str(", ");
        }
        line.push_str(value);
    }
    headers
}
