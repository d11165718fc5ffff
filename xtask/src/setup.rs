//! What the tests need beyond rustup, Python and Node.

use crate::context::{Context, chromium, has};
use crate::report::Outcome;
use crate::step::{Counts, Failure, output, run};

/// Installs Debian's Chromium when it is missing and this is root on Debian; the wasm target comes with its build.
pub fn install(context: &Context) -> Result<Outcome, Failure> {
    if chromium().is_some() {
        return Ok(Outcome::Ran(Counts::ONE));
    }
    let is_root = output(&mut context.command("id", &["-u"])).is_ok_and(|user| user == "0");
    if !is_root || !has("apt-get") {
        return Ok(Outcome::Skipped(
            "Chromium is missing, and only root on Debian can install it here".to_owned(),
        ));
    }
    run(&mut context.command("apt-get", &["update", "-qq"]))?;
    let mut install =
        context.command("apt-get", &["install", "-qq", "-y", "--no-install-recommends", "chromium"]);
    run(install.env("DEBIAN_FRONTEND", "noninteractive"))?;
    Ok(Outcome::Ran(Counts::ONE))
}
