//! Apps and their owners: sign-up, verification, secrets, recovery, pairing.

mod pairing;
mod reading;
mod recovery;
mod rotation;
mod settings;
mod sign_up;
mod verify_email;

use std::sync::Arc;

use quivive_server::app::App;
use quivive_server::audit;
use quivive_server::botcha::apps::{self, RegisteredApp};
use quivive_server::botcha::owner;
use quivive_server::mail::Kept;
use serde_json::{Value, json};

use crate::botect::faults::Moody;
use crate::support::{Answer, Server};

/// An app as its owner knows it.
pub struct Owned {
    pub id: String,
    pub secret: String,
    pub email: String,
}

impl Owned {
    /// A path of this app.
    pub fn path(&self, rest: &str) -> String {
        format!("/v1/apps/{}{rest}", self.id)
    }

    /// A body with the secret and more.
    pub fn with_secret(&self, more: Value) -> Value {
        let mut body = json!({ "app_secret": self.secret });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    }
}

/// A service that keeps mails instead of sending them, and serves one address without limit on sign-ups.
pub async fn server() -> Server {
    Server::with(|config| {
        config.development = true;
        config.limits.app_registrations_per_hour = 0;
    })
    .await
}

/// As [`server`] on a database that can be asked and pulled out.
pub async fn moody_server(change: impl FnOnce(&mut quivive_server::config::Config)) -> (Server, Arc<Moody>) {
    let database = Moody::new();
    let server = Server::on(database.clone(), |config| {
        config.development = true;
        config.limits.app_registrations_per_hour = 0;
        change(config);
    });
    (server.await, database)
}

/// A new app whose address is not proven yet.
pub async fn fresh(server: &Server, email: &str) -> Owned {
    let answer = server.post("/v1/apps", &json!({ "email": email, "name": "Shop" })).await;
    assert_eq!(answer.status, 201, "{}", answer.json);
    let text = |name: &str| answer.json[name].as_str().unwrap().to_owned();
    Owned { id: text("app_id"), secret: text("app_secret"), email: text("email") }
}

/// A new app whose address is proven.
pub async fn verified(server: &Server, email: &str) -> Owned {
    let owned = fresh(server, email).await;
    let answer = server.post(&owned.path("/verify-email"), &json!({ "code": code(server, email) })).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    owned
}

/// The latest mail to an address.
pub fn mail(server: &Server, to: &str) -> Option<Kept> {
    server.app.mail.kept().into_iter().find(|mail| mail.to == to)
}

/// The code in the latest mail to an address.
pub fn code(server: &Server, to: &str) -> String {
    code_in(&mail(server, to).unwrap().text)
}

/// The code in the text of a mail: it stands alone and indented.
pub fn code_in(text: &str) -> String {
    let is_code = |line: &&str| line.starts_with("    ") && !line.contains('/');
    text.lines().find(is_code).unwrap().trim().to_owned()
}

/// The same six digits, but for one.
pub fn wrong(code: &str) -> String {
    let other = if code.starts_with('0') { "1" } else { "0" };
    format!("{other}{}", &code[1..])
}

/// A session of an app's owner.
pub async fn session(server: &Server, id: &str) -> String {
    owner::begin_session(&server.app, id).await.unwrap()
}

/// POST with a Bearer token.
pub async fn post_as(server: &Server, path: &str, bearer: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {bearer}");
    server.call("POST", path, &[("authorization", &bearer)], body.to_string()).await
}

/// Status and code of a refusal.
pub fn refusal(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.json["error"].as_str().unwrap())
}

/// The app as it is stored.
pub async fn stored(app: &App, id: &str) -> RegisteredApp {
    apps::find(app, id).await.unwrap().unwrap()
}

/// The kinds of those who did something to an app, by its audit trail.
pub async fn who_did(app: &App, id: &str, action: &str) -> Vec<String> {
    let entries = audit::latest(app, id, 100).await.unwrap();
    let done = entries.iter().filter(|entry| entry["action"] == action);
    done.map(|entry| entry["actor"]["kind"].as_str().unwrap().to_owned()).collect()
}
