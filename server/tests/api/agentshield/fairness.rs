//! What one tenant does, however much of it, takes nothing from another one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quivive_core::agent::RequestFacts;
use quivive_core::decision::Action;
use quivive_server::config::Config;
use quivive_server::flows::detection::{self, Observed, Source};
use quivive_server::flows::webhooks::{self, Dialect, Filter, Hook, NewHook, Notice, Payload};
use quivive_server::jobs;
use quivive_server::storage::sqlite::Sqlite;
use quivive_server::storage::{Condition, Content, Event, EventQuery, Put, Record};
use quivive_server::tenant::Project;
use quivive_server::tenant::directory::{self, NewAccount, NewProject};

use super::receiver::Receiver;
use super::site::Site;
use super::tracked::FIREFOX;
use crate::botect::faults::Moody;
use crate::support::Server;

/// A project and its account.
#[derive(Clone, Copy)]
struct Tenant {
    account: i64,
    project: i64,
}

impl Tenant {
    fn of(site: &Site) -> Self {
        Self { account: site.account, project: site.project }
    }
}

/// A site whose server can be started again on the same database.
async fn durable_site() -> (Arc<Sqlite>, Site) {
    let database = Arc::new(Sqlite::in_memory().unwrap());
    let server = Server::on(database.clone(), permit_this_machine).await;
    (database, Site::on(server, "enterprise").await)
}

/// A project of an account of its own.
async fn neighbour(site: &Site) -> Tenant {
    let app = &site.server.app;
    let account_id = directory::create_account(app, NewAccount::default()).await.unwrap().id;
    let project = NewProject { account_id, name: "Next door".to_owned(), ..NewProject::default() };
    let project = directory::create_project(app, project).await.unwrap().id;
    Tenant { account: account_id, project }
}

/// A detection as the routes make it.
fn observed(site: &Site, tenant: Tenant, user_agent: &str) -> Observed {
    let app = &site.server.app;
    let user_agent = Some(user_agent.to_owned());
    let facts = RequestFacts { user_agent, now: app.now(), ..RequestFacts::default() };
    let classification = app.detection.classify(&facts).classification;
    Observed {
        id: detection::new_id(app),
        account_id: tenant.account,
        project_id: tenant.project,
        is_test: false,
        source: Source::Api,
        action: Action::Allow,
        rule_id: None,
        facts,
        session_id: None,
        classification,
    }
}

/// Puts up a detection as the routes do.
fn observe(site: &Site, tenant: Tenant, user_agent: &str) {
    site.server.app.detection.record(observed(site, tenant, user_agent));
}

/// Hands a detection that is recorded over to the task that tells webhooks.
fn hand_over(site: &Site, tenant: Tenant, user_agent: &str) {
    let observed = [observed(site, tenant, user_agent)];
    let row = Event { id: observed[0].id.clone(), body: "{}".to_owned(), ..Event::default() };
    let app = &site.server.app;
    webhooks::Seen::of(app, &observed).with_rows(&[row]).hand_over(app);
}

async fn recorded(site: &Site, project: i64) -> u64 {
    let query = EventQuery {
        kind: detection::STREAM.to_owned(),
        project: project.to_string(),
        limit: usize::MAX,
        ..EventQuery::default()
    };
    site.server.app.storage.events().count(query).await.unwrap()
}

/// Overwrites a record with what nobody can read.
async fn spoil<T: Record>(site: &Site, id: impl ToString, parent: i64) {
    let content = Content { parent: parent.to_string(), expires_at: None, body: "{".to_owned() };
    let put = Put { content: Some(content), ..Put::delete::<T>(id.to_string()) };
    site.server.app.storage.write(vec![put]).await.unwrap();
    assert!(site.server.app.storage.get::<T>(&id.to_string()).await.is_err());
}

