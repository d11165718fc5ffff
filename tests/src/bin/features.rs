//! Prints the features of every recording below a folder of data, one JSON object on each line, for the trainer.
#![allow(clippy::print_stdout, clippy::expect_used, reason = "a command-line tool")]

use std::{
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use clap::Parser;
use quivive_tests::traces::{self, Trace};
use serde_json::{Map, json};

/// Prints the features of every recording.
#[derive(Parser)]
struct Arguments {
    /// A folder with `pointer/` and `keys/`.
    #[arg(long)]
    data: PathBuf,
    /// Also the features after so many seconds.
    #[arg(long, value_delimiter = ',')]
    prefix: Vec<f64>,
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let mut output = BufWriter::new(io::stdout().lock());
    let mut traces = traces::pointer(&arguments.data)?;
    traces.extend(traces::keys(&arguments.data)?);
    for trace in &traces {
        write_row(&mut output, trace, None)?;
        for seconds in &arguments.prefix {
            write_row(&mut output, trace, Some(*seconds))?;
        }
    }
    output.flush()
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
