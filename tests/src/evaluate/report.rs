//! What an evaluation found, part by part, and its JSON.

use std::collections::{BTreeMap, BTreeSet};

use super::addresses::Addresses;
use super::json::Json;
use super::measures::{Measures, Separation};
use super::metrics::Calibration;
use super::requests::Requests;
use super::table::Table;
use super::user_agents::UserAgents;

/// The thresholds at which band rates are shown.
pub const THRESHOLDS: [u8; 2] = [30, 60];

/// The whole evaluation.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The product's version and how it was run: `0.1.0 native` or `0.1.0 wasm`.
    pub build: String,
    /// The seed of the bootstrap.
    pub seed: u64,
    /// Part P, the track whose recorders and tasks match those of people.
    pub matched: Option<Track>,
    /// Part P, real runs of tools.
    pub native: Option<Track>,
    /// Part K.
    pub keys: Option<Keys>,
    /// Part E.
    pub environment: Option<Environment>,
    /// Part U.
    pub user_agents: Option<UserAgents>,
    /// Part R.
    pub requests: Option<Requests>,
    /// Part I.
    pub addresses: Option<Addresses>,
    /// Time and memory; differs from run to run, so it is measured only when asked for.
    pub cost: Option<Cost>,
    /// How many items the wasm build judged, and how many of these differently from the native build.
    pub wasm: Option<Comparison>,
    /// What was skipped and why.
    pub notices: Vec<String>,
}

/// Whose traces were judged.
#[derive(Clone, Debug, Default)]
pub struct Population {
    /// Traces of people.
    pub people: usize,
    /// Different people.
    pub persons: usize,
    /// People's recorders.
    pub sources: BTreeSet<String>,
    /// Traces of bots.
    pub bots: usize,
    /// Different generators.
    pub generators: usize,
}

/// One track of part P.
#[derive(Clone, Debug)]
pub struct Track {
    /// Who was judged.
    pub population: Population,
    /// With the table as it is shipped.
    pub plain: Reading,
    /// Each trace judged by a table that was fitted without its fold.
    pub cv: Option<Reading>,
    /// Each generator judged by tables that were fitted without it; people as under `cv`.
    pub logo: Option<Reading>,
    /// Tools that click without a path; native only.
    pub no_move: BTreeMap<String, NoMove>,
}

/// The figures of one way of fitting.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The likelihood that core gives to the whole trace.
    pub full: Option<Measures>,
    /// Weighted share of people's traces without an opinion.
    pub abstained_human: Option<f64>,
    /// Share of bots' traces without an opinion, each generator alike.
    pub abstained_bot: Option<f64>,
    /// Whether the likelihood is a probability.
    pub calibration: Option<Calibration>,
    /// Likelihoods by twentieths: weighted shares of people and of bots.
    pub histogram: Histogram,
    /// Only the first seconds of each trace, by their number.
    pub prefix: BTreeMap<u32, Prefix>,
    /// The score from 1 to 99 of what leaves the page.
    pub wire: Wire,
}

/// Weighted shares by bins of the same width from 0 to 1.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// Shares of people's weight.
    pub people: Vec<f64>,
    /// Shares of the bots' weight, each generator alike.
    pub bots: Vec<f64>,
}

/// The figures of the score that the server gives to the page's payload.
#[derive(Clone, Debug)]
pub struct Wire {
    /// With 100 minus the score as likelihood.
    pub measures: Option<Measures>,
    /// Weighted share of people in a bot band, by threshold.
    pub people_bot_band: BTreeMap<u8, f64>,
    /// Share of each generator's traces in a bot band, by threshold.
    pub generators: BTreeMap<String, BTreeMap<u8, f64>>,
    /// Mean of these over the generators.
    pub macro_bot_band: BTreeMap<u8, f64>,
    /// Scores by twentieths of 100.
    pub histogram: Histogram,
}

/// The figures of the first seconds.
#[derive(Clone, Debug)]
pub struct Prefix {
    /// Macro figures.
    pub separation: Separation,
    /// Weighted share of people's traces without an opinion yet.
    pub abstained_human: Option<f64>,
    /// Share of bots' traces without an opinion yet.
    pub abstained_bot: Option<f64>,
}

/// What is said of a tool that clicks without a path.
#[derive(Clone, Debug)]
pub struct NoMove {
    /// Traces.
    pub n: usize,
    /// Share that is recognised as clicks without pointer movement or made by a script.
    pub recognised: f64,
    /// Share in a bot band, by threshold.
    pub bot_band: BTreeMap<u8, f64>,
    /// Share of traces with each detection.
    pub detections: BTreeMap<u32, f64>,
}

