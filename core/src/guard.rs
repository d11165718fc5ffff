//! The detection guard: all that a middleware decides about a request, once for every language and framework.
//!
//! A [`DetectionGuard`] is made from [`GuardOptions`] and kept. For each request it says who asks, whether the request
//! passes, what it is answered if not, and which headers the site behind the guard gets. An adapter hands over the
//! request as it came and does what the [`GuardOutcome`] says; it holds no logic of its own.
//!
//! ```
//! use quivive_core::crypto::Seed;
//! use quivive_core::decision::Action;
//! use quivive_core::guard::{DetectionGuard, GuardOptions, GuardRequest};
//! let guard = DetectionGuard::new(GuardOptions {
//!     seed: Some(Seed([7; 32])),
//!     on_agent_detected: Some(Action::Block),
//!     ..GuardOptions::default()
//! })?;
//! let request = GuardRequest {
//!     target: "/prices".to_owned(),
//!     headers: vec![("User-Agent".to_owned(), "Mozilla/5.0 (compatible; GPTBot/1.2)".to_owned())],
//!     ..GuardRequest::default()
//! };
//! let outcome = guard.check(&request.incoming()?);
//! assert_eq!(outcome.response.map(|answer| answer.status), Some(403));
//! # Ok::<(), quivive_core::Error>(())
//! ```

mod answer;
mod enquiry;
mod ids;
mod options;
mod request;
mod session;
mod signatures;
#[cfg(test)]
mod tests;
mod visitors;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use enquiry::Enquiry;
pub use options::{BlockedResponse, ClientIp, GuardOptions, RedirectMode, SessionTracking};
pub use request::{GuardRequest, Incoming, RemoteDetection, nearest_client};

use crate::agent::{
    BehaviorFacts, Classification, Classifier, FeedAnswer, IpSet, RangeTable, RequestFacts,
    default_classifier,
};
use crate::decision::{Action, Decider, Decision, DecisionFacts, Policy, read_policy};
use crate::evidence::{Evidence, EvidenceKind};
use crate::score::is_static_resource;
use crate::signature::{KeyDirectory, KeyLocation, LocationKind};
use crate::{Error, Result, Timestamp};
use answer::{Answers, Course, name_of};
use ids::Ids;
use session::Sessions;
use signatures::Signatures;
use visitors::Visitors;

/// A detection guard, prepared once for many requests; it may be used by many threads at once.
pub struct DetectionGuard {
    classifier: Option<Classifier>,
    options: GuardOptions,
    rules: RwLock<Rules>,
    proxies: IpSet,
    address_header: String,
    signatures: Signatures,
    sessions: Option<Sessions>,
    visitors: Option<Visitors>,
    feeds: RwLock<Arc<Feeds>>,
    ids: Ids,
    has_own_key: bool,
}

impl std::fmt::Debug for DetectionGuard {
    /// Shows nothing of its secrets.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("DetectionGuard").field("policy", &self.policy()).finish_non_exhaustive()
    }
}

impl DetectionGuard {
    /// Checks the options and prepares the guard.
    ///
    /// # Errors
    /// `INVALID_INPUT` that names the option that cannot be used, also when there is no `seed`; `INVALID_KEY` for a
    /// secret of less than 16 bytes; otherwise as [`Decider::new`] and [`Classifier::from_rules`].
    pub fn new(options: GuardOptions) -> Result<Self> {
        let Some(seed) = options.seed else {
            return Err(Error::invalid_input("seed is needed: 32 random bytes").with("field", "seed"));
        };
        let ids = Ids::new(seed.0);
        let tracking = &options.session_tracking;
        let sessions = || Sessions::new(tracking, &ids.secret_for(b"session"));
        let classifier = options.rules.as_ref().map(|rules| Classifier::from_rules(&rules.to_string()));
        Ok(Self {
            classifier: classifier.transpose()?,
            rules: RwLock::new(Rules { own: Arc::new(Rule::new(&options)?), fetched: None }),
            proxies: IpSet::parse(&options.client_ip.trusted_proxies)?,
            address_header: options.client_ip.header.to_ascii_lowercase(),
            signatures: Signatures::new(&options)?,
            sessions: tracking.enabled.then(sessions).transpose()?,
            visitors: options.count_requests.then(|| Visitors::new(options.most_visitors)),
            feeds: RwLock::new(Arc::new(Feeds::built_in())),
            has_own_key: tracking.enabled && tracking.encryption_key.is_none(),
            ids,
            options: GuardOptions { seed: None, keys: BTreeMap::new(), rules: None, ..options },
        })
    }

