//! One decision from one policy and everything that is known about a request.
//!
//! The order of evaluation, first match wins: switched off; excluded path; demanded token or signature; allow
//! list; deny list; rules; demanded person; the session's verdict; thresholds; default.

pub(crate) mod address;
mod condition;
mod facts;
mod list;
mod path;
mod policy;
mod wire;

pub use facts::*;
pub use path::PathSet;
pub use policy::*;
pub use wire::{PolicyFault, read_policy, write_policy};

use serde::{Deserialize, Serialize};

use crate::agent::{BotType, VerificationStatus, signals};
use crate::evidence::{Evidence, EvidenceKind};
use crate::{Error, ErrorKind, Result};
use path::PathPattern;

/// A policy that was checked and compiled once.
#[derive(Clone, Debug)]
pub struct Decider {
    policy: Policy,
    excluded: Vec<PathPattern>,
    included: Vec<PathPattern>,
    allowed: Vec<list::Compiled>,
    denied: Vec<list::Compiled>,
    rules: Vec<CompiledRule>,
}

/// A rule or path rule.
#[derive(Clone, Debug)]
struct CompiledRule {
    priority: i32,
    id: Option<String>,
    name: Option<String>,
    test: Test,
    action: Action,
    message: Option<String>,
    redirect_url: Option<String>,
}

#[derive(Clone, Debug)]
enum Test {
    Conditions(Vec<condition::Compiled>),
    Path { pattern: PathPattern, least_confidence: Option<f64>, lets_pass: bool },
}

