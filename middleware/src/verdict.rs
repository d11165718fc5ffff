//! Guard that enforces the verdict about the visitor's session; open when the verdict cannot be had.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use http::StatusCode;
use http::header::RETRY_AFTER;
use moka::future::Cache;
use quivive::botect::{Botect, Context, Verdict};
use quivive_core::decision::{Action, Decision, DecisionFacts, MatchType, Policy, Reason};
use quivive_core::score::is_static_resource;

use crate::facts::{Facts, TrustedProxies};
use crate::guard::{Admission, Answer, Check, Guard, Outcome, json, redirected, text, with_header};
use crate::known::Judge;
use crate::session::{self, SessionCookie};

/// Seconds after which a delayed visitor may come back.
const DELAY_SECONDS: &str = "5";
/// Verdicts that are kept at most; beyond it the least used go.
const MOST_VERDICTS: u64 = 100_000;

type ChallengeHandler = dyn Fn(&Facts, Option<&Verdict>) -> Answer + Send + Sync;

/// Enforces the verdict about the visitor's session, and the site's [`policy`](Self::policy) if there is one.
///
/// `block` is answered with 403, `delay` with 429, `redirect` with 302; `allow` and `log` pass. `challenge` is answered
/// as [`on_challenge`](Self::on_challenge) says; without it, a challenge that the verdict advises passes, and one that
/// the policy demands is answered with 403, as `rewrite` and `instruct` are, which a guard cannot do.
///
/// A request without a session has no verdict; neither has one for a static file, nor one whose verdict cannot be had
/// in time. Without a policy these pass; with one, its lists, rules and limits decide about them, too. The [`Verdict`]
/// and the [`Decision`] are attached to the request as extensions.
#[derive(Clone)]
pub struct EnforceVerdict {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    botect: Botect,
    cookie: Option<SessionCookie>,
    verdicts: Cache<(String, Context), Verdict>,
    judge: Judge,
    on_challenge: Option<Arc<ChallengeHandler>>,
    sends_context: bool,
    covers_static_files: bool,
    waits: bool,
}

impl std::fmt::Debug for EnforceVerdict {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("EnforceVerdict").field("botect", &self.inner.botect).finish_non_exhaustive()
    }
}

impl EnforceVerdict {
    /// With the calls of a site's back end; timeouts are the client's (200 ms to connect, 1 s in all).
    ///
    /// # Errors
    /// As [`Decider::new`](quivive_core::decision::Decider::new); the default policy is always right.
    pub fn new(botect: Botect) -> quivive_core::Result<Self> {
        let inner = Inner {
            botect,
            cookie: None,
            verdicts: cache(10),
            judge: Judge::new(Policy::default())?,
            on_challenge: None,
            sends_context: true,
            covers_static_files: false,
            waits: true,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Reads sessions also from the cookie that the site with this key (`pk_…`) signs.
    #[must_use]
    pub fn site_key(self, site_key: &str) -> Self {
        self.with(|inner| inner.cookie = Some(SessionCookie::new(inner.botect.private_key(), site_key)))
    }

    /// How long a verdict is kept: 1 to 60 seconds, 10 unless set; other values are taken as the nearest of these.
    #[must_use]
    pub fn cache_seconds(self, seconds: u64) -> Self {
        self.with(|inner| inner.verdicts = cache(seconds.clamp(1, 60)))
    }

    /// How to ask a visitor who is to be challenged, for example by a redirect to a page with a puzzle. There is no
    /// verdict where the policy demands the challenge before one was asked for.
    #[must_use]
    pub fn on_challenge(
        self,
        handler: impl Fn(&Facts, Option<&Verdict>) -> Answer + Send + Sync + 'static,
    ) -> Self {
        self.with(|inner| inner.on_challenge = Some(Arc::new(handler)))
    }

    /// Proxies whose `X-Forwarded-For` is believed; none unless set.
    #[must_use]
    pub fn trusted_proxies(self, proxies: TrustedProxies) -> Self {
        self.with(|inner| inner.judge.proxies = proxies)
    }

    /// Whether route, address and user agent are told to the service, for the owner's rules; true unless set. The
    /// route is the template where the framework tells it (see [`GuardLayer::route`](crate::tower::GuardLayer::route)),
    /// else the path.
    #[must_use]
    pub fn context(self, is_sent: bool) -> Self {
        self.with(|inner| inner.sends_context = is_sent)
    }

    /// Whether static files are guarded as everything else; false unless set. When false, no verdict is asked for
    /// them and it does not matter whether a bot fetches them; lists, rules and default of the policy still apply.
    #[must_use]
    pub fn static_files(self, are_guarded: bool) -> Self {
        self.with(|inner| inner.covers_static_files = are_guarded)
    }

    /// Whether a request waits for a verdict that is not cached; true unless set. When false, the look-up runs in
    /// the background and the request passes.
    #[must_use]
    pub fn wait(self, waits: bool) -> Self {
        self.with(|inner| inner.waits = waits)
    }

    /// Paths, thresholds, rules and lists of the site; with `fail_open` set to false, a verdict that cannot be had is
    /// answered with 503.
    ///
    /// With a policy, every request is classified by its headers, with or without a session, and the policy's
    /// thresholds are enforced: the default ones block known bots. Set `thresholds.confidence_action` to `allow` to
    /// leave bots to the verdict. Headers tell a bot, and never prove a person: where `require` is `human`, only a
    /// verdict does, and `on_unknown` says what happens without.
    ///
    /// Paths are compared with the whole path of the request. A framework that nests routers may show less of it to
    /// the guard: see [`WrapLayer::path`](crate::tower::WrapLayer::path).
    ///
    /// # Errors
    /// As [`Decider::new`](quivive_core::decision::Decider::new).
    pub fn policy(mut self, policy: Policy) -> quivive_core::Result<Self> {
        Arc::make_mut(&mut self.inner).judge.set_policy(policy)?;
        Ok(self)
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.inner));
        self
    }
}