    /// Whether the cookie's key is a random one of this guard, which no other process of the site has: worth a
    /// warning at start.
    pub fn has_own_key(&self) -> bool {
        self.has_own_key
    }

    /// Puts the policy of a project in the place of the guard's own, in the notation in which AgentShield's API gives it
    /// (see [`read_policy`]). The shortcuts of the options are added to it as well.
    ///
    /// Where the document says `blockingEnabled: false`, the project only notes: every request passes, and what would
    /// have happened is in [`GuardOutcome::decision`]. A document whose `updatedAt` is null is that of a project
    /// without a policy: the guard's own counts again.
    ///
    /// # Errors
    /// `INVALID_INPUT` that names the first member that cannot be used; the policy stays as it was then.
    pub fn set_policy(&self, document: &Value) -> Result<()> {
        let is_unset = document.get("updatedAt").is_some_and(Value::is_null);
        let fetched = if is_unset { None } else { Some(Arc::new(self.read_rule(document)?)) };
        self.rules.write().unwrap_or_else(PoisonError::into_inner).fetched = fetched;
        Ok(())
    }

    /// Puts a policy in the place of the one of the options: it counts while no project's does.
    ///
    /// # Errors
    /// As [`Decider::new`], and `INVALID_INPUT` for an address to which nobody can be sent; the policy stays as it was
    /// then.
    pub fn use_policy(&self, policy: Policy) -> Result<()> {
        let own = Arc::new(self.rule_by(policy)?);
        self.rules.write().unwrap_or_else(PoisonError::into_inner).own = own;
        Ok(())
    }

    /// Puts the published address ranges in the place of those known so far.
    ///
    /// # Errors
    /// As [`RangeTable::parse`], and `INVALID_INPUT` for a date that cannot be read; the ranges known so far stay then.
    pub fn set_feeds(&self, table: &RangeTable) -> Result<()> {
        let checked = RangeTable::parse(&serde_json::to_string(table)?)?;
        let feeds = Feeds::new(&checked, false)?;
        *self.feeds.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(feeds);
        Ok(())
    }

    /// Puts the keys that an agent publishes in the place of those fetched before; they count until then, and each key
    /// within its own times. Of 1,000 agents the keys are kept, those of further ones are not.
    pub fn set_directory(&self, location: &KeyLocation, directory: KeyDirectory, until: Timestamp) {
        self.signatures.set_directory(location, directory, until);
    }

    /// As [`set_directory`](Self::set_directory), from the document as it was fetched.
    ///
    /// # Errors
    /// `INVALID_INPUT` for an address that is no `https` URL, otherwise as [`KeyDirectory::parse`]; the keys known so
    /// far stay then.
    pub fn set_fetched(&self, fetched: &FetchedDirectory) -> Result<()> {
        let location = [LocationKind::Directory, LocationKind::JwksUri];
        let location = location
            .into_iter()
            .find_map(|kind| KeyLocation::read(&fetched.url, kind))
            .ok_or_else(|| Error::invalid_input("url is no https URL").with("field", "url"))?;
        self.set_directory(&location, KeyDirectory::parse(fetched.document.as_bytes())?, fetched.until);
        Ok(())
    }

    /// Where the keys are that a request's signatures need and that this guard does not know: for a host that fetches
    /// them, from agents that it trusts, before the check or for the next one.
    pub fn wanted_directories(&self, request: &Incoming<'_>) -> Vec<KeyLocation> {
        self.signatures.wanted(request, request.is_https(&self.proxies))
    }

    /// The origins at which catalogued agents publish their keys: whom a host may ask for directories.
    pub fn signing_origins(&self) -> Vec<&str> {
        let classifier = self.classifier.as_ref().unwrap_or_else(|| default_classifier());
        classifier
            .agents()
            .iter()
            .flat_map(|agent| &agent.verify.signature_agent)
            .map(String::as_str)
            .collect()
    }

