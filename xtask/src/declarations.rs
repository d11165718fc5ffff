//! The type declarations of the Python and Node packages, made from the export table.

use std::fs;

use crate::context::Context;
use crate::report::Outcome;
use crate::step::{Counts, Failure, output, run};
use crate::{node, python};

/// What is generated and committed.
const GENERATED: [&str; 4] = [
    "bindings-node/index.mjs",
    "bindings-node/operations.d.ts",
    "bindings-python/python/quivive/_native.pyi",
    "bindings-python/python/quivive/types.py",
];

/// Writes the declarations anew.
pub fn write(context: &Context) -> Result<Outcome, Failure> {
    run(&mut context.build(&["--example", "schemas"]))?;
    let schemas = output(&mut context.command(context.target.join("debug/examples/schemas"), &[]))?;
    let file = context.target.join("schemas.json");
    fs::write(&file, schemas).map_err(|error| error.to_string())?;

    node::install_tools(context)?;
    run(context.command("node", &["bindings-node/scripts/declarations.mjs"]).arg(&file))?;
    let python = python::tools(context)?.join("python");
    run(context.command(python, &["bindings-python/scripts/declarations.py"]).arg(&file))?;
    Ok(Outcome::Ran(Counts::ONE))
}

/// Fails when the committed declarations are not those of the export table; leaves them as they are.
pub fn check(context: &Context) -> Result<Outcome, Failure> {
    let read = || GENERATED.map(|path| fs::read(context.root.join(path)).unwrap_or_default());
    let committed = read();
    let written = write(context);
    let fresh = read();
    let mut stale = Vec::new();
    for ((path, before), after) in GENERATED.into_iter().zip(committed).zip(fresh) {
        if before != after {
            fs::write(context.root.join(path), before).map_err(|error| error.to_string())?;
            stale.push(path);
        }
    }
    let outcome = written?;
    if stale.is_empty() {
        return Ok(outcome);
    }
    Err(format!("stale, run `cargo xtask declarations`: {}", stale.join(", ")).into())
}
