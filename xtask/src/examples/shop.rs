//! The walk-through of `examples/shop`, typed as its README says.

use std::ffi::OsString;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::context::Context;

/// Runs every shell block of the README in one shell and looks for what the text promises.
///
/// # Errors
/// What was expected and what was seen.
pub fn walk(context: &Context, python: &Path, server_url: &str) -> Result<(), String> {
    let folder = context.root.join("examples/shop");
    let readme = std::fs::read_to_string(folder.join("README.md")).map_err(|error| error.to_string())?;
    let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let port = port.map_err(|error| error.to_string())?.port();
    let data = std::env::var("QUIVIVE_DATA").map_err(|error| format!("QUIVIVE_DATA: {error}"))?;
    let script = blocks(&readme)
        .replace("http://127.0.0.1:8080", server_url)
        .replace("../../quivive-data", &data)
        .replace("3004", &port.to_string());
    let output = Command::new("sh")
        .args(["-euc", &format!("trap 'kill ${{SHOP:-}} 2>/dev/null || true' EXIT\n{script}")])
        .current_dir(&folder)
        .env("PATH", path(context, python)?)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout);
    let complete = format!("{}; said `{said}` `{}`", output.status, String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        return Err(complete);
    }
    let mut rest = &*said;
    for expected in PROMISES {
        let (_, behind) = rest.split_once(expected).ok_or_else(|| format!("no {expected:?}; {complete}"))?;
        rest = behind;
    }
    Ok(())
}

/// What the steps show, in this order: keys, page, verdict, tea for the bot, block, tea for everybody else.
const PROMISES: [&str; 8] = [
    "\"site_key\":\"pk_",
    "data-botect-sdk",
    "\"accepted\":2",
    "\"action\":\"allow\"",
    "Thank you for your order.",
    "\"name\":\"No bots at the checkout\"",
    "\n403\n",
    "Thank you for your order.\n200\n",
];

fn blocks(readme: &str) -> String {
    let behind_fences = readme.split("\n```sh\n").skip(1);
    behind_fences.filter_map(|text| text.split("\n```").next()).collect::<Vec<_>>().join("\n")
}

/// The server's command and the interpreter before everything else.
fn path(context: &Context, python: &Path) -> Result<OsString, String> {
    let programs = context.target.join("debug");
    let interpreter = python.parent().ok_or("the interpreter has no folder")?.to_owned();
    let present = std::env::var_os("PATH").unwrap_or_default();
    let all = [programs, interpreter].into_iter().chain(std::env::split_paths(&present));
    std::env::join_paths(all).map_err(|error| error.to_string())
}
