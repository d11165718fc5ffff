//! Evidence: the one form in which every engine, classifier and verifier says what it saw.
//!
//! Scores, classifications and decisions are views of one evidence list; no API family keeps a private notion
//! of "bot". A thing that was not observed is no evidence.
//!
//! ```
//! use quivive_core::evidence::{Evidence, EvidenceKind};
//! let seen = Evidence::new("ua.known_agent", EvidenceKind::List, 0.95, "GPTBot", "user agent of a known agent");
//! assert!(seen.speaks_for_automation());
//! ```

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// One thing that was observed and what it says about the visitor.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Stable name, `area.fact`, for example `ua.known_agent`.
    pub id: Cow<'static, str>,
    /// What sort of observation it is.
    pub kind: EvidenceKind,
    /// From -1 (surely a person) to 1 (surely automated); 0 speaks for neither.
    pub weight: f64,
    /// Where it was seen: a header, an agent's name, an address range, a key id.
    pub source: String,
    /// The plain reason, lower-case, without a full stop.
    pub text: Cow<'static, str>,
}

impl Evidence {
    /// Makes one item; `weight` is clamped to -1 to 1.
    pub fn new(
        id: impl Into<Cow<'static, str>>,
        kind: EvidenceKind,
        weight: f64,
        source: impl Into<String>,
        text: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            id: id.into(),
            kind,
            weight: weight.clamp(-1.0, 1.0),
            source: source.into(),
            text: text.into(),
        }
    }

    /// Whether the item speaks for automation.
    pub fn speaks_for_automation(&self) -> bool {
        self.weight > 0.0
    }
}

/// The sorts of observation.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EvidenceKind {
    /// An entry of a list: known agents, blocked addresses.
    List,
    /// An address inside a range.
    Range,
    /// A rule of the owner that matched.
    Rule,
    /// A signature that held or failed.
    Signature,
    /// A behaviour or property that was seen.
    Signal,
    /// A token that held or failed.
    Token,
}
