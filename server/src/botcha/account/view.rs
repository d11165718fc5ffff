//! The account as a page.

use maud::{Markup, html};
use quivive_core::Timestamp;
use serde_json::Value;

use crate::botcha::agents::Agent;
use crate::botcha::apps::{RegisteredApp, RegistrationPolicy};
use crate::botcha::page::{Block, Button, Form, Page, Tone};

/// What has just been done, to be said on the page.
pub(super) enum Told {
    Confirmed,
    Deleted,
    Policy,
    /// The new secret, shown this once.
    Secret(String),
    /// A new pairing code.
    PairCode(String),
}

impl Told {
    /// What the address of the page says; secrets never come this way.
    pub(super) fn of(done: Option<&str>) -> Option<Self> {
        match done? {
            "confirmed" => Some(Self::Confirmed),
            "deleted" => Some(Self::Deleted),
            "policy" => Some(Self::Policy),
            _ => None,
        }
    }

    fn blocks(self) -> Vec<Block> {
        let said = |text: &str| vec![Block::Notice(Tone::Good, text.to_owned())];
        match self {
            Self::Confirmed => said("The agent is confirmed as yours."),
            Self::Deleted => said("The agent is deleted; its tokens no longer work."),
            Self::Policy => said("Saved: this is how agents register from now on."),
            Self::Secret(secret) => vec![Block::Card(vec![
                Block::heading("Your new secret"),
                Block::text(
                    "Store it now where your programs keep secrets: it is shown this once. The old one no longer \
                     works, and all other sessions have ended.",
                ),
                copyable(&secret),
            ])],
            Self::PairCode(code) => vec![Block::Card(vec![
                Block::heading("A pairing code"),
                Block::text(
                    "Good once and for 15 minutes. Your agent sends it as `pair_code` when it registers.",
                ),
                copyable(&code),
            ])],
        }
    }
}

/// The page.
pub(super) fn page(
    app: &RegisteredApp,
    agents: &[Agent],
    trail: &[Value],
    base: &str,
    told: Option<Told>,
) -> Page {
    let mut blocks = told.map(Told::blocks).unwrap_or_default();
    blocks.push(facts(app));
    blocks.push(agents_card(agents));
    blocks.push(joining(app));
    blocks.push(secret());
    blocks.push(prompt(app, base));
    blocks.push(audit_trail(trail));
    blocks.push(sessions());
    Page {
        title: "Account".to_owned(),
        description: "Your app, its agents and its secret.".to_owned(),
        blocks,
    }
}

fn facts(app: &RegisteredApp) -> Block {
    let email = app.email.as_deref().map_or_else(|| "none".to_owned(), code);
    let proof = if app.is_email_verified { "verified" } else { "not verified" };
    Block::Card(vec![
        Block::heading("Your app"),
        Block::Facts(vec![
            ("Name".to_owned(), app.name.as_deref().map_or_else(|| "none".to_owned(), code)),
            ("App id".to_owned(), code(&app.id)),
            ("E-mail".to_owned(), format!("{email}, {proof}")),
            ("Registered".to_owned(), day(app.created_at)),
            (
                "Challenges per hour".to_owned(),
                if app.rate_limit == 0 { "no limit".to_owned() } else { app.rate_limit.to_string() },
            ),
        ]),
        Block::Links(vec![("What happened: the dashboard".to_owned(), "/dashboard".to_owned())]),
    ])
}

