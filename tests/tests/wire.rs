//! Every transcript of `tests/wire` against a server of its own, or against `QUIVIVE_TARGET`.

use libtest_mimic::{Arguments, Failed, Trial};
use quivive_tests::server::Server;
use quivive_tests::wire::{Transcript, run};

fn main() {
    let arguments = Arguments::from_args();
    libtest_mimic::run(&arguments, trials()).exit();
}

fn trials() -> Vec<Trial> {
    let folder = quivive_tests::root().join("tests/wire");
    quivive_tests::json_files(&folder)
        .into_iter()
        .map(|(name, path)| {
            let text = std::fs::read_to_string(path).expect("readable transcript");
            let transcript: Transcript =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            Trial::test(name, move || converse(&transcript).map_err(Failed::from))
        })
        .collect()
}

fn converse(transcript: &Transcript) -> Result<(), String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    if let Ok(url) = std::env::var("QUIVIVE_TARGET") {
        return runtime.block_on(run(url.trim_end_matches('/'), transcript));
    }
    let data = tempfile::tempdir().map_err(|error| error.to_string())?;
    let server = Server::start(data.path(), &[]);
    runtime.block_on(run(&server.url(), transcript))
}
