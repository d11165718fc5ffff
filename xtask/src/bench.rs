//! Benchmarks in release builds; what is compared runs side by side in one process or one run.

pub mod analytics;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::context::Context;
use crate::report::{Outcome, Step};
use crate::step::{Counts, Failure, output, run};
use crate::{node, python, wasm};

/// What is measured, in this order.
pub const PARTS: [Step; 6] = [
    ("core", core),
    ("python", python),
    ("node", node),
    ("collector", collector),
    ("load", load),
    ("analytics", analytics::run),
];

/// User agents of browsers, apps, bots and tools, one of each kind after the other.
const USER_AGENTS: &str = "core/benches/data/user_agents.txt";

/// The load runs: scenario, further arguments, and what it shows.
const LOADS: [(&str, &[&str], &str); 7] = [
    ("token", &["--connections", "16"], "challenge, solution, token: two requests each"),
    ("validate", &["--connections", "32"], "token validated by the server"),
    ("verdict", &["--connections", "16", "--rate", "5000"], "verdict reads, 5,000 started per second"),
    ("verdict", &["--connections", "32"], "verdict reads, as many as go"),
    ("ingest", &["--connections", "32"], "batches of 20 events, durable"),
    ("detect", &["--connections", "32"], "one request classified"),
    (
        "visitor",
        &["--connections", "32", "--operations", "50000", "--seconds", "120"],
        "50,000 new visitors: one event, one verdict each",
    ),
];

/// Criterion's estimates of core's hot paths, and the two cryptographic backends beside each other.
fn core(context: &Context) -> Result<Outcome, Failure> {
    run(&mut context.cargo(&["bench", "-p", "quivive-core", "--bench", "hot", "--", "--noplot"]))?;
    let folder = context.target.join("criterion");
    let mut rows: Vec<(String, f64)> = Vec::new();
    collect(&folder, &mut rows).map_err(|error| error.to_string())?;
    rows.sort_by(|left, right| left.0.cmp(&right.0));
    println!();
    for (name, nanoseconds) in &rows {
        println!("{name:<44} {:>10.2} µs", nanoseconds / 1000.0);
    }
    let time = |wanted: &str| rows.iter().find(|(name, _)| name == wanted).map(|(_, time)| *time);
    if let (Some(native), Some(portable)) =
        (time("verify ES256: aws-lc-rs"), time("verify ES256: RustCrypto"))
    {
        println!("ES256 verification, RustCrypto : aws-lc-rs = {:.2}", portable / native);
    }
    Ok(Outcome::Ran(Counts::ONE))
}

/// In Python: token verification beside PyJWT, classification beside two detectors of crawlers.
fn python(context: &Context) -> Result<Outcome, Failure> {
    let wheel = python::build_with(context, "release")?;
    let folder = context.target.join("python-bench");
    let programs = python::environment(context, &folder)?;
    run(context
        .command(programs.join("pip"), &["install", "--quiet", "--force-reinstall"])
        .args(["PyJWT[crypto]", "crawler-user-agents", "ua-parser[regex]"])
        .arg(wheel))?;
    let line = output(&mut context.command(programs.join("python"), &["bindings-python/benches/verify.py"]))?;
    let result: Value = serde_json::from_str(&line).map_err(|error| error.to_string())?;
    println!(
        "\nPython, ES256 verification: quivive {:.1} µs, PyJWT {:.1} µs; PyJWT : quivive = {:.2}",
        number(&result, "quivive_us"),
        number(&result, "pyjwt_us"),
        number(&result, "ratio")
    );
    let mut classify =
        context.command(programs.join("python"), &["bindings-python/benches/classify.py", USER_AGENTS]);
    print_classification("Python", &output(&mut classify)?)?;
    Ok(Outcome::Ran(Counts::ONE))
}

