//! The figures that are aimed at, each with what was measured.

use super::measures::Measures;
use super::report::{Reading, Report, ratio};
use super::user_agents::{HELD_OUT, Rates, UNHEARD_OF};

/// A figure with its aim.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The part.
    pub part: &'static str,
    /// What is measured.
    pub name: String,
    /// The aim.
    pub bound: Bound,
    /// What was measured; none when it was not.
    pub figure: Option<f64>,
    /// How it is written.
    pub unit: Unit,
}

/// On which side of a figure the aim lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

/// How a figure is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// Between 0 and 1, as a number.
    Plain,
    /// A share in percent.
    Percent,
    /// A count.
    Count,
    /// Milliseconds.
    Milliseconds,
    /// Bytes.
    Bytes,
}

impl Target {
    /// Whether the aim is reached; none when it was not measured.
    pub fn met(&self) -> Option<bool> {
        let figure = self.figure?;
        Some(match self.bound {
            Bound::AtLeast(bound) => figure >= bound,
            Bound::AtMost(bound) => figure <= bound,
        })
    }
}

impl Unit {
    /// The figure with its unit.
    pub fn show(self, figure: f64) -> String {
        match self {
            Self::Plain => format!("{figure:.4}"),
            Self::Percent => format!("{:.2} %", figure * 100.0),
            Self::Count => format!("{figure:.0}"),
            Self::Milliseconds => format!("{figure:.3} ms"),
            Self::Bytes => format!("{figure:.0} B"),
        }
    }
}

/// Generators that repeat a person's own movements; leaving them out leaves nothing to learn them from.
const REPLAYS: [&str; 2] = ["replay_noise", "stroke_splice"];

