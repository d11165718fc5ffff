//! The apps that detect agents, by themselves or by asking a server, and what their visitors get.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use super::signers::DEMO_KEY;
use super::{Guarded, NodeScript, exchange};
use crate::context::{Context, is_installed};
use crate::setup::has_webrick;
use crate::step::output;

/// Path, header lines, status and what the body holds.
type Visit<'a> = (&'a str, &'a [u8], u16, &'a str);

const VISITS: [Visit<'_>; 5] = [
    ("/prices", GPTBOT, 403, "POLICY_BLOCKED"),
    // A byte that is no UTF-8 may be in any header.
    ("/prices", b"User-Agent: Mozilla/5.0 (compatible; GPTBot/1.2)\r\nFrom: \xff", 403, "POLICY_BLOCKED"),
    ("/health", GPTBOT, 200, "well"),
    ("/prices", b"User-Agent: curl/8.5.0", 200, "\"bot_type\":\"automation\""),
    ("/prices", b"User-Agent: Mozilla/5.0 (compatible; PerplexityBot/1.0)", 200, "\"bot_type\":\"crawler\""),
];
const GPTBOT: &[u8] = b"User-Agent: Mozilla/5.0 (compatible; GPTBot/1.2)";

/// Headers that detection looks at.
const LOOKED_AT: [&str; 9] = [
    "Accept-Encoding",
    "Accept-Language",
    "From",
    "Sec-Ch-Ua",
    "Sec-Ch-Ua-Mobile",
    "Sec-Ch-Ua-Platform",
    "Sec-Fetch-Dest",
    "Sec-Fetch-Mode",
    "Sec-Fetch-Site",
];

/// An app, and what went wrong when it was visited; nothing where its language is missing.
type Visited = (&'static str, Option<Result<(), String>>);

/// Visits the apps that detect by themselves, with the packages of an interpreter and of a folder of modules.
pub fn visit_alone(root: &Path, python: &Path, node_modules: &Path) -> [Visited; 2] {
    [
        ("examples/python-guard", Some(in_python(root, python).and_then(|app| check(&app)))),
        ("examples/node-guard", Some(in_node(root, node_modules))),
    ]
}

/// Visits the apps that ask a server, and need no package.
pub fn visit_asking(context: &Context, server_url: &str) -> [Visited; 2] {
    let ask = |command: &mut Command| {
        let app = Guarded::launch(
            command.env("QUIVIVE_URL", server_url).env("AGENTSHIELD_API_KEY", DEMO_KEY).env("PORT", "0"),
            |process| address(process.stdout.as_mut().ok_or("no output")?),
        )?;
        check(&app)?;
        // Each is as long as the server allows; together they are more than it takes.
        let long = LOOKED_AT.map(|name| format!("{name}: {}\r\n", "<".repeat(8_000))).concat();
        check_visit(&app, ("/prices", &[long.as_bytes(), GPTBOT].concat(), 403, "POLICY_BLOCKED"))
    };
    let has_ruby = is_installed("rackup") && has_webrick(context);
    [
        ("examples/go-guard", is_installed("go").then(|| in_go(context).and_then(|mut app| ask(&mut app)))),
        ("examples/ruby-guard", has_ruby.then(|| ask(&mut in_ruby(context)))),
    ]
}

fn in_go(context: &Context) -> Result<Command, String> {
    let program = context.target.join("debug/quivive-example-go");
    let folder = context.root.join("examples/go-guard");
    for arguments in [&["vet", "."][..], &["build", "-buildvcs=false", "-o"]] {
        let mut go = context.command("go", arguments);
        if arguments.contains(&"-o") {
            go.arg(&program);
        }
        output(go.current_dir(&folder).env("GOCACHE", context.target.join("go-cache")))?;
    }
    let mut command = Command::new(program);
    command.stdout(Stdio::piped());
    Ok(command)
}

fn in_ruby(context: &Context) -> Command {
    let mut command = Command::new("sh");
    // The address is in the log, on standard error.
    command
        .args(["-c", "exec rackup --server webrick --host 127.0.0.1 --port 0 2>&1"])
        .current_dir(context.root.join("examples/ruby-guard"))
        .stdout(Stdio::piped());
    command
}

fn in_python(root: &Path, python: &Path) -> Result<Guarded, String> {
    let mut command = Command::new(python);
    command
        .args(["-m", "uvicorn", "--no-proxy-headers", "--port", "0", "app:app"])
        .current_dir(root.join("examples/python-guard"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    Guarded::launch(&mut command, |process| address(process.stderr.as_mut().ok_or("no output")?))
}

fn in_node(root: &Path, node_modules: &Path) -> Result<(), String> {
    let script = NodeScript::place(&root.join("examples/node-guard/app.mjs"), node_modules)?;
    let mut command = Command::new("node");
    command.arg(&script.0).env("PORT", "0").stdout(Stdio::piped());
    let app = Guarded::launch(&mut command, |process| address(process.stdout.as_mut().ok_or("no output")?))?;
    check(&app)
}

/// The address of this host in the first line that has one.
fn address(output: impl Read) -> Result<String, String> {
    for line in BufReader::new(output).lines() {
        let line = line.map_err(|error| error.to_string())?;
        if let Some((_, rest)) = line.split_once("http://127.0.0.1:").or_else(|| line.split_once(" port=")) {
            let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
            return Ok(format!("http://127.0.0.1:{port}"));
        }
    }
    Err("it did not start".to_owned())
}

fn check(app: &Guarded) -> Result<(), String> {
    VISITS.into_iter().try_for_each(|visit| check_visit(app, visit))
}

fn check_visit(app: &Guarded, (path, headers, status, part): Visit<'_>) -> Result<(), String> {
    let answer = exchange(&app.url, path, headers)?;
    let first_line = answer.lines().next().unwrap_or_default();
    if first_line.split(' ').nth(1) == Some(&status.to_string()) && answer.contains(part) {
        return Ok(());
    }
    let headers = String::from_utf8_lossy(headers);
    Err(format!("{headers} at {path}: expected {status} with {part}, got `{answer}`"))
}
