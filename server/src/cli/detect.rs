//! `quivive detect`: who is in a log.
//!
//! Reads line by line in constant memory and classifies with the built-in rules and address ranges; what is known is
//! what each line says, so a browser's user agent counts as a browser.

mod access_log;
mod input;
mod judge;
mod picture;
mod progress;
mod record;
mod summary;
mod top;

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;

use quivive_core::agent::RangeTable;
use serde::Serialize;
use serde_json::{Value, json};

use super::output;
use super::style::{Style, harmless_json, number, plain};
use crate::config::ConfigError;
use input::{Line, Lines};
use judge::{Judge, Verdict};
use progress::Progress;
use record::{Format, Record};
use summary::Summary;

/// What `detect` takes.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    quivive detect /var/log/nginx/access.log         who was here, as a summary\n  \
    quivive detect access.log access.log.2.gz        several files, packed ones too\n  \
    ssh web 'tail -n 100000 access.log' | quivive detect\n  \
    quivive detect --json access.log | jq -r 'select(.purpose == \"training\") | .ip' | sort | uniq -c\n  \
    echo 'curl/8.5.0' | quivive detect --json\n  \
    echo '{\"userAgent\":\"GPTBot/1.2\",\"ip\":\"192.0.2.7\"}' | quivive detect --json\n\n\
    Formats: access logs of Apache and nginx (combined, also with a host in front or more fields behind), JSON lines \
    with userAgent, ip, headers, url, and plain user agents, one on each line.")]
pub(super) struct Arguments {
    /// Files to read, also packed by gzip; `-` for standard input, which is also read when nothing is named.
    files: Vec<PathBuf>,
    /// A JSON line for each request instead of a summary.
    #[arg(long)]
    json: bool,
    /// What the lines are; without it, the first lines tell.
    #[arg(long)]
    format: Option<Format>,
    /// Address ranges that `quivive bots export` has written, instead of the built-in snapshot.
    #[arg(long, value_name = "FILE")]
    ranges: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(arguments: Arguments) -> Result<(), ConfigError> {
    let judge = match &arguments.ranges {
        None => Judge::new(&RangeTable::built_in(), true),
        Some(file) => Judge::new(&ranges(file)?, false),
    };
    let mut files = arguments.files;
    if files.is_empty() {
        if io::stdin().is_terminal() {
            let advice =
                "nothing to read: name a file or pipe one in, for example `quivive detect access.log`";
            return Err(ConfigError(advice.to_owned()));
        }
        files.push(PathBuf::from("-"));
    }
    let mut run = Run {
        judge,
        summary: Summary::default(),
        output: arguments.json.then(|| BufWriter::with_capacity(OUTPUT_BUFFER, io::stdout().lock())),
        progress: Progress::new(),
        has_several: files.len() > 1,
    };
    for file in &files {
        match run.read(file, arguments.format) {
            // Whoever reads the result has seen enough.
            Err(Stop::Closed) => return Ok(()),
            Err(Stop::Failed(error)) => return Err(error),
            Ok(()) => {}
        }
    }
    run.finish(&files)
}

struct Run<'o> {
    judge: Judge,
    summary: Summary,
    output: Option<BufWriter<io::StdoutLock<'o>>>,
    progress: Progress,
    has_several: bool,
}

/// Why reading ended early.
enum Stop {
    Closed,
    Failed(ConfigError),
}

/// What is told of a line that cannot be read.
#[derive(Serialize)]
struct Unreadable<'a> {
    line: u64,
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
}

