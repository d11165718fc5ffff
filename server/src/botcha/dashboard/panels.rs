//! The six panels: which there are, and their figures as HTML and as Markdown.

use maud::{Markup, html};
use serde::Serialize;
use serde_json::json;

use super::figures::{self, Errors, Geo, Overview, Performance, Period, Types, Volume};
use crate::app::App;
use crate::error::Result;

/// A panel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Panel {
    Overview,
    Volume,
    Types,
    Performance,
    Errors,
    Geo,
}

impl Panel {
    pub(super) const ALL: [Self; 6] =
        [Self::Overview, Self::Volume, Self::Types, Self::Errors, Self::Performance, Self::Geo];

    /// The name in paths.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Volume => "volume",
            Self::Types => "types",
            Self::Performance => "performance",
            Self::Errors => "errors",
            Self::Geo => "geo",
        }
    }

    /// The heading.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Overview => "At a glance",
            Self::Volume => "Volume",
            Self::Types => "Answers by type of challenge",
            Self::Performance => "Time to solve",
            Self::Errors => "Refusals and errors",
            Self::Geo => "Countries",
        }
    }

    /// Reads the figures of an app.
    pub(super) async fn load(self, app: &App, app_id: &str, period: Period) -> Result<Shown> {
        Ok(match self {
            Self::Overview => Shown::Overview(figures::overview(app, app_id, period).await?),
            Self::Volume => Shown::Volume(figures::volume(app, app_id, period).await?),
            Self::Types => Shown::Types(figures::types(app, app_id, period).await?),
            Self::Performance => Shown::Performance(figures::performance(app, app_id, period).await?),
            Self::Errors => Shown::Errors(figures::errors(app, app_id, period).await?),
            Self::Geo => Shown::Geo(figures::geo(app, app_id, period).await?),
        })
    }
}

/// The figures of a panel.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Shown {
    Overview(Overview),
    Volume(Volume),
    Types(Types),
    Performance(Performance),
    Errors(Errors),
    Geo(Geo),
}

impl Shown {
    /// For browsers: the inside of the panel.
    pub(super) fn html(&self) -> Markup {
        match self {
            Self::Overview(overview) => overview_html(overview),
            Self::Volume(volume) => volume_html(volume),
            Self::Types(types) => types_html(types),
            Self::Performance(performance) => performance_html(performance),
            Self::Errors(errors) => {
                let rows: Vec<_> =
                    errors.errors.iter().map(|error| (words(error.event), error.total)).collect();
                counts_html(&rows, "bad", "None: nothing was refused and nothing failed in this period.")
            }
            Self::Geo(geo) => {
                let rows: Vec<_> =
                    geo.countries.iter().map(|country| (country.country.as_str(), country.total)).collect();
                counts_html(&rows, "plain", "No data yet: the countries of callers appear here.")
            }
        }
    }

