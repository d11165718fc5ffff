//! From a score to the action that the owner's rules and toggles ask for. The action is advice: nothing is enforced
//! here.

use serde::{Deserialize, Serialize};

use super::{Band, Score, reason, static_resource::is_static_resource};
use crate::{Error, Result};

/// What the caller is advised to do.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Serve the request.
    Allow,
    /// Show the site's own challenge.
    Challenge,
    /// Refuse the request.
    Block,
    /// Serve the request and note it.
    Log,
    /// Answer slowly or ask to come back later.
    Delay,
}

impl Action {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Challenge => "challenge",
            Self::Block => "block",
            Self::Log => "log",
            Self::Delay => "delay",
        }
    }

    fn ends_resolution(self) -> bool {
        matches!(self, Self::Block | Self::Challenge)
    }

    fn shows_detections(self) -> bool {
        matches!(self, Self::Block | Self::Challenge | Self::Delay)
    }
}

/// A project's toggles; new projects observe and enforce nothing.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct BotSettings {
    /// Verified bots are allowed before anything else.
    pub allow_verified: bool,
    /// When false, requests for static files are always allowed.
    pub protect_static: bool,
    /// The band `definite` is blocked.
    pub block_definite: bool,
    /// The band `likely_automated` is challenged.
    pub challenge_likely: bool,
}

impl Default for BotSettings {
    fn default() -> Self {
        Self { allow_verified: true, protect_static: true, block_definite: false, challenge_likely: false }
    }
}

/// An active rule whose expression holds for the session.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RuleMatch {
    /// The owner's name for the rule.
    pub name: String,
    /// What the rule asks for.
    pub action: Action,
}

/// The answer to a verdict read, exactly the fields of the wire.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// The band.
    pub verdict: Band,
    /// 0 to 99, lower is more bot; 0 when not computed or verified.
    pub score: u8,
    /// What to do; callers branch on this alone.
    pub action: Action,
    /// Ids of what was detected, ascending; empty for people who are simply allowed.
    pub detection_ids: Vec<u32>,
    /// The plain sentence.
    pub reason: String,
}

impl Verdict {
    /// The verdict for unknown, unscored or unreadable sessions: allow.
    pub fn fail_open() -> Self {
        Self {
            verdict: Band::NotComputed,
            score: 0,
            action: Action::Allow,
            detection_ids: Vec::new(),
            reason: reason::FAIL_OPEN.to_owned(),
        }
    }
}

/// A verdict and what brought it about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Resolution {
    /// The verdict.
    pub verdict: Verdict,
    /// Which of the given rule matches decided, if one did.
    pub deciding_rule: Option<usize>,
}

/// Resolves a score to a verdict.
///
/// `rule_matches` are the matches of active rules in the order of the rules (`sort_order`, then id). A match with
/// `block` or `challenge` ends the resolution; the first other match is remembered and counts when no toggle acts.
pub fn resolve(
    score: &Score,
    settings: &BotSettings,
    is_static_resource: bool,
    rule_matches: &[RuleMatch],
) -> Resolution {
    if score.band == Band::NotComputed {
        return Resolution { verdict: Verdict::fail_open(), deciding_rule: None };
    }
    if score.band == Band::Verified && settings.allow_verified {
        return by_band(score, Action::Allow);
    }
    let matches = || rule_matches.iter().enumerate();
    if let Some(ending) = matches().find(|(_, rule)| rule.action.ends_resolution()) {
        return by_rule(score, ending);
    }
    if is_static_resource && !settings.protect_static {
        return answer(score, Action::Allow, reason::STATIC_RESOURCE.to_owned(), None);
    }
    let remembered = matches().next();
    let is_exempt = remembered.is_some_and(|(_, rule)| rule.action == Action::Allow);
    match (score.band, remembered) {
        (Band::Definite, _) if settings.block_definite && !is_exempt => by_band(score, Action::Block),
        (Band::LikelyAutomated, _) if settings.challenge_likely && !is_exempt => {
            by_band(score, Action::Challenge)
        }
        (_, Some(remembered)) => by_rule(score, remembered),
        (_, None) => by_band(score, Action::Allow),
    }
}

fn by_band(score: &Score, action: Action) -> Resolution {
    answer(score, action, score.reason.clone(), None)
}

fn by_rule(score: &Score, (index, rule): (usize, &RuleMatch)) -> Resolution {
    let reason = reason::of_rule(&rule.name, rule.action, score.band, &score.reason);
    answer(score, rule.action, reason, Some(index))
}

fn answer(score: &Score, action: Action, reason: String, deciding_rule: Option<usize>) -> Resolution {
    let shows = score.band.is_bot() || action.shows_detections();
    let verdict = Verdict {
        verdict: score.band,
        score: score.score,
        action,
        detection_ids: if shows { score.detection_ids.clone() } else { Vec::new() },
        reason,
    };
    Resolution { verdict, deciding_rule }
}

/// Input of [`resolve_action`].
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ResolveAction {
    /// A score as `score_session` gives it; its band already reflects the project's threshold.
    pub score: Score,
    /// The project's toggles; those of a new project when left out.
    #[serde(default)]
    pub settings: BotSettings,
    /// The requested path, to know static files.
    #[serde(default)]
    pub path: Option<String>,
    /// Matches of active rules, in the order of the rules.
    #[serde(default)]
    pub rule_matches: Vec<RuleMatch>,
}

/// Resolves a score to a verdict with its action.
///
/// # Errors
/// `INVALID_INPUT` when score and band cannot belong together.
pub fn resolve_action(input: ResolveAction) -> Result<Verdict> {
    let fits = match input.score.band {
        Band::NotComputed | Band::Verified => input.score.score == 0,
        Band::Definite => input.score.score == 1,
        Band::LikelyAutomated | Band::LikelyHuman => (2..=99).contains(&input.score.score),
    };
    if !fits {
        return Err(Error::invalid_input("score and band do not belong together").with("path", "score.band"));
    }
    let is_static = input.path.as_deref().is_some_and(is_static_resource);
    Ok(resolve(&input.score, &input.settings, is_static, &input.rule_matches).verdict)
}
