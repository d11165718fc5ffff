//! The audit trail: who did what to a tenant, for its owner to read.

use quivive_core::encoding;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::app::App;
use crate::error::Result;
use crate::storage::{Event, EventQuery};

/// The stream of the trail.
pub const STREAM: &str = "audit";

/// Who did something.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// Whoever has the app's secret.
    AppSecret,
    /// The owner in a dashboard session, by its id.
    Session(String),
    /// Whoever has a code from a mail.
    MailedCode,
    /// Whoever has a device code, which an agent or a mail carried to him.
    DeviceCode,
    /// An agent, by its id.
    Agent(String),
    /// A bearer of a token, by the token's id.
    Token(String),
    /// A holder of an API key, by the key's id.
    ApiKey(String),
    /// A member of the account in the console, by his user id.
    User(i64),
    /// The operator at the command line.
    Operator,
    /// The server by itself.
    Server,
    /// Somebody who had to prove nothing.
    Anyone,
}

impl Actor {
    fn describe(&self) -> Value {
        match self {
            Self::AppSecret => json!({ "kind": "app_secret" }),
            Self::Session(id) => json!({ "kind": "session", "id": id }),
            Self::MailedCode => json!({ "kind": "mailed_code" }),
            Self::DeviceCode => json!({ "kind": "device_code" }),
            Self::Agent(id) => json!({ "kind": "agent", "id": id }),
            Self::Token(id) => json!({ "kind": "token", "id": id }),
            Self::ApiKey(id) => json!({ "kind": "api_key", "id": id }),
            Self::User(id) => json!({ "kind": "user", "id": id }),
            Self::Server => json!({ "kind": "server" }),
            Self::Operator => json!({ "kind": "operator" }),
            Self::Anyone => json!({ "kind": "anyone" }),
        }
    }
}

/// Notes an action such as `app.secret_rotated`; durable when it returns. `details` holds no secrets.
///
/// # Errors
/// If storage does not answer.
pub async fn record(app: &App, tenant: &str, actor: &Actor, action: &str, details: Value) -> Result<()> {
    let id = encoding::hex(&app.random_bytes::<16>());
    let at = app.now();
    let body = json!({
        "id": id,
        "action": action,
        "actor": actor.describe(),
        "details": details,
        "created_at": at.to_string(),
    });
    let event = Event {
        kind: STREAM.to_owned(),
        project: tenant.to_owned(),
        id,
        at,
        label: action.to_owned(),
        body: body.to_string(),
        ..Event::default()
    };
    app.storage.events().append(vec![event]).await?;
    Ok(())
}

/// The latest entries of a tenant, latest first.
///
/// # Errors
/// If storage does not answer.
pub async fn latest(app: &App, tenant: &str, limit: usize) -> Result<Vec<Value>> {
    let query = EventQuery {
        kind: STREAM.to_owned(),
        project: tenant.to_owned(),
        newest_first: true,
        limit,
        ..EventQuery::default()
    };
    let events = app.storage.events().scan(query).await?;
    Ok(events.iter().filter_map(|event| serde_json::from_str(&event.body).ok()).collect())
}
