//! Guard that enforces the verdict about the visitor's session; open when the verdict cannot be had.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use http::StatusCode;
use http::header::RETRY_AFTER;
use moka::future::Cache;
use quivive::botect::{Botect, Context, Verdict};
use quivive_core::decision::{Action, Decider, Decision, DecisionFacts, Policy, Reason};
use quivive_core::score::is_static_resource;

use crate::facts::{Facts, TrustedProxies};
use crate::guard::{Admission, Answer, Check, Guard, Outcome, json, text, with_header};
use crate::session::{self, SessionCookie};

/// Seconds after which a delayed visitor may come back.
const DELAY_SECONDS: &str = "5";
/// Verdicts that are kept at most; beyond it the least used go.
const MOST_VERDICTS: u64 = 100_000;

type ChallengeHandler = dyn Fn(&Facts, &Verdict) -> Answer + Send + Sync;

/// Enforces the verdict about the visitor's session.
///
/// `block` is answered with 403, `delay` with 429; `allow` and `log` pass, and so does `challenge` unless
/// [`on_challenge`](Self::on_challenge) says how to ask. Requests without a session, requests for static files and,
/// by default, requests whose verdict cannot be had in time pass. The [`Verdict`] and the [`Decision`] are attached
/// to the request as extensions.
#[derive(Clone)]
pub struct EnforceVerdict {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    botect: Botect,
    cookie: Option<SessionCookie>,
    verdicts: Cache<(String, Context), Verdict>,
    decider: Decider,
    on_challenge: Option<Arc<ChallengeHandler>>,
    proxies: TrustedProxies,
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
    /// As [`Decider::new`]; the default policy is always right.
    pub fn new(botect: Botect) -> quivive_core::Result<Self> {
        let inner = Inner {
            botect,
            cookie: None,
            verdicts: cache(10),
            decider: Decider::new(Policy::default())?,
            on_challenge: None,
            proxies: TrustedProxies::default(),
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

    /// How to ask a visitor who is to be challenged, for example by a redirect to a page with a puzzle.
    #[must_use]
    pub fn on_challenge(self, handler: impl Fn(&Facts, &Verdict) -> Answer + Send + Sync + 'static) -> Self {
        self.with(|inner| inner.on_challenge = Some(Arc::new(handler)))
    }

    /// Proxies whose `X-Forwarded-For` is believed; none unless set.
    #[must_use]
    pub fn trusted_proxies(self, proxies: TrustedProxies) -> Self {
        self.with(|inner| inner.proxies = proxies)
    }

    /// Whether path, address and user agent are told to the service, for the owner's rules; true unless set.
    #[must_use]
    pub fn context(self, is_sent: bool) -> Self {
        self.with(|inner| inner.sends_context = is_sent)
    }

    /// Whether static files are guarded, too; false unless set.
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

    /// Paths, thresholds and lists of the site; with `fail_open` set to false, a verdict that cannot be had is
    /// answered with 503.
    ///
    /// # Errors
    /// As [`Decider::new`].
    pub fn policy(self, policy: Policy) -> quivive_core::Result<Self> {
        let decider = Decider::new(policy)?;
        Ok(self.with(|inner| inner.decider = decider))
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
        let before = inner.decide(&facts, None);
        let is_static = !inner.covers_static_files && is_static_resource(facts.path());
        let is_exempt = is_static || matches!(before.reason, Reason::Disabled | Reason::Excluded);
        let session = if is_exempt { None } else { session::find(&facts, inner.cookie.as_ref()) };
        let Some(session) = session else { return Check::Done(Ok(Admission::new(None, before))) };
        let key = (session, inner.context_of(&facts));
        if let Some(verdict) = inner.verdicts.get(&key).now_or_never().flatten() {
            return Check::Done(inner.apply(&facts, verdict));
        }
        let inner = Arc::clone(inner);
        if inner.waits {
            Check::Waiting(async move { inner.apply(&facts, inner.look_up(key).await) }.boxed())
        } else {
            let unknown = inner.apply(&facts, Verdict::unavailable());
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

    fn apply(&self, facts: &Facts, verdict: Verdict) -> Outcome<Verdict> {
        let decision = self.decide(facts, Some(&verdict));
        let answer = match decision.action {
            Action::Block if verdict.unavailable => Some(unavailable()),
            Action::Block => Some(text(StatusCode::FORBIDDEN, "Forbidden")),
            Action::Delay => {
                let answer = text(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
                Some(with_header(answer, RETRY_AFTER, DELAY_SECONDS))
            }
            Action::Challenge => self.challenge(facts, &verdict),
            _ => None,
        };
        match answer {
            Some(answer) => Err(Box::new(answer)),
            None => Ok(Admission::new(Some(verdict), decision)),
        }
    }

    fn challenge(&self, facts: &Facts, verdict: &Verdict) -> Option<Answer> {
        self.on_challenge.as_ref().map(|handler| handler(facts, verdict))
    }

    fn decide(&self, facts: &Facts, verdict: Option<&Verdict>) -> Decision {
        self.decider.decide(&DecisionFacts {
            path: Some(facts.path().to_owned()),
            method: Some(facts.method().to_owned()),
            user_agent: facts.header("user-agent").map(str::to_owned),
            ip: facts.client_ip(&self.proxies),
            verdict: verdict.filter(|verdict| !verdict.unavailable).cloned().map(Into::into),
            unavailable: verdict.is_some_and(|verdict| verdict.unavailable),
            ..DecisionFacts::default()
        })
    }

    fn context_of(&self, facts: &Facts) -> Context {
        if !self.sends_context {
            return Context::default();
        }
        Context {
            path: Some(facts.path().to_owned()),
            ip: facts.client_ip(&self.proxies),
            user_agent: facts.header("user-agent").map(str::to_owned),
            ..Context::default()
        }
    }
}

fn cache(seconds: u64) -> Cache<(String, Context), Verdict> {
    Cache::builder().max_capacity(MOST_VERDICTS).time_to_live(Duration::from_secs(seconds)).build()
}

fn unavailable() -> Answer {
    let body = serde_json::json!({
        "success": false,
        "error": "VERDICT_UNAVAILABLE",
        "message": "The verdict about this session cannot be had at the moment.",
    });
    json(StatusCode::SERVICE_UNAVAILABLE, &body)
}
