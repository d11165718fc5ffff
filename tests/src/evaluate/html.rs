//! The report as one self-contained page: no script, no other host, light and dark.

use std::fmt::{self, Write};

use super::measures::{GeneratorMeasures, Measures};
use super::report::{Environment, Keys, NoMove, Reading, Report, Track};
use super::targets::{Bound, Target, targets};
use super::text::percent;

mod charts;

use charts::Series;

const STYLE: &str = include_str!("html/page.css");

/// Readings in the order in which they are shown: class, short and long name.
const READINGS: [(&str, &str, &str); 3] = [
    ("plain", "plain", "as shipped, people and tools known"),
    ("cv", "5-fold", "people and traces unknown"),
    ("logo", "left out", "tool unknown"),
];

/// The page.
pub fn html(report: &Report) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(&mut page, report);
    page
}

/// Text as it may stand in an element or attribute.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn write_page(page: &mut String, report: &Report) -> fmt::Result {
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Quivive: scoring evaluation</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
    )?;
    write_header(page, report)?;
    page.push_str("<main>\n");
    write_summary(page, report)?;
    if let Some(track) = &report.matched {
        write_matched(page, track)?;
    }
    if let Some(track) = &report.native {
        write_native(page, track)?;
    }
    if let Some(keys) = &report.keys {
        write_keys(page, keys)?;
    }
    if let Some(environment) = &report.environment {
        write_environment(page, environment)?;
    }
    for (letter, name, tables) in report.tables() {
        writeln!(page, "<section id=\"part-{letter}\">\n<h2>{name}</h2>")?;
        tables.iter().try_for_each(|table| table.write_html(page))?;
        page.push_str("</section>\n");
    }
    write_glossary(page)?;
    page.push_str("</main>\n<footer>Made by <code>cargo xtask evaluate</code>. The same data, seed and build give the same page.</footer>\n</body>\n</html>\n");
    Ok(())
}

fn write_header(page: &mut String, report: &Report) -> fmt::Result {
    write!(
        page,
        "<header>\n<h1>How well does scoring tell people from bots?</h1>\n<ul class=\"facts\">\
         <li>build <b>{}</b></li><li>seed <b>{}</b></li>",
        escape(&report.build),
        report.seed
    )?;
    if let Some(track) = report.matched.as_ref().or(report.native.as_ref()) {
        let population = &track.population;
        write!(
            page,
            "<li><b>{}</b> recordings of <b>{}</b> people by <b>{}</b> recorders</li>",
            population.people,
            population.persons,
            population.sources.len()
        )?;
    }
    for (name, track) in [("matched", &report.matched), ("native", &report.native)] {
        if let Some(population) = track.as_ref().map(|track| &track.population) {
            write!(
                page,
                "<li><b>{}</b> {name} traces of <b>{}</b> generators</li>",
                population.bots, population.generators
            )?;
        }
    }
    page.push_str("</ul>\n<nav aria-label=\"Parts\">");
    let sections = [
        ("summary", "Targets", true),
        ("matched", "Pointer", report.matched.is_some()),
        ("native", "Real tools", report.native.is_some()),
        ("keys", "Keys", report.keys.is_some()),
        ("environment", "Environment", report.environment.is_some()),
        ("part-U", "User agents", report.user_agents.is_some()),
        ("part-R", "Requests", report.requests.is_some()),
        ("part-I", "Addresses", report.addresses.is_some()),
        ("glossary", "How to read", true),
    ];
    for (id, name, _) in sections.into_iter().filter(|(.., shown)| *shown) {
        write!(page, "<a href=\"#{id}\">{name}</a>")?;
    }
    page.push_str("</nav>\n</header>\n");
    Ok(())
}

