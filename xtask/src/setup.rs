//! What the tests need beyond rustup, Python and Node.

use crate::context::{Context, chromium, has, is_installed};
use crate::report::Outcome;
use crate::step::{Counts, Failure, output, run};

/// Debian's packages for the examples in other languages, and a program of each.
const PACKAGES: [(&str, &str); 3] =
    [("golang-go", "go"), ("ruby-rack", "rackup"), ("ruby-webrick", "rackup")];

/// Installs what is missing of Debian's packages when this is root on Debian; the wasm target comes with its build.
pub fn install(context: &Context) -> Result<Outcome, Failure> {
    let missing =
        PACKAGES.into_iter().filter(|(_, program)| !is_installed(program)).map(|(package, _)| package);
    let missing: Vec<&str> = chromium().is_none().then_some("chromium").into_iter().chain(missing).collect();
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
