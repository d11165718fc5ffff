//! Functions of the site that are told about detections, off the request.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use quivive_core::guard::GuardOutcome;

use super::Detected;

/// The functions; none unless set.
#[derive(Clone, Default)]
pub(super) struct Hooks {
    pub detection: Option<SyncSender<Detected>>,
    pub block: Option<SyncSender<Detected>>,
    pub result: Option<SyncSender<Detected>>,
    pub error: Option<SyncSender<Arc<quivive::Error>>>,
}

impl Hooks {
    /// Tells about an outcome those whom it concerns; who is too far behind is passed over.
    pub fn tell(&self, detected: &Detected) {
        let is_bot = detected.classification.as_ref().is_some_and(|seen| seen.is_bot);
        for (hook, concerns) in
            [(&self.detection, is_bot), (&self.block, !detected.passes), (&self.result, true)]
        {
            if let Some(hook) = hook.as_ref().filter(|_| concerns) {
                let _ = hook.try_send(detected.clone());
            }
        }
    }

    /// Logs a failure and tells about it.
    pub fn fail(&self, error: quivive::Error) {
        tracing::warn!(code = error.code(), "detection goes on without what could not be fetched");
        self.tell_failure(error);
    }

    /// Tells about a failure.
    pub fn tell_failure(&self, error: quivive::Error) {
        if let Some(hook) = &self.error {
            let _ = hook.try_send(Arc::new(error));
        }
    }
}

/// A hook's argument as it is sent to it.
pub(super) trait Told: Send + 'static {
    type Argument;

    fn argument(&self) -> &Self::Argument;
}

impl Told for Detected {
    type Argument = GuardOutcome;

    fn argument(&self) -> &GuardOutcome {
        self
    }
}

impl Told for Arc<quivive::Error> {
    type Argument = quivive::Error;

    fn argument(&self) -> &quivive::Error {
        self
    }
}

/// Starts the thread of a hook; it ends with the last clone of what is told.
pub(super) fn start<T: Told>(hook: impl Fn(&T::Argument) + Send + 'static) -> SyncSender<T> {
    let (sender, receiver) = sync_channel::<T>(MOST_WAITING);
    std::thread::spawn(move || receiver.iter().for_each(|told| hook(told.argument())));
    sender
}

const MOST_WAITING: usize = 1_000;
