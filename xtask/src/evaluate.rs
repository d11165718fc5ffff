//! Measuring the scoring on recordings, and fitting its table to them; the programs are built in release.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::context::Context;
use crate::step::{output, run};
use crate::wasm;

/// What the trainer writes and core reads: the learned part of the behavioural engine, and the small table behind
/// `mouse_entropy` that is sent to every page.
const TABLES: [&str; 2] = ["core/data/motion.json", "core/data/naturalness.bin"];

/// What is printed of the features for the trainer: also the first seconds, and made-up tools.
const FEATURES: [&str; 3] = ["--prefix", "2,5,10,20", "--synthetic"];

/// Runs the evaluation with these arguments and gives its exit code; without `--html` the page goes below the build
/// folder.
pub fn evaluate(context: &Context, arguments: &[OsString]) -> ExitCode {
    match evaluation(context, arguments).and_then(|mut command| {
        let status = command.status().map_err(|error| format!("the evaluation could not run: {error}"))?;
        Ok(status.code().unwrap_or(2))
    }) {
        Ok(code) => {
            if let Some(page) = page(context, arguments).filter(|page| code < 2 && page.exists()) {
                eprintln!("page: {}", page.display());
            }
            ExitCode::from(u8::try_from(code).unwrap_or(2))
        }
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}

/// Fits the tables to a folder of recordings and says which of them changed.
pub fn train(context: &Context, data: &Path) -> ExitCode {
    match retrain(context, data) {
        Ok(changed) => {
            for (table, changed) in TABLES.into_iter().zip(changed) {
                println!("{table}: {}", if changed { "changed" } else { "unchanged, to the last byte" });
            }
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn evaluation(context: &Context, arguments: &[OsString]) -> Result<Command, String> {
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    if has("--help") || has("-h") {
        let mut command = context.command(program(context, "quivive-evaluate")?, &["--help"]);
        command.current_dir(&context.root);
        return Ok(command);
    }
    let is_wasm = arguments.windows(2).any(|pair| pair == ["--build", "wasm"]) || has("--build=wasm");
    if is_wasm {
        wasm::files(context).map_err(|failure| failure.message)?;
    }
    let mut command = context.command(program(context, "quivive-evaluate")?, &[]);
    // Paths are those of whoever calls.
    if let Ok(folder) = std::env::current_dir() {
        command.current_dir(folder);
    }
    command.args(arguments).arg("--target").arg(&context.target);
    if has("--cv") || has("--logo") {
        command.arg("--python").arg(python(context)?);
    }
    if let Some(page) = page(context, arguments).filter(|_| !names_a_page(arguments)) {
        command.arg("--html").arg(page);
    }
    Ok(command)
}

fn retrain(context: &Context, data: &Path) -> Result<[bool; 2], String> {
    let data = data.canonicalize().map_err(|error| format!("{}: {error}", data.display()))?;
    let features = context.target.join("train/features.jsonl");
    let folder = context.target.join("train");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let dump = output(context.command(program(context, "features")?, &["--data"]).arg(data).args(FEATURES))?;
    fs::write(&features, dump + "\n").map_err(|error| format!("{}: {error}", features.display()))?;
    let tables = TABLES.map(|table| context.root.join(table));
    let before = tables.each_ref().map(|table| fs::read(table).ok());
    let [motion, naturalness] = &tables;
    let mut trainer = context.command(python(context)?, &["xtask/train/train.py", "--features"]);
    trainer.arg(&features).arg("--out").arg(motion).arg("--naturalness").arg(naturalness);
    run(&mut trainer).map_err(|failure| failure.message)?;
    let [motion, naturalness] = tables.each_ref().map(|table| fs::read(table).ok());
    let [motion_before, naturalness_before] = before;
    Ok([motion != motion_before, naturalness != naturalness_before])
}

/// Builds the programs in release and gives the path of one.
fn program(context: &Context, name: &str) -> Result<PathBuf, String> {
    let build = [
        "build",
        "--quiet",
        "--release",
        "-p",
        "quivive-tests",
        "--bin",
        "quivive-evaluate",
        "--bin",
        "features",
    ];
    run(&mut context.cargo(&build)).map_err(|failure| failure.message)?;
    Ok(context.target.join("release").join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
}

/// A Python with the trainer's pinned requirements, kept until these change.
fn python(context: &Context) -> Result<PathBuf, String> {
    let requirements = context.root.join("xtask/train/requirements.txt");
    let wanted = fs::read(&requirements).map_err(|error| format!("{}: {error}", requirements.display()))?;
    let folder = context.target.join("train/python");
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let installed = folder.join("requirements.txt");
    if fs::read(&installed).ok().as_ref() != Some(&wanted) {
        eprintln!("installing the trainer's requirements into {}", folder.display());
        output(context.command("python3", &["-m", "venv", "--clear"]).arg(&folder))?;
        output(context.command(&python, &["-m", "pip", "install", "--quiet", "-r"]).arg(&requirements))?;
        fs::write(&installed, wanted).map_err(|error| format!("{}: {error}", installed.display()))?;
    }
    Ok(python)
}

/// Where the page is written.
fn page(context: &Context, arguments: &[OsString]) -> Option<PathBuf> {
    let named = arguments.windows(2).find(|pair| pair.first().is_some_and(|name| name == "--html"));
    match named {
        Some(pair) => pair.last().map(PathBuf::from),
        None if names_a_page(arguments) => None,
        None => Some(context.target.join("evaluate/report.html")),
    }
}

fn names_a_page(arguments: &[OsString]) -> bool {
    arguments.iter().any(|argument| argument.to_string_lossy().starts_with("--html"))
}