impl Decider {
    /// Checks and compiles a policy.
    ///
    /// # Errors
    /// `INVALID_INPUT` for a confidence outside 0 to 1, a list entry that names nobody, an unreadable range or
    /// regular expression, a value that does not fit its operator, or a redirection without an address;
    /// `LIMIT_EXCEEDED` for more than 200 rules, 32 conditions of one rule, 16 regular expressions, 1,000 list
    /// entries or too long texts.
    pub fn new(policy: Policy) -> Result<Self> {
        check(&policy)?;
        let patterns =
            |texts: &[String]| texts.iter().map(|text| PathPattern::new(text)).collect::<Result<_>>();
        let entries =
            |list: &[ListEntry]| list.iter().cloned().map(list::Compiled::new).collect::<Result<Vec<_>>>();
        Ok(Self {
            excluded: patterns(&policy.excluded_paths)?,
            included: patterns(&policy.included_paths)?,
            allowed: entries(&policy.allow_list)?,
            denied: entries(&policy.deny_list)?,
            rules: compile_rules(&policy)?,
            policy,
        })
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whether the policy looks at requests for a path at all.
    pub fn covers(&self, path: &str) -> bool {
        self.scope(Some(path), Some(&path::normalized(path))).is_none()
    }

    /// Decides about one request.
    pub fn decide(&self, facts: &DecisionFacts) -> Decision {
        let path = facts.path.as_deref().map(path::normalized);
        let path = path.as_deref();
        let outcome = self
            .scope(facts.path.as_deref(), path)
            .or_else(|| self.proof(facts))
            .or_else(|| self.lists(facts))
            .or_else(|| self.rules(facts, path))
            .or_else(|| self.person(facts))
            .or_else(|| self.verdict(facts))
            .or_else(|| self.thresholds(facts))
            .unwrap_or_else(|| self.otherwise(facts));
        self.finish(outcome, facts)
    }

    /// Switched off, or not for this path.
    ///
    /// What the policy leaves alone it leaves alone in every reading of the path: as it came, and in its normal form.
    /// Else `/admin/..%2fhealth` would be taken for `/health`, although a program that does not decode `%2f` serves
    /// it as something below `/admin`. A path with dot segments, or longer than is looked at, is never left alone.
    fn scope(&self, raw: Option<&str>, normalized: Option<&str>) -> Option<Outcome> {
        if !self.policy.enabled {
            return Some(Outcome::new(Action::Allow, Reason::Disabled, MatchType::Excluded));
        }
        let (raw, normalized) = (raw?, normalized?);
        let is_in =
            |patterns: &[PathPattern], path: &str| patterns.iter().any(|pattern| pattern.matches(path));
        let is_out = |path: &str| {
            is_in(&self.excluded, path)
                || (!self.included.is_empty() && !self.included.iter().any(|pattern| pattern.may_match(path)))
        };
        let is_out = is_out(normalized) && is_out(path::bare(raw)) && !path::has_dot_segments(raw);
        is_out.then(|| Outcome::new(Action::Allow, Reason::Excluded, MatchType::Excluded))
    }

    /// A demanded token or signature that is not there. Closed: no list and no rule takes its place.
    fn proof(&self, facts: &DecisionFacts) -> Option<Outcome> {
        let refuse = |action, reason| Some(Outcome::new(action, reason, MatchType::Requirement));
        let missing = match self.policy.require {
            Require::None | Require::Human => return None,
            Require::Agent => self.missing_token(facts),
            Require::Signed => missing_signature(facts),
        };
        match missing {
            None => None,
            Some(Reason::TokenRequired | Reason::SignatureRequired) if facts.unavailable => {
                if self.policy.fail_open == Some(true) {
                    None
                } else {
                    refuse(Action::Block, Reason::Unavailable)
                }
            }
            Some(Reason::CapabilityMissing) => refuse(Action::Block, Reason::CapabilityMissing),
            Some(reason) => {
                let message = facts.token.as_ref().and_then(|token| token.code.clone());
                refuse(Action::Challenge, reason).map(|outcome| outcome.telling(message))
            }
        }
    }

    fn missing_token(&self, facts: &DecisionFacts) -> Option<Reason> {
        let Some(token) = facts.token.as_ref().filter(|token| token.status != TokenStatus::Missing) else {
            return Some(Reason::TokenRequired);
        };
        let is_for_us =
            self.policy.audience.as_ref().is_none_or(|audience| token.audience.contains(audience));
        if token.status == TokenStatus::Invalid || !is_for_us {
            return Some(Reason::InvalidToken);
        }
        let is_capable =
            self.policy.capability.as_ref().is_none_or(|wanted| token.capabilities.contains(wanted));
        (!is_capable).then_some(Reason::CapabilityMissing)
    }

    fn lists(&self, facts: &DecisionFacts) -> Option<Outcome> {
        let allowed = self.allowed.iter().find(|entry| entry.admits(facts)).map(|entry| {
            Outcome::new(Action::Allow, Reason::AllowList, MatchType::AllowList).telling(entry.reason())
        });
        allowed.or_else(|| {
            let entry = self.denied.iter().find(|entry| entry.refuses(facts))?;
            Some(Outcome::new(Action::Block, Reason::DenyList, MatchType::DenyList).telling(entry.reason()))
        })
    }

    fn rules(&self, facts: &DecisionFacts, path: Option<&str>) -> Option<Outcome> {
        let rule = self.rules.iter().find(|rule| rule.test.holds(facts, path))?;
        Some(Outcome {
            rule: Some((rule.id.clone(), rule.name.clone())),
            redirect_url: rule.redirect_url.clone(),
            ..Outcome::new(rule.action, Reason::Rule, MatchType::Rule).telling(rule.message.clone())
        })
    }

    /// A demanded person who is none, or of whom nothing is known.
    fn person(&self, facts: &DecisionFacts) -> Option<Outcome> {
        if self.policy.require != Require::Human {
            return None;
        }
        let outcome = |action, reason| Some(Outcome::new(action, reason, MatchType::Requirement));
        match nature(facts) {
            Nature::Bot { is_sure: true } => outcome(Action::Block, Reason::HumanRequired),
            Nature::Bot { is_sure: false } => outcome(Action::Challenge, Reason::HumanRequired),
            Nature::Person => None,
            Nature::Unknown if facts.unavailable && self.policy.fail_open != Some(false) => {
                outcome(Action::Allow, Reason::Unavailable)
            }
            Nature::Unknown if facts.unavailable => outcome(Action::Block, Reason::Unavailable),
            Nature::Unknown => outcome(self.policy.on_unknown, Reason::Unknown),
        }
    }

    /// The session's verdict, where it advises more than to look on.
    fn verdict(&self, facts: &DecisionFacts) -> Option<Outcome> {
        if facts.unavailable && self.policy.fail_open == Some(false) {
            return Some(Outcome::new(Action::Block, Reason::Unavailable, MatchType::Verdict));
        }
        let verdict = facts.verdict.as_ref().filter(|verdict| verdict.is_evidence())?;
        let is_final = !matches!(verdict.action, Action::Allow | Action::Log);
        is_final.then(|| of_verdict(verdict))
    }

    fn thresholds(&self, facts: &DecisionFacts) -> Option<Outcome> {
        let limits = &self.policy.thresholds;
        let has_proof = condition::is_signed(facts) || has_token(facts);
        let is_trusted = (limits.trust_signed_requests && has_proof)
            || facts.reputation.is_some_and(|reputation| reputation >= limits.trusted_reputation_threshold);
        let outcome = |action, reason| Some(Outcome::new(action, reason, MatchType::Threshold));
        let confidence = facts.classification.as_ref().map(|classification| classification.confidence);
        if !is_trusted && confidence.is_some_and(|confidence| confidence >= limits.confidence_threshold) {
            return outcome(limits.confidence_action, Reason::Confidence);
        }
        if facts.reputation.is_some_and(|reputation| reputation < limits.min_reputation_score) {
            return outcome(limits.low_reputation_action, Reason::Reputation);
        }
        None
    }

    fn otherwise(&self, facts: &DecisionFacts) -> Outcome {
        if self.policy.require != Require::None {
            return Outcome::new(Action::Allow, Reason::Satisfied, MatchType::Requirement);
        }
        let noted =
            facts.verdict.as_ref().filter(|verdict| verdict.is_evidence() && verdict.action == Action::Log);
        match noted {
            Some(verdict) if self.policy.default_action == Action::Allow => of_verdict(verdict),
            _ => Outcome::new(self.policy.default_action, Reason::Default, MatchType::Default),
        }
    }

    fn finish(&self, outcome: Outcome, facts: &DecisionFacts) -> Decision {
        let Outcome { action, reason, match_type, rule, redirect_url, message } = outcome;
        let redirect_url = match action {
            Action::Redirect => redirect_url.or_else(|| self.policy.redirect_url.clone()),
            Action::Rewrite => redirect_url.or_else(|| self.policy.rewrite_url.clone()),
            _ => None,
        };
        let mut evidence = gathered(facts);
        if match_type == MatchType::Rule {
            let source =
                rule.as_ref().and_then(|(id, _)| id.clone()).unwrap_or_else(|| "path_rules".to_owned());
            evidence.push(Evidence::new(
                "policy.rule",
                EvidenceKind::Rule,
                0.0,
                source,
                "rule of the site matched",
            ));
        }
        let (rule_id, rule_name) = rule.unwrap_or_default();
        Decision { action, reason, match_type, rule_id, rule_name, redirect_url, message, evidence }
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "DecisionReason"))]
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
/// As [`Decider::new`], and `INVALID_INPUT` for a reputation outside 0 to 1.
pub fn decide(input: Decide) -> Result<Decision> {
    if input.facts.reputation.is_some_and(|reputation| !(0.0..=1.0).contains(&reputation)) {
        return Err(Error::invalid_input("facts.reputation is not from 0 to 1"));
    }
    Ok(Decider::new(input.policy)?.decide(&input.facts))
}

