//! The owner of an app comes in.

mod challenge;
mod errors;
mod go;
mod pages;

use axum::body::Body;
use http::Request;
use http::request::Parts;
use quivive_core::challenge::solve_speed;
use quivive_server::botcha::owner::{self, Presented};
use serde_json::{Value, json};

use super::{APP_SECRET, app_with_secret};
use crate::support::{Answer, Server};

/// What Chromium accepts when a person opens a page.
pub const BROWSER: &str =
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";
pub const FORM: &str = "application/x-www-form-urlencoded";

/// The body that proves to be the owner of [`app_with_secret`].
pub fn proof() -> Value {
    json!({ "app_id": "app_0123456789abcdef", "app_secret": APP_SECRET })
}

/// The body that answers a challenge of `POST /v1/auth/…` right.
pub fn answered(challenge: &Value) -> Value {
    let numbers: Vec<u64> =
        challenge["problems"].as_array().unwrap().iter().map(|number| number.as_u64().unwrap()).collect();
    json!({ "challenge_id": challenge["challenge_id"], "answers": solve_speed(&numbers) })
}

/// The answer to a right solution at `/v1/auth/{way}/verify`.
pub async fn solved(server: &Server, way: &str, proof: &Value) -> Value {
    let challenge = server.post(&format!("/v1/auth/{way}"), proof).await;
    assert_eq!(challenge.status, 200, "{}", challenge.json);
    let answer = server.post(&format!("/v1/auth/{way}/verify"), &answered(&challenge.json)).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    answer.json
}

/// A session of the app that has the secret.
pub async fn session(server: &Server) -> String {
    solved(server, "dashboard", &proof()).await["session_token"].as_str().unwrap().to_owned()
}

/// A device code of the app that has the secret.
pub async fn device_code(server: &Server) -> String {
    solved(server, "device-code", &proof()).await["code"].as_str().unwrap().to_owned()
}

/// Sends a form as a browser does from a page of ours.
pub async fn send(server: &Server, path: &str, body: &str) -> Answer {
    let headers = [("accept", BROWSER), ("content-type", FORM), ("sec-fetch-site", "same-origin")];
    server.call("POST", path, &headers, body.to_owned()).await
}

/// Opens a page as a browser does.
pub async fn open(server: &Server, path: &str) -> Answer {
    server.call("GET", path, &[("accept", BROWSER)], Body::empty()).await
}

/// The status of an answer and where it leads.
pub fn led(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.header("location"))
}

/// The session that an answer puts into a browser.
pub fn cookie(answer: &Answer) -> String {
    let text = answer.header("set-cookie").strip_prefix("botcha_session=").unwrap();
    text.split(';').next().unwrap().to_owned()
}

pub fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

/// A request with one header.
pub fn request(name: &str, value: &str) -> Parts {
    Request::get("/account").header(name, value).body(()).unwrap().into_parts().0
}

/// Whether a token is a session of the app that has the secret, as a cookie and as a Bearer token.
pub async fn is_session(server: &Server, token: &str) -> bool {
    let mut holds = Vec::new();
    for parts in [
        request("cookie", &format!("botcha_session={token}")),
        request("authorization", &format!("Bearer {token}")),
    ] {
        holds.push(match owner::session(&server.app, &parts).await.unwrap() {
            Presented::Session(session) => session.app.id == "app_0123456789abcdef",
            Presented::Invalid => false,
            Presented::Nothing => panic!("nothing was read"),
        });
    }
    assert_eq!(holds[0], holds[1], "a cookie and a Bearer token are one");
    holds[0]
}

/// What the audit trail of the app that has the secret says, latest last: action, kind of the actor, details.
pub async fn trail(server: &Server) -> Vec<(String, String, Value)> {
    let entries = quivive_server::audit::latest(&server.app, "app_0123456789abcdef", 100).await.unwrap();
    let of = |entry: &Value, pointer: &str| entry.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let mut entries: Vec<_> = entries
        .iter()
        .map(|entry| (of(entry, "/action"), of(entry, "/actor/kind"), entry["details"].clone()))
        .collect();
    entries.reverse();
    entries
}