impl Run<'_> {
    fn read(&mut self, file: &std::path::Path, format: Option<Format>) -> Result<(), Stop> {
        let name =
            if file.as_os_str() == "-" { "standard input".to_owned() } else { file.display().to_string() };
        let failed = |error: io::Error| Stop::Failed(ConfigError(format!("{name} cannot be read: {error}")));
        let mut lines = Lines::open(file).map_err(failed)?;
        let format = match format {
            Some(format) => format,
            None => record::format_of(lines.first().map_err(failed)?),
        };
        let mut place = 0_u64;
        while let Some(line) = lines.next().map_err(failed)? {
            place += 1;
            self.line(line, format, &name, place).map_err(|error| match error.kind() {
                io::ErrorKind::BrokenPipe => Stop::Closed,
                _ => Stop::Failed(ConfigError(format!("the result cannot be written: {error}"))),
            })?;
            self.progress.tick(self.summary.total + self.summary.unreadable);
        }
        Ok(())
    }

    fn line(&mut self, line: Line<'_>, format: Format, name: &str, place: u64) -> io::Result<()> {
        let text = match &line {
            Line::Whole(bytes) => String::from_utf8_lossy(bytes),
            Line::TooLong => "".into(),
        };
        let record = match &line {
            Line::Whole(_) if text.trim().is_empty() => return Ok(()),
            Line::Whole(_) => format.parse(&text),
            Line::TooLong => Err("the line is longer than 1 MiB"),
        };
        match record {
            Ok(record) => {
                let verdict = self.judge.judge(&record);
                self.summary.add(&record, &verdict);
                match &mut self.output {
                    Some(output) => {
                        write_verdict(output, &record, &verdict, self.has_several.then_some(name), place)
                    }
                    None => Ok(()),
                }
            }
            Err(reason) => {
                self.summary.unreadable += 1;
                let excerpt: String = text.chars().take(EXCERPT).collect();
                self.summary.first_unreadable.get_or_insert_with(|| {
                    format!("{}, line {place}: {reason}: {}", plain(name), plain(&excerpt))
                });
                match &mut self.output {
                    Some(output) => {
                        let file = self.has_several.then_some(name);
                        let error = Unreadable { line: place, error: reason, file };
                        writeln!(output, "{}", harmless_json(&json!(error).to_string()))
                    }
                    None => Ok(()),
                }
            }
        }
    }

    fn finish(mut self, files: &[PathBuf]) -> Result<(), ConfigError> {
        self.progress.clear();
        let Summary { total, unreadable, first_unreadable, .. } = &self.summary;
        if *total == 0
            && let Some(first) = first_unreadable
        {
            let advice = "--format tells what the lines are";
            return Err(ConfigError(format!(
                "none of {} lines can be read ({advice}); {first}",
                number(*unreadable)
            )));
        }
        match &mut self.output {
            Some(output) => {
                // A reader that went away has seen enough.
                let _ = output.flush();
                if let Some(first) = first_unreadable {
                    output::note(&format!("{} lines could not be read; {first}", number(*unreadable)));
                }
            }
            None => {
                let names: Vec<String> =
                    files.iter().map(|file| plain(&file.display().to_string())).collect();
                output::line(
                    picture::draw(&self.summary, &self.judge, &names, Style::of_output()).trim_end(),
                );
            }
        }
        Ok(())
    }
}

fn write_verdict(
    output: &mut impl Write,
    record: &Record<'_>,
    verdict: &Verdict,
    file: Option<&str>,
    place: u64,
) -> io::Result<()> {
    write!(output, "{{\"line\":{place}")?;
    let time = record.time.map(|time| time.to_seconds_text());
    for (name, value) in [
        ("file", file),
        ("time", time.as_deref()),
        ("ip", record.ip.as_deref()),
        ("path", record.path.as_deref()),
        ("userAgent", record.user_agent.as_deref()),
    ] {
        if let Some(value) = value {
            write!(output, ",\"{name}\":{}", harmless_json(&Value::from(value).to_string()))?;
        }
    }
    writeln!(output, ",{}}}", verdict.json)
}

fn ranges(file: &std::path::Path) -> Result<RangeTable, ConfigError> {
    let failed = |error: &dyn std::fmt::Display| ConfigError(format!("{}: {error}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| failed(&error))?;
    RangeTable::parse(&text).map_err(|error| failed(&error))
}

const OUTPUT_BUFFER: usize = 1 << 16;
/// How many characters of an unreadable line are shown.
const EXCERPT: usize = 80;