/// A decision in the making.
struct Outcome {
    action: Action,
    reason: Reason,
    match_type: MatchType,
    rule: Option<(Option<String>, Option<String>)>,
    redirect_url: Option<String>,
    message: Option<String>,
}

impl Outcome {
    fn new(action: Action, reason: Reason, match_type: MatchType) -> Self {
        Self { action, reason, match_type, rule: None, redirect_url: None, message: None }
    }

    fn telling(self, message: Option<String>) -> Self {
        Self { message, ..self }
    }
}

impl Test {
    fn holds(&self, facts: &DecisionFacts, path: Option<&str>) -> bool {
        match self {
            Self::Conditions(conditions) => conditions.iter().all(|condition| condition.holds(facts, path)),
            Self::Path { pattern, least_confidence, lets_pass } => {
                let confidence =
                    facts.classification.as_ref().map(|classification| classification.confidence);
                let is_of = |path| if *lets_pass { pattern.matches(path) } else { pattern.may_match(path) };
                path.is_some_and(is_of)
                    && least_confidence
                        .is_none_or(|least| confidence.is_some_and(|confidence| confidence >= least))
            }
        }
    }
}

/// What a visitor is, as far as verdict, classification and token say.
enum Nature {
    Bot { is_sure: bool },
    Person,
    Unknown,
}

