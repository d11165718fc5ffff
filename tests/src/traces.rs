//! Recorded traces of pointer and keys, replayed through the collector's measures.
//!
//! The layout of the folder: `pointer/{human,bots_matched,bots_native}/<name>.jsonl.gz` and
//! `keys/<name>.jsonl.gz`, one JSON object on each line.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

use flate2::read::GzDecoder;
use quivive_core::motion::{MOTION_VERSION, Motion, SAMPLE_INTERVAL_MS};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

pub mod synthetic;

/// Parts of a cross-validation.
pub const FOLDS: u32 = 5;

/// The recordings begin at their first event; a page is taken to have been opened this long before.
const NAVIGATION_MS: f64 = 1_000.0;

/// One recording.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Trace {
    /// `human`, `bots_matched`, `bots_native` or `keys`.
    #[serde(skip)]
    pub folder: String,
    /// The file's name without its endings.
    #[serde(skip)]
    pub file: String,
    /// The part of a cross-validation that it belongs to.
    #[serde(skip)]
    pub fold: u32,
    /// Unique within the file.
    pub id: String,
    /// 0 a person, 1 a bot.
    pub label: u8,
    /// The recorder.
    #[serde(default)]
    pub source: String,
    /// The person.
    #[serde(default)]
    pub subject: Option<String>,
    /// The tool.
    #[serde(default)]
    pub generator: Option<String>,
    /// `matched` or `native`.
    #[serde(default)]
    pub track: Option<String>,
    /// Milliseconds since the first event.
    pub t: Vec<f64>,
    /// Pixels.
    #[serde(default)]
    pub x: Vec<f64>,
    /// Pixels.
    #[serde(default)]
    pub y: Vec<f64>,
    /// Numbers of keys in order of first appearance.
    #[serde(default)]
    pub k: Vec<u32>,
    /// One letter for each event.
    pub e: String,
    /// Input events that the page saw.
    #[serde(default)]
    pub inputs: u32,
    /// Events made by a script.
    #[serde(default)]
    pub untrusted: u32,
}

/// Every pointer recording below a folder of data, in order of folder, file and line; missing folders have none.
///
/// # Errors
/// When a file cannot be read.
pub fn pointer(data: &Path) -> io::Result<Vec<Trace>> {
    let mut traces = Vec::new();
    for folder in ["human", "bots_matched", "bots_native"] {
        traces.extend(read_folder(&data.join("pointer").join(folder), folder)?);
    }
    Ok(traces)
}

/// Every key recording below a folder of data.
///
/// # Errors
/// When a file cannot be read.
pub fn keys(data: &Path) -> io::Result<Vec<Trace>> {
    read_folder(&data.join("keys"), "keys")
}

impl Trace {
    /// What it is called in reports: `folder/file/id`.
    pub fn name(&self) -> String {
        format!("{}/{}/{}", self.folder, self.file, self.id)
    }

    /// Whether it holds key events and no pointer.
    pub fn is_typing(&self) -> bool {
        self.folder == "keys"
    }

    /// The state of the collector's measures after the first seconds, or after all.
    pub fn motion(&self, seconds: Option<f64>) -> Motion {
        let mut motion = Motion::default();
        let is_trusted = self.untrusted == 0;
        for (index, kind, time) in self.events(seconds) {
            if !is_trusted {
                if kind == 'm' { motion.untrusted_move() } else { motion.untrusted() }
            } else if let Some(slot) = self.k.get(index) {
                if kind == 'd' { motion.key_down(time, *slot) } else { motion.key_up(time, *slot) }
            } else if let (Some(x), Some(y)) = (self.x.get(index), self.y.get(index)) {
                take_pointer(&mut motion, kind, time, *x, *y);
            }
        }
        for input in 0..self.inputs {
            motion.input(f64::from(input), is_trusted);
        }
        motion
    }

    /// The browser events that a collector sends for it: one snapshot.
    pub fn events_on_the_wire(&self, seconds: Option<f64>) -> Vec<Value> {
        vec![json!({
            "request_id": "trace",
            "type": "snapshot",
            "received_at": "2026-01-01T00:00:00Z",
            "payload": self.snapshot(seconds),
        })]
    }

