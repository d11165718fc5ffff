//! The learned part of the behavioral engine: how much the movement of pointer and keys is a tool's.
//!
//! Gradient-boosted trees over the `motion_*` features of [`crate::motion`], trained by `xtask/train/train.py`; the
//! table `core/data/motion.json` says on what. Raw scores are sums of whole numbers, so that every platform gives the
//! same bits, and become a probability (people and tools half and half) and a cap on the score by straight lines between
//! calibrated points.
//!
//! ```
//! use quivive_core::{motion::Motion, score::motion::Model};
//! let mut motion = Motion::default();
//! for step in 0..200_u32 {
//!     motion.moved(f64::from(step) * 16.0, f64::from(step % 100) * 7.0, f64::from(step % 100) * 3.0);
//! }
//! let features = motion.features().map(|(name, value)| (name.to_owned(), value)).collect();
//! assert!(Model::built_in().pointer(&features).is_some_and(|likelihood| likelihood > 0.9));
//! ```

use std::{collections::BTreeMap, sync::LazyLock};

use serde::{Deserialize, Serialize};

use crate::{Error, Result, motion::MOTION_VERSION};

mod forest;
mod signs;

use forest::Forest;
pub(super) use signs::{is_only_scripted, signs, text_without_keys};

/// Movements made by a script that are a path, not an accident.
const SCRIPTED_PATH_MOVES: f64 = 20.0;

/// What a path made by a script is, whatever its shape.
const SCRIPTED_PATH_LIKELIHOOD: f64 = 0.99;

/// A trained table, ready to be used.
#[derive(Clone, Debug)]
pub struct Model {
    pointer: Forest,
    keys: Forest,
}

impl Model {
    /// The table of this release.
    pub fn built_in() -> &'static Self {
        #[expect(clippy::expect_used, reason = "a test parses the same bytes")]
        static MODEL: LazyLock<Model> =
            LazyLock::new(|| Model::parse(include_str!("../../data/motion.json")).expect("built-in table"));
        &MODEL
    }

    /// Reads a table as the trainer writes it.
    ///
    /// # Errors
    /// `INVALID_INPUT` when it is not such a table, or its trees are not whole.
    pub fn parse(text: &str) -> Result<Self> {
        let table: Table = serde_json::from_str(text).map_err(|error| {
            Error::invalid_input("not a table of the motion model").with("reason", error.to_string())
        })?;
        let read = |part, name| {
            Forest::new(part).ok_or_else(|| {
                Error::invalid_input("trees of the motion model are not whole").with("path", name)
            })
        };
        if table.motion_version != MOTION_VERSION {
            return Err(
                Error::invalid_input("the motion model is for other features").with("path", "motion_version")
            );
        }
        Ok(Self { pointer: read(table.pointer, "pointer")?, keys: read(table.keys, "keys")? })
    }

    /// How likely the pointer is a tool's, 0 to 1; none when too little was seen.
    pub fn pointer(&self, motion: &BTreeMap<String, f64>) -> Option<f64> {
        if is_scripted_path(motion) {
            return Some(SCRIPTED_PATH_LIKELIHOOD);
        }
        self.pointer.likelihood(motion)
    }

    /// How likely the typing is a tool's, 0 to 1; none when too little was seen.
    pub fn keys(&self, motion: &BTreeMap<String, f64>) -> Option<f64> {
        self.keys.likelihood(motion)
    }
}

/// Whether nearly all movement was made by a script.
fn is_scripted_path(motion: &BTreeMap<String, f64>) -> bool {
    let scripted = count(motion, "motion_untrusted_moves");
    scripted >= SCRIPTED_PATH_MOVES && count(motion, "motion_moves") * 4.0 < scripted
}

/// A counting feature; absent is none.
fn count(motion: &BTreeMap<String, f64>, key: &str) -> f64 {
    motion.get(key).copied().unwrap_or(0.0)
}

#[derive(Deserialize)]
struct Table {
    motion_version: u32,
    pointer: forest::Table,
    keys: forest::Table,
}

/// Input of [`score_motion`].
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ScoreMotion {
    /// Features of movement by their key, as in a snapshot.
    pub motion: BTreeMap<String, f64>,
    /// What the features mean: the `motion_version` that came with them.
    pub motion_version: u32,
}

/// What the learned model says of movement.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MotionScore {
    /// How likely the pointer is a tool's, 0 to 1 in millionths, people and tools taken as equally frequent; null when
    /// too little was seen.
    pub pointer: Option<f64>,
    /// The same of typing.
    pub keys: Option<f64>,
}

/// Judges features of movement by the learned model.
///
/// # Errors
/// `INVALID_INPUT` for another `motion_version`, and for a key that does not begin with `motion_`.
pub fn score_motion(input: ScoreMotion) -> Result<MotionScore> {
    if input.motion_version != MOTION_VERSION {
        return Err(Error::invalid_input(format!("motion_version must be {MOTION_VERSION}"))
            .with("path", "motion_version"));
    }
    if let Some(key) = input.motion.keys().find(|key| !key.starts_with("motion_")) {
        return Err(
            Error::invalid_input("keys of features begin with motion_").with("path", format!("motion.{key}"))
        );
    }
    let model = Model::built_in();
    let millionths = |likelihood: f64| (likelihood * 1e6).round() / 1e6;
    Ok(MotionScore {
        pointer: model.pointer(&input.motion).map(millionths),
        keys: model.keys(&input.motion).map(millionths),
    })
}

#[cfg(test)]
mod tests;
