//! How well scoring tells people from bots, measured on a folder of recordings.
//!
//! [`run`] reads the data, lets core judge every item alone, and prints, writes and gates the figures.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use quivive_core::{motion::Motion, score::motion::Model};

pub mod addresses;
pub mod cost;
pub mod environment;
pub mod gate;
pub mod html;
pub mod json;
pub mod judge;
pub mod keys;
pub mod measures;
pub mod metrics;
pub mod pointer;
pub mod program;
pub mod reading;
pub mod refit;
pub mod report;
pub mod requests;
pub mod table;
pub mod targets;
pub mod text;
pub mod user_agents;
pub mod wasm;

use crate::traces::{self, Trace};
use judge::Judge;
use pointer::Settings;
use refit::{Refits, Trainer};
use report::Report;

/// Measures scoring on a folder of recordings of people and bots.
///
/// Exit codes: 0, 1 when a figure misses its bound in the gate file, 2 when something cannot be read or run.
#[derive(Clone, Debug, Parser)]
#[command(name = "cargo xtask evaluate")]
pub struct Options {
    /// A folder with `pointer/`, `keys/`, `env/`, `user_agents/`, `requests/` and `ip/`; what is missing is skipped.
    #[arg(long)]
    pub data: PathBuf,
    /// Parts to measure: P pointer, K keys, E environment, U user agents, R requests, I addresses.
    #[arg(long, value_delimiter = ',', ignore_case = true, default_value = "P,K,E,U,R,I")]
    pub part: Vec<Part>,
    /// Only one track of part P.
    #[arg(long)]
    pub track: Option<TrackName>,
    /// Also judge by tables fitted without the recording's fold, five folds by person.
    #[arg(long)]
    pub cv: bool,
    /// Also judge each generator by tables fitted without it.
    #[arg(long)]
    pub logo: bool,
    /// Seconds after which an early verdict is read.
    #[arg(long, value_delimiter = ',', default_value = "2,5,10,20")]
    pub prefix: Vec<u32>,
    /// Seed of the confidence intervals.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Also measure time and memory; these figures differ from run to run.
    #[arg(long)]
    pub cost: bool,
    /// Write the figures as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Write each item's likelihood, one JSON object on each line.
    #[arg(long)]
    pub scores: Option<PathBuf>,
    /// Write the report as a page.
    #[arg(long)]
    pub html: Option<PathBuf>,
    /// Bounds that the figures must keep: `{"P.macro_tpr_at_1pct": 0.85}`.
    #[arg(long)]
    pub gate: Option<PathBuf>,
    /// Which build of core judges; the wasm build is compared with the native one item by item.
    #[arg(long, default_value = "native")]
    pub build: Build,
    /// A Python with the trainer's requirements, for --cv and --logo.
    #[arg(long, default_value = "python3", hide = true)]
    pub python: PathBuf,
    /// The build folder, for fitted tables and for the wasm build's files.
    #[arg(long, default_value = "target", hide = true)]
    pub target: PathBuf,
}

/// What is measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Part {
    /// Pointer.
    P,
    /// Keys.
    K,
    /// Environment.
    E,
    /// User agents.
    U,
    /// Requests.
    R,
    /// Addresses.
    I,
}

/// A track of part P.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum TrackName {
    /// The tools' paths at the people's targets, by the people's recorders.
    Matched,
    /// Real runs of tools.
    Native,
}

/// A build of core.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Build {
    /// This program's.
    Native,
    /// The collector's and the package's wasm in Node.
    Wasm,
}

