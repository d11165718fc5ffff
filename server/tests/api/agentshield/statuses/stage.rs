//! A site with one of everything that paths name, and a stranger's account with the same.

use std::sync::Arc;

use quivive_server::config::Config;
use quivive_server::tenant::Account;
use quivive_server::tenant::detection_key::{self, NewKey, Scope};
use quivive_server::tenant::directory;
use quivive_server::tenant::pixel::{self, PixelSettings};
use serde_json::json;

use super::super::recorded::Seen;
use super::super::site::{ALL_SCOPES, Site};
use super::operation::{Credential, Operation};
use crate::botect::faults::Moody;
use crate::support::{Answer, Server};

pub struct Stage {
    site: Site,
    database: Arc<Moody>,
    /// A key that may do everything.
    writer: String,
    /// The project's `proj_` id.
    pub project: String,
    pixel: String,
    webhook: String,
    key: String,
}

impl Stage {
    pub async fn set() -> Self {
        Self::with_settings(|_| {}).await
    }

    async fn with_settings(change: impl FnOnce(&mut Config)) -> Self {
        let database = Moody::new();
        let server = Server::on(database.clone(), change).await;
        let site = Site::on(server, "enterprise").await;
        let project = site.public_id(site.project).await;
        let pixel =
            pixel::create(&site.server.app, site.project, PixelSettings::default(), None).await.unwrap().id;
        site.store(site.project, &[Seen::at("2026-02-15T11:00:00Z")]).await;
        let webhook = webhook(&site, &site.writer().await, &project).await;
        // Not called with yet, so that it has to be looked up.
        let writer = site.writer().await;
        let account = detection_key::list(&site.server.app, site.account).await.unwrap();
        let key = account.into_iter().find(|key| !key.scopes.contains(&Scope::Write)).unwrap().id;
        site.server.advance(1_000);
        Self { site, database, writer, project, pixel, webhook, key }
    }

    /// Whoever calls, one request in a second is all.
    pub async fn with_room_for_one() -> Self {
        let stage = Self::with_settings(|config| config.limits.unauthenticated_per_second = 1).await;
        let limit = |account: &mut Account| account.plan.requests_per_second = Some(1);
        directory::change_account(&stage.site.server.app, stage.site.account, limit).await.unwrap();
        stage
    }

    /// A path with the ids of what is there.
    pub fn path(&self, template: &str) -> String {
        filled(template, &[&self.project, &self.pixel, &self.webhook, &self.key, &detection(0)])
    }

    /// The operation's own request.
    pub async fn play(&self, operation: &Operation) -> Answer {
        self.send(operation, &self.path(operation.path), &[], operation.body).await
    }

    /// A request with the operation's credential.
    pub async fn send(
        &self,
        operation: &Operation,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut headers = headers.to_vec();
        if operation.credential == Credential::Key {
            headers.push(("x-agentshield-key", &self.writer));
        }
        self.site.server.call(operation.method, path, &headers, body.to_owned()).await
    }

    /// A request with these headers alone; a second passes before.
    pub async fn with(
        &self,
        operation: &Operation,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        self.site.server.advance(1_000);
        self.site.server.call(operation.method, path, headers, body.to_owned()).await
    }

    /// A key with the scopes that do not help.
    pub async fn key_without_scope_for(&self, operation: &Operation) -> String {
        let is_sender = ["event", "batch"].iter().any(|end| operation.path.ends_with(end));
        let scope = if is_sender { Scope::Read } else { Scope::Ingest };
        self.site.key(NewKey { scopes: Some(vec![scope]), ..self.site.new_key() }).await
    }

    /// A key with every scope that sees another project of the account alone.
    pub async fn key_of_other_project(&self) -> String {
        let (project_id, _) = self.site.further_project("Blog").await;
        let (projects, scopes) = (Some(vec![project_id]), Some(ALL_SCOPES.to_vec()));
        self.site.key(NewKey { project_id, projects, scopes, ..NewKey::default() }).await
    }

    /// Paths and headers that lead to nothing the caller has: the last id is unknown, is no text, is a stranger's; and
    /// so is the project.
    pub async fn elsewhere(&self, operation: &Operation) -> Vec<(String, Vec<(&'static str, String)>)> {
        let foreign = self.strangers_ids().await;
        if operation.takes_project_header() {
            let ids = [&*foreign[0], "proj_unknown", "anything"];
            let named =
                |id: &str| (operation.path.to_owned(), vec![("x-agentshield-project", id.to_owned())]);
            return ids.map(named).to_vec();
        }
        let [project, things @ ..] = &foreign;
        let own_project =
            std::array::from_fn(|place| if place == 0 { &*self.project } else { &*things[place - 1] });
        let mut paths = Vec::new();
        if !operation.path.contains('?') {
            // Who asks for a pixel's script belongs to nobody.
            paths.push(filled(operation.path, &own_project));
            paths.push(filled(operation.path, &foreign.each_ref().map(|id| &**id)));
            let own_things = [&**project, &self.pixel, &self.webhook, &self.key, &detection(0)];
            paths.extend((!operation.path.contains("{keyId}")).then(|| filled(operation.path, &own_things)));
        }
        for id in ["unknown", "%FF", "%00", "..%2F.."] {
            paths.push(filled(operation.path, &[&*self.project, id, id, id, id]));
            paths.push(filled(operation.path, &[id; 5]));
        }
        let own = self.path(operation.path);
        paths.into_iter().filter(|path| *path != own).map(|path| (path, Vec::new())).collect()
    }

    /// A stranger's project and what it has.
    async fn strangers_ids(&self) -> [String; 5] {
        let app = &self.site.server.app;
        let (stranger, project) = self.site.stranger().await;
        let record = directory::project_by_public_id(app, &project).await.unwrap();
        let seen = [Seen::at("2026-02-15T11:00:00Z"), Seen::person("2026-02-15T11:01:00Z")];
        self.site.store(record.id, &seen).await;
        let pixel = pixel::create(app, record.id, PixelSettings::default(), None).await.unwrap().id;
        let webhook = webhook(&self.site, &stranger, &project).await;
        let key = detection_key::list(app, record.account_id).await.unwrap().remove(0).id;
        [project, pixel, webhook, key, detection(1)]
    }

    /// Whether storage answers.
    pub fn pull_the_plug(&self, is_down: bool) {
        self.database.is_down(is_down);
    }

    /// Calls something harmless, so that key and pixel are remembered.
    pub async fn make_known(&self, operation: &Operation) {
        let harmless = Operation { credential: operation.credential, ..Operation::USUAL };
        let path = match operation.credential {
            Credential::Key => "/api/v1/detect".to_owned(),
            Credential::None => self.path("/api/v1/pixel.js?id={pixelId}"),
        };
        let known = self.send(&harmless, &path, &[], "").await;
        assert_eq!(known.status, 200);
    }
}

async fn webhook(site: &Site, key: &str, project: &str) -> String {
    let body = json!({ "url": "https://example.org/hook", "events": ["detection.created"] });
    let made = site.call(key, "POST", &format!("/api/v1/projects/{project}/webhooks"), body).await;
    assert_eq!(made.status, 201, "{}", made.json);
    made.json["id"].as_str().unwrap().to_owned()
}

/// The id under which a detection was stored.
fn detection(number: usize) -> String {
    format!("det_{number:026}")
}

fn filled(template: &str, ids: &[&str; 5]) -> String {
    NAMES.iter().zip(ids).fold(template.to_owned(), |path, (name, id)| path.replace(name, id))
}

const NAMES: [&str; 5] = ["{projectId}", "{pixelId}", "{webhookId}", "{keyId}", "{id}"];
