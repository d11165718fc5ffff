//! The report as it is printed: one block per part.

use std::fmt::{self, Write};

use super::measures::{Figure, Measures};
use super::metrics::Calibration;
use super::report::{Comparison, Cost, Environment, Keys, Population, Reading, Report, Track};
use super::targets::{Bound, targets};

/// The whole report as text.
pub fn text(report: &Report) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write_report(&mut page, report);
    page
}

fn write_report(page: &mut String, report: &Report) -> fmt::Result {
    writeln!(page, "build {}   seed {}", report.build, report.seed)?;
    for notice in &report.notices {
        writeln!(page, "notice: {notice}")?;
    }
    for (name, track) in [("matched", &report.matched), ("native", &report.native)] {
        if let Some(track) = track {
            write_track(page, name, track)?;
        }
    }
    if let Some(keys) = &report.keys {
        write_keys(page, keys)?;
    }
    if let Some(environment) = &report.environment {
        write_environment(page, environment)?;
    }
    for (letter, _, tables) in report.tables() {
        writeln!(page, "\n{letter}")?;
        tables.iter().try_for_each(|table| table.write_text(page))?;
    }
    if let Some(cost) = &report.cost {
        write_cost(page, cost)?;
    }
    if let Some(Comparison { items, different }) = report.wasm {
        writeln!(page, "\nwasm beside native   {items} items judged by both, {different} differ")?;
    }
    write_targets(page, report)
}

fn write_track(page: &mut String, name: &str, track: &Track) -> fmt::Result {
    writeln!(page, "\nP {name}   {}", population(&track.population, &track.plain))?;
    write_macros(page, "  ", track.plain.full.as_ref())?;
    let sources = &track.population.sources;
    write_generators(page, track.plain.full.as_ref(), sources.iter().map(String::as_str))?;
    for (title, reading) in [("5-fold by person", &track.cv), ("leave one generator out", &track.logo)] {
        if let Some(reading) = reading {
            write_macros(page, &format!("  {title}: "), reading.full.as_ref())?;
            write_generators(page, reading.full.as_ref(), sources.iter().map(String::as_str))?;
        }
    }
    let readings = [
        ("plain", Some(&track.plain)),
        ("5-fold", track.cv.as_ref()),
        ("generator left out", track.logo.as_ref()),
    ];
    for (title, reading) in readings.into_iter().filter_map(|(title, reading)| Some((title, reading?))) {
        write_prefix(page, title, reading)?;
        write_wire(page, title, reading)?;
        if let Some(calibration) = &reading.calibration {
            write_calibration(page, title, calibration)?;
        }
    }
    if !track.no_move.is_empty() {
        writeln!(page, "  no-move tools        n   recognised   in a bot band T=30   T=60   detections")?;
    }
    for (name, tool) in &track.no_move {
        let band = |threshold| percent(tool.bot_band.get(&threshold).copied());
        let detections: Vec<String> =
            tool.detections.iter().map(|(id, share)| format!("{id} {}", percent(Some(*share)))).collect();
        writeln!(
            page,
            "  {name:<16} {:>5}   {:>10}   {:>18} {:>6}   {}",
            tool.n,
            percent(Some(tool.recognised)),
            band(30),
            band(60),
            detections.join(", ")
        )?;
    }
    Ok(())
}

fn population(population: &Population, reading: &Reading) -> String {
    let Population { people, persons, sources, bots, generators } = population;
    format!(
        "people {people} ({persons} persons, {} sources)   bots {bots} ({generators} generators)   abstained {} / {}",
        sources.len(),
        percent(reading.abstained_human),
        percent(reading.abstained_bot)
    )
}

fn write_macros(page: &mut String, before: &str, measures: Option<&Measures>) -> fmt::Result {
    let Some(measures) = measures else {
        return writeln!(page, "{before}nothing to compare");
    };
    let figure = |figure: Figure, digits: usize| {
        let [low, high] = figure.interval;
        format!("{:.digits$} [{low:.digits$}, {high:.digits$}]", figure.value)
    };
    writeln!(
        page,
        "{before}macro AUC {}   macro TPR@1%FPR {}   @0.1% {:.3}",
        figure(measures.auc, 4),
        figure(measures.tpr_at_1pct, 3),
        measures.tpr_at_01pct
    )
}

/// One line per generator; the columns of sources hold AUC and TPR@1%FPR of that recorder's people and bots.
fn write_generators<'a>(
    page: &mut String,
    measures: Option<&Measures>,
    sources: impl Iterator<Item = &'a str> + Clone,
) -> fmt::Result {
    let Some(measures) = measures else {
        return Ok(());
    };
    let shown = sources.filter(|source| measures.by_source.contains_key(*source));
    write!(page, "  {:<16} {:>5} {:>7} {:>8} {:>9}", "generator", "n", "AUC", "TPR@1%", "TPR@0.1%")?;
    for source in shown.clone() {
        write!(page, "  {source:>13}")?;
    }
    writeln!(page)?;
    let columns = |page: &mut String,
                   by_source: &std::collections::BTreeMap<_, super::measures::Separation>| {
        for source in shown.clone() {
            let cell = by_source
                .get(source)
                .map_or_else(String::new, |figures| format!("{:.4} {:.3}", figures.auc, figures.tpr_at_1pct));
            write!(page, "  {cell:>13}")?;
        }
        writeln!(page)
    };
    for (name, one) in &measures.generators {
        let figures = one.separation;
        write!(
            page,
            "  {name:<16} {:>5} {:>7.4} {:>8.3} {:>9.3}",
            one.n, figures.auc, figures.tpr_at_1pct, figures.tpr_at_01pct
        )?;
        columns(page, &one.by_source)?;
    }
    write!(
        page,
        "  {:<16} {:>5} {:>7.4} {:>8.3} {:>9.3}",
        "macro", "", measures.auc.value, measures.tpr_at_1pct.value, measures.tpr_at_01pct
    )?;
    columns(page, &measures.by_source)
}

