//! The catalogue of agents and its address ranges, extended from public lists.
//!
//! What stands in the catalogue is never overwritten: the command adds agents that a public list names, fills in what
//! an entry leaves out, and notes which lists name it. Its output depends on its input only.

mod catalogue;
mod names;
mod ranges;
mod report;
mod sources;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use crate::context::Context;
use catalogue::Catalogue;
use report::Report;
use sources::Sources;

const CATALOGUE: &str = "core/data/agents.json";
const RANGES: &str = "core/data/ranges.json";

/// Extends the catalogue and the address ranges from a folder of public data and the registries' packages, and says
/// what changed; `check` writes nothing and fails when something would change.
pub fn lists(context: &Context, data: &Path, check: bool) -> ExitCode {
    match extend(context, data, check) {
        Ok(report) => {
            print!("{report}");
            if report.is_wanting(check) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn extend(context: &Context, data: &Path, check: bool) -> Result<Report, String> {
    let sources = Sources::read(context, data)?;
    let mut report = Report::default();
    let path = context.root.join(CATALOGUE);
    let before = read(&path)?;
    let mut catalogue = Catalogue::parse(&before)?;
    names::extend(&mut catalogue, &sources, &mut report);
    replace(&path, CATALOGUE, &before, &catalogue.written(&before)?, check, &mut report)?;
    let path = context.root.join(RANGES);
    let before = read(&path)?;
    replace(&path, RANGES, &before, &ranges::rebuilt(data)?, check, &mut report)?;
    Ok(report)
}

fn replace(
    path: &Path,
    name: &'static str,
    before: &str,
    after: &str,
    check: bool,
    report: &mut Report,
) -> Result<(), String> {
    if before == after {
        return Ok(());
    }
    report.files.push(name);
    if check { Ok(()) } else { fs::write(path, after).map_err(|error| format!("{name}: {error}")) }
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}
