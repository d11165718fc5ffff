//! Bounds that a build must keep: `{"P.macro_tpr_at_1pct": 0.85, "P.wire.people_bot_band.30": 0.01}`.

use std::collections::BTreeMap;

use super::json::Json;

/// Figures of which less is better: their bound is the most that is allowed. A name holds for all below it.
const LESS_IS_BETTER: [&str; 13] = [
    "abstained_bot",
    "abstained_human",
    "brier",
    "cost",
    "different",
    "false_flags",
    "false_positives",
    "fpr",
    "fpr_by_source",
    "fpr_weighted",
    "people_bot_band",
    "people_flags",
    "people_without_keys",
];

/// Reads a gate file's text.
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &str) -> Result<BTreeMap<String, f64>, String> {
    serde_json::from_str(text)
        .map_err(|error| format!("an object of figures and their bounds is wanted: {error}"))
}

/// One line for each figure of the report that misses its bound or is absent.
pub fn misses(report: &Json, bounds: &BTreeMap<String, f64>) -> Vec<String> {
    bounds
        .iter()
        .filter_map(|(name, &bound)| {
            let Some(figure) = figure(report, name) else {
                return Some(format!("{name}: not measured, the bound is {bound}"));
            };
            let most = name.split('.').any(|part| LESS_IS_BETTER.contains(&part));
            let kept = if most { figure <= bound } else { figure >= bound };
            let side = if most { "at most" } else { "at least" };
            (!kept).then(|| format!("{name}: {figure:.6}, {side} {bound} is wanted"))
        })
        .collect()
}

/// A figure by its place below `parts`, or from the report's root; of part P the matched track unless one is named.
fn figure(report: &Json, name: &str) -> Option<f64> {
    let path: Vec<&str> = name.split('.').collect();
    let matched = path.split_first().map(|(part, rest)| [&["parts", *part, "matched"], rest].concat());
    let candidates = [Some([&["parts"], path.as_slice()].concat()), matched, Some(path)];
    candidates.into_iter().flatten().find_map(|path| report.at(path)?.number())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Json {
        let matched = Json::object([
            ("macro_tpr_at_1pct", 0.9.into()),
            ("wire", Json::object([("people_bot_band", Json::object([("30", 0.02.into())]))])),
        ]);
        let parts = Json::object([
            ("P", Json::object([("matched", matched)])),
            ("E", Json::object([("false_flags", 0_usize.into())])),
        ]);
        Json::object([("parts", parts), ("cost", Json::object([("median_ms", 0.4.into())]))])
    }

    fn misses_of(gate: &str) -> Vec<String> {
        misses(&report(), &parse(gate).unwrap())
    }

    #[test]
    fn figures_within_their_bounds_pass() {
        let gate = r#"{"P.macro_tpr_at_1pct": 0.9, "P.matched.macro_tpr_at_1pct": 0.85, "E.false_flags": 0,
            "P.wire.people_bot_band.30": 0.02, "cost.median_ms": 0.5}"#;
        assert_eq!(misses_of(gate), Vec::<String>::new());
    }

    #[test]
    fn recall_has_a_least_and_false_positives_a_most() {
        assert_eq!(
            misses_of(r#"{"P.macro_tpr_at_1pct": 0.91, "P.wire.people_bot_band.30": 0.01}"#),
            [
                "P.macro_tpr_at_1pct: 0.900000, at least 0.91 is wanted",
                "P.wire.people_bot_band.30: 0.020000, at most 0.01 is wanted"
            ]
        );
    }

    #[test]
    fn a_figure_that_was_not_measured_misses() {
        assert_eq!(misses_of(r#"{"K.macro_auc": 0.5}"#), ["K.macro_auc: not measured, the bound is 0.5"]);
    }

    #[test]
    fn a_gate_holds_numbers_only() {
        assert!(parse(r#"{"P.macro_auc": "0.5"}"#).is_err());
        assert!(parse("[]").is_err());
    }
}
