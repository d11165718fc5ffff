//! Analytics at size: exact against a count by brute force, and fast over millions of events.

use serde_json::Value;

use super::number;
use crate::context::Context;
use crate::report::Outcome;
use crate::step::{Counts, Failure, output};

/// A million detections sent and recounted, and answers over ten million stored events.
pub fn run(context: &Context) -> Result<Outcome, Failure> {
    let text =
        output(&mut context.cargo(&["bench", "--quiet", "-p", "quivive-server", "--bench", "analytics"]))?;
    let mut counts = Counts::default();
    println!();
    for line in text.lines() {
        let part: Value = serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?;
        match part["part"].as_str() {
            Some("sent") => println!(
                "{:.0} detections sent over {:.1} days, {:.0} per second: {} ranges equal a count by brute force",
                number(&part, "detections"),
                number(&part, "days"),
                number(&part, "per_second"),
                number(&part, "ranges_compared")
            ),
            _ => stored(&part)?,
        }
        counts += Counts::ONE;
    }
    Ok(Outcome::Ran(counts))
}

fn stored(part: &Value) -> Result<(), Failure> {
    println!(
        "{:.0} events stored, {:.0} per second, {:.0} MiB",
        number(part, "events"),
        number(part, "per_second"),
        number(part, "mib")
    );
    println!("{:<32} {:>9} {:>9} {:>14}", "analytics over them", "p50 ms", "max ms", "unique off by");
    for (name, answer) in part["answers"].as_object().into_iter().flatten() {
        println!(
            "{name:<32} {:>9.1} {:>9.1} {:>12.2} %",
            number(answer, "p50_ms"),
            number(answer, "max_ms"),
            number(answer, "unique_error_percent")
        );
    }
    let slowest = number(part, "slowest_p50_ms");
    if slowest > 50.0 {
        return Err(format!("the slowest answer took {slowest:.1} ms, 50 are allowed").into());
    }
    Ok(())
}