    /// The policy that counts; where it demands a signature, it is worth waiting for keys.
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.rule().policy)
    }

    /// What a detection service is told that is asked about a request; nothing where the guard does not look.
    pub fn enquiry(&self, request: &Incoming<'_>) -> Option<Enquiry> {
        self.covers(request).then(|| Enquiry::new(request, self.client_ip(request)))
    }

    /// Whether the guard looks at a request at all.
    pub fn covers(&self, request: &Incoming<'_>) -> bool {
        self.rule().decider.covers(request.path())
    }

    /// The client's address, behind trusted proxies.
    pub fn client_ip(&self, request: &Incoming<'_>) -> Option<IpAddr> {
        request.client_ip(&self.proxies, &self.address_header)
    }

    /// Checks a request. It is counted among its visitor's; everything else stays as it is.
    pub fn check(&self, request: &Incoming<'_>) -> GuardOutcome {
        let rule = self.rule();
        let ip = self.client_ip(request);
        let path = request.path();
        let mut facts = DecisionFacts {
            path: Some(path.to_owned()),
            method: Some(request.method.clone().into_owned()),
            ip,
            unavailable: request.unavailable,
            ..DecisionFacts::default()
        };
        if !rule.decider.covers(path) {
            return self.outcome(request, &rule, facts, ip, Vec::new());
        }
        let is_https = request.is_https(&self.proxies);
        let user_agent = request.user_agent();
        let earlier = self.sessions.as_ref().and_then(|sessions| sessions.read(request));
        let mut behavior = BehaviorFacts::default();
        if let (Some(visitors), Some(ip)) = (&self.visitors, ip)
            && is_page(request)
        {
            let pace = visitors.count(self.ids.visitor(&network_of(ip), &user_agent), request.now);
            behavior = pace.behavior;
            facts.request_rate_300s = Some(pace.last_300_seconds);
        }
        behavior.carried_confidence = earlier.as_ref().map(|noted| noted.confidence);
        let classification = self.classify(request, ip, is_https, &user_agent, behavior);
        let notes = self.sessions.as_ref().map(|sessions| {
            sessions.note(request, earlier.as_ref(), &classification, is_https == Some(true), &self.ids)
        });
        facts.origin = request.header("origin").map(str::to_owned);
        facts.user_agent = Some(user_agent);
        facts.classification = Some(classification);
        self.outcome(request, &rule, facts, ip, notes.unwrap_or_default())
    }

    fn rule(&self) -> Arc<Rule> {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(rules.fetched.as_ref().unwrap_or(&rules.own))
    }

    fn read_rule(&self, document: &Value) -> Result<Rule> {
        let policy = read_policy(document).map_err(|faults| {
            let fault = faults.into_iter().next();
            let field = fault.as_ref().map_or_else(|| "policy".to_owned(), |fault| fault.field.clone());
            let reason = fault.map(|fault| fault.message.unwrap_or_else(|| fault.reason.to_owned()));
            Error::invalid_input(format!("policy: {field}: {}", reason.unwrap_or_default()))
                .with("field", field)
        })?;
        let only_notes = document.get("blockingEnabled").and_then(Value::as_bool) == Some(false);
        Ok(Rule { only_notes, ..self.rule_by(policy)? })
    }

    fn rule_by(&self, policy: Policy) -> Result<Rule> {
        Rule::new(&GuardOptions { policy: Some(policy), ..self.options.clone() })
    }

    fn classify(
        &self,
        request: &Incoming<'_>,
        ip: Option<IpAddr>,
        is_https: Option<bool>,
        user_agent: &str,
        behavior: BehaviorFacts,
    ) -> Classification {
        let classifier = self.classifier.as_ref().unwrap_or_else(|| default_classifier());
        let url = is_https.zip(request.host()).map(|(is_https, host)| {
            format!("{}://{host}{}", if is_https { "https" } else { "http" }, request.target)
        });
        let mut classification = classifier.classify(&RequestFacts {
            user_agent: Some(user_agent.to_owned()),
            ip,
            headers: Some(request.joined()),
            header_order: request.order(),
            url: url.or_else(|| Some(request.target.clone().into_owned())),
            method: Some(request.method.clone().into_owned()),
            tls: request.tls.clone(),
            signature: self.signatures.verify(request, is_https),
            feeds: ip.map(|ip| self.feeds().answers(ip, request.now)).unwrap_or_default(),
            behavior: Some(behavior),
            now: request.now,
            ..RequestFacts::default()
        });
        if let Some(told) = request.detection {
            classification.adopt(told);
        }
        classification
    }

    fn feeds(&self) -> Arc<Feeds> {
        Arc::clone(&self.feeds.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn outcome(
        &self,
        request: &Incoming<'_>,
        rule: &Rule,
        facts: DecisionFacts,
        client_ip: Option<IpAddr>,
        set_headers: Vec<(String, String)>,
    ) -> GuardOutcome {
        let decision = rule.decider.decide(&facts);
        let classification = facts.classification;
        let course = if rule.only_notes { Course::Pass } else { rule.answers.course(&decision, request) };
        let (rewrite, response) = match course {
            Course::Pass => (None, None),
            Course::Rewrite(path) => (Some(path), None),
            Course::Answer(answer) => (None, Some(*answer)),
        };
        let passes_anyway = response.is_none()
            && rewrite.is_none()
            && !matches!(decision.action, Action::Allow | Action::Log);
        let action = if passes_anyway { Action::Log } else { decision.action };
        let detection_id = classification
            .as_ref()
            .map(|_| format!("det_{}", self.ids.id(request.now, request.target.as_bytes())));
        let marks = match (&classification, &detection_id) {
            (Some(seen), Some(id)) if response.is_none() => marks(seen, action, id),
            _ => Vec::new(),
        };
        GuardOutcome {
            action,
            passes: response.is_none(),
            rewrite,
            response,
            set_headers,
            upstream: Upstream { remove: claimed_marks(request), set: marks },
            client_ip,
            detection_id,
            classification,
            decision,
        }
    }
}

/// What is to be done with a request.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GuardOutcome {
    /// What was decided; `log` for a visitor who has followed a redirection to where it led, and where the project
    /// only notes.
    pub action: Action,
    /// Whether the request goes on to the site; otherwise there is a `response`.
    pub passes: bool,
    /// The path, with query where it has one, with which a passing request goes on instead of its own.
    pub rewrite: Option<String>,
    /// What a request that does not pass is answered.
    pub response: Option<GuardResponse>,
    /// Headers to add to the answer, be it the guard's or the site's; existing ones stay.
    pub set_headers: Vec<(String, String)>,
    /// What changes in the headers of a passing request.
    pub upstream: Upstream,
    /// The client's address, behind trusted proxies.
    pub client_ip: Option<IpAddr>,
    /// The id of this detection; null where the guard does not look.
    pub detection_id: Option<String>,
    /// Who asks; null where the guard does not look.
    pub classification: Option<Classification>,
    /// The decision and what it rests on.
    pub decision: Decision,
}

