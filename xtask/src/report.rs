//! Runs steps one after another and closes with a table.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::context::Context;
use crate::step::{Counts, Failure};

/// What a step does.
pub type Task = fn(&Context) -> Result<Outcome, Failure>;

/// A named step.
pub type Step = (&'static str, Task);

/// How a step ended that did not fail.
pub enum Outcome {
    /// It ran, with the tests that it counted.
    Ran(Counts),
    /// It could not run here; the reason.
    Skipped(String),
}

/// Runs every step, also after one has failed, and prints what came of each.
pub fn run_steps(context: &Context, steps: &[Step]) -> ExitCode {
    let mut rows = Vec::new();
    let mut total = Counts::default();
    let begun = Instant::now();
    for (index, (name, task)) in steps.iter().enumerate() {
        eprintln!("[{}/{}] {name} …", index + 1, steps.len());
        let begun = Instant::now();
        let (counts, remark) = outcome(context, task(context));
        eprintln!("[{}/{}] {name}: {remark}", index + 1, steps.len());
        total += counts;
        rows.push((name, begun.elapsed(), counts, remark));
    }
    println!("\n{:<18} {:>8} {:>8} {:>7} {:>8}  remark", "step", "time", "passed", "failed", "skipped");
    for (name, time, counts, remark) in &rows {
        println!(
            "{name:<18} {:>8} {:>8} {:>7} {:>8}  {remark}",
            clock(*time),
            counts.passed,
            counts.failed,
            counts.skipped
        );
    }
    println!("{:<18} {:>8}\n", "all", clock(begun.elapsed()));
    let skipped = if total.skipped > 0 { format!(", {} skipped", total.skipped) } else { String::new() };
    println!("{} passed, {} failed{skipped}", total.passed, total.failed);
    if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn outcome(context: &Context, result: Result<Outcome, Failure>) -> (Counts, String) {
    match result {
        Ok(Outcome::Ran(counts)) if counts.failed > 0 => (counts, "failed".to_owned()),
        Ok(Outcome::Ran(counts)) if context.is_ci && counts.skipped > 0 => {
            (Counts { failed: counts.failed + counts.skipped, ..counts }, "failed: skipped tests".to_owned())
        }
        Ok(Outcome::Ran(counts)) => (counts, "ok".to_owned()),
        Ok(Outcome::Skipped(reason)) if context.is_ci => {
            (Counts { failed: 1, ..Counts::default() }, format!("failed: {reason}"))
        }
        Ok(Outcome::Skipped(reason)) => {
            (Counts { skipped: 1, ..Counts::default() }, format!("skipped: {reason}"))
        }
        Err(failure) => {
            let failed = failure.counts.failed.max(1);
            (Counts { failed, ..failure.counts }, format!("failed: {}", failure.message))
        }
    }
}

fn clock(time: Duration) -> String {
    format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}