/// How long it takes until so many detections are recorded.
async fn until_recorded(site: &Site, project: i64, count: u64) -> Duration {
    let began = Instant::now();
    while recorded(site, project).await < count {
        assert!(began.elapsed() < Duration::from_secs(60), "{count} detections were not recorded");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    began.elapsed()
}

fn permit_this_machine(config: &mut Config) {
    config.webhooks.allow_insecure_webhooks = true;
    config.webhooks.ports = Vec::new();
    config.outbound.allow_private = vec!["127.0.0.1/32".parse().unwrap()];
}

async fn hook(site: &Site, project: i64, receiver: &Receiver) -> String {
    let new = NewHook {
        dialect: Dialect::Agentshield,
        url: receiver.url(),
        events: vec!["detection.created".to_owned()],
        filter: Filter::default(),
        payload: Payload::Minimal,
        bots_per_minute: None,
        is_enabled: true,
    };
    webhooks::create(&site.server.app, &project.to_string(), new).await.unwrap().0.id
}

async fn notify(site: &Site, hook_id: &str, count: usize) {
    let notice = Notice { hook_id: hook_id.to_owned(), event: "detection.created", body: "{}".to_owned() };
    webhooks::enqueue(&site.server.app, vec![notice; count], Vec::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_in_one_project_loses_none_of_anothers_detections() {
    let site = Site::start().await;
    let (own, other) = (Tenant::of(&site), neighbour(&site).await);
    for _ in 0..20_000 {
        observe(&site, own, "curl/8.5.0");
    }
    for _ in 0..500 {
        observe(&site, other, "curl/8.5.0");
    }
    jobs::start(&site.server.app);
    until_recorded(&site, other.project, 500).await;
    assert!(recorded(&site, site.project).await < 5_000, "and they do not wait for the whole flood");
    // A quarter of 65,536 places.
    until_recorded(&site, site.project, 16_384).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_with_a_thousand_projects_has_one_share_of_the_recorder() {
    let site = Site::start().await;
    let other = neighbour(&site).await;
    for project in 0..1_100 {
        let own = Tenant { project: 1_000 + project, ..Tenant::of(&site) };
        for _ in 0..64 {
            observe(&site, own, "curl/8.5.0");
        }
    }
    for _ in 0..500 {
        observe(&site, other, "curl/8.5.0");
    }
    jobs::start(&site.server.app);
    until_recorded(&site, other.project, 500).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_with_hundreds_of_projects_has_one_share_of_what_webhooks_are_told() {
    let site = Site::with(permit_this_machine).await;
    let (other, receiver) = (neighbour(&site).await, Receiver::start().await);
    hook(&site, other.project, &receiver).await;
    for project in 0..300 {
        let own = Tenant { project: 1_000 + project, ..Tenant::of(&site) };
        for _ in 0..64 {
            hand_over(&site, own, "curl/8.5.0");
        }
    }
    for _ in 0..20 {
        hand_over(&site, other, "curl/8.5.0");
    }
    jobs::start(&site.server.app);
    receiver.until(20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn telling_webhooks_holds_up_no_record() {
    let database = Moody::new();
    let site = Site::on(Server::on(database.clone(), permit_this_machine).await, "enterprise").await;
    let (own, other) = (Tenant::of(&site), neighbour(&site).await);
    let receiver = Receiver::start().await;
    hook(&site, own.project, &receiver).await;
    observe(&site, own, "curl/8.5.0");
    jobs::start(&site.server.app);
    receiver.until(1).await;
    database.has_slow_writes(true);
    let agents =
        ["GPTBot/1.2", "ClaudeBot/1.0", "CCBot/2.0", "Bytespider", "Amazonbot/0.1", "PerplexityBot/1.0"];
    for agent in agents {
        for name in [agent.to_owned(), format!("Mozilla/5.0 (compatible; {agent})")] {
            observe(&site, own, &name);
        }
    }
    until_recorded(&site, site.project, 13).await;
    observe(&site, other, "curl/8.5.0");
    let waited = until_recorded(&site, other.project, 1).await;
    assert!(waited < Duration::from_millis(900), "it waited {waited:?} for another tenant's webhooks");
    receiver.until(13).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_receivers_of_one_account_leave_room_for_others_deliveries() {
    let site = Site::with(permit_this_machine).await;
    let other = neighbour(&site).await;
    let (dead, quick) = (Receiver::slow(Duration::from_secs(8)).await, Receiver::start().await);
    for number in 0..4 {
        let (project, _) = site.further_project(&format!("Project {number}")).await;
        for _ in 0..17 {
            let id = hook(&site, project, &dead).await;
            notify(&site, &id, 4).await;
        }
    }
    jobs::start(&site.server.app);
    dead.until(8).await;
    let id = hook(&site, other.project, &quick).await;
    let began = Instant::now();
    notify(&site, &id, 20).await;
    quick.until(20).await;
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(dead.count(), 8, "an account's share of the tries at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_receivers_of_many_accounts_hold_the_places_of_nobody_who_answers() {
    let site = Site::with(permit_this_machine).await;
    let (dead, quick) = (Receiver::slow(Duration::from_secs(4)).await, Receiver::start().await);
    for _ in 0..40 {
        let project = neighbour(&site).await.project;
        for _ in 0..2 {
            let id = hook(&site, project, &dead).await;
            notify(&site, &id, 12).await;
        }
    }
    let id = hook(&site, site.project, &quick).await;
    jobs::start(&site.server.app);
    dead.until(256).await;
    // All places are taken once, for as long as it takes to find out; not a second time.
    dead.until(300).await;
    let began = Instant::now();
    notify(&site, &id, 20).await;
    quick.until(20).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_project_that_cannot_be_read_keeps_nobody_elses_webhooks_from_being_told() {
    let site = Site::with(permit_this_machine).await;
    let (own, other) = (Tenant::of(&site), neighbour(&site).await);
    let (spoiled, receiver) = (Receiver::start().await, Receiver::start().await);
    hook(&site, own.project, &spoiled).await;
    hook(&site, other.project, &receiver).await;
    jobs::start(&site.server.app);
    // A person, of whom nobody is told: the project is known to have a webhook, and was read the last time.
    hand_over(&site, own, FIREFOX);
    tokio::time::sleep(Duration::from_millis(100)).await;
    spoil::<Project>(&site, own.project, own.account).await;
    // Without a pause between them: both are taken at once.
    hand_over(&site, own, "curl/8.5.0");
    hand_over(&site, other, "curl/8.5.0");
    receiver.until(1).await;
    assert_eq!(spoiled.count(), 0);
}

#[tokio::test]
async fn a_project_that_cannot_be_read_keeps_nothing_from_delivery_after_a_restart() {
    let (database, site) = durable_site().await;
    let (own, other) = (Tenant::of(&site), neighbour(&site).await);
    let (spoiled, receiver) = (Receiver::start().await, Receiver::start().await);
    for (tenant, receiver) in [(own, &spoiled), (other, &receiver)] {
        notify(&site, &hook(&site, tenant.project, receiver).await, 2).await;
    }
    spoil::<Project>(&site, own.project, own.account).await;
    drop(site);
    let again = Server::on(database, permit_this_machine).await;
    jobs::start(&again.app);
    receiver.until(2).await;
    // Where to send to is known without the project.
    spoiled.until(2).await;
}

#[tokio::test]
async fn a_webhook_that_cannot_be_read_keeps_only_its_own_from_delivery_after_a_restart() {
    let (database, site) = durable_site().await;
    let (spoiled, receiver) = (Receiver::start().await, Receiver::start().await);
    let spoiled_hook = hook(&site, site.project, &spoiled).await;
    for id in [spoiled_hook.clone(), hook(&site, site.project, &receiver).await] {
        notify(&site, &id, 2).await;
    }
    let intact = site.server.app.storage.get::<Hook>(&spoiled_hook).await.unwrap().unwrap().value;
    spoil::<Hook>(&site, &spoiled_hook, site.project).await;
    drop(site);
    let again = Server::on(database, permit_this_machine).await;
    jobs::start(&again.app);
    receiver.until(2).await;
    assert_eq!(spoiled.count(), 0);
    // Mended, it gets what waited.
    again.app.storage.put(&intact).await.unwrap();
    webhooks::recover(&again.app).await.unwrap();
    spoiled.until(2).await;
}

#[tokio::test]
async fn a_delivery_that_cannot_be_read_keeps_no_other_from_delivery_after_a_restart() {
    let (database, site) = durable_site().await;
    let receiver = Receiver::start().await;
    let id = hook(&site, site.project, &receiver).await;
    notify(&site, &id, 2).await;
    for name in ["dlv_0", "dlv_~"] {
        let content = Content { parent: String::new(), expires_at: None, body: "{".to_owned() };
        let put = Put {
            kind: "webhook_delivery",
            id: format!("{id}/{name}"),
            condition: Condition::Absent,
            content: Some(content),
            short_lived: false,
        };
        site.server.app.storage.write(vec![put]).await.unwrap();
    }
    drop(site);
    let again = Server::on(database, permit_this_machine).await;
    jobs::start(&again.app);
    receiver.until(2).await;
}

#[tokio::test]
async fn a_project_that_cannot_be_read_keeps_nobody_elses_rows() {
    let site = Site::start().await;
    let (own, other) = (Tenant::of(&site), neighbour(&site).await);
    assert!(own.project.to_string() < other.project.to_string(), "it is swept first");
    jobs::start(&site.server.app);
    for tenant in [own, other] {
        observe(&site, tenant, "curl/8.5.0");
        until_recorded(&site, tenant.project, 1).await;
    }
    spoil::<Project>(&site, own.project, own.account).await;
    site.server.advance(91 * 86_400_000);
    assert_eq!(jobs::remove_expired(&site.server.app).await.map(|rows| rows > 0), Ok(true));
    assert_eq!(recorded(&site, other.project).await, 0);
    assert_eq!(recorded(&site, own.project).await, 1, "it stays until somebody has a look");
}

#[tokio::test]
async fn the_servers_end_does_not_wait_for_a_recorder_that_panicked() {
    let database = Moody::new();
    let site = Site::on(Server::on(database.clone(), |_| {}).await, "enterprise").await;
    jobs::start(&site.server.app);
    observe(&site, Tenant::of(&site), "curl/8.5.0");
    until_recorded(&site, site.project, 1).await;
    database.is_broken(true);
    observe(&site, Tenant::of(&site), "curl/8.5.0");
    let began = Instant::now();
    site.server.app.jobs.stop(Duration::from_secs(20)).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
