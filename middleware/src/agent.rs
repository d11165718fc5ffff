//! Guard that lets in verified agents only; closed when a token cannot be checked.

use std::sync::Arc;

use futures::FutureExt;
use quivive::Client;
use quivive::keys::RemoteVerifier;
use quivive_core::challenge::{NOT_FOUND, check_speed};
use quivive_core::decision::{Action, Decision, DecisionFacts, Policy, Require, TokenOutcome, TokenStatus};
use quivive_core::token::{Claims, Jwks, VerifyPolicy};
use quivive_core::{Error as CoreError, ErrorKind, Timestamp};
use serde_json::Value;

use crate::challenges::{ChallengeStore, MemoryStore};
use crate::facts::{Facts, TrustedProxies};
use crate::guard::{Admission, Check, Guard, Outcome};
use crate::known::{Judge, now};
use crate::refusal;

/// Requires a verified agent: an agent token, checked offline, or a challenge solved on the spot.
///
/// Without a credential the answer is 403 with a challenge inside, or 401 when
/// [`inline_challenge`](Self::inline_challenge) is off; a token that does not hold is answered with 401, a token that
/// cannot be checked because no keys were ever had with 503. Whom the site's policy keeps out gets 403, or 302 where
/// it redirects. The [`AgentIdentity`] and the [`Decision`] are attached
/// to the request as extensions.
///
/// **Name your site with [`audience`](Self::audience).** Without it, every token of the service is accepted, also one
/// that was made for another site and that its owner, or whoever it was sent to, brings here.
#[derive(Clone)]
pub struct RequireAgent {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    verifier: RemoteVerifier,
    tokens: VerifyPolicy,
    judge: Judge,
    challenges: Arc<dyn ChallengeStore>,
    docs: String,
    poses_challenges: bool,
    needs_bound_tokens: bool,
}

impl std::fmt::Debug for RequireAgent {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RequireAgent").field("tokens", &self.inner.tokens).finish_non_exhaustive()
    }
}

impl RequireAgent {
    /// Accepts tokens of the service at this URL, whose public keys are fetched when first needed; add
    /// [`audience`](Self::audience), or tokens for other sites are accepted, too.
    ///
    /// # Errors
    /// `INVALID_INPUT` for a URL that cannot be used, `CONNECTION_FAILED` when TLS cannot be set up.
    pub fn at(url: &str) -> quivive::Result<Self> {
        let client = Client::builder().url(url).build()?;
        let guard = Self::new(RemoteVerifier::new(&client, any_token())?)?;
        Ok(guard.docs(&format!("{}/openapi.json", url.trim_end_matches('/'))))
    }

    /// Accepts tokens of these keys, without any service.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` for too many keys.
    pub fn with_keys(keys: &Jwks) -> quivive::Result<Self> {
        Self::new(RemoteVerifier::fixed(keys, any_token())?)
    }

