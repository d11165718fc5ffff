//! Whether a visitor that calls itself a known bot is one.
//!
//! The claim is the user agent's; the proof is the address, and only one that was reported or seen. It lies in ranges
//! that the bot's operator publishes, or its name lies in the operator's domain and leads back to it. A visitor
//! without a user agent is compared with all bots, by address alone. Ranges are at hand; names are looked up beside
//! scoring, and the session is scored when the answer comes.

pub mod bots;
mod lookups;
pub mod ranges;

use std::net::IpAddr;
use std::slice;
use std::sync::Arc;

use quivive_core::agent::ReverseDnsAnswer;
use quivive_core::score::aggregate::{Context, Outcome, Verification};

use self::bots::{Bot, Bots};
use self::lookups::{Lookups, Question};
use self::ranges::Ranges;
use super::queue::SessionKey;
use super::record::StoredSession;
use crate::app::App;
use crate::config::VerificationConfig;
use crate::outbound;

/// Known bots, and what was found out about addresses.
pub struct Verified {
    /// The bots that are looked for.
    pub bots: Bots,
    /// The address ranges of bots.
    pub ranges: Ranges,
    lookups: Lookups,
}

impl Verified {
    /// By the settings of `[verification]`.
    pub fn new(config: &VerificationConfig) -> Self {
        Self { bots: Bots::new(config), ranges: Ranges::default(), lookups: Lookups::new(config) }
    }
}

/// What is known of a session's claim.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// The result; none when no bot is claimed, and none is found by address.
    Known(Option<Verification>),
    /// The session comes back to the queue when the look-up has ended or takes long.
    Later,
}

/// What a look-up may cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Patience {
    /// The session may wait a moment for it.
    Wait,
    /// The session is scored without it first, and again when the answer comes.
    ScoreFirst,
    /// Nothing is looked up, because the server ends.
    NoQuestions,
}

/// Checks the claim of a session. Never waits itself.
pub fn verify(app: &App, session: &StoredSession, patience: Patience) -> Finding {
    let verified = &app.scoring.verified;
    let context = session.signals.context();
    let claimed = context.user_agent().map(|text| verified.bots.claimed_by(text));
    let candidates = match &claimed {
        Some(None) => return Finding::Known(None),
        Some(Some(bot)) => slice::from_ref(*bot),
        None => verified.bots.all(),
    };
    let claimed = claimed.flatten();
    let Some(address) = explicit_address(context) else { return known(claimed, Outcome::Unknown) };
    if let Some(owner) = candidates.iter().find(|bot| verified.ranges.hold(bot, address)) {
        return known(Some(owner), Outcome::Yes);
    }
    if outbound::is_local(address) {
        // Behind a proxy that is not configured, everybody has such an address.
        return known(claimed, Outcome::Unknown);
    }
    let refuted = claimed.is_some_and(|bot| verified.ranges.refute(bot, app));
    if !app.config.verification.reverse_dns || candidates.iter().all(|bot| bot.suffixes.is_empty()) {
        return known(claimed, if refuted { Outcome::No } else { Outcome::Unknown });
    }
    let question = Question { bot: claimed.map(|bot| bot.key.clone()), address };
    let key = SessionKey { project_id: session.project_id, token: session.token.as_str().into() };
    match verified.lookups.answer(app, &question, candidates, Some(key), patience) {
        Some(answer) => known(answer.bot.as_ref().or(claimed), answer.outcome),
        None => Finding::Later,
    }
}

/// What the name of an address says about a claim.
#[derive(Clone, Debug, PartialEq)]
pub enum Named {
    /// No name proves such a claim, or names are not asked for.
    NotAsked,
    /// Not known, or not yet: the look-up runs, or failed.
    Open,
    /// The answer.
    Known(ReverseDnsAnswer),
}

/// What is known of the name of an address that shows itself as this agent of the catalogue's, or as nobody. Never
/// waits: a question that is new is looked up beside.
pub fn name_of(app: &App, agent: Option<&str>, address: IpAddr) -> Named {
    let verified = &app.scoring.verified;
    let candidates = match agent {
        Some(id) => verified.bots.catalogued(id).map(slice::from_ref).unwrap_or_default(),
        None => verified.bots.all(),
    };
    let is_possible = candidates.iter().any(|bot| !bot.suffixes.is_empty());
    if !is_possible || !app.config.verification.reverse_dns || outbound::is_local(address) {
        return Named::NotAsked;
    }
    let question = Question { bot: agent.map(Into::into), address };
    let answer = verified.lookups.answer(app, &question, candidates, None, Patience::ScoreFirst);
    match answer.map(|answer| (answer.outcome, answer.name)) {
        Some((Outcome::Yes, name)) => Named::Known(ReverseDnsAnswer { name, forward_confirmed: true }),
        Some((Outcome::No, _)) => Named::Known(ReverseDnsAnswer { name: None, forward_confirmed: false }),
        Some((Outcome::Unknown, _)) | None => Named::Open,
    }
}

/// Without a claim only a proof says anything.
fn known(bot: Option<&Arc<Bot>>, outcome: Outcome) -> Finding {
    Finding::Known(bot.map(|bot| Verification {
        name: bot.name.clone(),
        category: bot.category.clone(),
        outcome,
    }))
}

fn explicit_address(context: &Context) -> Option<IpAddr> {
    context.explicit_address()?.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}
