//! Every agent of `examples/` against every guarded app of `examples/`, agents that sign with packages of others, the
//! apps that detect agents by themselves, and the steps of the shop, on a running server.

mod detection;
mod shop;
mod signers;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::context::Context;
use crate::report::Outcome;
use crate::step::{self, Counts, Failure};
use signers::Signers;

/// The guarded apps: package and name.
const GUARDS: [(&str, &str); 2] =
    [("quivive-example-tower", "the tower layer"), ("quivive-example-actix", "the actix middleware")];
/// The guarded routes, and what a program that knows nothing of guards gets there.
const ROUTES: [(&str, u16); 2] = [("/for-agents", 403), ("/with-token", 401)];

/// Whether this is the run inside `with-server`.
pub fn is_inner() -> bool {
    std::env::var_os(INNER).is_some()
}

/// Tells the run inside `with-server` that its server is up.
const INNER: &str = "QUIVIVE_EXAMPLES_INNER";

/// Runs all combinations against a server of their own, with the packages as `python` and `node` installed them.
pub fn test(context: &Context) -> Result<Outcome, Failure> {
    if is_inner() {
        let url = std::env::var("QUIVIVE_URL").map_err(|error| error.to_string())?;
        return Ok(run(context, &url).map(Outcome::Ran)?);
    }
    step::run(&mut context.build(&["--bins"]))?;
    let signers = Signers::prepare(&context.target)?;
    // Not this process's own file: the build may just have replaced it.
    let itself = context.target.join("debug/xtask");
    let mut command = context.command(context.target.join("debug/with-server"), &[]);
    command
        .arg("--config")
        .arg(signers.configuration())
        .arg(itself)
        .arg("examples")
        .env(INNER, "1")
        .env("QUIVIVE_BROWSER_DIR", context.browser())
        .env("QUIVIVE_PYTHON", context.target.join("python-clean/bin/python"))
        .env("QUIVIVE_NODE_MODULES", context.target.join("node-clean/node_modules"));
    Ok(Outcome::Ran(step::run(&mut command)?))
}

/// Runs all combinations against the server at `server_url` and prints a line for each.
///
/// The Python agent runs in the interpreter `QUIVIVE_PYTHON`, the Node agent beside the `node_modules` folder that
/// `QUIVIVE_NODE_MODULES` names; both with nothing but the package installed.
///
/// # Errors
/// The failures, one per line.
fn run(context: &Context, server_url: &str) -> Result<Counts, String> {
    let root = &context.root;
    let python = required("QUIVIVE_PYTHON")?;
    let node_modules = required("QUIVIVE_NODE_MODULES")?;
    let programs = context.target.join("debug");
    let program = |package: &str| programs.join(format!("{package}{}", std::env::consts::EXE_SUFFIX));
    let node_agent = NodeScript::place(&root.join("examples/node-agent/agent.mjs"), &node_modules)?;
    let node_signer = NodeScript::place(&root.join("tests/signers/signer.mjs"), &node_modules)?;
    let signers = Signers::prepared(&context.target)?;

    let mut failures = Vec::new();
    let mut counts = Counts::default();
    let mut note = |what: &str, result: Result<(), String>| {
        let mark = if result.is_ok() { "ok" } else { "FAILED" };
        report(&format!("{mark:6} {what}"));
        counts.passed += u64::from(result.is_ok());
        failures.extend(result.err().map(|reason| format!("{what}: {reason}")));
    };
    let mut guards = Vec::new();
    for (package, name) in GUARDS {
        let guarded = Guarded::start(&program(package), server_url, &signers)?;
        for (route, refusal) in ROUTES {
            let url = format!("{}{route}", guarded.url);
            let mut note = |agent: &str, result| note(&format!("{agent} at {route} of {name}"), result);
            note("plain request", expect_refusal(&guarded.url, route, refusal));
            note(
                "Rust agent",
                admitted(Command::new(program("quivive-example-agent")).arg(&url), server_url),
            );
            let agent = root.join("examples/python-agent/agent.py");
            note("Python agent", admitted(Command::new(&python).arg(agent).arg(&url), server_url));
            note("Node agent", admitted(Command::new("node").arg(&node_agent.0).arg(&url), server_url));
        }
        guards.push(guarded);
    }
    let python_signer = root.join("tests/signers/signer.py");
    for (package, program, script) in [
        ("http-message-signatures", &*python, &python_signer),
        ("web-bot-auth", Path::new("node"), &node_signer.0),
    ] {
        let urls = guards.iter().map(|guarded| &*guarded.url);
        note(
            &format!("agent that signs with {package} at the server and all guards"),
            signers.visit(Command::new(program).arg(script), server_url, urls),
        );
    }
    note("the steps of examples/shop", shop::walk(context, &python, server_url));
    let alone = detection::visit_alone(root, &python, &node_modules);
    let mut skipped = 0;
    for (app, result) in alone.into_iter().chain(detection::visit_asking(context, server_url)) {
        match result {
            Some(result) => note(&format!("visitors of {app}"), result),
            None => {
                report(&format!("skipped visitors of {app}"));
                skipped += 1;
            }
        }
    }
    counts.skipped = skipped;
    if failures.is_empty() { Ok(counts) } else { Err(failures.join("\n")) }
}

