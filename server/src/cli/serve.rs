//! `quivive serve`, and `quivive` alone.

use std::path::PathBuf;

use super::Sources;
use crate::config::{ConfigError, Loaded};
use crate::{banner, demo, seed, serve, telemetry};

/// What `serve` takes.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Address and port to listen on.
    #[arg(long)]
    listen: Option<String>,
    #[command(flatten)]
    sources: Sources,
    /// A seed with accounts, projects and keys, read into an empty database.
    #[arg(long)]
    seed: Option<PathBuf>,
}

/// Serves as configured.
pub(super) async fn serve(arguments: Arguments) -> Result<(), ConfigError> {
    let seed = arguments.seed.as_deref().map(seed::read).transpose()?;
    let loaded = arguments.sources.load(arguments.listen, None)?;
    start(loaded, seed, false).await
}

/// Serves for development: demo project, banner, conveniences.
pub(super) async fn develop() -> Result<(), ConfigError> {
    let mut loaded = Sources::default().load(None, Some(true))?;
    if std::env::var_os("QUIVIVE_CONFIG").is_some() {
        let warning = "QUIVIVE_CONFIG is ignored by the development server, which brings public demo keys; start with \
                       `quivive serve` to use it";
        loaded.warnings.push(warning.to_owned());
    }
    start(loaded, Some(seed::built_in()?), true).await
}

async fn start(loaded: Loaded, seed: Option<seed::Seed>, has_banner: bool) -> Result<(), ConfigError> {
    let Loaded { config, warnings } = loaded;
    telemetry::start_log(&config.log)?;
    telemetry::start_metrics();
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let app = serve::open(config).await?;
    if let Some(seed) = seed {
        let is_new = seed::apply(&app, &seed).await.map_err(|error| ConfigError(format!("seed: {error}")))?;
        if is_new {
            tracing::info!("the empty database was seeded");
        }
    }
    let demo = demo::find(&app).await.map_err(|error| ConfigError(format!("demo project: {error}")))?;
    serve::run(app, |address| {
        tracing::info!(%address, "listening");
        if has_banner {
            banner::print(address, demo.as_ref());
        }
    })
    .await
}
