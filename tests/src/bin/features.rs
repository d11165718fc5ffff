//! Prints the features of every recording below a folder of data, one JSON object on each line, for the trainer.
#![allow(clippy::print_stdout, clippy::expect_used, reason = "a command-line tool")]

use std::{
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use clap::Parser;
use quivive_tests::traces::{self, Trace, synthetic};
use serde_json::{Map, json};

/// Made-up tools are many; one early look at each is enough.
const SYNTHETIC_PREFIX: f64 = 5.0;

/// Prints the features of every recording.
#[derive(Parser)]
struct Arguments {
    /// A folder with `pointer/` and `keys/`.
    #[arg(long)]
    data: PathBuf,
    /// Also the features after so many seconds.
    #[arg(long, value_delimiter = ',')]
    prefix: Vec<f64>,
    /// Also the features of made-up tools.
    #[arg(long)]
    synthetic: bool,
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let mut output = BufWriter::new(io::stdout().lock());
    let mut traces = traces::pointer(&arguments.data)?;
    traces.extend(traces::keys(&arguments.data)?);
    write_rows(&mut output, &traces, &arguments.prefix)?;
    if arguments.synthetic {
        let people: Vec<&Trace> = traces.iter().filter(|trace| trace.label == 0).collect();
        for person in &people {
            if person.is_typing() {
                write_rows(&mut output, &synthetic::typings(person), &[])?;
                continue;
            }
            let donors: Vec<&Trace> = people
                .iter()
                .copied()
                .filter(|other| {
                    other.source == person.source && other.fold == person.fold && other.id != person.id
                })
                .collect();
            write_rows(&mut output, &synthetic::imitations(person, &donors), &[SYNTHETIC_PREFIX])?;
        }
    }
    output.flush()
}

fn write_rows(output: &mut impl Write, traces: &[Trace], prefixes: &[f64]) -> io::Result<()> {
    for trace in traces {
        write_row(output, trace, None)?;
        for seconds in prefixes.iter().filter(|_| !trace.is_typing()) {
            write_row(output, trace, Some(*seconds))?;
        }
    }
    Ok(())
}

fn write_row(output: &mut impl Write, trace: &Trace, seconds: Option<f64>) -> io::Result<()> {
    let features: Map<_, _> =
        trace.motion(seconds).features().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    let row = json!({
        "folder": trace.folder, "file": trace.file, "id": trace.id, "label": trace.label, "source": trace.source,
        "subject": trace.subject, "generator": trace.generator, "track": trace.track, "fold": trace.fold,
        "seconds": seconds, "features": features,
    });
    writeln!(output, "{row}")
}