fn write_summary(page: &mut String, report: &Report) -> fmt::Result {
    let targets = targets(report);
    let count = |state| targets.iter().filter(|target| target.met() == state).count();
    write!(
        page,
        "<section id=\"summary\">\n<h2>Targets</h2>\n<p class=\"quiet\">{} met, {} missed, {} not measured. \
         False positives count before everything else.</p>\n",
        count(Some(true)),
        count(Some(false)),
        count(None)
    )?;
    for notice in &report.notices {
        writeln!(page, "<p class=\"quiet\">{}</p>", escape(notice))?;
    }
    let highlights = [
        "Wire, 5-fold by person: people in a bot band at T = 30",
        "5-fold by person: macro TPR@1%FPR",
        "Generator left out: macro TPR@1%FPR",
        "Wire, 5-fold by person: macro share of bots in a bot band at T = 30",
    ];
    let tiles: Vec<&Target> = highlights
        .iter()
        .filter_map(|name| targets.iter().find(|target| target.name == *name && target.figure.is_some()))
        .collect();
    if !tiles.is_empty() {
        page.push_str("<div class=\"tiles\">\n");
        for target in tiles {
            let (state, class) = state(target);
            writeln!(
                page,
                "<div class=\"card tile\"><span class=\"value\">{}</span><span class=\"name\">{}</span><br>\
                 <span class=\"pill {class}\">{state}, target {}</span></div>",
                figure(target),
                escape(&target.name),
                bound(target)
            )?;
        }
        page.push_str("</div>\n");
    }
    page.push_str(
        "<div class=\"card\"><table class=\"targets\"><thead><tr><th>Part</th><th>Figure</th>\
         <th class=\"number\">Measured</th><th class=\"number\">Target</th><th></th></tr></thead><tbody>\n",
    );
    for target in &targets {
        let (state, class) = state(target);
        writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td>\
             <td class=\"number\"><span class=\"pill {class}\">{state}</span></td></tr>",
            target.part,
            escape(&target.name),
            figure(target),
            bound(target)
        )?;
    }
    page.push_str("</tbody></table></div>\n</section>\n");
    Ok(())
}

fn state(target: &Target) -> (&'static str, &'static str) {
    match target.met() {
        Some(true) => ("met", "met"),
        Some(false) => ("missed", "missed"),
        None => ("not measured", ""),
    }
}

fn figure(target: &Target) -> String {
    target.figure.map_or_else(|| "–".to_owned(), |figure| target.unit.show(figure))
}

fn bound(target: &Target) -> String {
    match target.bound {
        Bound::AtLeast(bound) => format!("≥ {}", target.unit.show(bound)),
        Bound::AtMost(bound) => format!("≤ {}", target.unit.show(bound)),
    }
}

/// The readings of a track that were made, with their class and names.
fn readings(track: &Track) -> Vec<(&'static str, &'static str, &'static str, &Reading)> {
    let made = [Some(&track.plain), track.cv.as_ref(), track.logo.as_ref()];
    READINGS
        .into_iter()
        .zip(made)
        .filter_map(|((class, short, long), reading)| Some((class, short, long, reading?)))
        .collect()
}

fn write_matched(page: &mut String, track: &Track) -> fmt::Result {
    page.push_str(
        "<section id=\"matched\">\n<h2>Pointer, matched recordings</h2>\n<p>Tools repeat what people did: the same \
         targets and clicks, seen by the same recorders. Only the path and its timing can tell them apart.</p>\n",
    );
    let readings = readings(track);
    write_measures(page, "Recognised at 1 % false positives", &measures_of(&readings))?;
    write_rocs(page, &measures_of(&readings))?;
    write_distributions(page, &readings)?;
    write_sources(page, &readings)?;
    write_wire(page, &readings)?;
    page.push_str("</section>\n");
    Ok(())
}

fn write_native(page: &mut String, track: &Track) -> fmt::Result {
    page.push_str(
        "<section id=\"native\">\n<h2>Pointer, real runs of tools</h2>\n<p>Tools drive a real browser; also how \
         events arrive counts as evidence. The tools were not used for fitting. Tools that click without any path \
         are shown apart, because people with a keyboard or a screen reader do so too.</p>\n",
    );
    let readings = readings(track);
    write_measures(page, "Recognised at 1 % false positives, tools with a path", &measures_of(&readings))?;
    write_rocs(page, &measures_of(&readings))?;
    if !track.no_move.is_empty() {
        write_no_move(page, &track.no_move)?;
    }
    write_wire(page, &readings)?;
    page.push_str("</section>\n");
    Ok(())
}

type NamedMeasures<'a> = (&'static str, &'static str, &'static str, &'a Measures);

fn measures_of<'a>(
    readings: &[(&'static str, &'static str, &'static str, &'a Reading)],
) -> Vec<NamedMeasures<'a>> {
    readings
        .iter()
        .filter_map(|&(class, short, long, reading)| Some((class, short, long, reading.full.as_ref()?)))
        .collect()
}