impl Guard for EnforceVerdict {
    type Pass = Verdict;

    fn check(&self, facts: Facts) -> Check<Verdict> {
        let inner = &self.inner;
        let known = inner.judge.known(&facts);
        let before = inner.judge.decide(&known);
        let is_static = !inner.covers_static_files && is_static_resource(facts.path());
        if is_exempt(&before, is_static) {
            return Check::Done(Ok(Admission::new(None, before)));
        }
        let is_settled = is_static || is_settled(&before);
        let session = if is_settled { None } else { session::find(&facts, inner.cookie.as_ref()) };
        let Some(session) = session else { return Check::Done(inner.conclude(&facts, before, None)) };
        let key = (session, inner.context_of(&facts));
        if let Some(verdict) = inner.verdicts.get(&key).now_or_never().flatten() {
            return Check::Done(inner.apply(&facts, known, verdict));
        }
        let inner = Arc::clone(inner);
        if inner.waits {
            Check::Waiting(async move { inner.apply(&facts, known, inner.look_up(key).await) }.boxed())
        } else {
            let unknown = inner.apply(&facts, known, Verdict::unavailable());
            tokio::spawn(async move { inner.look_up(key).await });
            Check::Done(unknown)
        }
    }
}

impl Inner {
    /// One look-up per session and context at a time; what is unavailable is not kept.
    async fn look_up(&self, key: (String, Context)) -> Verdict {
        let (session, context) = key.clone();
        let look_up = async {
            self.botect.look_up(&session, &context).await.inspect_err(|error| {
                tracing::warn!(code = error.code(), "verdict not available");
            })
        };
        self.verdicts.try_get_with(key, look_up).await.unwrap_or_else(|_| Verdict::unavailable())
    }

    fn apply(&self, facts: &Facts, known: DecisionFacts, verdict: Verdict) -> Outcome<Verdict> {
        let decision = self.judge.decide(&DecisionFacts {
            verdict: Some(&verdict).filter(|verdict| !verdict.unavailable).cloned().map(Into::into),
            unavailable: verdict.unavailable,
            ..known
        });
        self.conclude(facts, decision, Some(verdict))
    }

    fn conclude(&self, facts: &Facts, decision: Decision, verdict: Option<Verdict>) -> Outcome<Verdict> {
        match self.answer(facts, &decision, verdict.as_ref()) {
            Some(answer) => Err(Box::new(answer)),
            None => Ok(Admission::new(verdict, decision)),
        }
    }

    /// What is answered instead of the service; `None` when the request passes.
    fn answer(&self, facts: &Facts, decision: &Decision, verdict: Option<&Verdict>) -> Option<Answer> {
        match decision.action {
            Action::Allow | Action::Log => None,
            Action::Block if decision.reason == Reason::Unavailable => Some(unavailable()),
            Action::Block | Action::Rewrite | Action::Instruct => Some(forbidden(decision)),
            Action::Redirect => Some(redirected(decision).unwrap_or_else(|| forbidden(decision))),
            Action::Delay => {
                let answer = text(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
                Some(with_header(answer, RETRY_AFTER, DELAY_SECONDS))
            }
            Action::Challenge => match &self.on_challenge {
                Some(handler) => Some(handler(facts, verdict)),
                // Advice of the service, which a site without a challenge does not take.
                None if decision.reason == Reason::Verdict => None,
                None => Some(forbidden(decision)),
            },
        }
    }

    fn context_of(&self, facts: &Facts) -> Context {
        if !self.sends_context {
            return Context::default();
        }
        Context {
            path: Some(facts.route().to_owned()),
            ip: facts.client_ip(&self.judge.proxies),
            user_agent: facts.header("user-agent").map(str::to_owned),
            ..Context::default()
        }
    }
}

fn cache(seconds: u64) -> Cache<(String, Context), Verdict> {
    Cache::builder().max_capacity(MOST_VERDICTS).time_to_live(Duration::from_secs(seconds)).build()
}

/// Whether the policy does not apply; of static files, neither does what depends on who asks.
fn is_exempt(before: &Decision, is_static: bool) -> bool {
    match before.reason {
        Reason::Disabled | Reason::Excluded => true,
        Reason::Confidence | Reason::HumanRequired | Reason::Unknown => is_static,
        _ => false,
    }
}

/// Whether list or rule refuse, so that no verdict changes it.
fn is_settled(before: &Decision) -> bool {
    matches!(before.match_type, MatchType::DenyList | MatchType::Rule)
        && !matches!(before.action, Action::Allow | Action::Log)
}

/// 403; a rule's message is meant for the visitor, other reasons are not.
fn forbidden(decision: &Decision) -> Answer {
    let message = decision.message.as_deref().filter(|_| decision.reason == Reason::Rule);
    text(StatusCode::FORBIDDEN, message.unwrap_or("Forbidden"))
}

fn unavailable() -> Answer {
    let body = serde_json::json!({
        "success": false,
        "error": "VERDICT_UNAVAILABLE",
        "message": "The verdict about this session cannot be had at the moment.",
    });
    json(StatusCode::SERVICE_UNAVAILABLE, &body)
}
