#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(feature = "actix")]
pub mod actix;
mod agent;
pub mod challenges;
mod detection;
pub mod facts;
pub mod first_party;
pub mod guard;
mod known;
mod refusal;
mod session;
#[cfg(feature = "tower")]
pub mod tower;
mod verdict;

pub use agent::{AgentIdentity, Method, RequireAgent};
pub use detection::{DetectAgents, Detected, FetchPolicy};
pub use facts::TrustedProxies;
pub use first_party::FirstParty;
pub use session::{COLLECTOR_COOKIE, SIGNED_COOKIE, Session, SessionCookie};
pub use verdict::EnforceVerdict;

pub use quivive::Client;
pub use quivive::botect::Verdict;
pub use quivive::directories::KeyDirectories;
pub use quivive_core::decision::{Action, Decision, Policy, Require};
pub use quivive_core::guard::GuardOptions;

/// The parts of [`GuardOptions`].
pub mod guard_options {
    pub use quivive_core::guard::{BlockedResponse, ClientIp, RedirectMode, SessionTracking};
}
