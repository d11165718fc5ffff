//! Evidence from movement, for the behavioral engine.

use std::collections::BTreeMap;

use super::{Model, count, is_scripted_path};
use crate::{
    evidence::Evidence,
    score::{aggregate::Behavioral, detection::Detection, payload::PointerType},
};

/// Fewer movements say too little about a hand to hold them against it.
const LEAST_MOVES: f64 = 20.0;

/// Fewer keys say too little about a typist.
const LEAST_KEYS: f64 = 12.0;

/// A person who clicks a few times in one place does not move either; a leap has at least this binary logarithm of
/// pixels.
const LEAST_LEAP: f64 = 5.0;

const LEAST_PRESSES: f64 = 3.0;

/// Pages click their own elements now and then.
const LEAST_SCRIPTED: f64 = 5.0;

/// What movement says against a person.
pub(in crate::score) fn signs(
    behavior: &Behavioral,
    model: &Model,
) -> impl Iterator<Item = Evidence> + use<> {
    let motion = &behavior.motion;
    let pointer = (count(motion, "motion_moves") >= LEAST_MOVES && motion.contains_key("motion_unit"))
        .then(|| model.pointer.cap(motion))
        .flatten();
    let keys = (count(motion, "motion_keys") >= LEAST_KEYS).then(|| model.keys.cap(motion)).flatten();
    [
        pointer.map(|cap| Detection::ToolPointer.graded("motion", cap)),
        keys.map(|cap| Detection::ToolTyping.graded("motion", cap)),
        is_scripted_path(motion).then(|| Detection::ScriptedPath.evidence("motion")),
        (is_only_scripted(behavior) && !is_scripted_path(motion))
            .then(|| Detection::ScriptedEvents.evidence("motion")),
        leaps_to_click(behavior).then(|| Detection::LeapsToClick.evidence("motion")),
    ]
    .into_iter()
    .flatten()
}

/// Text came into a field, and no key, finger or busy pointer is known. Autofill and dictation do that too, so it is
/// told and weighs nothing.
pub(in crate::score) fn text_without_keys(behavior: &Behavioral) -> Option<Evidence> {
    let motion = &behavior.motion;
    let is_without_keys = count(motion, "motion_keys") == 0.0 && behavior.key_events.unwrap_or(0) == 0;
    (count(motion, "motion_inputs") >= 1.0
        && is_without_keys
        && count(motion, "motion_moves") < LEAST_MOVES
        && !uses_touch(behavior))
    .then(|| Detection::TextWithoutKeys.evidence("motion"))
}

/// Whether scripts made events and no device made any.
pub(in crate::score) fn is_only_scripted(behavior: &Behavioral) -> bool {
    let motion = &behavior.motion;
    let by_devices = ["motion_moves", "motion_presses", "motion_keys", "motion_inputs"];
    count(motion, "motion_untrusted") >= LEAST_SCRIPTED
        && by_devices.iter().all(|key| count(motion, key) == 0.0)
        && !uses_touch(behavior)
}

/// The pointer is suddenly at each target and clicks. Whoever types may have moved between fields by keys.
fn leaps_to_click(behavior: &Behavioral) -> bool {
    let motion: &BTreeMap<String, f64> = &behavior.motion;
    let presses = count(motion, "motion_presses");
    presses >= LEAST_PRESSES
        && count(motion, "motion_moves") <= 2.0 * presses + 2.0
        && count(motion, "motion_leap") >= LEAST_LEAP
        && count(motion, "motion_keys") == 0.0
        && !uses_touch(behavior)
}

fn uses_touch(behavior: &Behavioral) -> bool {
    behavior.coarse_pointer == Some(1)
        || behavior
            .pointer_types
            .iter()
            .any(|pointer| matches!(pointer, PointerType::Touch | PointerType::Pen))
}