    /// Accepts the tokens that this verifier accepts; guards with clones of one verifier share its keys.
    ///
    /// # Errors
    /// As [`Decider::new`](quivive_core::decision::Decider::new); the default policy is always right.
    pub fn new(verifier: RemoteVerifier) -> quivive::Result<Self> {
        let inner = Inner {
            verifier,
            tokens: VerifyPolicy::default(),
            judge: Judge::new(demand(Policy::default()))?,
            challenges: Arc::new(MemoryStore::default()),
            docs: env!("CARGO_PKG_REPOSITORY").to_owned(),
            poses_challenges: true,
            needs_bound_tokens: false,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The audience that a token must name, usually this site's origin. Set it: unless it is set, here or in the
    /// policy, tokens for any site are accepted.
    #[must_use]
    pub fn audience(self, audience: impl Into<String>) -> Self {
        self.with(|inner| inner.tokens.audience = Some(audience.into()))
    }

    /// The issuer of tokens; `botcha.ai` unless set, as this family of services writes it.
    #[must_use]
    pub fn issuer(self, issuer: impl Into<String>) -> Self {
        self.with(|inner| inner.tokens.issuers = Some(vec![issuer.into()]))
    }

    /// The types of token; `botcha-verified` unless set.
    #[must_use]
    pub fn types<I: IntoIterator<Item = S>, S: Into<String>>(self, types: I) -> Self {
        self.with(|inner| inner.tokens.types = Some(types.into_iter().map(Into::into).collect()))
    }

    /// Whether only tokens pass that are bound to the client's address; false unless set. A token that is bound to
    /// an address passes from there only, in any case.
    #[must_use]
    pub fn require_client_ip(self, is_required: bool) -> Self {
        self.with(|inner| inner.needs_bound_tokens = is_required)
    }

    /// Whether a refusal holds a challenge whose answer lets in, too; true unless set.
    #[must_use]
    pub fn inline_challenge(self, is_posed: bool) -> Self {
        self.with(|inner| inner.poses_challenges = is_posed)
    }

    /// Where open challenges are kept; in memory unless set.
    #[must_use]
    pub fn challenge_store(self, store: impl ChallengeStore + 'static) -> Self {
        self.with(|inner| inner.challenges = Arc::new(store))
    }

    /// Proxies whose `X-Forwarded-For` is believed; none unless set.
    #[must_use]
    pub fn trusted_proxies(self, proxies: TrustedProxies) -> Self {
        self.with(|inner| inner.judge.proxies = proxies)
    }

    /// The address of the documentation that refusals name.
    #[must_use]
    pub fn docs(self, url: &str) -> Self {
        self.with(|inner| url.clone_into(&mut inner.docs))
    }

    /// Paths, lists, rules and capability of the site; an agent is demanded whatever `require` says. With a policy,
    /// every request is classified by its headers, for the rules and lists that ask what it comes from.
    ///
    /// Paths are compared with the whole path of the request. A framework that nests routers may show less of it to
    /// the guard: see [`WrapLayer::path`](crate::tower::WrapLayer::path).
    ///
    /// # Errors
    /// As [`Decider::new`](quivive_core::decision::Decider::new).
    pub fn policy(mut self, policy: Policy) -> quivive_core::Result<Self> {
        let inner = Arc::make_mut(&mut self.inner);
        let audience = policy.audience.clone();
        inner.judge.set_policy(demand(policy))?;
        inner.tokens.audience = audience.or(inner.tokens.audience.take());
        Ok(self)
    }

    /// Fetches the keys now, so that the first request does not wait for them.
    ///
    /// # Errors
    /// `CONNECTION_FAILED`, or as the service answers; the guard tries again by itself.
    pub async fn load(&self) -> quivive::Result<()> {
        self.inner.verifier.load().await
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.inner));
        self
    }
}

/// Who was let in.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AgentIdentity {
    /// How the agent proved itself.
    pub method: Method,
    /// The token's subject, or the id of the solved challenge.
    pub subject: String,
    /// Milliseconds that the agent took for its challenge, when that is known.
    pub solve_time_ms: Option<i64>,
    /// What the token says; `None` for a solved challenge.
    pub claims: Option<Claims>,
}

/// How an agent proved itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    /// By solving the challenge of this guard.
    Challenge,
    /// By a token.
    Token,
}

impl Guard for RequireAgent {
    type Pass = AgentIdentity;

    fn check(&self, facts: Facts) -> Check<AgentIdentity> {
        let inner = &self.inner;
        if let Some(Ok(proof)) = bearer(&facts).and_then(|token| inner.verify_now(token, &facts)) {
            return Check::Done(
                inner.conclude(&facts, Ok(proof)).map_err(|refusal| Box::new(refusal.answer())),
            );
        }
        let inner = Arc::clone(inner);
        Check::Waiting(async move { inner.judge(&facts).await }.boxed())
    }
}

/// Why there is no proof.
enum Lack {
    /// Nothing was shown, or the answer to a challenge is not right; with the reason for people.
    Missing(String),
    /// A token was shown and does not hold.
    Invalid(CoreError),
    /// A token was shown and cannot be checked.
    Unavailable,
}