/// In Node: token verification beside jose, classification beside isbot.
fn node(context: &Context) -> Result<Outcome, Failure> {
    let archive = node::pack_with(context, "release")?;
    let folder = context.target.join("node-bench");
    python::renew(&folder)?;
    fs::write(folder.join("package.json"), r#"{"private": true}"#).map_err(|error| error.to_string())?;
    run(context
        .command("npm", &["install", "--silent", "--no-audit", "--no-fund", "jose@6", "isbot@5"])
        .arg(archive)
        .current_dir(&folder))?;
    let script = folder.join("verify.mjs");
    fs::copy(context.root.join("bindings-node/benches/verify.mjs"), &script)
        .map_err(|error| error.to_string())?;
    let line = output(context.command("node", &[]).arg(script))?;
    let result: Value = serde_json::from_str(&line).map_err(|error| error.to_string())?;
    println!(
        "\nNode, ES256 verification: quivive {:.1} µs, jose {:.1} µs; jose : quivive = {:.2}",
        number(&result, "quivive_us"),
        number(&result, "jose_us"),
        number(&result, "ratio")
    );
    let script = folder.join("classify.mjs");
    fs::copy(context.root.join("bindings-node/benches/classify.mjs"), &script)
        .map_err(|error| error.to_string())?;
    let texts = context.root.join(USER_AGENTS);
    print_classification("Node", &output(context.command("node", &[]).arg(script).arg(texts))?)?;
    Ok(Outcome::Ran(Counts::ONE))
}

/// What the collector costs a page's main thread, in Chromium.
fn collector(context: &Context) -> Result<Outcome, Failure> {
    let mut program = match wasm::in_browser(context, &["cost.mjs"])? {
        Ok(command) => command,
        Err(missing) => return Ok(Outcome::Skipped(missing)),
    };
    let line = output(&mut program)?;
    let result: Value = serde_json::from_str(&line).map_err(|error| format!("{error}: {line}"))?;
    println!(
        "\nCollector in Chromium: {:.2} ms of the main thread per second of mouse movement ({:.0} events/s, {:.1} µs each)",
        number(&result, "ms_per_second"),
        number(&result, "moves_per_second"),
        number(&result, "us_per_move")
    );
    Ok(Outcome::Ran(Counts::ONE))
}

/// A bounded load run over loopback: the server and its client are processes of their own.
fn load(context: &Context) -> Result<Outcome, Failure> {
    run(&mut context.cargo(&[
        "build",
        "--release",
        "-p",
        "quivive-server",
        "-p",
        "quivive-tests",
        "--bins",
    ]))?;
    let programs = context.target.join("release");
    println!(
        "\n{:<44} {:>10} {:>9} {:>9} {:>7}",
        "load on loopback, client beside the server", "per second", "p50 ms", "p99 ms", "errors"
    );
    let mut counts = Counts::default();
    for (scenario, arguments, title) in LOADS {
        let mut command = context.command(programs.join("with-server"), &[]);
        command.arg(programs.join("quivive-load")).arg(scenario).args(arguments);
        // The server's own limits would end the run after a hundred challenges.
        for limit in ["CHALLENGES_PER_HOUR", "VALIDATIONS_PER_MINUTE", "VERIFICATIONS_PER_HOUR"] {
            command.env(format!("QUIVIVE_LIMITS__{limit}"), "0");
        }
        command.env("QUIVIVE_LIMITS__PLAN_REQUESTS", "false");
        let line = output(&mut command)?;
        let result: Value = serde_json::from_str(&line).map_err(|error| format!("{error}: {line}"))?;
        println!(
            "{title:<44} {:>10.0} {:>9.2} {:>9.2} {:>7}",
            number(&result, "per_second"),
            number(&result, "p50_ms"),
            number(&result, "p99_ms"),
            number(&result, "errors")
        );
        if scenario == "visitor" {
            println!(
                "the server's resident memory, before and after: {:.0} and {:.0} MiB",
                number(&result, "server_mib_before"),
                number(&result, "server_mib_after")
            );
        }
        if number(&result, "errors") > 0.0 {
            return Err(format!("{scenario}: {}", result["first_error"]).into());
        }
        counts += Counts::ONE;
    }
    Ok(Outcome::Ran(counts))
}

/// Microseconds per user agent, ours with type, identity and evidence, the others with a yes or no.
fn print_classification(language: &str, line: &str) -> Result<(), Failure> {
    let result: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let ours = number(&result, "quivive");
    println!("{language}, bot or not by one user agent: quivive {ours:.2} µs");
    for (name, time) in result.as_object().into_iter().flatten().filter(|(name, _)| *name != "quivive") {
        let time = time.as_f64().unwrap_or_default();
        println!("  {name} {time:.2} µs; {name} : quivive = {:.2}", time / ours);
    }
    Ok(())
}

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or_default()
}

/// Reads `<name>/new/estimates.json` below criterion's folder.
fn collect(folder: &Path, rows: &mut Vec<(String, f64)>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path: PathBuf = entry?.path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "new" && name != "base") {
            let described = fs::read(path.join("new/benchmark.json"));
            let estimated = fs::read(path.join("new/estimates.json"));
            if let (Ok(described), Ok(estimated)) = (described, estimated) {
                let described: Value = serde_json::from_slice(&described)?;
                let estimated: Value = serde_json::from_slice(&estimated)?;
                let name = described["full_id"].as_str().unwrap_or_default().to_owned();
                rows.push((name, number(&estimated["median"], "point_estimate")));
            }
            collect(&path, rows)?;
        }
    }
    Ok(())
}
