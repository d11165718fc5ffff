//! `quivive bots`: the bots that can be verified, and the address ranges that prove them.
//!
//! Works on the database directly, also while a server runs on it; that one takes over new ranges within a minute.

use std::path::PathBuf;

use clap::Subcommand;
use quivive_core::agent::RangeTable;

use super::{Sources, output};
use crate::app::App;
use crate::config::ConfigError;
use crate::flows::scoring::verified::bots::Bot;
use crate::flows::scoring::verified::ranges::{self, Refreshed};
use crate::serve;

/// What `bots` takes.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    sources: Sources,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the bots and what proves each.
    List,
    /// Fetch the address ranges that bots' operators publish. A list that cannot be fetched stays as it was.
    Refresh {
        /// Take the lists from a file that `quivive bots export` made on a machine with access to the internet.
        #[arg(long)]
        offline: Option<PathBuf>,
    },
    /// Print all address ranges in use as JSON.
    Export,
}

/// Runs one command on the configured database.
pub(super) async fn run(arguments: Arguments) -> Result<(), ConfigError> {
    let config = arguments.sources.load(None, None)?.config;
    let app = serve::open(config).await?;
    let failed = |error: crate::storage::Error| ConfigError(error.to_string());
    ranges::load(&app).await.map_err(failed)?;
    match arguments.command {
        Command::List => {
            app.scoring.verified.bots.all().iter().for_each(|bot| output::line(&described(&app, bot)));
        }
        Command::Refresh { offline: None } => report(&app, &ranges::refresh(&app).await.map_err(failed)?)?,
        Command::Refresh { offline: Some(file) } => {
            let table = read(&file)?;
            report(&app, &ranges::import(&app, table).await.map_err(failed)?)?;
        }
        Command::Export => {
            let text = serde_json::to_string_pretty(&ranges::export(&app));
            output::line(&text.map_err(|error| ConfigError(error.to_string()))?);
        }
    }
    Ok(())
}

/// A line for each list; fails when one could not be taken over.
fn report(app: &App, results: &[Refreshed]) -> Result<(), ConfigError> {
    for Refreshed { feed, result } in results {
        let line = match result {
            Ok(count) => format!("{feed}: {count} ranges"),
            Err(error) => format!("{feed}: {error}; {}", what_stays(app, feed)),
        };
        output::line(&line);
    }
    match results.iter().filter(|refreshed| refreshed.result.is_err()).count() {
        0 => Ok(()),
        count => Err(ConfigError(format!("{count} of {} lists were not taken over", results.len()))),
    }
}

fn what_stays(app: &App, feed: &str) -> String {
    let present = app.scoring.verified.ranges.list(feed);
    present.map_or_else(
        || "there is no list yet".to_owned(),
        |list| format!("the list of {} stays", ranges::day(list.as_of)),
    )
}

fn described(app: &App, bot: &Bot) -> String {
    let mut proofs: Vec<String> = bot.feeds.iter().map(|feed| of_feed(app, feed)).collect();
    if !bot.networks.is_empty() {
        proofs.push(format!("{} configured ranges", bot.networks.len()));
    }
    if !bot.suffixes.is_empty() {
        proofs.push(format!("names in {}", bot.suffixes.join(", ")));
    }
    format!("{} ({}): {}", bot.name, bot.category, proofs.join("; "))
}

fn of_feed(app: &App, feed: &str) -> String {
    match app.scoring.verified.ranges.list(feed) {
        None => format!("no ranges of {feed} yet"),
        Some(list) => {
            let old = if list.is_old(app) { ", old" } else { "" };
            format!("{} ranges of {feed} ({}{old})", list.ranges.len(), ranges::day(list.as_of))
        }
    }
}

fn read(file: &std::path::Path) -> Result<RangeTable, ConfigError> {
    let failed = |error: &dyn std::fmt::Display| ConfigError(format!("{}: {error}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| failed(&error))?;
    RangeTable::parse(&text).map_err(|error| failed(&error))
}