/// What is answered to whom is not let in.
enum Refusal {
    /// A challenge, with the reason why it is posed.
    Challenge(String),
    /// As [`refusal`] writes it.
    Answer(crate::guard::Answer),
}

impl Refusal {
    fn answer(self) -> crate::guard::Answer {
        match self {
            Self::Challenge(hint) => refusal::token_required(&hint),
            Self::Answer(answer) => answer,
        }
    }
}

impl Inner {
    async fn judge(&self, facts: &Facts) -> Outcome<AgentIdentity> {
        let proof = self.prove(facts).await;
        let refusal = match self.conclude(facts, proof) {
            Ok(admission) => return Ok(admission),
            Err(refusal) => refusal,
        };
        let answer = match refusal {
            Refusal::Challenge(hint) if self.poses_challenges => self.pose(facts, &hint).await,
            other => other.answer(),
        };
        Err(Box::new(answer))
    }

    /// A token is looked at first; where it does not hold, an answered challenge still counts.
    async fn prove(&self, facts: &Facts) -> Result<AgentIdentity, Lack> {
        let by_token = match bearer(facts) {
            Some(token) => self.verify(token, facts).await,
            None => {
                Err(Lack::Missing("Neither an agent token nor an answered challenge was sent.".to_owned()))
            }
        };
        if by_token.is_ok() || !self.poses_challenges {
            return by_token;
        }
        match (self.answered(facts).await, by_token) {
            (Some(Ok(identity)), _) => Ok(identity),
            (Some(Err(reason)), Err(Lack::Missing(_))) => Err(Lack::Missing(reason)),
            (_, by_token) => by_token,
        }
    }

    fn verify_now(&self, token: &str, facts: &Facts) -> Option<Result<AgentIdentity, Lack>> {
        let now = now();
        let verified = self.verifier.verify_now(token, now)?;
        Some(self.identify(verified, facts, now))
    }

    async fn verify(&self, token: &str, facts: &Facts) -> Result<AgentIdentity, Lack> {
        let now = now();
        let verified = self.verifier.verify(token, now).await;
        self.identify(verified, facts, now)
    }

    fn identify(
        &self,
        verified: quivive::Result<Claims>,
        facts: &Facts,
        now: Timestamp,
    ) -> Result<AgentIdentity, Lack> {
        let claims = match verified {
            Ok(claims) => claims,
            Err(quivive::Error::Core(error)) => return Err(Lack::Invalid(error)),
            Err(error) => {
                tracing::error!(code = error.code(), "keys of the token service are not available");
                return Err(Lack::Unavailable);
            }
        };
        self.tokens.check(&claims, now).map_err(Lack::Invalid)?;
        if claims.client_ip.is_some() || self.needs_bound_tokens {
            let unknown =
                || CoreError::new(ErrorKind::ClientMismatch, "client address is not known to this guard");
            let address = facts.client_ip(&self.judge.proxies).ok_or_else(unknown).map_err(Lack::Invalid)?;
            claims.require_client(&address.to_string()).map_err(Lack::Invalid)?;
        }
        Ok(AgentIdentity {
            method: Method::Token,
            subject: claims.sub.clone().unwrap_or_default(),
            solve_time_ms: claims.solve_time,
            claims: Some(claims),
        })
    }

    /// The answered challenge of a request, judged; `None` when there is no answer.
    async fn answered(&self, facts: &Facts) -> Option<Result<AgentIdentity, String>> {
        let id = facts.header("x-botcha-challenge-id").or_else(|| facts.header("x-botcha-id"))?;
        let answers = facts.header("x-botcha-answers").or_else(|| facts.header("x-botcha-solution"))?;
        let Some(challenge) = self.challenges.take(id).await else { return Some(Err(NOT_FOUND.to_owned())) };
        let answers: Value = serde_json::from_str(answers).unwrap_or_default();
        let solved = check_speed(&challenge, &answers, now());
        Some(solved.map_err(|error| error.message().to_owned()).map(|solved| AgentIdentity {
            method: Method::Challenge,
            subject: challenge.id,
            solve_time_ms: Some(solved.solve_time_ms),
            claims: None,
        }))
    }