/// Measures, prints and writes; gives the program's exit code, 0 or 1.
///
/// # Errors
/// What cannot be read, run or written.
pub fn run(options: &Options) -> Result<u8, String> {
    let gate = match &options.gate {
        Some(path) => {
            Some(gate::parse(&read(path)?).map_err(|error| format!("{}: {error}", path.display()))?)
        }
        None => None,
    };
    let (report, scores) = evaluate(options)?;
    // A reader that has seen enough may close the pipe.
    let _ = std::io::Write::write_all(&mut std::io::stdout(), text::text(&report).as_bytes());
    let json = report.json();
    let files = [
        (&options.json, format!("{json}\n")),
        (&options.scores, scores),
        (&options.html, html::html(&report)),
    ];
    for (path, content) in files {
        if let Some(path) = path {
            write(path, &content)?;
        }
    }
    let misses = gate.map(|bounds| gate::misses(&json, &bounds)).unwrap_or_default();
    for miss in &misses {
        eprintln!("gate: {miss}");
    }
    Ok(u8::from(!misses.is_empty()))
}

/// The figures, and the lines of `--scores`.
///
/// # Errors
/// What cannot be read or run.
pub fn evaluate(options: &Options) -> Result<(Report, String), String> {
    if !options.data.is_dir() {
        return Err(format!("{}: no such folder", options.data.display()));
    }
    let has = |part| options.part.contains(&part);
    let unreadable = |error: std::io::Error| format!("{}: {error}", options.data.display());
    let mut pointer =
        if has(Part::P) { traces::pointer(&options.data).map_err(unreadable)? } else { Vec::new() };
    let typing = if has(Part::K) { traces::keys(&options.data).map_err(unreadable)? } else { Vec::new() };
    for (track, folder) in [(TrackName::Native, "bots_matched"), (TrackName::Matched, "bots_native")] {
        if options.track == Some(track) {
            pointer.retain(|trace| trace.folder != folder);
        }
    }
    let settings =
        Settings { cv: options.cv, logo: options.logo, prefix: &options.prefix, seed: options.seed };
    let refits = fit(options, &pointer, &typing)?;
    let native = Model::built_in();
    let mut report = Report {
        build: format!(
            "{} {}",
            env!("CARGO_PKG_VERSION"),
            if options.build == Build::Wasm { "wasm" } else { "native" }
        ),
        seed: options.seed,
        notices: notices(options),
        ..Report::default()
    };
    let recorded;
    let judge: &dyn Judge = match options.build {
        Build::Native => native,
        Build::Wasm => {
            let items: Vec<&Trace> = pointer.iter().chain(&typing).collect();
            let judged = wasm::judge(&options.target, &items, &options.prefix, native)?;
            report.wasm = Some(judged.comparison);
            recorded = judged.recorded;
            &recorded
        }
    };
    report.matched = pointer::track(&pointer, "bots_matched", judge, &refits, &settings)?;
    report.native = pointer::track(&pointer, "bots_native", judge, &refits, &settings)?;
    report.keys = keys::keys(&typing, judge, &refits, &settings)?;
    let mut scores = String::new();
    for trace in pointer.iter().chain(&typing) {
        scores.push_str(&score_line(&trace.name(), judge.judge(trace, None).likelihood));
    }
    if has(Part::E)
        && let Some((environment, lines)) = environment::environment(&options.data, &crate::root())?
    {
        report.environment = Some(environment);
        scores.extend(lines.iter().map(|(name, likelihood)| score_line(name, *likelihood)));
    }
    if has(Part::U)
        && let Some((part, lines)) = user_agents::user_agents(&options.data, &crate::root(), &options.target)?
    {
        report.notices.extend(part.notice.clone());
        report.user_agents = Some(part);
        scores.extend(lines.iter().map(|(name, likelihood)| score_line(name, *likelihood)));
    }
    if has(Part::R)
        && let Some((part, lines)) = requests::requests(&options.data)?
    {
        report.requests = Some(part);
        scores.extend(lines.iter().map(|(name, likelihood)| score_line(name, *likelihood)));
    }
    if has(Part::I) {
        report.addresses = addresses::addresses(&options.data)?;
    }
    if options.cost {
        report.cost = match options.build {
            Build::Native => cost::measure(&pointer, native),
            Build::Wasm => wasm::cost(&options.target, &pointer)?,
        };
    }
    Ok((report, scores))
}

