//! `quivive agents`: who is known, and what to do about them.

use std::fmt::Write;

use clap::Subcommand;
use quivive_core::agent::{
    AgentPolicy, FindAgents, KnownAgent, Proofs, RobotsTxt, Trigger, agent_policy, default_classifier,
    find_agents, robots_txt,
};
use serde_json::Value;

use super::output;
use super::style::{Colour, Style, column, number, plain};
use crate::config::ConfigError;

/// What `agents` takes.
#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
        quivive agents --purpose ai                  who trains, searches and browses for AI\n  \
        quivive agents --operator google --verifiable\n  \
        quivive agents show GPTBot                   what it is, and how to verify it\n  \
        quivive agents robots --disallow training > robots.txt\n  \
        quivive agents policy --block training --challenge agentic_browser"
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// A part of a name, operator, user agent or address.
    search: Option<String>,
    /// Only these purposes: training, search, user_triggered, agentic_browser (together: ai), search_engine,
    /// link_preview, feed, archive, research, seo, advertising, monitoring, security, scraping, automation, other.
    #[arg(long, value_delimiter = ',')]
    purpose: Vec<String>,
    /// Only those of this operator.
    #[arg(long)]
    operator: Option<String>,
    /// Only those whose identity can be proven.
    #[arg(long)]
    verifiable: bool,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Explain one agent: who runs it, what for, how to verify it, and where that is known from.
    Show {
        /// Its name, id, robots token or user agent token.
        name: String,
        /// JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Write a robots.txt from a choice of purposes and agents.
    Robots(Robots),
    /// Write a policy from a choice of purposes and agents. False identities are always refused.
    Policy(Policy),
}

#[derive(clap::Args)]
struct Robots {
    /// Purposes and agents that may fetch nothing, with commas between them.
    #[arg(long, value_delimiter = ',', value_name = "WHO")]
    disallow: Vec<String>,
    /// Purposes and agents that may fetch everything.
    #[arg(long, value_delimiter = ',', value_name = "WHO")]
    allow: Vec<String>,
    /// All others may fetch nothing.
    #[arg(long)]
    disallow_others: bool,
    /// The address of a site map; can be given several times.
    #[arg(long, value_name = "URL")]
    sitemap: Vec<String>,
}

#[derive(clap::Args)]
struct Policy {
    /// Purposes and agents that are refused, with commas between them.
    #[arg(long, value_delimiter = ',', value_name = "WHO")]
    block: Vec<String>,
    /// Purposes and agents that must prove themselves.
    #[arg(long, value_delimiter = ',', value_name = "WHO")]
    challenge: Vec<String>,
    /// Purposes and agents that are let in and noted.
    #[arg(long, value_delimiter = ',', value_name = "WHO")]
    log: Vec<String>,
    /// Purposes and agents that are let in.
    #[arg(long, value_delimiter = ',', value_name = "WHO")]
    allow: Vec<String>,
}

/// Runs the command.
pub(super) fn run(arguments: Arguments) -> Result<(), ConfigError> {
    match arguments.command {
        None => list(arguments),
        Some(Command::Show { name, json }) => show(&name, json),
        Some(Command::Robots(Robots { disallow, allow, disallow_others, sitemap })) => {
            let choice = RobotsTxt { disallow, allow, disallow_others, sitemaps: sitemap };
            let file = robots_txt(choice).map_err(helpful)?;
            output::line(file.text.trim_end());
            if !file.without_token.is_empty() {
                output::note(&format!(
                    "no robots token, so not in the file: {}",
                    file.without_token.join(", ")
                ));
            }
            Ok(())
        }
        Some(Command::Policy(Policy { block, challenge, log, allow })) => {
            let made = agent_policy(AgentPolicy { block, challenge, log, allow }).map_err(helpful)?;
            let policy = serde_json::to_value(made.policy).map(without_defaults);
            output::line(&pretty(&policy.map_err(|error| ConfigError(error.to_string()))?)?);
            Ok(())
        }
    }
}