fn nature(facts: &DecisionFacts) -> Nature {
    let classification = facts.classification.as_ref();
    let band = facts.verdict.as_ref().filter(|verdict| verdict.is_evidence()).map(|verdict| verdict.verdict);
    let is_sure = band == Some(Band::Definite)
        || band == Some(Band::Verified)
        || has_token(facts)
        || classification.is_some_and(|seen| seen.is_bot && seen.confidence >= SURE_CONFIDENCE);
    let is_likely = matches!(band, Some(Band::LikelyAutomated | Band::ConfidentAutomated))
        || classification.is_some_and(|seen| seen.is_bot);
    let is_person = band == Some(Band::LikelyHuman)
        || classification.is_some_and(|seen| !seen.is_bot && seen.bot_type == BotType::Human);
    match (is_sure, is_likely, is_person) {
        (true, _, _) => Nature::Bot { is_sure: true },
        (_, true, _) => Nature::Bot { is_sure: false },
        (_, _, true) => Nature::Person,
        _ => Nature::Unknown,
    }
}

fn of_verdict(verdict: &Verdict) -> Outcome {
    let message = Some(verdict.reason.clone()).filter(|reason| !reason.is_empty());
    Outcome::new(verdict.action, Reason::Verdict, MatchType::Verdict).telling(message)
}

fn missing_signature(facts: &DecisionFacts) -> Option<Reason> {
    if condition::is_signed(facts) {
        return None;
    }
    let has_failed = facts.classification.as_ref().is_some_and(|classification| {
        let failures = [signals::SIG_INVALID.id, signals::SIG_UNVERIFIABLE.id];
        classification.evidence.iter().any(|item| failures.contains(&&*item.id))
    });
    Some(if has_failed { Reason::InvalidSignature } else { Reason::SignatureRequired })
}

fn has_token(facts: &DecisionFacts) -> bool {
    facts.token.as_ref().is_some_and(|token| token.status == TokenStatus::Verified)
}

/// Everything that the facts hold, in one list.
fn gathered(facts: &DecisionFacts) -> Vec<Evidence> {
    let mut evidence = facts.evidence.clone();
    if let Some(classification) = &facts.classification {
        evidence.extend(classification.evidence.iter().cloned());
        if classification.verification.status == VerificationStatus::Spoofed {
            let source = classification.agent.as_ref().map_or_else(String::new, |agent| agent.name.clone());
            let text = "claimed identity is false";
            evidence.push(Evidence::new("identity.spoofed", EvidenceKind::Signal, 0.97, source, text));
        }
    }
    if let Some(token) = facts.token.as_ref().filter(|token| token.status != TokenStatus::Missing) {
        let (id, weight, text) = match token.status {
            TokenStatus::Verified => ("token.verified", 1.0, "agent token holds"),
            _ => ("token.invalid", 0.0, "token does not hold"),
        };
        let source = token.subject.clone().or_else(|| token.code.clone()).unwrap_or_default();
        evidence.push(Evidence::new(id, EvidenceKind::Token, weight, source, text));
    }
    if let Some(verdict) = facts.verdict.as_ref().filter(|verdict| verdict.is_evidence() && verdict.score > 0)
    {
        let weight = 1.0 - 2.0 * (f64::from(verdict.score) - 1.0) / 98.0;
        let source = verdict.score.to_string();
        evidence.push(Evidence::new(
            "session.score",
            EvidenceKind::Signal,
            weight,
            source,
            "score of the session",
        ));
    }
    evidence
}

