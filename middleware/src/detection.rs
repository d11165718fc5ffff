//! Detection of AI agents and bots on every request, in this process; the decisions are the core's.

mod hooks;
mod policy;
mod service;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderName, HeaderValue};
use quivive::agentshield::AgentShield;
use quivive::directories::KeyDirectories;
use quivive_core::agent::{VerificationMethod, VerificationStatus};
use quivive_core::crypto::Seed;
use quivive_core::decision::Require;
use quivive_core::guard::{DetectionGuard, GuardOptions, GuardOutcome, Incoming};
use quivive_core::signature::KeyLocation;
use quivive_core::{Error, Result};
use tokio::runtime::Handle;

pub use policy::FetchPolicy;

use crate::known::now;
use hooks::Hooks;
use policy::PolicySource;
use service::Service;

/// Detects who asks, acts on it as the options say, and tells the site behind: by the headers `X-AgentShield-*`, which
/// no client can send itself, and by the extension [`Detected`].
///
/// Put it in front with [`tower::DetectionLayer`](crate::tower::DetectionLayer) or
/// [`actix::DetectionTransform`](crate::actix::DetectionTransform). Everything happens in this process; clones share
/// what is counted. The client's address is the connection's unless `client_ip.trusted_proxies` says which proxies
/// stand in front.
///
/// ```
/// use quivive_middleware::guard_options::ClientIp;
/// use quivive_middleware::{Action, DetectAgents, GuardOptions};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let agents = DetectAgents::new(GuardOptions {
///     on_agent_detected: Some(Action::Block),
///     allowed_agents: vec!["Googlebot".to_owned()],
///     skip_paths: vec!["/health".to_owned()],
///     client_ip: ClientIp { trusted_proxies: vec!["10.0.0.0/8".to_owned()], ..ClientIp::default() },
///     ..GuardOptions::default()
/// })?
/// .on_block(|detected| println!("{:?} was kept out", detected.client_ip));
/// # let _ = agents;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct DetectAgents {
    guard: Arc<DetectionGuard>,
    service: Option<Service>,
    policies: Option<PolicySource>,
    directories: Option<KeyDirectories>,
    hooks: Hooks,
}

impl std::fmt::Debug for DetectAgents {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("DetectAgents").field(&self.guard).finish()
    }
}

/// What was found out about a request; an extension of every request that the guard let pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Detected(Arc<GuardOutcome>);

impl std::ops::Deref for Detected {
    type Target = GuardOutcome;

    fn deref(&self) -> &GuardOutcome {
        &self.0
    }
}

impl Detected {
    /// The origin of the agent whose HTTP message signature holds; nothing where none does, or none is named.
    pub fn signer(&self) -> Option<&str> {
        let verification = &self.classification.as_ref()?.verification;
        let holds = verification.status == VerificationStatus::Verified
            && verification.method == VerificationMethod::HttpSignature;
        verification.signature_agent.as_deref().filter(|_| holds)
    }
}