    /// For language models: a table.
    pub(super) fn markdown(&self) -> String {
        let (head, rows): (&[&str], Vec<Vec<String>>) = match self {
            Self::Overview(overview) => {
                let rows = cards(overview).map(|(name, value, _)| vec![name.to_owned(), value]);
                (&["Figure", "Value"], rows.to_vec())
            }
            Self::Volume(volume) => (
                &["From", "Events", "Challenges", "Right", "Wrong or late"],
                volume
                    .buckets
                    .iter()
                    .filter(|bucket| bucket.events > 0)
                    .map(|bucket| {
                        let numbers =
                            [bucket.events, bucket.generated, bucket.verified_ok, bucket.verified_fail];
                        [vec![bucket.time.clone()], numbers.map(|number| number.to_string()).to_vec()]
                            .concat()
                    })
                    .collect(),
            ),
            Self::Types(types) => (
                &["Type", "Answers", "Right", "Wrong or late"],
                types
                    .types
                    .iter()
                    .map(|entry| {
                        let numbers = [entry.total, entry.ok, entry.fail].map(|number| number.to_string());
                        [vec![code(&entry.challenge_type)], numbers.to_vec()].concat()
                    })
                    .collect(),
            ),
            Self::Performance(performance) => (
                &[
                    "Type",
                    "Right answers",
                    "Mean",
                    "Median",
                    "95th percentile",
                    "Fastest",
                    "Slowest",
                    "Our answer",
                ],
                performance
                    .rows
                    .iter()
                    .map(|row| [vec![code(&row.challenge_type)], pace(row).to_vec()].concat())
                    .collect(),
            ),
            Self::Errors(errors) => (
                &["Event", "Count"],
                errors.errors.iter().map(|error| vec![code(error.event), error.total.to_string()]).collect(),
            ),
            Self::Geo(geo) => (
                &["Country", "Events"],
                geo.countries
                    .iter()
                    .map(|country| vec![code(&country.country), country.total.to_string()])
                    .collect(),
            ),
        };
        if rows.is_empty() {
            return "None in this period.\n".to_owned();
        }
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
        let rule = format!("|{}\n", "---|".repeat(head.len()));
        line(&head) + &rule + &rows.iter().map(|cells| line(cells)).collect::<String>()
    }
}

/// `2026-02-15T12:00:00Z` as people read it.
pub(super) fn moment(text: &str) -> String {
    let (day, time) = text.split_once('T').unwrap_or((text, ""));
    format!("{day} {}", time.get(..5).unwrap_or_default())
}

/// The name, the value and the tone of each card.
fn cards(overview: &Overview) -> [(&'static str, String, Option<&'static str>); 6] {
    let rate = overview.success_rate.map(|rate| match rate {
        80.. => "good",
        50.. => "warn",
        _ => "bad",
    });
    let or_dash = |value: Option<i64>, unit: &str| {
        value.map_or_else(|| "–".to_owned(), |value| format!("{}{unit}", short(value)))
    };
    [
        ("Challenges Generated", short(overview.challenges_generated), None),
        ("Verifications", short(overview.verifications), None),
        ("Success Rate", or_dash(overview.success_rate, " %"), rate),
        ("Avg Solve Time", or_dash(overview.avg_solve_time_ms, " ms"), None),
        ("Rate Limits Hit", short(overview.rate_limits), (overview.rate_limits > 0).then_some("warn")),
        ("Errors", short(overview.errors), (overview.errors > 0).then_some("bad")),
    ]
}

fn overview_html(overview: &Overview) -> Markup {
    html! {
        dl class="figures cards" {
            @for (name, value, tone) in cards(overview) {
                div data-tone=[tone] { dt { (name) } dd { (value) } }
            }
        }
    }
}