/// An answer in the place of the site's.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GuardResponse {
    /// The status.
    pub status: u16,
    /// The headers, `Content-Type` among them.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// What changes in the headers of a passing request.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// The names, as they came, of headers that only a guard may set.
    pub remove: Vec<String>,
    /// What the guard found out, to be set after that.
    pub set: Vec<(String, String)>,
}

/// A directory of an agent's keys as it was fetched.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FetchedDirectory {
    /// The agent's origin (`https://agent.example`), or the URL that was fetched.
    pub url: String,
    /// The JSON text.
    pub document: String,
    /// Until when its keys count, at most a day from the fetch.
    pub until: Timestamp,
}

/// The input of [`guard_request`].
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CheckRequest {
    /// The options of the guard.
    pub options: GuardOptions,
    /// The request.
    pub request: GuardRequest,
}

/// Checks one request by a guard that is made for it; requests of visitors are not counted from call to call.
///
/// # Errors
/// As [`DetectionGuard::new`] and [`GuardRequest::incoming`].
pub fn guard_request(input: CheckRequest) -> Result<GuardOutcome> {
    let guard = DetectionGuard::new(input.options)?;
    Ok(guard.check(&input.request.incoming()?))
}

/// What counts: the rule of a project, if it has one, else the guard's own.
struct Rules {
    own: Arc<Rule>,
    fetched: Option<Arc<Rule>>,
}

/// A policy and the site's way of answering by it.
struct Rule {
    policy: Arc<Policy>,
    decider: Decider,
    answers: Answers,
    only_notes: bool,
}

impl Rule {
    fn new(options: &GuardOptions) -> Result<Self> {
        let policy = options.policy()?;
        let answers = Answers::new(options, &policy)?;
        let policy = Arc::new(policy);
        Ok(Self { decider: Decider::new(Policy::clone(&policy))?, policy, answers, only_notes: false })
    }
}