    /// Lets the core decide, and says what is answered when it refuses.
    fn conclude(
        &self,
        facts: &Facts,
        proof: Result<AgentIdentity, Lack>,
    ) -> Result<Admission<AgentIdentity>, Refusal> {
        let decision = self.decide(facts, &proof);
        if matches!(decision.action, Action::Allow | Action::Log) {
            return Ok(Admission::new(proof.ok(), decision));
        }
        Err(match proof {
            Err(Lack::Missing(hint)) => Refusal::Challenge(hint),
            Err(Lack::Invalid(error)) => Refusal::Answer(refusal::invalid_token(&error)),
            Err(Lack::Unavailable) => Refusal::Answer(refusal::keys_unavailable()),
            Ok(_) => Refusal::Answer(refusal::denied(&decision)),
        })
    }

    fn decide(&self, facts: &Facts, proof: &Result<AgentIdentity, Lack>) -> Decision {
        self.judge.decide(&DecisionFacts {
            token: Some(self.token_outcome(proof)),
            unavailable: matches!(proof, Err(Lack::Unavailable)),
            ..self.judge.known(facts)
        })
    }

    fn token_outcome(&self, proof: &Result<AgentIdentity, Lack>) -> TokenOutcome {
        let failed = |status, code: Option<&str>| TokenOutcome {
            status,
            code: code.map(str::to_owned),
            subject: None,
            audience: Vec::new(),
            capabilities: Vec::new(),
        };
        match proof {
            Ok(identity) => {
                let claims = identity.claims.as_ref();
                // A challenge of this guard is answered for this guard's audience.
                let own = || self.judge.policy().audience.clone().into_iter().collect();
                TokenOutcome {
                    status: TokenStatus::Verified,
                    code: None,
                    subject: Some(identity.subject.clone()),
                    audience: claims.map_or_else(own, |claims| {
                        claims.aud.clone().map(quivive_core::token::OneOrMany::into_vec).unwrap_or_default()
                    }),
                    capabilities: claims.map(capabilities).unwrap_or_default(),
                }
            }
            Err(Lack::Missing(_)) => failed(TokenStatus::Missing, None),
            Err(Lack::Invalid(error)) => failed(TokenStatus::Invalid, Some(error.kind().code())),
            Err(Lack::Unavailable) => failed(TokenStatus::Invalid, Some("KEYS_UNAVAILABLE")),
        }
    }

    /// Poses a challenge; without entropy or a place to keep it, the refusal goes without.
    async fn pose(&self, facts: &Facts, hint: &str) -> crate::guard::Answer {
        let mut seed = [0; 32];
        if getrandom::fill(&mut seed).is_err() {
            return refusal::token_required(hint);
        }
        let (challenge, answer) = refusal::challenge(facts, hint, &self.docs, &seed, now());
        if self.challenges.put(challenge).await { answer } else { refusal::token_required(hint) }
    }
}

/// A verifier that looks at signature and time; everything else is this guard's own check.
fn any_token() -> VerifyPolicy {
    VerifyPolicy { issuers: None, types: None, ..VerifyPolicy::default() }
}

fn demand(policy: Policy) -> Policy {
    Policy { require: Require::Agent, ..policy }
}

fn capabilities(claims: &Claims) -> Vec<String> {
    let listed = claims.extra.get("capabilities").and_then(Value::as_array);
    listed.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The token of the one `Authorization` header (RFC 6750 section 2.1); several headers hold none.
fn bearer(facts: &Facts) -> Option<&str> {
    let mut values = facts.all("authorization");
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = value.trim().split_once(|character: char| character.is_ascii_whitespace())?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