fn volume_html(volume: &Volume) -> Markup {
    let all: i64 = volume.buckets.iter().map(|bucket| bucket.events).sum();
    if all == 0 {
        return html! {
            div class="empty" {
                p { "No data yet: nothing happened in this period." }
                p { "As soon as an agent asks for a challenge with your app id, it is counted here:" }
                pre tabindex="0" { "GET /v1/token?app_id=…" }
            }
        };
    }
    let sum = |of: fn(&figures::Bucket) -> i64| volume.buckets.iter().map(of).sum::<i64>();
    let summary = format!(
        "{all} events: {} challenges given out, {} right answers, {} wrong or late answers, {} others.",
        sum(|bucket| bucket.generated),
        sum(|bucket| bucket.verified_ok),
        sum(|bucket| bucket.verified_fail),
        sum(others),
    );
    html! {
        ul class="legend" aria-hidden="true" {
            @for (series, name, _) in SERIES { li data-series=(series) { (name) } }
        }
        div class="chart" data-volume=(series(volume)) role="img" aria-label=(summary) {}
        noscript { p { (summary) } }
        p class="readout fine" aria-hidden="true" { "Point at or touch the chart to read a bar." }
        details class="table-of" {
            summary id="volume-table" { "The same as a table" }
            div class="scroll" tabindex="0" role="region" aria-label="Events by time" {
                table class="numbers" {
                    thead { tr {
                        th scope="col" { "From (UTC)" }
                        th scope="col" { "Events" }
                        @for (_, name, _) in SERIES { th scope="col" { (name) } }
                    } }
                    tbody {
                        @for bucket in volume.buckets.iter().rev() {
                            tr {
                                th scope="row" { (moment(&bucket.time)) }
                                td { (bucket.events) }
                                @for (_, _, of) in SERIES { td { (of(bucket)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The numbers of the chart: times in seconds, then the counts of each series.
fn series(volume: &Volume) -> String {
    let series = SERIES.map(|(series, name, of)| {
        json!({ "series": series, "label": name, "counts": volume.buckets.iter().map(of).collect::<Vec<_>>() })
    });
    let times: Vec<&str> = volume.buckets.iter().map(|bucket| bucket.time.as_str()).collect();
    json!({ "times": times, "series": series }).to_string()
}

fn types_html(types: &Types) -> Markup {
    let most = types.types.iter().map(|entry| entry.total).max().unwrap_or(1);
    html! {
        @if types.types.is_empty() {
            p class="empty" { "No data yet: answers to challenges appear here." }
        } @else {
            ul class="bars" {
                @for entry in &types.types {
                    li {
                        p class="bar-head" {
                            b { (entry.challenge_type) }
                            span {
                                (short(entry.total)) " "
                                span class="fine" { (short(entry.ok)) " ok / " (short(entry.fail)) " fail" }
                            }
                        }
                        (bar(&[("good", entry.ok), ("bad", entry.fail)], most))
                    }
                }
            }
        }
    }
}

fn performance_html(performance: &Performance) -> Markup {
    let sampled: Vec<_> = performance.rows.iter().filter(|row| row.sampled < row.count).collect();
    html! {
        @if performance.rows.is_empty() {
            p class="empty" { "No data yet: the times of right answers appear here." }
        } @else {
            div id="performance-table" class="scroll" tabindex="0" role="region" aria-label="Time to solve, by type" {
                table class="numbers" {
                    thead { tr {
                        th scope="col" { "Type" }
                        th scope="col" { "Right answers" }
                        th scope="col" { "Mean" }
                        th scope="col" { abbr title="Half took at most so long" { "p50" } }
                        th scope="col" { abbr title="95 of 100 took at most so long" { "p95" } }
                        th scope="col" { "Fastest" }
                        th scope="col" { "Slowest" }
                        th scope="col" { "Our answer" }
                    } }
                    tbody {
                        @for row in &performance.rows {
                            tr {
                                th scope="row" { (row.challenge_type) }
                                @for cell in pace(row) { td { (cell) } }
                            }
                        }
                    }
                }
            }
            @for row in sampled {
                p class="fine" {
                    "p50, p95, fastest and slowest of " (row.challenge_type) " are from the newest " (row.sampled)
                    " of " (row.count) " answers; counts and means are from all."
                }
            }
        }
    }
}

fn pace(row: &figures::Pace) -> [String; 7] {
    let or_dash =
        |time: Option<i64>| time.map_or_else(|| "–".to_owned(), |time| format!("{} ms", short(time)));
    [
        short(row.count),
        or_dash(Some(row.avg_ms)),
        or_dash(row.p50_ms),
        or_dash(row.p95_ms),
        or_dash(row.min_ms),
        or_dash(row.max_ms),
        format!("{} ms", row.avg_response_ms),
    ]
}

fn counts_html(rows: &[(&str, i64)], tone: &'static str, empty: &str) -> Markup {
    let most = rows.iter().map(|(_, total)| *total).max().unwrap_or(1);
    html! {
        @if rows.is_empty() {
            p class="empty" { (empty) }
        } @else {
            ul class="bars" {
                @for (name, total) in rows {
                    li {
                        p class="bar-head" { b { (name) } span { (short(*total)) } }
                        (bar(&[(tone, *total)], most))
                    }
                }
            }
        }
    }
}

/// A bar of parts one after the other; what is there at all is at least two per cent wide.
fn bar(parts: &[(&str, i64)], most: i64) -> Markup {
    let mut x = 0;
    let parts: Vec<(&str, i64, i64)> = parts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(tone, count)| {
            let width = (count * 1000 / most.max(1)).max(20);
            let start = x;
            x += width;
            (*tone, start, width)
        })
        .collect();
    html! {
        svg class="bar" viewBox=(format!("0 0 {} 10", x.max(1000))) preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            @for (tone, x, width) in parts {
                rect data-tone=(tone) x=(x) y="0" width=(width) height="10" {}
            }
        }
    }
}

/// A number of at most five characters: `999`, `1.2K`, `3.4M`.
fn short(number: i64) -> String {
    let tenths = |unit: i64, name: &str| {
        let tenths = (number * 10 + unit / 2) / unit;
        format!("{}.{}{name}", tenths / 10, tenths % 10)
    };
    match number {
        1_000_000.. => tenths(1_000_000, "M"),
        // From here on a thousand thousands would be shown.
        999_950.. => "1.0M".to_owned(),
        1_000.. => tenths(1_000, "K"),
        _ => number.to_string(),
    }
}

fn words(event: &str) -> &'static str {
    match event {
        "rate_limit_exceeded" => "Refused by a rate limit",
        "auth_failure" => "Refused without a valid token",
        _ => "Errors of the server",
    }
}

fn others(bucket: &figures::Bucket) -> i64 {
    bucket.events - bucket.generated - bucket.verified_ok - bucket.verified_fail
}

/// Text that comes from outside, as code in Markdown, where nothing in it is read as markup.
fn code(text: &str) -> String {
    format!("`{}`", text.replace(['`', '|', '\n', '\r'], "'"))
}

type Series = (&'static str, &'static str, fn(&figures::Bucket) -> i64);

const SERIES: [Series; 4] = [
    ("generated", "Challenges", |bucket| bucket.generated),
    ("ok", "Right answers", |bucket| bucket.verified_ok),
    ("fail", "Wrong or late", |bucket| bucket.verified_fail),
    ("other", "Others", others),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1.0K"),
            (1_234, "1.2K"),
            (12_345, "12.3K"),
            (999_949, "999.9K"),
            (999_950, "1.0M"),
            (1_000_000, "1.0M"),
            (1_249_999, "1.2M"),
        ] {
            assert_eq!(short(number), text);
        }
    }

    #[test]
    fn the_smallest_bar_can_be_seen() {
        let text = bar(&[("good", 1_000_000), ("bad", 1)], 1_000_000).into_string();
        assert!(text.contains(r#"<rect data-tone="bad" x="1000" y="0" width="20" height="10">"#), "{text}");
        assert!(text.contains(r#"viewBox="0 0 1020 10""#), "{text}");
        assert!(!bar(&[("bad", 0)], 10).into_string().contains("rect"));
    }

    #[test]
    fn a_success_rate_has_the_tone_of_its_band() {
        let tone = |rate| {
            let overview = Overview {
                period: "1h",
                challenges_generated: 0,
                verifications: 0,
                success_rate: rate,
                avg_solve_time_ms: None,
                rate_limits: 0,
                errors: 0,
            };
            cards(&overview)[2].2
        };
        let rates = [None, Some(0), Some(49), Some(50), Some(79), Some(80), Some(100)].map(tone);
        let bad = Some("bad");
        let warn = Some("warn");
        let good = Some("good");
        assert_eq!(rates, [None, bad, bad, warn, warn, good, good]);
    }
}