#[expect(clippy::print_stdout, reason = "the report of a command line tool")]
fn report(line: &str) {
    println!("{line}");
}

fn required(name: &str) -> Result<PathBuf, String> {
    std::env::var_os(name).map(PathBuf::from).ok_or_else(|| format!("environment variable {name} is not set"))
}

/// A running guarded app; ends with this value.
struct Guarded {
    process: Child,
    url: String,
}

impl Guarded {
    fn start(program: &Path, server_url: &str, signers: &Signers) -> Result<Self, String> {
        let mut command = Command::new(program);
        command
            .args(["--listen", "127.0.0.1:0", "--signer", &signers.origin()])
            .env("QUIVIVE_URL", server_url)
            .env("SSL_CERT_FILE", signers.certificate())
            .stdout(Stdio::piped());
        Self::launch(&mut command, |process| {
            let mut line = String::new();
            let output = process.stdout.as_mut().ok_or("no output")?;
            BufReader::new(output).read_line(&mut line).map_err(|error| error.to_string())?;
            Ok(line.trim().strip_prefix("listening on ").ok_or("it did not start")?.to_owned())
        })
    }

    /// Starts an app; `read_url` finds its address in what it prints.
    fn launch(
        command: &mut Command,
        read_url: impl FnOnce(&mut Child) -> Result<String, String>,
    ) -> Result<Self, String> {
        let program = command.get_program().display().to_string();
        let process = command.spawn().map_err(|error| format!("{program}: {error}"))?;
        let mut guarded = Self { process, url: String::new() };
        guarded.url = read_url(&mut guarded.process).map_err(|error| format!("{program}: {error}"))?;
        Ok(guarded)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A Node script beside the installed packages: module names are resolved from the script's own folder.
struct NodeScript(PathBuf);

impl NodeScript {
    fn place(source: &Path, node_modules: &Path) -> Result<Self, String> {
        let is_modules = node_modules.file_name().is_some_and(|name| name == "node_modules");
        let folder = if is_modules { node_modules.parent().unwrap_or(node_modules) } else { node_modules };
        let name = source.file_name().unwrap_or_default().to_string_lossy();
        let target = folder.join(format!("quivive-example-{name}"));
        std::fs::copy(source, &target).map_err(|error| format!("{}: {error}", target.display()))?;
        Ok(Self(target))
    }
}

impl Drop for NodeScript {
    fn drop(&mut self) {
        // A copy that stays behind does no harm.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Runs an agent that must be let in.
fn admitted(agent: &mut Command, server_url: &str) -> Result<(), String> {
    let output = agent.env("QUIVIVE_URL", server_url).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && said.starts_with("200 Hello, agent ") {
        return Ok(());
    }
    Err(format!(
        "{}; said `{}` `{}`",
        output.status,
        said.trim(),
        String::from_utf8_lossy(&output.stderr).trim()
    ))
}

/// Sends a request as a program that knows nothing of guards would.
fn expect_refusal(base: &str, route: &str, expected: u16) -> Result<(), String> {
    let answer = exchange(base, route, b"User-Agent: curl/8")?;
    let first_line = answer.lines().next().unwrap_or_default();
    if first_line.split(' ').nth(1) == Some(&expected.to_string()) {
        Ok(())
    } else {
        Err(format!("expected {expected}, got `{first_line}`"))
    }
}

/// The whole answer to a request with these header lines.
fn exchange(base: &str, route: &str, headers: &[u8]) -> Result<String, String> {
    let address = base.strip_prefix("http://").ok_or("guarded app is not on http")?;
    let mut stream = TcpStream::connect(address).map_err(|error| error.to_string())?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).map_err(|error| error.to_string())?;
    let begin = format!("GET {route} HTTP/1.1\r\nHost: {address}\r\nAccept: */*\r\nConnection: close\r\n");
    let request = [begin.as_bytes(), headers, b"\r\n\r\n"].concat();
    stream.write_all(&request).map_err(|error| error.to_string())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(|error| error.to_string())?;
    Ok(answer)
}
