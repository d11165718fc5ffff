//! The apps that detect agents by themselves, and what their visitors get.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Guarded, NodeScript, exchange};

/// Path, user agent, status and what the body holds.
const VISITS: [(&str, &str, u16, &str); 4] = [
    ("/prices", "Mozilla/5.0 (compatible; GPTBot/1.2)", 403, "POLICY_BLOCKED"),
    ("/health", "Mozilla/5.0 (compatible; GPTBot/1.2)", 200, "well"),
    ("/prices", "curl/8.5.0", 200, "\"bot_type\":\"automation\""),
    ("/prices", "Mozilla/5.0 (compatible; PerplexityBot/1.0)", 200, "\"bot_type\":\"crawler\""),
];

/// Visits both apps, with the packages of an interpreter and of a folder of modules, and gives what went wrong in each.
pub fn visit(root: &Path, python: &Path, node_modules: &Path) -> [(&'static str, Result<(), String>); 2] {
    [
        ("examples/python-guard", in_python(root, python).and_then(|app| check(&app))),
        ("examples/node-guard", in_node(root, node_modules)),
    ]
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
    let start = "http://127.0.0.1:";
    for line in BufReader::new(output).lines() {
        let line = line.map_err(|error| error.to_string())?;
        if let Some((_, rest)) = line.split_once(start) {
            let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
            return Ok(format!("{start}{port}"));
        }
    }
    Err("it did not start".to_owned())
}

fn check(app: &Guarded) -> Result<(), String> {
    for (path, user_agent, status, part) in VISITS {
        let answer = exchange(&app.url, path, user_agent)?;
        let first_line = answer.lines().next().unwrap_or_default();
        let is_right = first_line.split(' ').nth(1) == Some(&status.to_string()) && answer.contains(part);
        if !is_right {
            return Err(format!("{user_agent} at {path}: expected {status} with {part}, got `{answer}`"));
        }
    }
    Ok(())
}