/// A card with each way of fitting's macro figures and a bar per generator.
fn write_measures(page: &mut String, title: &str, all: &[NamedMeasures]) -> fmt::Result {
    let Some((.., first)) = all.first() else {
        return Ok(());
    };
    writeln!(page, "<div class=\"card\"><h3>{title}</h3>")?;
    write_legend(page, all)?;
    page.push_str(
        "<div class=\"scroll\"><table><thead><tr><th>Fitted</th><th class=\"number\">macro AUC</th>\
         <th class=\"number\">TPR at 1 % FPR</th><th class=\"number\">at 0.1 %</th></tr></thead><tbody>\n",
    );
    for (class, short, _, measures) in all {
        let [auc_low, auc_high] = measures.auc.interval;
        let [tpr_low, tpr_high] = measures.tpr_at_1pct.interval;
        writeln!(
            page,
            "<tr><td><b class=\"{class}-text\">{short}</b></td>\
             <td class=\"number\">{:.4} <small class=\"quiet\">{auc_low:.4}–{auc_high:.4}</small></td>\
             <td class=\"number\">{} <small class=\"quiet\">{}–{}</small></td><td class=\"number\">{}</td></tr>",
            measures.auc.value,
            percent(Some(measures.tpr_at_1pct.value)),
            percent(Some(tpr_low)).replace(" %", ""),
            percent(Some(tpr_high)),
            percent(Some(measures.tpr_at_01pct))
        )?;
    }
    page.push_str("</tbody></table></div>\n<br><div class=\"bars\">\n");
    for (name, one) in &first.generators {
        write!(page, "<div class=\"row\"><span>{}<small>{} traces</small></span><div>", escape(name), one.n)?;
        for (class, short, _, measures) in all {
            let Some(rate) = measures.generators.get(name).map(|one| one.separation.tpr_at_1pct) else {
                continue;
            };
            write!(
                page,
                "<div class=\"bar {class}\" title=\"{short}\"><span><b style=\"width:{:.1}%\"></b></span>{:.1} %</div>",
                rate * 100.0,
                rate * 100.0
            )?;
        }
        page.push_str("</div></div>\n");
    }
    page.push_str("</div></div>\n");
    Ok(())
}

fn write_legend(page: &mut String, all: &[NamedMeasures]) -> fmt::Result {
    page.push_str("<ul class=\"legend\">");
    for (class, short, long, _) in all {
        write!(page, "<li><i class=\"{class}\"></i>{short}: {long}</li>")?;
    }
    page.push_str("</ul>\n");
    Ok(())
}

/// A small chart per generator.
fn write_rocs(page: &mut String, all: &[NamedMeasures]) -> fmt::Result {
    let Some((.., first)) = all.first() else {
        return Ok(());
    };
    page.push_str("<div class=\"grid rocs\">\n");
    for name in first.generators.keys() {
        let of_generator: Vec<(&str, &str, &GeneratorMeasures)> = all
            .iter()
            .filter_map(|(class, short, _, measures)| Some((*class, *short, measures.generators.get(name)?)))
            .collect();
        let curves: Vec<Series<_>> = of_generator
            .iter()
            .map(|(class, _, one)| Series { class: class_of(class), value: &one.roc })
            .collect();
        write!(page, "<div class=\"card\"><h3>{}</h3><div class=\"rates\">AUC", escape(name))?;
        for (class, _, one) in &of_generator {
            write!(page, "<b class=\"{class}-text\">{:.4}</b>", one.separation.auc)?;
        }
        writeln!(page, "</div>{}</div>", charts::roc(name, &curves))?;
    }
    page.push_str("</div>\n");
    Ok(())
}

fn class_of(class: &str) -> &'static str {
    READINGS.into_iter().map(|(known, ..)| known).find(|known| *known == class).unwrap_or("plain")
}