impl DetectAgents {
    /// With these options; a `seed` is drawn when there is none. Without an `encryption_key` for the session cookie, a
    /// warning is logged, since no other process can read what this one noted.
    ///
    /// # Errors
    /// As [`DetectionGuard::new`], and `INVALID_INPUT` when the system gives no random bytes.
    pub fn new(mut options: GuardOptions) -> Result<Self> {
        if options.seed.is_none() {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed)
                .map_err(|_| Error::invalid_input("the system gives no random bytes for a seed"))?;
            options.seed = Some(Seed(seed));
        }
        let guard = DetectionGuard::new(options)?;
        if guard.has_own_key() {
            tracing::warn!(
                "no encryption key for the session cookie: a random one serves until this process ends"
            );
        }
        let (guard, hooks) = (Arc::new(guard), Hooks::default());
        Ok(Self { guard, service: None, policies: None, directories: None, hooks })
    }

    /// As [`new`](Self::new), after what is not set was taken from the variables of earlier packages:
    /// `AGENTSHIELD_SECRET` as the key of the session cookie.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_environment(options: GuardOptions) -> Result<Self> {
        Self::new(options.or_from_environment(|name| std::env::var(name).ok()))
    }

    /// The API key in the variables of earlier packages, `AGENTSHIELD_API_KEY`, else `CHECKPOINT_API_KEY`; for
    /// [`quivive::Client::agentshield`].
    pub fn key_from_environment() -> Option<String> {
        let variable = |name| std::env::var(name).ok().filter(|key| !key.is_empty());
        ["AGENTSHIELD_API_KEY", "CHECKPOINT_API_KEY"].into_iter().find_map(variable)
    }

    /// Mode `remote`: each request waits for what the service says about it, 250 ms unless the client says otherwise.
    /// When it does not answer, the request passes, or is refused where `fail_open` is false, or where it is not set
    /// and the policy demands a proof.
    #[must_use]
    pub fn remote(self, service: AgentShield) -> Self {
        Self { service: Some(Service::remote(service)), ..self }
    }

    /// Mode `hybrid`: the decision is made here, and the service is told afterwards, off the request. At most 1,000
    /// reports wait; further ones are dropped and counted.
    #[must_use]
    pub fn hybrid(self, service: AgentShield) -> Self {
        Self { service: Some(Service::hybrid(service)), ..self }
    }

    /// Takes the policy of a project from the service, at once and again every 300 seconds unless said otherwise, in a
    /// task off the request that ends with the last clone. Each time the service is asked for what is new only, for 3 s
    /// at most; a policy that cannot be renewed, or used, goes on counting. It is asked for again after a minute, or
    /// when it would have been old if that is sooner; where the service refuses the key, whichever is later.
    ///
    /// The shortcuts of the options are added to each policy. Where there is no tokio runtime yet, the first request
    /// begins.
    ///
    /// # Errors
    /// `INVALID_INPUT` without a project or a service URL, for an id, a key, a time or a fallback that cannot be used.
    pub fn fetch_policy(self, service: AgentShield, chosen: FetchPolicy) -> quivive::Result<Self> {
        let policies = PolicySource::new(&service, chosen, Arc::clone(&self.guard), self.hooks.clone())?;
        policies.run();
        Ok(Self { policies: Some(policies), ..self })
    }

    /// Fetches the keys of agents that sign their requests, and renews them, off the request: the first request of an
    /// agent whose keys are not known yet is only called unproven. Where the policy demands a signature, that request
    /// waits for them, for its `timeout_ms` or a second.
    #[must_use]
    pub fn directories(self, directories: KeyDirectories) -> Self {
        Self { directories: Some(directories), ..self }
    }

    /// Calls this with every bot that is detected. Hooks run in threads of their own, in order; a hook that falls 1,000
    /// calls behind misses the next ones.
    #[must_use]
    pub fn on_detection(self, hook: impl Fn(&GuardOutcome) + Send + 'static) -> Self {
        self.with(|hooks| hooks.detection = Some(hooks::start(hook)))
    }

    /// Calls this with every request that does not pass; as [`on_detection`](Self::on_detection).
    #[must_use]
    pub fn on_block(self, hook: impl Fn(&GuardOutcome) + Send + 'static) -> Self {
        self.with(|hooks| hooks.block = Some(hooks::start(hook)))
    }

    /// Calls this with every outcome; as [`on_detection`](Self::on_detection).
    #[must_use]
    pub fn on_result(self, hook: impl Fn(&GuardOutcome) + Send + 'static) -> Self {
        self.with(|hooks| hooks.result = Some(hooks::start(hook)))
    }

    /// Calls this when the service or a key directory cannot be reached, or a fetched policy cannot be used; as
    /// [`on_detection`](Self::on_detection).
    #[must_use]
    pub fn on_error(self, hook: impl Fn(&quivive::Error) + Send + 'static) -> Self {
        self.with(|hooks| hooks.error = Some(hooks::start(hook)))
    }

    /// The guard of the core, to replace its address feeds.
    pub fn guard(&self) -> &DetectionGuard {
        &self.guard
    }

    /// How many reports of mode `hybrid` found no room.
    pub fn dropped_reports(&self) -> u64 {
        self.service.as_ref().map_or(0, Service::dropped)
    }

    pub(crate) fn check(&self, request: Incoming<'static>) -> Checking {
        if let Some(policies) = &self.policies {
            policies.run();
        }
        if !self.guard.covers(&request) {
            return Checking::Done(self.conclude(&request));
        }
        let remote = self.service.clone().filter(Service::is_remote);
        let keys = self.directories.clone().and_then(|directories| self.keys(directories, &request));
        if remote.is_none() && keys.is_none() {
            return Checking::Done(self.conclude(&request));
        }
        let this = self.clone();
        Checking::Waiting(
            async move {
                if let Some((directories, wanted)) = keys {
                    this.load(&directories, &wanted, this.patience()).await;
                }
                let request = match remote {
                    Some(service) => service.ask(request, &this.guard, &this.hooks).await,
                    None => request,
                };
                this.conclude(&request)
            }
            .boxed(),
        )
    }

    /// The keys for which the request waits; others that are wanted or due are fetched meanwhile.
    fn keys(
        &self,
        directories: KeyDirectories,
        request: &Incoming<'_>,
    ) -> Option<(KeyDirectories, Vec<KeyLocation>)> {
        let mut wanted = self.guard.wanted_directories(request);
        let is_wanted = directories.is_worth_waiting(&wanted);
        if is_wanted && self.guard.policy().require == Require::Signed {
            return Some((directories, wanted));
        }
        wanted.retain(|_| is_wanted);
        wanted.extend(directories.due());
        if let Some(runtime) = Handle::try_current().ok().filter(|_| !wanted.is_empty()) {
            let this = self.clone();
            runtime.spawn(async move { this.load(&directories, &wanted, LONGEST_FETCH).await });
        }
        None
    }

    async fn load(&self, directories: &KeyDirectories, wanted: &[KeyLocation], patience: Duration) {
        let loading = directories.load(&self.guard, wanted, now());
        let failures = tokio::time::timeout(patience, loading).await.unwrap_or_default();
        failures.into_iter().for_each(|error| self.hooks.fail(error));
    }

    fn patience(&self) -> Duration {
        let milliseconds = self.guard.policy().timeout_ms.unwrap_or(1_000);
        Duration::from_millis(milliseconds.into())
    }

    fn conclude(&self, request: &Incoming<'_>) -> Detected {
        let detected = Detected(Arc::new(self.guard.check(request)));
        self.hooks.tell(&detected);
        if let Some(service) = self.service.as_ref().filter(|service| !service.is_remote())
            && detected.classification.is_some()
        {
            service.report(request, &self.guard, self.hooks.clone());
        }
        detected
    }

    fn with(mut self, change: impl FnOnce(&mut Hooks)) -> Self {
        change(&mut self.hooks);
        if let Some(policies) = &self.policies {
            policies.set_hooks(self.hooks.clone());
        }
        self
    }
}

/// A check that is done, or one that waits for the service.
pub(crate) enum Checking {
    Done(Detected),
    Waiting(BoxFuture<'static, Detected>),
}

impl Checking {
    pub async fn outcome(self) -> Detected {
        match self {
            Self::Done(detected) => detected,
            Self::Waiting(detected) => detected.await,
        }
    }
}

/// A request as it came: method, target, scheme, authority, address of the connection, header lines.
pub(crate) fn arrived<'a>(
    method: &str,
    target: String,
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> Incoming<'static> {
    Incoming {
        method: method.to_owned().into(),
        target: target.into(),
        headers: headers.map(|(name, value)| (name.to_owned().into(), value.to_owned().into())).collect(),
        now: now(),
        ..Incoming::default()
    }
}

/// Headers in the form of the crate `http`; what no header can hold is left out.
pub(crate) fn pairs(headers: &[(String, String)]) -> impl Iterator<Item = (HeaderName, HeaderValue)> + '_ {
    headers.iter().filter_map(|(name, value)| {
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
    })
}

/// Longer than any fetch takes.
const LONGEST_FETCH: Duration = Duration::from_secs(10);