fn write_prefix(page: &mut String, title: &str, reading: &Reading) -> fmt::Result {
    let prefixes: Vec<String> = reading
        .prefix
        .iter()
        .map(|(seconds, prefix)| {
            let figures = prefix.separation;
            format!("{seconds}: AUC {:.4} TPR@1% {:.3}", figures.auc, figures.tpr_at_1pct)
        })
        .collect();
    if prefixes.is_empty() {
        return Ok(());
    }
    writeln!(page, "  first seconds, {title}  {}", prefixes.join("   "))
}

fn write_wire(page: &mut String, title: &str, reading: &Reading) -> fmt::Result {
    let wire = &reading.wire;
    let band =
        |rates: &std::collections::BTreeMap<u8, f64>, threshold| percent(rates.get(&threshold).copied());
    writeln!(
        page,
        "  wire, {title}: people in a bot band T=30 {}, T=60 {}; generators, mean, T=30 {}, T=60 {}",
        band(&wire.people_bot_band, 30),
        band(&wire.people_bot_band, 60),
        band(&wire.macro_bot_band, 30),
        band(&wire.macro_bot_band, 60)
    )?;
    let generators: Vec<String> = wire
        .generators
        .iter()
        .map(|(name, rates)| format!("{name} {} / {}", band(rates, 30), band(rates, 60)))
        .collect();
    for line in generators.chunks(4) {
        writeln!(page, "    {}", line.join("   "))?;
    }
    Ok(())
}

fn write_calibration(page: &mut String, title: &str, calibration: &Calibration) -> fmt::Result {
    writeln!(
        page,
        "  calibration, {title}: Brier {:.4}; bins likelihood → bots (weight)",
        calibration.brier
    )?;
    let bins: Vec<String> = calibration
        .bins
        .iter()
        .filter(|bin| bin.weight > 0.0)
        .map(|bin| format!("{:.2} → {:.2} ({})", bin.likelihood, bin.bots, percent(Some(bin.weight))))
        .collect();
    for line in bins.chunks(5) {
        writeln!(page, "    {}", line.join("   "))?;
    }
    Ok(())
}

fn write_keys(page: &mut String, keys: &Keys) -> fmt::Result {
    let Population { people, persons, bots, generators, .. } = &keys.population;
    writeln!(
        page,
        "\nK   people {people} ({persons} persons)   bots {bots} ({generators} generators)   abstained {} / {}",
        percent(keys.abstained_human),
        percent(keys.abstained_bot)
    )?;
    let readings = [
        ("", keys.plain.as_ref()),
        ("5-fold by person: ", keys.cv.as_ref()),
        ("leave one generator out: ", keys.logo.as_ref()),
    ];
    for (title, measures) in readings.into_iter().filter_map(|(title, measures)| Some((title, measures?))) {
        write_macros(page, &format!("  {title}"), Some(measures))?;
        write_generators(page, Some(measures), std::iter::empty())?;
    }
    for (name, recognised) in &keys.without_keys {
        writeln!(page, "  {name}: input without key events recognised {}", percent(Some(*recognised)))?;
    }
    writeln!(page, "  people with input without key events {}", percent(keys.people_without_keys))
}

fn write_environment(page: &mut String, environment: &Environment) -> fmt::Result {
    let (flagged, automated) = environment.recall();
    writeln!(
        page,
        "\nE   automated set-ups {automated}, flagged {flagged}   false flags {}   visitors {}, suspects {}",
        environment.false_flags(),
        environment.visitors[0],
        environment.visitors[1]
    )?;
    for one in &environment.configurations {
        let passed = match one.passed {
            Some(true) => "passed",
            Some(false) => "failed",
            None => "none",
        };
        let label = if one.automated { "automated" } else { "ordinary" };
        writeln!(page, "  {:<34} {label:<9}  js_detection {passed:<6}  {}", one.name, one.flags.join(", "))?;
    }
    let suspects = &environment.suspect_flags;
    writeln!(page, "  {:<34} {:>9}  {:>9}", "weighted share that raises", "visitors", "suspects")?;
    for (flag, share) in &environment.people_flags {
        let suspects = suspects.get(flag).copied();
        writeln!(page, "  {flag:<34} {:>9}  {:>9}", percent(Some(*share)), percent(suspects))?;
    }
    writeln!(page, "  {:<34} {:>9}  {:>9}", "any flag", "", percent(environment.suspects_flagged))
}

fn write_cost(page: &mut String, cost: &Cost) -> fmt::Result {
    writeln!(
        page,
        "\ncost   one trace of 500 events: median {:.3} ms, p99 {:.3} ms ({} traces)   per event {:.3} µs   state {} bytes",
        cost.median_ms, cost.p99_ms, cost.traces, cost.event_us, cost.state_bytes
    )
}

fn write_targets(page: &mut String, report: &Report) -> fmt::Result {
    writeln!(page, "\ntargets")?;
    for target in targets(report) {
        let state = match target.met() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "not measured",
        };
        let (sign, bound) = match target.bound {
            Bound::AtLeast(bound) => ("≥", bound),
            Bound::AtMost(bound) => ("≤", bound),
        };
        let figure = target.figure.map_or_else(String::new, |figure| target.unit.show(figure));
        writeln!(
            page,
            "  {:<4} {:<72} {figure:>10}  {sign} {:<9} {state}",
            target.part,
            target.name,
            target.unit.show(bound)
        )?;
    }
    Ok(())
}

/// A share in percent with two decimals; a dash when it was not measured.
pub fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.2} %", share * 100.0))
}