    /// The payload of that snapshot.
    pub fn snapshot(&self, seconds: Option<f64>) -> Map<String, Value> {
        let motion = self.motion(seconds);
        let is_trusted = self.untrusted == 0;
        let (mut moves, mut clicks, mut key_events, mut hidden) = (0, 0, 0, 0);
        let (mut last_move, mut first_input, mut total) = (None::<f64>, None::<f64>, 0.0);
        for (index, kind, time) in self.events(seconds) {
            total = time;
            if kind == 'v' {
                hidden += 1;
            }
            if !is_trusted {
                continue;
            }
            match kind {
                'd' if index < self.k.len() => key_events += 1,
                'd' | 'c' => clicks += 1,
                'm' if last_move.is_none_or(|last| time - last >= SAMPLE_INTERVAL_MS) => {
                    last_move = Some(time);
                    moves += 1;
                }
                _ => {}
            }
            if kind == 'd' {
                first_input = first_input.or(Some(time));
            }
        }
        let Value::Object(mut payload) = json!({
            "collector_version": "1.0.0",
            "total_ms": total + NAVIGATION_MS,
            "visible_ms": total + NAVIGATION_MS,
            "visibility_changes": hidden,
            "mouse_moves": moves,
            "pointer_moves": moves,
            "pointer_types": if moves + clicks > 0 { &["mouse"][..] } else { &[] },
            "mouse_entropy": motion.naturalness(),
            "scroll_events": 0,
            "click_events": clicks,
            "key_events": key_events,
            "time_to_first_input_ms": first_input.map(|time| time + NAVIGATION_MS),
            "first_input_delay_ms": first_input.map(|_| 4),
            "max_touch_points": 0,
            "coarse_pointer": 0,
            "motion_version": MOTION_VERSION,
        }) else {
            unreachable!("written as an object")
        };
        for key in ["total_ms", "visible_ms", "time_to_first_input_ms"] {
            if let Some(milliseconds) = payload.get(key).and_then(Value::as_f64) {
                payload.insert(key.to_owned(), json!(milliseconds as u64));
            }
        }
        payload.extend(motion.features().map(|(name, value)| (name.to_owned(), json!(value))));
        payload
    }

    fn events(&self, seconds: Option<f64>) -> impl Iterator<Item = (usize, char, f64)> {
        let end = seconds.map_or(f64::INFINITY, |seconds| seconds * 1_000.0);
        self.e
            .chars()
            .zip(&self.t)
            .enumerate()
            .map(|(index, (kind, time))| (index, kind, *time))
            .take_while(move |(.., time)| *time <= end)
    }
}

fn take_pointer(motion: &mut Motion, kind: char, time: f64, x: f64, y: f64) {
    match kind {
        'm' => motion.moved(time, x, y),
        'd' => motion.pressed(time, x, y),
        'u' => motion.released(time, x, y),
        'c' => motion.clicked(time, x, y),
        'w' => motion.wheeled(),
        'x' => {
            motion.gap();
            motion.moved(time, x, y);
        }
        _ => motion.gap(),
    }
}

fn read_folder(folder: &Path, name: &str) -> io::Result<Vec<Trace>> {
    let mut files: Vec<_> = match folder.read_dir() {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    files.retain(|path| path.to_string_lossy().ends_with(".jsonl.gz"));
    files.sort();
    let mut traces = Vec::new();
    for path in files {
        let file = path.file_name().unwrap_or_default().to_string_lossy().replace(".jsonl.gz", "");
        traces.extend(read_file(&path, name, &file)?);
    }
    Ok(traces)
}

fn read_file(path: &Path, folder: &str, file: &str) -> io::Result<Vec<Trace>> {
    let mut traces = Vec::new();
    for line in BufReader::new(GzDecoder::new(File::open(path)?)).lines() {
        let trace: Trace = serde_json::from_str(&line?)
            .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
        traces.push(Trace { folder: folder.to_owned(), file: file.to_owned(), ..trace });
    }
    // One office worker's windows follow each other, so that only whole blocks are independent.
    let mut lines_of_subject = BTreeMap::<String, u32>::new();
    for trace in &traces {
        *lines_of_subject.entry(trace.subject.clone().unwrap_or_default()).or_default() += 1;
    }
    let mut seen = BTreeMap::<String, u32>::new();
    for trace in &mut traces {
        let subject = trace.subject.clone().unwrap_or_default();
        let line = seen.entry(subject.clone()).or_default();
        trace.fold = if folder == "human" && file.starts_with("balabit") {
            *line * FOLDS / lines_of_subject[&subject]
        } else {
            fold(trace.subject.as_deref().unwrap_or(&trace.id))
        };
        *line += 1;
    }
    Ok(traces)
}

/// SHA-256 modulo the number of folds; 256 leaves 1, so the digest's sum is enough.
fn fold(text: &str) -> u32 {
    Sha256::digest(text).iter().map(|byte| u32::from(*byte)).sum::<u32>() % FOLDS
}
