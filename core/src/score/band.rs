//! Bands of the score and the threshold between them.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What a score means for a project.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Band {
    /// Score 0: nothing is known; always allowed.
    NotComputed,
    /// Score 1: automated beyond doubt.
    Definite,
    /// Score 2 to the threshold, exclusive.
    LikelyAutomated,
    /// Score from the threshold to 99.
    LikelyHuman,
    /// A welcome bot that proved its identity, whatever the score.
    Verified,
}

impl Band {
    /// The band of a score; score 1 is `definite` under every threshold.
    pub fn of(score: u8, threshold: Threshold) -> Self {
        match score {
            0 => Self::NotComputed,
            1 => Self::Definite,
            score if score < threshold.get() => Self::LikelyAutomated,
            _ => Self::LikelyHuman,
        }
    }

    /// Whether the band calls the visitor automated.
    pub fn is_bot(self) -> bool {
        matches!(self, Self::Definite | Self::LikelyAutomated)
    }

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotComputed => "not_computed",
            Self::Definite => "definite",
            Self::LikelyAutomated => "likely_automated",
            Self::LikelyHuman => "likely_human",
            Self::Verified => "verified",
        }
    }
}

/// A project's `likely_bot_threshold`, 1 to 99: scores below it count as automated, so higher is stricter.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Threshold(u8);

impl Threshold {
    /// The threshold of a new project.
    pub const DEFAULT: Self = Self(30);

    /// Makes a threshold.
    ///
    /// # Errors
    /// `INVALID_INPUT` outside 1 to 99.
    pub fn new(value: u8) -> Result<Self> {
        if (1..=99).contains(&value) {
            Ok(Self(value))
        } else {
            Err(Error::invalid_input("likely_bot_threshold must be from 1 to 99")
                .with("path", "likely_bot_threshold"))
        }
    }

    /// The number, 1 to 99.
    pub fn get(self) -> u8 {
        self.0
    }

    /// The lowest score that is in no bot band, at least 2 because 1 is always `definite`.
    pub fn lowest_human_score(self) -> u8 {
        self.0.max(2)
    }
}

impl Default for Threshold {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl TryFrom<u8> for Threshold {
    type Error = Error;

    fn try_from(value: u8) -> Result<Self> {
        Self::new(value)
    }
}

impl From<Threshold> for u8 {
    fn from(threshold: Threshold) -> Self {
        threshold.0
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Threshold {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Threshold".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "integer", "minimum": 1, "maximum": 99 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_meet_at_the_threshold() {
        let band = |score, threshold| Band::of(score, Threshold::new(threshold).unwrap());
        for threshold in 1..=99 {
            assert_eq!(band(0, threshold), Band::NotComputed);
            assert_eq!(band(1, threshold), Band::Definite);
            for score in 2..=99 {
                let expected = if score < threshold { Band::LikelyAutomated } else { Band::LikelyHuman };
                assert_eq!(band(score, threshold), expected, "score {score}, threshold {threshold}");
            }
        }
    }

    #[test]
    fn thresholds_outside_the_range_are_refused() {
        assert!(Threshold::new(0).is_err());
        assert!(Threshold::new(100).is_err());
        for text in ["0", "100", "-1", "40.5", "\"40\"", "null", "true"] {
            assert!(serde_json::from_str::<Threshold>(text).is_err(), "{text}");
        }
        assert_eq!(serde_json::from_str::<Threshold>("99").unwrap().get(), 99);
    }

    #[test]
    fn names_are_the_wire_names() {
        for band in
            [Band::NotComputed, Band::Definite, Band::LikelyAutomated, Band::LikelyHuman, Band::Verified]
        {
            assert_eq!(serde_json::to_value(band).unwrap(), band.name());
        }
    }
}