fn agents_card(agents: &[Agent]) -> Block {
    let html = html! {
        section class="card" id="agents" aria-labelledby="agents-title" {
            h2 id="agents-title" { "Agents" }
            @if agents.is_empty() {
                p class="empty" { "No agent is registered yet. The text further down is for the first one." }
            } @else {
                div class="scroll agents" {
                    table class="stack" {
                        thead { tr {
                            th scope="col" { "Name" }
                            th scope="col" { "Id" }
                            th scope="col" { "Operator" }
                            th scope="col" { "Registered" }
                            th scope="col" { "Authentication" }
                            th scope="col" { "Yours?" }
                            th scope="col" { span class="unseen" { "Delete" } }
                        } }
                        tbody { @for agent in agents { (agent_row(agent)) } }
                    }
                }
                p class="fine" {
                    "An agent that registered with a token of your app alone is not known to be yours until you "
                    "confirm it: anybody can get such a token."
                }
            }
        }
    };
    let rows: Vec<Vec<String>> = agents
        .iter()
        .map(|agent| {
            vec![
                code(&agent.name),
                code(&agent.id),
                agent.operator.as_deref().map_or_else(|| "–".to_owned(), code),
                authentication(agent).to_owned(),
                if agent.is_owner_verified { "yes" } else { "not confirmed" }.to_owned(),
            ]
        })
        .collect();
    let mut table = "## Agents\n\n".to_owned();
    if rows.is_empty() {
        table.push_str("None is registered yet.\n");
    } else {
        table.push_str("| Name | Id | Operator | Authentication | Yours? |\n|---|---|---|---|---|\n");
        for cells in rows {
            table.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
        table.push_str(
            "\nConfirm: `POST /account/agents/{id}/confirm`. Delete: `POST /account/agents/{id}/delete`.\n",
        );
    }
    Block::Both { html, markdown: table }
}

fn agent_row(agent: &Agent) -> Markup {
    let path = |action: &str| format!("/account/agents/{}/{action}", agent.id);
    html! {
        tr {
            td data-label="Name" {
                span { b { (agent.name) } @if let Some(version) = &agent.version { " " span class="fine" { (version) } } }
            }
            td data-label="Id" { code { (agent.id) } }
            td data-label="Operator" { (agent.operator.as_deref().unwrap_or("–")) }
            td data-label="Registered" { (day(agent.created_at)) }
            td data-label="Authentication" { (authentication(agent)) }
            td data-label="Yours?" {
                @if agent.is_owner_verified {
                    span class="yours" { "Confirmed" }
                } @else {
                    form method="post" action=(path("confirm")) {
                        button type="submit" class="small" aria-label=(format!("Confirm {}", agent.name)) { "Confirm" }
                    }
                }
            }
            td data-label="Delete" {
                details class="replace" {
                    summary aria-label=(format!("Delete {}", agent.name)) { "Delete" }
                    form method="post" action=(path("delete")) {
                        p class="fine" { "Its tokens end at once. This cannot be undone." }
                        button type="submit" class="small danger" { "Delete this agent" }
                    }
                }
            }
        }
    }
}

fn joining(app: &RegisteredApp) -> Block {
    let (text, other, label) = match app.registration_policy {
        RegistrationPolicy::Open => (
            "Open: whoever has a token of your app may register an agent; you confirm or delete it afterwards. \
             Tokens are easy to get, so `paired` is the better choice for an app in production.",
            "paired",
            "Let agents register with a pairing code only",
        ),
        RegistrationPolicy::Paired => (
            "Paired: an agent registers with a pairing code that you make here and hand to it.",
            "open",
            "Let agents register without a code",
        ),
    };
    let policy = Form {
        action: "/account/policy".to_owned(),
        fields: Vec::new(),
        buttons: vec![Button { value: Some(("registration_policy", other)), ..Button::send(label) }],
    };
    let pair = Form {
        action: "/account/pair".to_owned(),
        fields: Vec::new(),
        buttons: vec![Button::send("Make a pairing code")],
    };
    Block::Card(vec![
        Block::heading("Who may register agents"),
        Block::text(text),
        Block::Form(pair),
        Block::Form(policy),
    ])
}

fn secret() -> Block {
    let text = "The secret proves that a program acts for this app. Nobody can read it again, here or elsewhere; if it \
                is lost or has been seen by others, replace it.";
    let warning = "The present secret stops working at once, all other sessions, device codes and agents' refresh \
                   tokens end with it.";
    let html = html! {
        section class="card" aria-labelledby="secret-title" {
            h2 id="secret-title" { "Secret" }
            p { (text) }
            details class="replace" {
                summary { "Replace the secret" }
                form method="post" action="/account/rotate-secret" {
                    p { (warning) }
                    button type="submit" class="danger" { "Make a new secret" }
                }
            }
        }
    };
    Block::Both {
        html,
        markdown: format!("## Secret\n\n{text}\n\n{warning}\n\nForm: `POST /account/rotate-secret`.\n"),
    }
}

/// What an owner tells an agent. Nothing secret passes through the conversation: the agent uses the grant that its
/// owner approves in his browser.
fn prompt(app: &RegisteredApp, base: &str) -> Block {
    let prompt = format!(
        "Register as an agent of my app {id} at {base}.\n\
         1. GET {base}/v1/token?app_id={id}, solve the challenge, POST your answers to {base}/v1/token/verify.\n\
         2. POST {base}/v1/agents/register with your access token as Bearer and a JSON body with your name.\n\
         3. To be recognised later, start the device flow: POST {base}/v1/oauth/device with your agent_id, then show \
         me the link and the code that you get. I approve it in my browser.\n\
         Do not ask me for a secret, a private key or a password, and do not write yours into this conversation.",
        id = app.id,
    );
    Block::Card(vec![
        Block::heading("Add an agent"),
        Block::text(
            "Give this text to your agent. It holds nothing secret; you approve the agent here, in your own browser. \
             Never paste your app's secret or an agent's key into a conversation: what is said there is stored.",
        ),
        copyable(&prompt),
    ])
}

fn audit_trail(trail: &[Value]) -> Block {
    let rows: Vec<[String; 3]> = trail
        .iter()
        .map(|entry| {
            let text = |pointer: &str| entry.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let at = Timestamp::parse_utc(text("/created_at")).map(moment).unwrap_or_default();
            [at, text("/action").to_owned(), who(text("/actor/kind")).to_owned()]
        })
        .collect();
    let html = html! {
        section class="card" id="trail" aria-labelledby="trail-title" {
            h2 id="trail-title" { "What was done" }
            @if rows.is_empty() {
                p class="empty" { "Nothing yet: what you or others do to this app is written down here." }
            } @else {
                div class="scroll" tabindex="0" role="region" aria-label="Latest entries" {
                    table {
                        thead { tr { th scope="col" { "When (UTC)" } th scope="col" { "What" } th scope="col" { "Who" } } }
                        tbody {
                            @for [at, action, who] in &rows {
                                tr { td { (at) } td { code { (action) } } td { (who) } }
                            }
                        }
                    }
                }
            }
        }
    };
    let mut markdown = "## What was done\n\n".to_owned();
    if rows.is_empty() {
        markdown.push_str("Nothing yet.\n");
    } else {
        markdown.push_str("| When | What | Who |\n|---|---|---|\n");
        for [at, action, who] in rows {
            markdown.push_str(&format!("| {at} | {} | {who} |\n", code(&action)));
        }
    }
    Block::Both { html, markdown }
}

fn sessions() -> Block {
    let end = Form {
        action: "/account/sessions/end".to_owned(),
        fields: Vec::new(),
        buttons: vec![Button::send("Log out everywhere")],
    };
    Block::Card(vec![
        Block::heading("Sessions"),
        Block::text("A session ends after an hour. This ends all of yours now, on every device."),
        Block::Form(end),
    ])
}

/// Code with a button that copies it, where scripts run.
fn copyable(text: &str) -> Block {
    Block::Both {
        html: html! { div class="command" { pre tabindex="0" { (text) } } },
        markdown: format!("```\n{}\n```\n", text.replace("```", "'''")),
    }
}

fn authentication(agent: &Agent) -> &'static str {
    match (&agent.key, &agent.provider, &agent.oauth_authorized_at) {
        (Some(_), _, _) => "Key",
        (None, _, Some(_)) => "Refresh token",
        (None, Some(_), None) => "Provider account",
        (None, None, None) => "Challenge only",
    }
}

fn who(kind: &str) -> &'static str {
    match kind {
        "app_secret" => "Whoever has the secret",
        "session" => "You, in the dashboard",
        "mailed_code" => "Whoever reads your mail",
        "device_code" => "Whoever had a login code",
        "agent" => "An agent",
        "token" => "A token's holder",
        "operator" => "The operator of this server",
        _ => "Anybody",
    }
}

/// Text from outside as code, in which nothing is read as markup.
fn code(text: &str) -> String {
    format!("`{}`", text.replace(['`', '|'], "'"))
}

fn day(at: Timestamp) -> String {
    at.to_seconds_text().split('T').next().unwrap_or_default().to_owned()
}

fn moment(at: Timestamp) -> String {
    at.to_seconds_text().replace('T', " ").replace('Z', "")
}
