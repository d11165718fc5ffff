//! The API checker: every operation of a running server against its own OpenAPI document.

use std::fs;

use crate::context::Context;
use crate::python::{environment, programs};
use crate::report::Outcome;
use crate::step::{Counts, Failure, run};

/// Runs schemathesis with all checks against a server of its own.
pub fn check(context: &Context) -> Result<Outcome, Failure> {
    let folder = context.target.join("python-document");
    let requirements = context.root.join("tests/document/requirements.txt");
    let wanted = fs::read_to_string(&requirements).map_err(|error| error.to_string())?;
    let stamp = folder.join("installed.txt");
    if !fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        let programs = environment(context, &folder)?;
        run(context.command(programs.join("pip"), &["install", "--quiet", "-r"]).arg(&requirements))?;
        fs::write(stamp, wanted).map_err(|error| error.to_string())?;
    }
    run(&mut context.build(&["--bins"]))?;
    let mut checker = context.command(context.target.join("debug/with-server"), &["--config"]);
    checker.arg(context.root.join("tests/document/server.toml"));
    checker.arg(programs(&folder).join("python")).arg(context.root.join("tests/document/check.py"));
    // Where the program runs, it leaves nothing.
    run(checker.args(["--max-examples", "20", "--no-color"]).current_dir(&folder))?;
    Ok(Outcome::Ran(Counts::ONE))
}