/// Published address ranges, ready for look-up.
struct Feeds {
    as_of: Timestamp,
    is_bundled: bool,
    ranges: Vec<(String, IpSet)>,
}

impl Feeds {
    /// Those of the built-in snapshot, which a test reads.
    fn built_in() -> Self {
        let none = Self { as_of: Timestamp::default(), is_bundled: true, ranges: Vec::new() };
        Self::new(&RangeTable::built_in(), true).unwrap_or(none)
    }

    fn new(table: &RangeTable, is_bundled: bool) -> Result<Self> {
        let as_of = Timestamp::parse_utc(&format!("{}T00:00:00Z", table.date))
            .ok_or_else(|| Error::invalid_input("date is not YYYY-MM-DD").with("field", "date"))?;
        let set = |(feed, ranges): (&String, &Vec<String>)| Ok((feed.clone(), IpSet::parse(ranges)?));
        Ok(Self { as_of, is_bundled, ranges: table.feeds.iter().map(set).collect::<Result<_>>()? })
    }

    /// What each says about an address; nothing once they are too old to prove anything.
    fn answers(&self, ip: IpAddr, now: Timestamp) -> Vec<FeedAnswer> {
        let answer = |(feed, ranges): &(String, IpSet)| FeedAnswer {
            feed: feed.clone(),
            contains: ranges.contains(ip),
            as_of: self.as_of,
            bundled: self.is_bundled,
        };
        let is_old = now.milliseconds_since(self.as_of) > OLDEST_FEEDS;
        if is_old { Vec::new() } else { self.ranges.iter().map(answer).collect() }
    }
}

impl Classification {
    /// Takes a detection service's figure in the place of the own one.
    fn adopt(&mut self, told: RemoteDetection) {
        let text = "classified so by the detection service";
        self.evidence.push(Evidence::new(
            "service.detection",
            EvidenceKind::Signal,
            told.confidence,
            name_of(told.bot_type),
            text,
        ));
        if self.bot_type != told.bot_type {
            self.sub_type = None;
        }
        self.is_bot = told.is_bot;
        self.confidence = told.confidence;
        self.bot_type = told.bot_type;
    }
}

/// Whether a request is for a page or a program's answer, as far as it can be told: what a browser fetches by itself to
/// show a page says nothing about a visitor's pace.
fn is_page(request: &Incoming<'_>) -> bool {
    let is_by_itself = request.header("sec-fetch-mode").is_some_and(|mode| mode.trim() != "navigate")
        || request.header("sec-purpose").is_some_and(|purpose| purpose.contains("prefetch"));
    !is_by_itself && !is_static_resource(request.path())
}

/// The address, or of IPv6, where one household has as many as it likes, the first 64 bits.
fn network_of(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [first, second, third, fourth, ..] = address.segments();
            format!("{first:x}:{second:x}:{third:x}:{fourth:x}")
        }
    }
}

/// What the site behind the guard learns.
fn marks(seen: &Classification, action: Action, id: &str) -> Vec<(String, String)> {
    let agent =
        seen.agent.as_ref().map(|agent| agent.name.replace(|byte: char| !byte.is_ascii_graphic(), " "));
    let marks = [
        ("Bot", Some(if seen.is_bot { "1" } else { "0" }.to_owned())),
        ("Type", Some(name_of(seen.bot_type))),
        ("Confidence", Some(format!("{:.2}", seen.confidence))),
        ("Agent", agent),
        ("Verification", Some(name_of(seen.verification.status))),
        ("Detection-Id", Some(id.to_owned())),
        ("Action", Some(name_of(action))),
    ];
    marks
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| (format!("X-AgentShield-{name}"), value)))
        .collect()
}

/// The client's headers that look like marks of a guard, also with `_` for `-`, which gateways take for the same.
fn claimed_marks(request: &Incoming<'_>) -> Vec<String> {
    let is_mark = |name: &str| {
        let name = name.to_ascii_lowercase().replace('_', "-");
        name.strip_prefix("x-agentshield-").is_some_and(|rest| rest != "key")
    };
    let mut known = BTreeSet::new();
    let names = request.headers.iter().map(|(name, _)| &**name);
    names.filter(|name| is_mark(name) && known.insert(*name)).map(str::to_owned).collect()
}

/// The age beyond which no feed is asked, 30 days in milliseconds.
const OLDEST_FEEDS: i64 = 30 * 86_400_000;