fn compile_rules(policy: &Policy) -> Result<Vec<CompiledRule>> {
    let mut rules = Vec::new();
    for rule in policy.rules.iter().filter(|rule| rule.enabled) {
        let conditions =
            rule.conditions.iter().cloned().map(condition::Compiled::new).collect::<Result<_>>()?;
        rules.push(CompiledRule {
            priority: rule.priority,
            id: Some(rule.id.clone()),
            name: rule.name.clone(),
            test: Test::Conditions(conditions),
            action: rule.action,
            message: rule.message.clone(),
            redirect_url: rule.redirect_url.clone(),
        });
    }
    for rule in &policy.path_rules {
        let pattern = PathPattern::new(&rule.pattern)?;
        rules.push(CompiledRule {
            priority: rule.priority,
            id: None,
            name: Some(rule.pattern.clone()),
            test: Test::Path {
                pattern,
                least_confidence: rule.min_confidence,
                lets_pass: matches!(rule.action, Action::Allow | Action::Log),
            },
            action: rule.action,
            message: None,
            redirect_url: None,
        });
    }
    rules.sort_by_key(|rule| rule.priority);
    Ok(rules)
}

fn check(policy: &Policy) -> Result<()> {
    let limits = &policy.thresholds;
    let path_confidences = policy.path_rules.iter().filter_map(|rule| rule.min_confidence);
    let shares =
        [limits.confidence_threshold, limits.min_reputation_score, limits.trusted_reputation_threshold];
    if !shares.into_iter().chain(path_confidences).all(|share| (0.0..=1.0).contains(&share)) {
        return Err(Error::invalid_input("a confidence or reputation of the policy is not from 0 to 1"));
    }
    let sizes = [
        ("rules", policy.rules.len() + policy.path_rules.len(), 200),
        ("conditions", policy.rules.iter().map(|rule| rule.conditions.len()).max().unwrap_or(0), 32),
        ("regular expressions", regular_expressions(policy), MOST_REGULAR_EXPRESSIONS),
        ("allow_list", policy.allow_list.len(), 1_000),
        ("deny_list", policy.deny_list.len(), 1_000),
        ("paths", policy.excluded_paths.len() + policy.included_paths.len(), 1_000),
        ("bytes of path patterns", path_bytes(policy), MOST_PATH_BYTES),
    ];
    if let Some((name, _, limit)) = sizes.iter().find(|(_, size, limit)| size > limit) {
        let text = format!("policy has more than {limit} {name}");
        return Err(Error::new(ErrorKind::LimitExceeded, text).with("limit", *limit));
    }
    for rule in &policy.rules {
        rule.conditions
            .iter()
            .try_for_each(|condition| condition::Compiled::new(condition.clone()).map(|_| ()))?;
    }
    check_addresses(policy)
}

/// What is compared with a path takes time by the product of both lengths.
fn path_bytes(policy: &Policy) -> usize {
    path_patterns(policy).map(|pattern| pattern.len()).sum()
}

fn regular_expressions(policy: &Policy) -> usize {
    let conditions = policy.rules.iter().flat_map(|rule| &rule.conditions);
    let of_rules = conditions.filter(|condition| condition.operator == Operator::Matches).count();
    of_rules + path_patterns(policy).filter(|pattern| path::is_expression(pattern)).count()
}

fn path_patterns(policy: &Policy) -> impl Iterator<Item = &String> {
    let of_rules = policy.path_rules.iter().map(|rule| &rule.pattern);
    policy.excluded_paths.iter().chain(&policy.included_paths).chain(of_rules)
}

fn check_addresses(policy: &Policy) -> Result<()> {
    let limits = &policy.thresholds;
    let plain =
        [policy.default_action, policy.on_unknown, limits.confidence_action, limits.low_reputation_action];
    let of_paths = policy.path_rules.iter().map(|rule| rule.action);
    let of_rules = policy.rules.iter().filter(|rule| rule.redirect_url.is_none()).map(|rule| rule.action);
    for action in plain.into_iter().chain(of_paths).chain(of_rules) {
        let (name, address) = match action {
            Action::Redirect => ("redirect", &policy.redirect_url),
            Action::Rewrite => ("rewrite", &policy.rewrite_url),
            _ => continue,
        };
        if address.is_none() {
            return Err(Error::invalid_input(format!("the policy asks to {name} but gives no {name}_url")));
        }
    }
    Ok(())
}

/// Each may take long on a long text, however linear.
const MOST_REGULAR_EXPRESSIONS: usize = 16;
const MOST_PATH_BYTES: usize = 16_384;

/// The confidence from which a bot is refused and not asked to prove itself a person.
const SURE_CONFIDENCE: f64 = 0.95;

#[cfg(test)]
mod tests;
