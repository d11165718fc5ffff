//! The plain sentence of a verdict.

use super::{Action, Band, Detection, EngineResults, VerifiedBot, detection};

/// When nothing is known about a session.
pub const FAIL_OPEN: &str = "Score not available; allowing by default.";

/// When the owner leaves static files alone.
pub const STATIC_RESOURCE: &str = "Static resource; not evaluated.";

const MOST_PHRASES: usize = 3;

/// The reason for a band; `heuristics` is that engine's score under the project's threshold.
pub fn of_band(band: Band, engines: &EngineResults, heuristics: Option<u8>, detection_ids: &[u32]) -> String {
    match band {
        Band::NotComputed => FAIL_OPEN.to_owned(),
        Band::Verified => engines.verified_bot.as_ref().map_or_else(String::new, of_verified_bot),
        Band::LikelyHuman => of_human(engines).to_owned(),
        Band::Definite | Band::LikelyAutomated => of_bot(engines, heuristics, detection_ids),
    }
}

/// The reason when a rule decided; a bot band's own reason follows.
pub fn of_rule(name: &str, action: Action, band: Band, band_reason: &str) -> String {
    let rule = format!("Rule \"{name}\" matched ({}).", action.name());
    if band.is_bot() { format!("{rule} {band_reason}") } else { rule }
}

fn of_verified_bot(bot: &VerifiedBot) -> String {
    format!("Verified bot: {} ({}).", bot.name, bot.category)
}

fn of_human(engines: &EngineResults) -> &'static str {
    let has_evidence = [&engines.heuristics, &engines.behavioral]
        .iter()
        .any(|opinion| opinion.score.is_some_and(|score| score < 50))
        || engines.js_passed == Some(false);
    if has_evidence {
        "Some automation evidence, not enough to act on."
    } else if engines.behavioral.score.is_some() {
        "No bot signals; natural interaction profile."
    } else {
        "No bot signals; little interaction recorded so far."
    }
}

/// Phrases of the engine that gave the score, heuristics first on a tie; of all ids when it has none to tell.
fn of_bot(engines: &EngineResults, heuristics: Option<u8>, detection_ids: &[u32]) -> String {
    let deciding = match (heuristics, engines.behavioral.score) {
        (Some(heuristics), Some(behavioral)) if behavioral < heuristics => &engines.behavioral,
        (Some(_), _) => &engines.heuristics,
        (None, _) => &engines.behavioral,
    };
    let own = detection::numbers(&deciding.evidence);
    let ids = if own.is_empty() { detection_ids } else { &own };
    let phrases: Vec<&str> = ids
        .iter()
        .filter_map(|id| Detection::from_number(*id))
        .map(Detection::phrase)
        .take(MOST_PHRASES)
        .collect();
    sentence(&phrases.join("; "))
}

fn sentence(words: &str) -> String {
    let mut characters = words.chars();
    characters
        .next()
        .map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), characters.as_str()))
}
