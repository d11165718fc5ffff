//! What was acknowledged survives the end of the process at any moment.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quivive_core::score::aggregate::DirectRequest;
use quivive_core::score::{Band, payload};
use quivive_server::app::{App, Clock, Entropy};
use quivive_server::config::{Config, Profile};
use quivive_server::flows::scoring::ingest::{Delivery, Receipt, Sender, ingest};
use quivive_server::flows::scoring::read::{RequestContext, verdict};
use quivive_server::flows::scoring::record::{StoredBatch, StoredSession, session_id};
use quivive_server::keys::master::MasterSecret;
use quivive_server::storage::memory::Memory;
use quivive_server::storage::sqlite::{Sqlite, Sync};
use quivive_server::storage::{Condition, Content, Put, Record, Storage};
use quivive_server::tenant::directory::{self, NewAccount, NewProject, ScoringKeys};
use quivive_server::tenant::{Site, credentials};
use quivive_server::{jobs, serve};
use serde_json::json;

use super::site::{event, human_snapshot};

const KEY: &str = "sk_recovery";

async fn open(folder: &Path) -> App {
    let mut config = Config::defaults(Profile::Secure).unwrap();
    config.botect.verdict_budget_ms = 10_000;
    let database = Arc::new(Sqlite::open(&folder.join("test.db"), Sync::Normal, 2).unwrap());
    let storage = Storage::new(database, Arc::new(Memory::new(100)), Clock::System);
    let master = MasterSecret::from_bytes([1; 32]);
    serve::prepare(config, storage, master, Clock::System, Entropy::System).await.unwrap()
}

async fn make_site(app: &App) {
    let account = NewAccount { name: "Acme".to_owned(), is_subscribed: true, ..NewAccount::default() };
    let account_id = directory::create_account(app, account).await.unwrap().id;
    let keys = Some(ScoringKeys { site_key: "pk_recovery".to_owned(), private_key: KEY.to_owned() });
    let project = NewProject { account_id, name: "Shop".to_owned(), keys, ..NewProject::default() };
    directory::create_project(app, project).await.unwrap();
}

async fn site(app: &App) -> Site {
    directory::site_by_private_key(app, &credentials::hash(KEY)).await.unwrap().unwrap()
}

async fn send(app: &App, token: Option<&str>, first_id: usize) -> Receipt {
    let events: Vec<_> =
        (0..5).map(|id| event(&format!("e-{}", first_id + id), "snapshot", human_snapshot())).collect();
    let text = json!({ "session_token": token, "events": events }).to_string();
    let batch = payload::Batch::parse(&text).unwrap();
    let site = site(app).await;
    let delivery = Delivery {
        site: &site,
        token: batch.session_token,
        idempotency_key: None,
        events: batch.events,
        sender: Sender::Browser(DirectRequest::default()),
    };
    ingest(app, delivery).await.unwrap()
}

async fn wait_for_score(app: &App, token: &str) -> u8 {
    let site = site(app).await;
    for _ in 0..1_000 {
        let verdict = verdict(app, &site, token, &RequestContext::default()).await;
        if verdict.verdict != Band::NotComputed {
            return verdict.score;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("no score for {token}")
}

#[tokio::test]
async fn unscored_sessions_are_scored_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (early, late, forgotten);
    {
        let app = open(folder.path()).await;
        make_site(&app).await;
        jobs::start(&app);
        early = send(&app, None, 0).await.token;
        wait_for_score(&app, &early).await;
        app.jobs.stop(Duration::from_secs(5)).await;
        // From here on nobody scores, as if the process had ended right after the answer.
        late = send(&app, None, 0).await.token;
        forgotten = send(&app, Some(&early), 5).await;
        assert_eq!((forgotten.accepted, forgotten.duplicates), (5, 0));
    }
    let app = open(folder.path()).await;
    let before = verdict(&app, &site(&app).await, &late, &RequestContext::default()).await;
    assert_eq!(before.verdict, Band::NotComputed);
    jobs::start(&app);
    // No user agent was sent, which is evidence: 35.
    assert_eq!(wait_for_score(&app, &late).await, 35);
    let session = app.storage.get::<StoredSession>(&session_id(1, &early)).await.unwrap().unwrap();
    assert_eq!(session.signals.aggregate().browser_events, 10);
    // Everything acknowledged is known: sent again, it is all duplicates.
    let again = send(&app, Some(&late), 0).await;
    assert_eq!((again.token, again.accepted, again.duplicates), (late, 0, 5));
    let again = send(&app, Some(&early), 5).await;
    assert_eq!((again.accepted, again.duplicates), (0, 5));
    app.jobs.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn an_unreadable_batch_keeps_no_session_from_its_score() {
    let folder = tempfile::tempdir().unwrap();
    let late;
    {
        let app = open(folder.path()).await;
        make_site(&app).await;
        let body =
            json!({ "id": "0", "project_id": 1, "token": "sess_x", "events": [{ "payload": "poison" }] });
        let content = Content { parent: String::new(), expires_at: None, body: body.to_string() };
        let poison = Put {
            kind: StoredBatch::KIND,
            id: "0".to_owned(),
            condition: Condition::Absent,
            content: Some(content),
            short_lived: false,
        };
        app.storage.write(vec![poison]).await.unwrap();
        assert!(app.storage.get::<StoredBatch>("0").await.is_err());
        late = send(&app, None, 0).await.token;
    }
    let app = open(folder.path()).await;
    jobs::start(&app);
    assert_eq!(wait_for_score(&app, &late).await, 35);
    app.jobs.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn shutdown_scores_what_waits() {
    let folder = tempfile::tempdir().unwrap();
    let app = open(folder.path()).await;
    make_site(&app).await;
    let tokens = [send(&app, None, 0).await.token, send(&app, None, 0).await.token];
    jobs::start(&app);
    app.jobs.stop(Duration::from_secs(5)).await;
    for token in tokens {
        let verdict = verdict(&app, &site(&app).await, &token, &RequestContext::default()).await;
        assert_ne!(verdict.verdict, Band::NotComputed);
    }
}
