//! One decision from one policy and everything that is known about a request.
//!
//! The order of evaluation, first match wins: switched off; excluded path; demanded token or signature; allow
//! list; deny list; rules; demanded person; the session's verdict; thresholds; default.

mod facts;
mod policy;

pub use facts::*;
pub use policy::*;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::evidence::Evidence;

/// A policy that was checked and compiled once.
#[derive(Clone, Debug)]
pub struct Decider {
    policy: Policy,
}

impl Decider {
    /// Checks a policy.
    ///
    /// # Errors
    /// `INVALID_INPUT` for a confidence outside 0 to 1, an empty list entry or an unreadable range,
    /// `LIMIT_EXCEEDED` for too many rules or too long texts, `UNSUPPORTED_OPERATOR` for `matches`.
    pub fn new(policy: Policy) -> Result<Self> {
        Ok(Self { policy })
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Decides about one request.
    pub fn decide(&self, _facts: &DecisionFacts) -> Decision {
        unimplemented!()
    }
}

/// What to do with a request, and why.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// What to do.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// Which part of the policy decided.
    pub match_type: MatchType,
    /// The id of the rule that matched.
    pub rule_id: Option<String>,
    /// The name of the rule that matched.
    pub rule_name: Option<String>,
    /// Where `redirect` or `rewrite` leads.
    pub redirect_url: Option<String>,
    /// What to tell the visitor or the log.
    pub message: Option<String>,
    /// What the decision rests on.
    pub evidence: Vec<Evidence>,
}

/// Why a decision was made; stable texts.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The policy is switched off.
    Disabled,
    /// The policy does not apply to the path.
    Excluded,
    /// A token is demanded and none was sent.
    TokenRequired,
    /// The token does not hold, has expired, was revoked or names another audience.
    InvalidToken,
    /// The token lacks the capability.
    CapabilityMissing,
    /// A signature is demanded and none was sent.
    SignatureRequired,
    /// The signature does not hold or cannot be checked.
    InvalidSignature,
    /// A person is demanded and this is a bot.
    HumanRequired,
    /// A person is demanded and nothing tells a person from a bot.
    Unknown,
    /// Something that the policy needs could not be had.
    Unavailable,
    /// On the allow list.
    AllowList,
    /// On the deny list.
    DenyList,
    /// A rule matched.
    Rule,
    /// The session's verdict.
    Verdict,
    /// The confidence reaches the threshold.
    Confidence,
    /// The reputation is below the minimum.
    Reputation,
    /// The demanded credential was shown.
    Satisfied,
    /// Nothing matched.
    Default,
}

/// Which part of a policy decided.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum MatchType {
    /// The allow list.
    AllowList,
    /// The deny list.
    DenyList,
    /// A rule or path rule.
    Rule,
    /// A threshold.
    Threshold,
    /// Nothing matched.
    Default,
    /// The policy does not apply.
    Excluded,
    /// The demanded credential.
    Requirement,
    /// The session's verdict.
    Verdict,
}

/// The input of [`decide`].
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Decide {
    /// The policy; the defaults when absent.
    #[serde(default)]
    pub policy: Policy,
    /// What is known.
    #[serde(default)]
    pub facts: DecisionFacts,
}

/// Decides what to do with a request.
///
/// # Errors
/// As [`Decider::new`].
pub fn decide(input: Decide) -> Result<Decision> {
    Ok(Decider::new(input.policy)?.decide(&input.facts))
}