fn list(arguments: Arguments) -> Result<(), ConfigError> {
    let found = find_agents(FindAgents {
        purposes: arguments.purpose,
        operator: arguments.operator,
        verifiable: arguments.verifiable.then_some(true),
        search: arguments.search,
    })
    .map_err(helpful)?;
    if arguments.json {
        let json = serde_json::to_value(&found).map_err(|error| ConfigError(error.to_string()))?;
        output::line(&pretty(&json)?);
        return Ok(());
    }
    let style = Style::of_output();
    let row = |name: &str, operator: &str, purpose: &str, proof: &str| {
        format!("{}  {}  {}  {proof}", column(name, 30), column(operator, 24), column(purpose, 15))
    };
    output::line(&style.paint(Colour::Title, row("NAME", "OPERATOR", "PURPOSE", "PROVEN BY")));
    for agent in &found.agents {
        let operator = agent.operator.as_deref().unwrap_or("not stated");
        output::line(&row(&agent.name, operator, agent.purpose.name(), &proofs(&agent.verify)));
    }
    if style.is_terminal {
        let count = number(u64::try_from(found.agents.len()).unwrap_or(u64::MAX));
        let summary =
            format!("\n{count} agents, catalogue of {}; `quivive agents show NAME` explains one", found.date);
        output::line(&style.paint(Colour::Faint, summary));
    }
    Ok(())
}

fn show(name: &str, json: bool) -> Result<(), ConfigError> {
    let classifier = default_classifier();
    let agent = classifier.described(classifier.agent_named(name).map_err(helpful)?);
    if json {
        let json = serde_json::to_value(&agent).map_err(|error| ConfigError(error.to_string()))?;
        output::line(&pretty(&json)?);
    } else {
        output::line(explained(&agent, Style::of_output()).trim_end());
    }
    Ok(())
}

fn explained(agent: &KnownAgent, style: Style) -> String {
    let mut text = style.paint(Colour::Title, &agent.name);
    let _ = writeln!(text, " {}\n", agent.purpose.description());
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "  {}  {value}", style.paint(Colour::Faint, column(label, 11)));
    };
    line("operator", agent.operator.as_deref().unwrap_or("not stated"));
    line("purpose", agent.purpose.name());
    let comes = match agent.trigger {
        Trigger::Fetcher => "comes when a person asks",
        Trigger::Crawler => "comes on its own schedule",
    };
    line("kind", &format!("{}, {}; {comes}", name_of(agent.bot_type), name_of(agent.sub_type)));
    match (&agent.tokens[..], agent.never_sent) {
        ([], _) => line("user agent", "a browser's; only its signature tells it"),
        (_, true) => {
            line("user agent", "never sent: the name stands in robots files only, and who sends it lies")
        }
        (tokens, false) => {
            let tokens: Vec<String> = tokens.iter().map(|token| plain(token.trim())).collect();
            line("user agent", &format!("contains {}", tokens.join(" or ")));
        }
    }
    line("robots.txt", agent.robots_token.as_deref().unwrap_or("no name that a robots file could use"));
    for origin in &agent.verify.signature_agent {
        line("verify", &format!("signature with a key of {origin}"));
    }
    for feed in &agent.verify.ip_feeds {
        let place = feed.url.as_deref().unwrap_or("ranges that you supply");
        line("verify", &format!("address in {} ({place})", feed.name));
    }
    for domain in &agent.verify.rdns {
        line("verify", &format!("host name in {domain}, confirmed by a forward look-up"));
    }
    if proofs(&agent.verify) == NOTHING {
        line("verify", "not possible: anybody can send this name");
    }
    if let Some(url) = &agent.info_url {
        line("more", url);
    }
    if let Some(since) = &agent.since {
        line("listed", &format!("since {since}"));
    }
    for source in &agent.sources {
        let version = source.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
        line(
            "source",
            &format!("{}{version}, {}, {}, {}", source.name, source.licence, source.date, source.url),
        );
    }
    text
}

/// The methods in short.
fn proofs(verify: &Proofs) -> String {
    let methods = [
        ("signature", !verify.signature_agent.is_empty()),
        ("address", !verify.ip_feeds.is_empty()),
        ("host name", !verify.rdns.is_empty()),
    ];
    let names: Vec<&str> =
        methods.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name).collect();
    if names.is_empty() { NOTHING.to_owned() } else { names.join(", ") }
}

/// The policy without members that say nothing.
fn without_defaults(policy: Value) -> Value {
    match policy {
        Value::Object(members) => {
            let says =
                |value: &Value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty());
            let members = members.into_iter().filter(|(_, value)| says(value));
            members.map(|(name, value)| (name, without_defaults(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(without_defaults).collect(),
        other => other,
    }
}

/// The message with its hint.
fn helpful(error: quivive_core::Error) -> ConfigError {
    let hint = error.details().get("hint").and_then(Value::as_str);
    ConfigError(hint.map_or_else(|| error.to_string(), |hint| format!("{error}; {hint}")))
}

fn name_of(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn pretty(value: &Value) -> Result<String, ConfigError> {
    serde_json::to_string_pretty(value).map_err(|error| ConfigError(error.to_string()))
}

const NOTHING: &str = "-";