/// Every aim for the parts of a report.
pub fn targets(report: &Report) -> Vec<Target> {
    let mut all = Vec::new();
    let mut add = |part, name: &str, bound, unit, figure| {
        all.push(Target { part, name: name.to_owned(), bound, figure, unit });
    };
    use Bound::{AtLeast, AtMost};

    if let Some(track) = &report.matched {
        let cv = track.cv.as_ref();
        let full =
            |reading: Option<&Reading>, figure: fn(&Measures) -> f64| reading?.full.as_ref().map(figure);
        add("P", "5-fold by person: macro AUC", AtLeast(0.995), Unit::Plain, full(cv, |all| all.auc.value));
        let tpr = |all: &Measures| all.tpr_at_1pct.value;
        add("P", "5-fold by person: macro TPR@1%FPR", AtLeast(0.94), Unit::Percent, full(cv, tpr));
        let tpr_01 = |all: &Measures| all.tpr_at_01pct;
        add("P", "5-fold by person: macro TPR@0.1%FPR", AtLeast(0.70), Unit::Percent, full(cv, tpr_01));
        for (name, least) in [("stroke_splice", 0.50), ("replay_noise", 0.85)] {
            let figure = cv
                .and_then(|reading| reading.full.as_ref()?.generators.get(name))
                .map(|one| one.separation.tpr_at_1pct);
            add("P", &format!("5-fold by person: {name} TPR@1%FPR"), AtLeast(least), Unit::Percent, figure);
        }
        let logo = track.logo.as_ref();
        add(
            "P",
            "Generator left out: macro AUC",
            AtLeast(0.970),
            Unit::Plain,
            full(logo, |all| all.auc.value),
        );
        add("P", "Generator left out: macro TPR@1%FPR", AtLeast(0.80), Unit::Percent, full(logo, tpr));
        let weakest = |all: &Measures| {
            let others = all.generators.iter().filter(|(name, _)| !REPLAYS.contains(&name.as_str()));
            others.map(|(_, one)| one.separation.tpr_at_1pct).fold(1.0, f64::min)
        };
        let name = "Generator left out: lowest TPR@1%FPR but replay_noise, stroke_splice";
        add("P", name, AtLeast(0.70), Unit::Percent, full(logo, weakest));
        for (threshold, most) in [(30, 0.01), (60, 0.03)] {
            let band = |reading: &Reading| reading.wire.people_bot_band.get(&threshold).copied();
            let name = format!("Wire: people in a bot band at T = {threshold}");
            add("P", &name, AtMost(most), Unit::Percent, band(&track.plain));
            let name = format!("Wire, 5-fold by person: people in a bot band at T = {threshold}");
            add("P", &name, AtMost(most), Unit::Percent, cv.and_then(band));
        }
        let caught = cv.and_then(|reading| reading.wire.macro_bot_band.get(&30).copied());
        let name = "Wire, 5-fold by person: macro share of bots in a bot band at T = 30";
        add("P", name, AtLeast(0.85), Unit::Percent, caught);
    }
    if let Some(track) = &report.native {
        let tpr = track.plain.full.as_ref().map(|all| all.tpr_at_1pct.value);
        add("P", "Native: macro TPR@1%FPR of tools with a path", AtLeast(0.99), Unit::Percent, tpr);
        let recognised = track.no_move.values().map(|tool| tool.recognised).fold(None, lowest);
        add(
            "P",
            "Native: lowest share of a no-move tool recognised",
            AtLeast(1.0),
            Unit::Percent,
            recognised,
        );
    }
    if let Some(keys) = &report.keys {
        let weakest =
            |all: &Measures| all.generators.values().map(|one| one.separation.tpr_at_1pct).fold(None, lowest);
        for (name, measures) in [("Keys", &keys.plain), ("Keys, 5-fold by person", &keys.cv)] {
            let figure = measures.as_ref().and_then(weakest);
            add("K", &format!("{name}: lowest TPR@1%FPR of a tool"), AtLeast(0.98), Unit::Percent, figure);
        }
        let filled = keys.without_keys.values().copied().fold(None, lowest);
        add("K", "Text without keys recognised", AtLeast(1.0), Unit::Percent, filled);
    }
    if let Some(environment) = &report.environment {
        let (flagged, automated) = environment.recall();
        let recall = ratio(flagged, automated);
        add("E", "Automated set-ups with a flag", AtLeast(1.0), Unit::Percent, recall);
        let false_flags = environment.false_flags() as f64;
        add("E", "Flags on ordinary set-ups", AtMost(0.0), Unit::Count, Some(false_flags));
        for (flag, most) in [("navigator_anomaly", 0.005), ("missing_plugins", 0.01)] {
            let share = environment.people_flags.get(flag).copied();
            add("E", &format!("Visitors who raise {flag}, weighted"), AtMost(most), Unit::Percent, share);
        }
        let suspects = environment.suspects_flagged;
        add("E", "Suspects who raise any flag, weighted", AtLeast(0.9), Unit::Percent, suspects);
    }
    if let Some(part) = &report.user_agents {
        let whole = &part.whole;
        add("U", "Recall", AtLeast(0.995), Unit::Percent, whole.recall());
        add("U", "Recall of AI agents", AtLeast(0.985), Unit::Percent, whole.recall_of("ai_agent"));
        add("U", "Browsers taken for bots", AtMost(0.003), Unit::Percent, whole.false_positives());
        add("U", "Traffic taken for bots", AtMost(0.0), Unit::Percent, whole.wrong_weight);
        add("U", "Right type, macro", AtLeast(0.92), Unit::Percent, part.macro_type_accuracy());
        for (name, rows) in
            [(HELD_OUT, "Held-out rows"), (UNHEARD_OF, "Held-out rows, their names unheard of")]
        {
            let rates = part.reading(name);
            let recall = rates.and_then(Rates::recall);
            add("U", &format!("{rows}: recall"), AtLeast(0.995), Unit::Percent, recall);
            let wrong = rates.and_then(Rates::false_positives);
            let name = format!("{rows}: browsers taken for bots");
            add("U", &name, AtMost(0.001), Unit::Percent, wrong);
        }
    }
    if let Some(part) = &report.requests {
        let (found, all) = part.found();
        let missed = (all - found) as f64;
        add("R", "Requests of bots that are missed", AtMost(1.0), Unit::Count, Some(missed));
        let wrong = part.false_positives() as f64;
        add("R", "Requests of browsers taken for bots", AtMost(0.0), Unit::Count, Some(wrong));
    }
    if let Some(part) = &report.addresses {
        let exact = ratio(part.exact.0, part.exact.1);
        add("I", "Addresses with exactly their sets", AtLeast(1.0), Unit::Percent, exact);
    }
    if let Some(cost) = &report.cost {
        let most = if report.build.ends_with("wasm") { 3.0 } else { 0.5 };
        add(
            "Cost",
            "One trace of 500 events, median",
            AtMost(most),
            Unit::Milliseconds,
            Some(cost.median_ms),
        );
        let bytes = cost.state_bytes as f64;
        add("Cost", "State of a page view", AtMost(16_384.0), Unit::Bytes, Some(bytes));
    }
    if let Some(wasm) = report.wasm {
        let different = wasm.different as f64;
        add("Wasm", "Items that differ from the native build", AtMost(0.0), Unit::Count, Some(different));
    }
    all
}

fn lowest(least: Option<f64>, value: f64) -> Option<f64> {
    Some(least.map_or(value, |least| least.min(value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::report::{Configuration, Environment};

    #[test]
    fn an_empty_report_has_no_aims() {
        assert_eq!(targets(&Report::default()), []);
    }

    #[test]
    fn aims_are_met_missed_or_not_measured() {
        let configuration = |automated, flags: &[&str]| Configuration {
            name: "any".to_owned(),
            automated,
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            passed: Some(true),
        };
        let environment = Environment {
            configurations: vec![configuration(true, &["webdriver"]), configuration(false, &["headless"])],
            ..Environment::default()
        };
        let report = Report { environment: Some(environment), ..Report::default() };
        let met: Vec<Option<bool>> = targets(&report).iter().map(Target::met).collect();
        assert_eq!(met, [Some(true), Some(false), None, None, None]);
    }
}
