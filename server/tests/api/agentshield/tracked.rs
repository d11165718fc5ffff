//! What the tests of events and pixels share: a pixel, and a look at what was stored.

use std::time::Duration;

use quivive_server::flows::{detection, tracking};
use quivive_server::storage::{Event, EventQuery};
use quivive_server::tenant::directory::{self, NewAccount, NewProject};
use quivive_server::tenant::pixel::{self, PixelSettings};
use serde_json::{Value, json};

use super::site::Site;
use crate::support::Answer;

/// A browser's user agent.
pub const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// A pixel of the site's project.
pub async fn pixel(site: &Site) -> String {
    pixel_with(site, |_| {}).await
}

/// A pixel with some settings changed.
pub async fn pixel_with(site: &Site, change: impl FnOnce(&mut PixelSettings)) -> String {
    let mut settings = PixelSettings::default();
    change(&mut settings);
    pixel::create(&site.server.app, site.project, settings, None).await.unwrap().id
}

/// A pixel of another account.
pub async fn foreign_pixel(site: &Site) -> String {
    let app = &site.server.app;
    let account_id = directory::create_account(app, NewAccount::default()).await.unwrap().id;
    let project = NewProject { account_id, name: "Theirs".to_owned(), ..NewProject::default() };
    let project = directory::create_project(app, project).await.unwrap().id;
    pixel::create(app, project, PixelSettings::default(), None).await.unwrap().id
}

/// The smallest event.
pub fn page_view() -> Value {
    json!({ "event": "page_view", "url": "https://example.com/page" })
}

/// POST of JSON with these headers.
pub async fn post(site: &Site, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    site.server.call("POST", path, headers, body.to_string()).await
}

/// The events that are stored, oldest first.
pub async fn stored(site: &Site) -> Vec<Event> {
    scan(site, tracking::STREAM).await
}

/// The bodies of the events that are stored.
pub async fn rows(site: &Site) -> Vec<Value> {
    stored(site).await.iter().map(|event| serde_json::from_str(&event.body).unwrap()).collect()
}

/// The bodies of the project's detections, when there are so many.
pub async fn detections(site: &Site, at_least: usize) -> Vec<Value> {
    for _ in 0..1_000 {
        let events = scan(site, detection::STREAM).await;
        if events.len() >= at_least {
            return events.iter().map(|event| serde_json::from_str(&event.body).unwrap()).collect();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("detections were not recorded")
}

async fn scan(site: &Site, stream: &str) -> Vec<Event> {
    let query = EventQuery {
        kind: stream.to_owned(),
        project: site.project.to_string(),
        limit: 1_000,
        ..EventQuery::default()
    };
    site.server.app.storage.events().scan(query).await.unwrap()
}
