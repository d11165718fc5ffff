//! What rules are evaluated over.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::score::{Band, Score};

/// What is known about a session and the request that is asked about; null is "not observed".
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "RuleFacts"))]
#[serde(default, deny_unknown_fields)]
pub struct Facts {
    /// 1 to 99; 0 when not computed or verified.
    pub score: u8,
    /// The band of the score.
    pub band: Band,
    /// Whether the visitor is a bot that proved its identity.
    pub verified_bot: bool,
    /// The category of that bot, for example `Search`.
    pub verified_bot_category: Option<String>,
    /// The script probe.
    pub js_detection: ProbeFacts,
    /// Whether the path names an asset.
    pub static_resource: bool,
    /// Every id of what was detected, also those that a verdict hides.
    pub detection_ids: Vec<u32>,
    /// The requested path or route template.
    pub path: Option<String>,
    /// The visitor's address.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub ip: Option<IpAddr>,
    /// The visitor's country, ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// The visitor's user agent.
    pub ua: Option<String>,
    /// Interaction with the pages.
    pub behavioral: ObservedBehavior,
    /// Whether the visitor is logged in.
    pub logged_in: Option<bool>,
}

/// The outcome of the script probe.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ProbeFacts {
    /// Null without a probe.
    pub passed: Option<bool>,
}

/// The interaction that rules can ask about.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ObservedBehavior {
    /// Naturalness of the pointer's path, 0 to 1; people tend to have high values.
    pub mouse_entropy: Option<f64>,
    /// Pixels per second while scrolling.
    pub scroll_velocity: Option<f64>,
    /// How often the page was hidden or shown.
    pub visibility_changes: Option<u64>,
    /// Delay between the first input and its handling, in milliseconds.
    pub first_input_delay_ms: Option<u32>,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            score: 0,
            band: Band::NotComputed,
            verified_bot: false,
            verified_bot_category: None,
            js_detection: ProbeFacts::default(),
            static_resource: false,
            detection_ids: Vec::new(),
            path: None,
            ip: None,
            country: None,
            ua: None,
            behavioral: ObservedBehavior::default(),
            logged_in: None,
        }
    }
}

impl Facts {
    /// The facts that a score holds; those of session and request are left open.
    pub fn of_score(score: &Score) -> Self {
        Self {
            score: score.score,
            band: score.band,
            verified_bot: score.verified_bot.is_some(),
            verified_bot_category: score.verified_bot.as_ref().map(|bot| bot.category.clone()),
            js_detection: ProbeFacts { passed: score.js_passed },
            detection_ids: score.detection_ids.clone(),
            ..Self::default()
        }
    }
}
