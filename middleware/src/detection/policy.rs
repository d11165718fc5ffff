//! The policy of a guard's project, fetched from the service off the request.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quivive::agentshield::{AgentShield, RemotePolicy};
use quivive::{Error, Result};
use quivive_core::Error as CoreError;
use quivive_core::decision::Policy;
use quivive_core::guard::DetectionGuard;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::hooks::Hooks;

/// Which policy a guard fetches, see [`DetectAgents::fetch_policy`](crate::DetectAgents::fetch_policy).
#[derive(Clone, Debug, PartialEq)]
pub struct FetchPolicy {
    /// The project whose policy it is; by default the client's own
    /// ([`for_project`](quivive::agentshield::AgentShield::for_project)), else `CHECKPOINT_PROJECT_ID` from the
    /// environment.
    pub project_id: Option<String>,
    /// After how many seconds it is fetched again, 1 to 86,400; 300 unless set.
    pub cache_ttl_seconds: u32,
    /// The policy that counts until one is fetched; by default the one of the options.
    pub fallback_policy: Option<Policy>,
}

impl Default for FetchPolicy {
    fn default() -> Self {
        Self { project_id: None, cache_ttl_seconds: 300, fallback_policy: None }
    }
}

/// Keeps the policy of a guard that of its project, in a task that ends with the last clone.
#[derive(Clone)]
pub(super) struct PolicySource(Arc<Source>);

struct Source {
    follower: Arc<Follower>,
    task: Mutex<Option<AbortHandle>>,
}

/// What the task needs.
struct Follower {
    remote: RemotePolicy,
    life: Duration,
    guard: Arc<DetectionGuard>,
    hooks: Mutex<Hooks>,
}

impl PolicySource {
    /// Checks what was chosen, and puts the fallback in place.
    pub fn new(
        service: &AgentShield,
        chosen: FetchPolicy,
        guard: Arc<DetectionGuard>,
        hooks: Hooks,
    ) -> Result<Self> {
        let FetchPolicy { project_id, cache_ttl_seconds, fallback_policy } = chosen;
        let project = project_id
            .or_else(|| service.project_id().map(str::to_owned))
            .or_else(|| std::env::var("CHECKPOINT_PROJECT_ID").ok())
            .ok_or_else(|| {
                refused("project_id", "no project: set `project_id` or `CHECKPOINT_PROJECT_ID`")
            })?;
        if !(1..=86_400).contains(&cache_ttl_seconds) {
            return Err(refused("cache_ttl_seconds", "cache_ttl_seconds is from 1 to 86,400"));
        }
        let remote = service.policy(&project)?;
        if let Some(policy) = fallback_policy {
            guard.use_policy(policy)?;
        }
        let life = Duration::from_secs(cache_ttl_seconds.into());
        let follower = Arc::new(Follower { remote, life, guard, hooks: Mutex::new(hooks) });
        Ok(Self(Arc::new(Source { follower, task: Mutex::default() })))
    }

    /// Sees to it that the task runs: a guard may be made before there is a runtime, and outlive one.
    pub fn run(&self) {
        let Ok(mut task) = self.0.task.try_lock() else { return };
        if task.as_ref().is_none_or(AbortHandle::is_finished)
            && let Ok(runtime) = Handle::try_current()
        {
            let follower = Arc::clone(&self.0.follower);
            *task = Some(runtime.spawn(async move { follower.follow().await }).abort_handle());
        }
    }

    /// Tells about failures whom the guard tells by now.
    pub fn set_hooks(&self, hooks: Hooks) {
        *self.0.follower.hooks.lock().unwrap_or_else(PoisonError::into_inner) = hooks;
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task.take() {
            task.abort();
        }
    }
}

impl Follower {
    /// Fetches the policy at once, and again whenever it is old. A failure of the same kind as the one before is not
    /// logged again.
    async fn follow(&self) {
        let mut tag = None;
        let mut failed = None;
        loop {
            let pause = match self.renew(&mut tag).await {
                Ok(()) => {
                    failed = None;
                    self.life
                }
                Err(error) => {
                    let code = Some(error.code().to_owned());
                    if failed != code {
                        tracing::warn!(%error, "the policy could not be renewed: the last one goes on counting");
                        failed = code;
                    }
                    let pause = self.pause(&error);
                    self.hooks.lock().unwrap_or_else(PoisonError::into_inner).tell_failure(error);
                    pause
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn renew(&self, tag: &mut Option<String>) -> Result<()> {
        if let Some(fetched) = self.remote.fetch(tag.as_deref()).await? {
            self.guard.set_policy(&fetched.document)?;
            // Not before: the tag of a policy that cannot be used would hide that it still cannot.
            *tag = fetched.tag;
        }
        Ok(())
    }

    /// What may pass by itself is tried again soon; whom the service refuses, it would refuse again.
    fn pause(&self, error: &Error) -> Duration {
        match error {
            Error::Api { .. } if !error.is_passing() => self.life.max(PAUSE),
            _ => self.life.min(PAUSE),
        }
    }
}

fn refused(field: &str, message: &str) -> Error {
    CoreError::invalid_input(message).with("field", field).into()
}

const PAUSE: Duration = Duration::from_secs(60);