/// Part K.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Who was judged.
    pub population: Population,
    /// With the table as it is shipped; tools that type without keys are not in it.
    pub plain: Option<Measures>,
    /// By tables fitted without the row's fold.
    pub cv: Option<Measures>,
    /// By tables fitted without the generator.
    pub logo: Option<Measures>,
    /// Weighted share of people's rows without an opinion.
    pub abstained_human: Option<f64>,
    /// Share of the tools' rows without an opinion.
    pub abstained_bot: Option<f64>,
    /// Of tools that fill in text without keys: share recognised by input without key events.
    pub without_keys: BTreeMap<String, f64>,
    /// Share of people's rows that raise input without key events.
    pub people_without_keys: Option<f64>,
}

/// Part E.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Each set-up in the order of the data.
    pub configurations: Vec<Configuration>,
    /// Weighted share of visitors taken for people who raise each flag.
    pub people_flags: BTreeMap<String, f64>,
    /// Weighted share of suspects who raise each flag.
    pub suspect_flags: BTreeMap<String, f64>,
    /// Weighted share of suspects who raise any flag.
    pub suspects_flagged: Option<f64>,
    /// Visitors: taken for people, suspects.
    pub visitors: [usize; 2],
}

/// What the probe says of one browser set-up.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// Its name.
    pub name: String,
    /// Whether it is automated.
    pub automated: bool,
    /// The flags that are raised, sorted.
    pub flags: Vec<String>,
    /// The server's `js_detection.passed`.
    pub passed: Option<bool>,
}

impl Environment {
    /// How many automated set-ups raise a flag, and how many there are.
    pub fn recall(&self) -> (usize, usize) {
        let automated = || self.configurations.iter().filter(|one| one.automated);
        (automated().filter(|one| !one.flags.is_empty()).count(), automated().count())
    }

    /// How many flags ordinary set-ups raise.
    pub fn false_flags(&self) -> usize {
        self.configurations.iter().filter(|one| !one.automated).map(|one| one.flags.len()).sum()
    }
}

/// Time and memory.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Median time to replay and judge one trace of 500 events, in milliseconds.
    pub median_ms: f64,
    /// The 99th percentile of it.
    pub p99_ms: f64,
    /// Median time per event, in microseconds.
    pub event_us: f64,
    /// Bytes of state per page view; it does not grow.
    pub state_bytes: usize,
    /// Traces that were timed.
    pub traces: usize,
}

/// Two builds beside each other.
#[derive(Clone, Copy, Debug)]
pub struct Comparison {
    /// Items judged by both.
    pub items: usize,
    /// Items with any difference, to the last bit.
    pub different: usize,
}

impl Report {
    /// The parts that are shown as tables: letter, name and tables.
    pub fn tables(&self) -> Vec<(&'static str, &'static str, Vec<Table>)> {
        let parts = [
            ("U", "User agents", self.user_agents.as_ref().map(UserAgents::tables)),
            ("R", "Requests", self.requests.as_ref().map(Requests::tables)),
            ("I", "Addresses", self.addresses.as_ref().map(Addresses::tables)),
        ];
        parts.into_iter().filter_map(|(letter, name, tables)| Some((letter, name, tables?))).collect()
    }

    /// The report as JSON; figures of parts that were not measured are absent.
    pub fn json(&self) -> Json {
        let pointer = [("matched", &self.matched), ("native", &self.native)]
            .into_iter()
            .fold(Json::object([]), |json, (name, track)| {
                json.with_some(name, track.as_ref().map(track_json))
            });
        let pointer = (self.matched.is_some() || self.native.is_some()).then_some(pointer);
        let parts = Json::object([])
            .with_some("P", pointer)
            .with_some("K", self.keys.as_ref().map(keys_json))
            .with_some("E", self.environment.as_ref().map(environment_json))
            .with_some("U", self.user_agents.as_ref().map(UserAgents::json))
            .with_some("R", self.requests.as_ref().map(Requests::json))
            .with_some("I", self.addresses.as_ref().map(Addresses::json));
        Json::object([
            ("version", 1_usize.into()),
            ("build", self.build.as_str().into()),
            ("seed", Json::Whole(self.seed)),
            ("parts", parts),
        ])
        .with_some("cost", self.cost.as_ref().map(cost_json))
        .with_some(
            "wasm",
            self.wasm.map(|wasm| {
                Json::object([("items", wasm.items.into()), ("different", wasm.different.into())])
            }),
        )
    }
}

fn track_json(track: &Track) -> Json {
    let json = population_json(&track.population, reading_json(&track.plain))
        .with_some("cv", track.cv.as_ref().map(reading_json))
        .with_some("logo", track.logo.as_ref().map(reading_json));
    if track.no_move.is_empty() {
        return json;
    }
    json.with(
        "no_move",
        Json::map(&track.no_move, |tool| {
            Json::object([
                ("n", tool.n.into()),
                ("recognised", tool.recognised.into()),
                ("bot_band", by_number(&tool.bot_band)),
                ("detections", by_number(&tool.detections)),
            ])
        }),
    )
}