/// The line of `--scores` for one item.
fn score_line(name: &str, likelihood: Option<f64>) -> String {
    format!("{}\n", json::Json::object([("b", likelihood.into()), ("id", name.into())]))
}

fn fit(options: &Options, pointer: &[Trace], typing: &[Trace]) -> Result<Refits, String> {
    let generators = |traces: &[Trace], folder: &str| -> Vec<String> {
        let bots =
            traces.iter().filter(|trace| trace.folder == folder && trace.label == 1 && !trace.e.is_empty());
        let names: BTreeSet<&str> = bots.map(reading::generator).collect();
        names.into_iter().filter(|_| options.logo).map(str::to_owned).collect()
    };
    if !options.cv && !options.logo {
        return Ok(Refits::default());
    }
    let trainer = Trainer {
        python: options.python.clone(),
        folder: crate::root().join("xtask/train"),
        features: program_beside("features")?,
        kept: options.target.join("evaluate"),
    };
    let [pointer, keys] = [generators(pointer, "bots_matched"), generators(typing, "keys")];
    Refits::fit(&trainer, &options.data, [&pointer, &keys])
}

/// A program that is built together with this one.
fn program_beside(name: &str) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    Ok(own.with_file_name(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
}

fn notices(options: &Options) -> Vec<String> {
    let mut notices = Vec::new();
    let folders = [
        (Part::P, "pointer/human"),
        (Part::P, "pointer/bots_matched"),
        (Part::P, "pointer/bots_native"),
        (Part::K, "keys"),
        (Part::E, "env"),
        (Part::U, "user_agents"),
        (Part::R, "requests"),
        (Part::I, "ip"),
    ];
    for (part, folder) in folders {
        if options.part.contains(&part) && !options.data.join(folder).is_dir() {
            notices.push(format!("{folder} is missing and was skipped."));
        }
    }
    notices
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, content: &str) -> Result<(), String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(path, content))
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// Bytes of a page view's state, none of them on the heap.
pub const STATE_BYTES: usize = size_of::<Motion>();

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn options_have_the_documented_defaults() {
        let options = Options::parse_from(["evaluate", "--data", "any"]);
        assert_eq!(options.part, [Part::P, Part::K, Part::E, Part::U, Part::R, Part::I]);
        assert_eq!((options.prefix, options.seed), (vec![2, 5, 10, 20], 1));
        assert!(!options.cv && !options.logo && !options.cost && options.track.is_none());
    }

    #[test]
    fn parts_and_seconds_are_lists() {
        let options = Options::parse_from(["evaluate", "--data", "d", "--part", "p,E", "--prefix", "1,3"]);
        assert_eq!((options.part, options.prefix), (vec![Part::P, Part::E], vec![1, 3]));
        assert!(Options::try_parse_from(["evaluate", "--data", "d", "--part", "X"]).is_err());
        assert!(Options::try_parse_from(["evaluate"]).is_err());
    }

    #[test]
    fn missing_data_is_an_error_and_missing_folders_are_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        let options = Options::parse_from(["evaluate", "--data", path, "--part", "P,K,E,U"]);
        let (report, scores) = evaluate(&options).unwrap();
        assert!(report.matched.is_none() && report.keys.is_none() && report.environment.is_none());
        assert_eq!((report.notices.len(), scores.as_str()), (6, ""));
        let options = Options::parse_from(["evaluate", "--data", "/does/not/exist"]);
        assert!(evaluate(&options).is_err());
    }

    /// Two people with uneven paths, a tool with straight ones and a tool whose file alone names it.
    fn made_up_data(folder: &Path) {
        let write = |name: &str, rows: &[serde_json::Value]| {
            let path = folder.join("pointer").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut file =
                flate2::write::GzEncoder::new(fs::File::create(path).unwrap(), flate2::Compression::fast());
            rows.iter().for_each(|row| writeln!(file, "{row}").unwrap());
            file.finish().unwrap();
        };
        let trace = |id: &str, label: u8, names: serde_json::Value, bend: f64| {
            let steps = 0..400_u32;
            let x: Vec<f64> = steps.clone().map(|step| f64::from(step) * 3.0).collect();
            let y: Vec<f64> = steps
                .clone()
                .map(|step| ((f64::from(step) / 7.0).sin() * bend * f64::from(step % 13)).round())
                .collect();
            let t: Vec<u32> = steps.clone().map(|step| step * 17 + step % 3).collect();
            let e: String = steps.map(|step| if step % 80 == 79 { 'd' } else { 'm' }).collect();
            let mut row = serde_json::json!({"id": id, "label": label, "t": t, "x": x, "y": y, "e": e});
            row.as_object_mut().unwrap().extend(names.as_object().unwrap().clone());
            row
        };
        let person = |name: &str| serde_json::json!({"source": "made_up", "subject": name});
        write("human/made_up.jsonl.gz", &[trace("1", 0, person("a"), 1.7), trace("2", 0, person("b"), 2.3)]);
        let tool = serde_json::json!({"source": "made_up", "generator": "straight", "track": "matched"});
        write("bots_matched/straight.jsonl.gz", &[trace("1", 1, tool, 0.0)]);
        write("bots_matched/unheard_of.jsonl.gz", &[trace("1", 1, serde_json::json!({}), 0.0)]);
    }

    #[test]
    fn any_folder_of_the_layout_is_measured_and_equal_runs_are_equal_bytes() {
        let folder = tempfile::tempdir().unwrap();
        made_up_data(folder.path());
        let path = folder.path().to_str().unwrap();
        let options = Options::parse_from(["evaluate", "--data", path, "--part", "P"]);
        let (report, scores) = evaluate(&options).unwrap();
        let json = report.json();
        let generators = json.at(["parts", "P", "matched", "generators"]).unwrap().clone();
        assert!(generators.at(["straight", "n"]).is_some() && generators.at(["unheard_of", "n"]).is_some());
        assert_eq!(json.at(["parts", "P", "matched", "persons"]).and_then(json::Json::number), Some(2.0));
        let names: Vec<String> = scores
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(
            names,
            ["human/made_up/1", "human/made_up/2", "bots_matched/straight/1", "bots_matched/unheard_of/1"]
        );
        let (again, scores_again) = evaluate(&options).unwrap();
        assert_eq!((again.json().to_string(), scores_again), (json.to_string(), scores));
        assert_eq!((text::text(&again), html::html(&again)), (text::text(&report), html::html(&report)));
    }

    #[test]
    fn a_missed_gate_is_exit_code_one() {
        let folder = tempfile::tempdir().unwrap();
        made_up_data(folder.path());
        let gate = folder.path().join("gate.json");
        let written = folder.path().join("new/report.json");
        let options = Options::parse_from([
            "evaluate".as_ref(),
            "--data".as_ref(),
            folder.path().as_os_str(),
            "--part=P".as_ref(),
            "--gate".as_ref(),
            gate.as_os_str(),
            "--json".as_ref(),
            written.as_os_str(),
        ]);
        assert!(run(&options).is_err(), "a gate that cannot be read");
        for (bounds, code) in
            [(r#"{"P.people": 2}"#, 0), (r#"{"P.people": 3}"#, 1), (r#"{"K.macro_auc": 0}"#, 1)]
        {
            fs::write(&gate, bounds).unwrap();
            assert_eq!(run(&options), Ok(code), "{bounds}");
        }
        assert!(fs::read_to_string(written).unwrap().starts_with("{\"build\""));
    }

    #[test]
    fn an_abstaining_item_has_no_likelihood_in_the_scores() {
        assert_eq!(score_line("human/a/1", Some(0.973)), "{\"b\":0.973000,\"id\":\"human/a/1\"}\n");
        assert_eq!(score_line("human/a/1", None), "{\"b\":null,\"id\":\"human/a/1\"}\n");
    }
}
