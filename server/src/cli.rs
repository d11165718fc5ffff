//! The command line.

mod admin;
mod agents;
mod bots;
mod detect;
mod health;
mod openapi;
mod output;
mod rules;
mod serve;
mod style;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, ConfigError, Family, Loaded, Overrides, Profile};

/// Tells a site who is at its door: human, bot or agent.
///
/// Without a command: a development server on 127.0.0.1:8080 with a demo project, its data in ./quivive-data.
#[derive(Parser)]
#[command(name = "quivive", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API.
    Serve(serve::Arguments),
    /// Print an OpenAPI document: of one family, or of everything.
    Openapi {
        /// The family; without it, everything.
        family: Option<Family>,
    },
    /// Ask a running server whether it is ready; the exit status tells.
    Health {
        /// Where the server listens.
        #[arg(long, default_value = "http://127.0.0.1:8080", env = "QUIVIVE_URL")]
        url: String,
    },
    /// Check rules of a site's owner.
    #[command(subcommand)]
    Rules(rules::Command),
    /// Make and change accounts, projects and keys in the database.
    Admin(admin::Arguments),
    /// List and explain known agents; write a robots file or a policy from a choice of purposes.
    Agents(agents::Arguments),
    /// Tell who is in an access log, or in a list of user agents or requests. Works offline, without a server.
    Detect(detect::Arguments),
    /// Show the bots that can be verified, and fetch the address ranges that prove them.
    Bots(bots::Arguments),
}

/// Where settings come from; the same for every command that opens the database.
#[derive(Args, Clone, Default)]
struct Sources {
    /// The folder of the database and the master secret.
    #[arg(long)]
    data: Option<PathBuf>,
    /// A configuration file; config.default.toml documents every setting.
    #[arg(long, env = "QUIVIVE_CONFIG")]
    config: Option<PathBuf>,
    /// Security profile.
    #[arg(long)]
    profile: Option<Profile>,
}

impl Sources {
    fn load(self, listen: Option<String>, development: Option<bool>) -> Result<Loaded, ConfigError> {
        let overrides =
            Overrides { file: self.config, listen, data: self.data, profile: self.profile, development };
        // A variable that is no text cannot be one of ours.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        config::load(&overrides, environment)
    }
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::fail(&format!("the runtime does not start: {error}")),
    };
    let outcome = runtime.block_on(async {
        match arguments.command {
            None => serve::develop().await,
            Some(Command::Serve(arguments)) => serve::serve(arguments).await,
            Some(Command::Openapi { family }) => openapi::print(family).await,
            Some(Command::Health { url }) => health::ask(&url).await,
            Some(Command::Rules(command)) => rules::run(command),
            Some(Command::Admin(arguments)) => admin::run(arguments).await,
            Some(Command::Agents(arguments)) => agents::run(arguments),
            Some(Command::Detect(arguments)) => detect::run(arguments),
            Some(Command::Bots(arguments)) => bots::run(arguments).await,
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::fail(&error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_command_is_well_formed() {
        Arguments::command().debug_assert();
    }
}
