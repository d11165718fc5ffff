//! The owner's console: who comes in, what he sees, what he may change.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use quivive_server::console;
use quivive_server::flows::scoring::history;
use quivive_server::tenant::directory;
use serde_json::json;

use crate::botect::site::{Site, Tenant, batch, human_snapshot};
use crate::support::{Answer, START, Server};
use quivive_core::Timestamp;

mod detections;
mod history_of_bands;
mod login;
mod pages;
mod rules;

/// A logged-in browser.
pub struct Browser {
    pub cookie: String,
    pub mark: String,
}

const FORM: &str = "application/x-www-form-urlencoded";

/// The secret of a new link for a user.
async fn link(server: &Server, user: i64) -> String {
    let link = console::login_link(&server.app, user).await.unwrap();
    assert!(link.starts_with("http://127.0.0.1:8080/-/console/login/"), "{link}");
    link.rsplit('/').next().unwrap().to_owned()
}

async fn enter(server: &Server, secret: &str) -> Answer {
    server.call("POST", "/-/console/login", &[("content-type", FORM)], format!("secret={secret}")).await
}

/// Logs a user in; the mark is read from a page.
async fn log_in(server: &Server, user: i64) -> Browser {
    let answer = enter(server, &link(server, user).await).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/-/console"));
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    let page = server.call("GET", "/-/console", &[("cookie", &cookie)], Body::empty()).await;
    let page = text(&page);
    let mark = page.split("name=\"mark\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    Browser { cookie, mark }
}

impl Browser {
    async fn get(&self, server: &Server, path: &str) -> Answer {
        server.call("GET", path, &[("cookie", &self.cookie)], Body::empty()).await
    }

    /// POST of a form with the session's mark.
    async fn post(&self, server: &Server, path: &str, fields: &str) -> Answer {
        self.post_with(server, path, &format!("mark={}&{fields}", self.mark)).await
    }

    async fn post_with(&self, server: &Server, path: &str, body: &str) -> Answer {
        let headers = [("cookie", self.cookie.as_str()), ("content-type", FORM)];
        server.call("POST", path, &headers, body.to_owned()).await
    }
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

/// Waits until the project has so many sessions in its history.
async fn counted(site: &Site, sessions: usize) {
    for _ in 0..1_000 {
        let arrivals = history::arrivals(&site.server.app, site.project, None, 1_000).await.unwrap();
        if arrivals.len() >= sessions {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the history stays short of {sessions} sessions");
}

/// The id of the only user of an account.
async fn owner(site: &Site) -> i64 {
    directory::api_token(&site.server.app, crate::botect::site::TOKEN).await.unwrap().unwrap().user_id
}