fn population_json(population: &Population, json: Json) -> Json {
    json.with("people", population.people)
        .with("persons", population.persons)
        .with("sources", Json::List(population.sources.iter().map(|name| name.as_str().into()).collect()))
        .with("bots", population.bots)
}

fn reading_json(reading: &Reading) -> Json {
    let prefix = reading.prefix.iter().map(|(seconds, prefix)| {
        let json = Json::object([
            ("macro_auc", prefix.separation.auc.into()),
            ("macro_tpr_at_1pct", prefix.separation.tpr_at_1pct.into()),
            ("macro_tpr_at_01pct", prefix.separation.tpr_at_01pct.into()),
            ("abstained_human", prefix.abstained_human.into()),
            ("abstained_bot", prefix.abstained_bot.into()),
        ]);
        (seconds.to_string(), json)
    });
    let wire = Json::object([
        ("people_bot_band", by_number(&reading.wire.people_bot_band)),
        ("macro_bot_band", by_number(&reading.wire.macro_bot_band)),
        ("generators", Json::map(&reading.wire.generators, by_number)),
    ])
    .with_some("measures", reading.wire.measures.as_ref().map(measures_json));
    let json = reading.full.as_ref().map_or_else(|| Json::object([]), measures_json);
    json.with("abstained_human", reading.abstained_human)
        .with("abstained_bot", reading.abstained_bot)
        .with("prefix", Json::Object(prefix.collect()))
        .with("wire", wire)
        .with_some("calibration", reading.calibration.as_ref().map(calibration_json))
}

fn measures_json(measures: &Measures) -> Json {
    let interval = |[low, high]: [f64; 2]| Json::List(vec![low.into(), high.into()]);
    Json::object([
        ("macro_auc", measures.auc.into()),
        ("macro_auc_ci", interval(measures.auc.interval)),
        ("macro_tpr_at_1pct", measures.tpr_at_1pct.into()),
        ("macro_tpr_at_1pct_ci", interval(measures.tpr_at_1pct.interval)),
        ("macro_tpr_at_01pct", measures.tpr_at_01pct.into()),
        ("by_source", Json::map(&measures.by_source, |separation| (*separation).into())),
        (
            "generators",
            Json::map(&measures.generators, |one| {
                Json::from(one.separation)
                    .with("n", one.n)
                    .with("by_source", Json::map(&one.by_source, |separation| (*separation).into()))
            }),
        ),
    ])
}

fn calibration_json(calibration: &Calibration) -> Json {
    let bins = calibration.bins.iter().map(|bin| {
        Json::object([
            ("weight", bin.weight.into()),
            ("likelihood", bin.likelihood.into()),
            ("bots", bin.bots.into()),
        ])
    });
    Json::object([("brier", calibration.brier.into()), ("bins", Json::List(bins.collect()))])
}

fn keys_json(keys: &Keys) -> Json {
    let json = keys.plain.as_ref().map_or_else(|| Json::object([]), measures_json);
    population_json(&keys.population, json)
        .with("abstained_human", keys.abstained_human)
        .with("abstained_bot", keys.abstained_bot)
        .with("without_keys", Json::map(&keys.without_keys, |rate| (*rate).into()))
        .with("people_without_keys", keys.people_without_keys)
        .with_some("cv", keys.cv.as_ref().map(measures_json))
        .with_some("logo", keys.logo.as_ref().map(measures_json))
}

fn environment_json(environment: &Environment) -> Json {
    let (flagged, automated) = environment.recall();
    let configurations = environment.configurations.iter().map(|one| {
        let json = Json::object([
            ("label", usize::from(one.automated).into()),
            ("flags", Json::List(one.flags.iter().map(|flag| flag.as_str().into()).collect())),
            ("passed", one.passed.map_or(Json::Null, |passed| Json::Whole(u64::from(passed)))),
        ]);
        (one.name.clone(), json)
    });
    Json::object([
        ("recall", ratio(flagged, automated).into()),
        ("flagged", flagged.into()),
        ("automated", automated.into()),
        ("false_flags", environment.false_flags().into()),
        ("configurations", Json::Object(configurations.collect())),
        ("people_flags", Json::map(&environment.people_flags, |share| (*share).into())),
        ("suspect_flags", Json::map(&environment.suspect_flags, |share| (*share).into())),
        ("suspects_flagged", environment.suspects_flagged.into()),
    ])
}

fn cost_json(cost: &Cost) -> Json {
    Json::object([
        ("median_ms", cost.median_ms.into()),
        ("p99_ms", cost.p99_ms.into()),
        ("event_us", cost.event_us.into()),
        ("state_bytes", cost.state_bytes.into()),
        ("traces", cost.traces.into()),
    ])
}

fn by_number<K: ToString>(rates: &BTreeMap<K, f64>) -> Json {
    Json::Object(rates.iter().map(|(key, rate)| (key.to_string(), (*rate).into())).collect())
}

/// A part of a whole; none of nothing.
pub fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