fn write_distributions(
    page: &mut String,
    readings: &[(&'static str, &'static str, &'static str, &Reading)],
) -> fmt::Result {
    // The most honest reading in which all traces are judged by one kind of table.
    let Some((_, short, _, reading)) =
        readings.iter().find(|(class, ..)| *class == "cv").or_else(|| readings.first())
    else {
        return Ok(());
    };
    let likelihood = charts::histogram(
        "Likelihoods of people and bots",
        &reading.histogram,
        &[(0.0, "0"), (0.5, "0.5"), (1.0, "1")],
        "bot likelihood of the whole trace",
    );
    let score = charts::histogram(
        "Scores of people and bots",
        &reading.wire.histogram,
        &[(0.0, "1"), (0.3, "30"), (0.6, "60"), (1.0, "99")],
        "score of what leaves the page",
    );
    write!(
        page,
        "<div class=\"grid halves\"><div class=\"card\"><h3>Likelihood, {short}</h3>{likelihood}</div>\n\
         <div class=\"card\"><h3>Score on the wire, {short}</h3>{score}</div></div>\n"
    )
}

/// How early the verdict is good; the last place is the whole trace.
fn write_prefix(page: &mut String, short: &str, reading: &Reading) -> fmt::Result {
    let Some(whole) = reading.full.as_ref().filter(|_| !reading.prefix.is_empty()) else {
        return Ok(());
    };
    let labels: Vec<String> =
        reading.prefix.keys().map(|seconds| format!("{seconds} s")).chain(["whole".to_owned()]).collect();
    let values = |figure: fn(&super::measures::Separation) -> f64, whole: f64| -> Vec<f64> {
        reading.prefix.values().map(|prefix| figure(&prefix.separation)).chain([whole]).collect()
    };
    let series = [
        ("cv", "macro AUC", values(|figures| figures.auc, whole.auc.value)),
        ("logo", "TPR at 1 % FPR", values(|figures| figures.tpr_at_1pct, whole.tpr_at_1pct.value)),
    ];
    writeln!(
        page,
        "<div class=\"card\"><h3>Early verdict, {short}</h3>{}</div>",
        charts::lines("Figures by time seen", &labels, &series)
    )
}

fn write_sources(
    page: &mut String,
    readings: &[(&'static str, &'static str, &'static str, &Reading)],
) -> fmt::Result {
    page.push_str("<div class=\"grid halves\">\n");
    let calibrations: Vec<(&'static str, &str, _)> = readings
        .iter()
        .filter_map(|&(class, short, _, reading)| Some((class, short, reading.calibration.as_ref()?)))
        .collect();
    if !calibrations.is_empty() {
        page.push_str("<div class=\"card\"><h3>Reliability</h3><div class=\"rates\">Brier score");
        for (class, short, calibration) in &calibrations {
            write!(page, "<span><b class=\"{class}-text\">{short} {:.4}</b></span>", calibration.brier)?;
        }
        let curves: Vec<Series<_>> =
            calibrations.iter().map(|(class, _, value)| Series { class, value: *value }).collect();
        writeln!(page, "</div>{}</div>", charts::reliability(&curves))?;
    }
    if let Some((_, short, _, reading)) =
        readings.iter().find(|(class, ..)| *class == "cv").or_else(|| readings.first())
    {
        write_prefix(page, short, reading)?;
    }
    page.push_str("</div>\n");
    page.push_str(
        "<div class=\"card\"><h3>Each recorder by itself</h3><p class=\"quiet\">People and bots of one recorder \
         only: a figure that is high here did not learn the recorder.</p><div class=\"scroll\"><table><thead><tr>\
         <th>Recorder</th>",
    );
    let all = measures_of(readings);
    for (class, short, ..) in &all {
        write!(
            page,
            "<th class=\"number\"><span class=\"{class}-text\">{short}</span> AUC</th><th class=\"number\">TPR@1%</th>"
        )?;
    }
    page.push_str("</tr></thead><tbody>\n");
    for source in all.first().iter().flat_map(|(.., first)| first.by_source.keys()) {
        write!(page, "<tr><td>{}</td>", escape(source))?;
        for (.., measures) in &all {
            let figures = measures.by_source.get(source);
            write!(
                page,
                "<td class=\"number\">{}</td><td class=\"number\">{}</td>",
                figures.map_or_else(String::new, |figures| format!("{:.4}", figures.auc)),
                figures.map_or_else(String::new, |figures| percent(Some(figures.tpr_at_1pct)))
            )?;
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table></div></div>\n<br>\n");
    Ok(())
}

fn write_wire(
    page: &mut String,
    readings: &[(&'static str, &'static str, &'static str, &Reading)],
) -> fmt::Result {
    page.push_str(
        "<div class=\"card\"><h3>Bot bands on the wire</h3><p class=\"quiet\">The score from 1 to 99 that a server \
         gives to the numbers that leave the page: no script probe, no user agent, no address. Shares of traces in a \
         bot band at the thresholds T = 30 and T = 60.</p><div class=\"scroll\"><table><thead><tr><th>Who</th>",
    );
    for (class, short, ..) in readings {
        write!(
            page,
            "<th class=\"number\"><span class=\"{class}-text\">{short}</span> T=30</th><th class=\"number\">T=60</th>"
        )?;
    }
    page.push_str("</tr></thead><tbody>\n");
    write_bands(page, "total", "people", readings, |reading| Some(&reading.wire.people_bot_band))?;
    write_bands(page, "total", "generators, mean", readings, |reading| Some(&reading.wire.macro_bot_band))?;
    let generators = readings.first().into_iter().flat_map(|(.., reading)| reading.wire.generators.keys());
    for name in generators {
        write_bands(page, "", name, readings, |reading| reading.wire.generators.get(name))?;
    }
    page.push_str("</tbody></table></div></div>\n");
    Ok(())
}

fn write_bands<'a>(
    page: &mut String,
    class: &str,
    name: &str,
    readings: &[(&'static str, &'static str, &'static str, &'a Reading)],
    rates: impl Fn(&'a Reading) -> Option<&'a std::collections::BTreeMap<u8, f64>>,
) -> fmt::Result {
    write!(page, "<tr class=\"{class}\"><td>{}</td>", escape(name))?;
    for (.., reading) in readings {
        for threshold in super::report::THRESHOLDS {
            let rate = rates(reading).and_then(|rates| rates.get(&threshold).copied());
            write!(page, "<td class=\"number\">{}</td>", percent(rate))?;
        }
    }
    page.push_str("</tr>\n");
    Ok(())
}

fn write_no_move(page: &mut String, tools: &std::collections::BTreeMap<String, NoMove>) -> fmt::Result {
    page.push_str(
        "<div class=\"card\"><h3>Tools without a path</h3><div class=\"scroll\"><table><thead><tr><th>Tool</th>\
         <th class=\"number\">Traces</th><th class=\"number\">Recognised</th><th class=\"number\">Bot band T=30</th>\
         <th class=\"number\">T=60</th><th>Detections</th></tr></thead><tbody>\n",
    );
    for (name, tool) in tools {
        write!(
            page,
            "<tr><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td>\
             <td class=\"number\">{}</td><td>",
            escape(name),
            tool.n,
            percent(Some(tool.recognised)),
            percent(tool.bot_band.get(&30).copied()),
            percent(tool.bot_band.get(&60).copied())
        )?;
        for (id, share) in &tool.detections {
            write!(page, "<span class=\"chip\" title=\"{}\">{id}</span>", percent(Some(*share)))?;
        }
        page.push_str("</td></tr>\n");
    }
    page.push_str("</tbody></table></div></div>\n");
    Ok(())
}

fn write_keys(page: &mut String, keys: &Keys) -> fmt::Result {
    let population = &keys.population;
    write!(
        page,
        "<section id=\"keys\">\n<h2>Keys</h2>\n<p>{} recordings of {} people and {} of {} tools that type one phrase. \
         Only when keys go down and up is known, never which.</p>\n",
        population.people, population.persons, population.bots, population.generators
    )?;
    let all: Vec<NamedMeasures> = READINGS
        .into_iter()
        .zip([&keys.plain, &keys.cv, &keys.logo])
        .filter_map(|((class, short, long), measures)| Some((class, short, long, measures.as_ref()?)))
        .collect();
    write_measures(page, "Recognised at 1 % false positives", &all)?;
    page.push_str("<div class=\"card\"><h3>Text without keys</h3><ul class=\"legend\">");
    for (name, rate) in &keys.without_keys {
        write!(page, "<li>{}: recognised {}</li>", escape(name), percent(Some(*rate)))?;
    }
    write!(page, "<li>people: {}</li></ul></div>\n</section>\n", percent(keys.people_without_keys))
}

fn write_environment(page: &mut String, environment: &Environment) -> fmt::Result {
    page.push_str(
        "<section id=\"environment\">\n<h2>Environment</h2>\n<p>What the script probe says of whole browser set-ups, \
         and which of its flags ordinary visitors would raise by the values that were recorded of them.</p>\n\
         <div class=\"card\"><h3>Set-ups</h3><div class=\"scroll\"><table><thead><tr><th>Set-up</th><th></th>\
         <th>js_detection</th><th>Flags</th></tr></thead><tbody>\n",
    );
    for one in &environment.configurations {
        let is_right = one.automated != one.flags.is_empty();
        write!(
            page,
            "<tr><td class=\"name\">{}</td><td><span class=\"pill {}\">{}</span></td><td>{}</td><td>",
            escape(&one.name),
            if is_right { "met" } else { "missed" },
            if one.automated { "automated" } else { "ordinary" },
            match one.passed {
                Some(true) => "passed",
                Some(false) => "failed",
                None => "–",
            }
        )?;
        for flag in &one.flags {
            write!(page, "<span class=\"chip\">{}</span>", escape(flag))?;
        }
        page.push_str("</td></tr>\n");
    }
    let [people, suspects] = environment.visitors;
    write!(
        page,
        "</tbody></table></div></div>\n<br><div class=\"card\"><h3>Visitors</h3><p class=\"quiet\">Weighted by traffic: \
         {people} records taken for people, {suspects} that contradict themselves or look emulated.</p>\
         <div class=\"scroll\"><table><thead><tr><th>Flag</th><th class=\"number\">People</th>\
         <th class=\"number\">Suspects</th></tr></thead><tbody>\n"
    )?;
    for (flag, share) in &environment.people_flags {
        writeln!(
            page,
            "<tr><td><code>{}</code></td><td class=\"number\">{}</td><td class=\"number\">{}</td></tr>",
            escape(flag),
            percent(Some(*share)),
            percent(environment.suspect_flags.get(flag).copied())
        )?;
    }
    write!(
        page,
        "<tr class=\"total\"><td>any flag</td><td class=\"number\"></td><td class=\"number\">{}</td></tr>\
         </tbody></table></div></div>\n</section>\n",
        percent(environment.suspects_flagged)
    )
}

fn write_glossary(page: &mut String) -> fmt::Result {
    page.push_str("<section id=\"glossary\">\n<h2>How to read this</h2>\n<div class=\"card\"><dl>\n");
    for (term, meaning) in [
        (
            "TPR at 1 % FPR",
            "The share of a tool's traces that is called a bot when at most 1 % of people are.",
        ),
        ("AUC", "How often a bot gets a higher likelihood than a person; ties count half, 0.5 is guessing."),
        (
            "Macro",
            "The plain mean over generators. People's recorders weigh the same, however many traces each has.",
        ),
        ("Plain", "The table as shipped; it has seen these people and tools."),
        ("5-fold", "Each trace is judged by a table that was fitted without its person or trace."),
        ("Left out", "Each tool is judged by tables that were fitted without it: the tools of tomorrow."),
        ("Bot band", "A score below the owner's threshold T, which is 30 unless changed."),
        ("Interval", "95 % of 1000 draws of persons and of bot traces."),
    ] {
        writeln!(page, "<dt>{term}</dt><dd>{meaning}</dd>")?;
    }
    page.push_str("</dl></div>\n</section>\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::report::Configuration;

    #[test]
    fn the_page_is_self_contained_and_names_are_text() {
        let configuration = Configuration {
            name: "<script>alert(1)</script>".to_owned(),
            automated: true,
            flags: vec!["a&b".to_owned()],
            passed: Some(false),
        };
        let environment = Environment { configurations: vec![configuration], ..Environment::default() };
        let report =
            Report { environment: Some(environment), build: "\"x\"".to_owned(), ..Report::default() };
        let page = html(&report);
        for foreign in ["<script", "http:", "https:", "src=", "@import", "url(", " onclick"] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        assert!(
            page.contains("&lt;script&gt;") && page.contains("a&amp;b") && page.contains("&quot;x&quot;")
        );
    }

    #[test]
    fn only_measured_parts_are_shown() {
        let page = html(&Report::default());
        assert!(page.contains("0 met, 0 missed, 0 not measured"));
        assert!(!page.contains("id=\"keys\"") && !page.contains("#environment"));
    }
}
