//! What the tests need beyond rustup, Python and Node.

use crate::context::{Context, chromium, has, is_installed};
use crate::report::Outcome;
use crate::step::{Counts, Failure, output, run};

/// Installs what is missing of Debian's packages when this is root on Debian; the wasm target comes with its build.
pub fn install(context: &Context) -> Result<Outcome, Failure> {
    let packages = [
        ("chromium", chromium().is_some()),
        ("golang-go", is_installed("go")),
        ("ruby-rack", is_installed("rackup")),
        ("ruby-webrick", has_webrick(context)),
    ];
    let missing = packages.into_iter().filter(|(_, is_here)| !is_here).map(|(package, _)| package);
    let missing: Vec<&str> = missing.collect();
    if missing.is_empty() {
        return Ok(Outcome::Ran(Counts::ONE));
    }
    let is_root = output(&mut context.command("id", &["-u"])).is_ok_and(|user| user == "0");
    if !is_root || !has("apt-get") {
        return Ok(Outcome::Skipped(format!(
            "{} missing, and only root on Debian can install it here",
            missing.join(", ")
        )));
    }
    run(&mut context.command("apt-get", &["update", "-qq"]))?;
    let mut install = context.command("apt-get", &["install", "-qq", "-y", "--no-install-recommends"]);
    run(install.args(missing).env("DEBIAN_FRONTEND", "noninteractive"))?;
    Ok(Outcome::Ran(Counts::ONE))
}

/// Whether Ruby finds the web server that the example in Ruby runs in; `rackup` may be there without it.
pub fn has_webrick(context: &Context) -> bool {
    output(&mut context.command("ruby", &["-e", "require 'webrick'"])).is_ok()
}
