//! How often a delivery is tried, and what becomes of one that fails.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quivive_server::audit;
use quivive_server::flows::webhooks::{self, Hook};
use quivive_server::jobs;
use quivive_server::storage::sqlite::Sqlite;
use quivive_server::tenant::directory::{self, NewUser};
use serde_json::{Value, json};

use super::super::receiver::{Received, Receiver, is_genuine};
use super::super::site::Site;
use super::{HOUR, Owner, PUBLIC, permit_this_machine};
use crate::support::Server;

#[tokio::test]
async fn a_failing_receiver_is_tried_eight_times_at_growing_pauses() {
    let (owner, receiver) = (Owner::start().await, Receiver::start().await);
    receiver.answer(&["500 Oops"; 8]);
    let (hook, secret) = owner.hook_for(&receiver, "detection.created").await;
    owner.notify(&hook, 1).await;
    let seconds = [5, 30, 120, 600, 3_600, 21_600, 86_400];
    for (tries, pause) in seconds.into_iter().enumerate() {
        owner.deliver().await;
        assert_eq!(receiver.count(), tries + 1);
        let app = &owner.site.server.app;
        let log = webhooks::deliveries(app, hook.trim_start_matches('/')).await.unwrap();
        assert_eq!((log[0].status, log[0].attempts), (webhooks::Status::Pending, tries as u32 + 1));
        assert_eq!((log[0].last_status_code, log[0].last_error.as_deref()), (Some(500), Some("status 500")));
        // Not before four fifths of the pause, not after six fifths.
        owner.site.server.advance(pause * 800 - 1);
        owner.deliver().await;
        assert_eq!(receiver.count(), tries + 1, "too early after {pause} s");
        owner.site.server.advance(pause * 400 + 1);
    }
    owner.deliver().await;
    assert_eq!(receiver.count(), 8);
    let log = owner.deliveries(&hook).await;
    assert_eq!((&log[0]["status"], &log[0]["attempts"]), (&json!("failed"), &json!(8)));
    assert_eq!(log[0]["deliveredAt"], Value::Null);
    owner.site.server.advance(100 * HOUR);
    owner.deliver().await;
    assert_eq!(receiver.count(), 8, "given up is given up");
    let received = receiver.received();
    assert!(is_genuine(&secret, &received[0], received_at(&received[0])));
    let ids: std::collections::HashSet<_> =
        received.iter().map(|one| one.header("x-agentshield-delivery").to_owned()).collect();
    assert_eq!(ids.len(), 1, "every try has the same id");
    let times: std::collections::HashSet<_> = received.iter().map(received_at).collect();
    assert_eq!(times.len(), 8, "and is signed anew");
}

fn received_at(received: &Received) -> i64 {
    let line = received.header("x-agentshield-signature");
    line.strip_prefix("t=").unwrap().split(',').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_notice_that_fails_once_arrives() {
    let (owner, receiver) = (Owner::start().await, Receiver::start().await);
    receiver.answer(&["503 Later"]);
    let (hook, _) = owner.hook_for(&receiver, "detection.created").await;
    owner.notify(&hook, 1).await;
    owner.deliver().await;
    owner.site.server.advance(6_000);
    owner.deliver().await;
    let log = owner.deliveries(&hook).await;
    assert_eq!((log.len(), &log[0]["status"], &log[0]["attempts"]), (1, &json!("delivered"), &json!(2)));
    assert_eq!((&log[0]["lastStatusCode"], &log[0]["lastError"]), (&json!(200), &Value::Null));
}

#[tokio::test]
async fn a_receiver_that_is_gone_gets_nothing_more() {
    let (owner, receiver) = (Owner::start().await, Receiver::start().await);
    receiver.answer(&["410 Gone"]);
    let (hook, _) = owner.hook_for(&receiver, "detection.created").await;
    owner.notify(&hook, 1).await;
    owner.deliver().await;
    assert_eq!(owner.call("GET", &hook, Value::Null).await.json["enabled"], false);
    assert_eq!(owner.deliveries(&hook).await[0]["status"], "failed");
    owner.notify(&hook, 1).await;
    owner.deliver().await;
    assert_eq!(receiver.count(), 1);
    let log = owner.deliveries(&hook).await;
    assert_eq!(
        (&log[0]["status"], &log[0]["lastError"]),
        (&json!("failed"), &json!("the webhook is switched off"))
    );
    // A test goes out all the same; switched on again, everything does.
    owner.call("POST", &format!("{hook}/test"), Value::Null).await;
    owner.deliver().await;
    assert_eq!(receiver.count(), 2);
    assert_eq!(owner.call("PATCH", &hook, json!({ "enabled": true })).await.json["enabled"], true);
    owner.notify(&hook, 1).await;
    owner.deliver().await;
    assert_eq!(receiver.count(), 3);
    let trail = audit::latest(&owner.site.server.app, &owner.site.project.to_string(), 10).await.unwrap();
    let disabled = trail.iter().find(|entry| entry["action"] == "webhook.disabled").unwrap();
    assert_eq!(
        (&disabled["details"]["reason"], &disabled["actor"]["kind"]),
        (&json!("gone"), &json!("server"))
    );
}

#[tokio::test]
async fn a_webhook_that_fails_for_three_days_is_switched_off_and_its_owners_are_told() {
    let receiver = Receiver::start().await;
    let owner = Owner::with(|config| config.development = true).await;
    let app = &owner.site.server.app;
    let new = NewUser { name: "Ada".to_owned(), email: "ada@example.com".to_owned(), ..NewUser::default() };
    let user = directory::create_user(app, new).await.unwrap();
    directory::put_membership(app, owner.site.account, user.id, None).await.unwrap();
    receiver.answer(&["500 Oops"; 100]);
    let (hook, _) = owner.hook_for(&receiver, "detection.created").await;
    let is_enabled = async || owner.call("GET", &hook, Value::Null).await.json["enabled"].as_bool().unwrap();
    for _ in 0..3 {
        owner.notify(&hook, 1).await;
        owner.deliver().await;
        assert!(is_enabled().await);
        owner.site.server.advance(24 * HOUR - 10_000);
    }
    owner.notify(&hook, 1).await;
    owner.deliver().await;
    assert!(is_enabled().await, "a moment is missing");
    owner.site.server.advance(60_000);
    owner.notify(&hook, 1).await;
    owner.deliver().await;
    assert!(!is_enabled().await);
    let mails = app.mail.kept();
    assert_eq!((mails.len(), mails[0].to.as_str()), (1, "ada@example.com"));
    assert!(mails[0].text.contains(hook.trim_start_matches('/')) && mails[0].text.contains("72 hours"));

    // One success in between and the days count from there.
    let second = Receiver::start().await;
    let (hook, _) = owner.hook_for(&second, "detection.created").await;
    for answer in ["500 Oops", "200 OK", "500 Oops", "500 Oops"] {
        second.answer(&[answer; 9]);
        owner.notify(&hook, 1).await;
        owner.deliver().await;
        owner.site.server.advance(40 * HOUR);
    }
    assert!(owner.call("GET", &hook, Value::Null).await.json["enabled"].as_bool().unwrap());
}

#[tokio::test]
async fn a_slow_receiver_holds_up_nobody_else() {
    let (slow, quick) = (Receiver::slow(Duration::from_secs(3)).await, Receiver::start().await);
    let owner = Owner::start().await;
    let (slow_hook, _) = owner.hook_for(&slow, "detection.created").await;
    let (quick_hook, _) = owner.hook_for(&quick, "detection.created").await;
    owner.notify(&slow_hook, 300).await;
    jobs::start(&owner.site.server.app);
    slow.until(4).await;
    let started = Instant::now();
    owner.notify(&quick_hook, 20).await;
    quick.until(20).await;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert!(slow.count() <= 4, "few of one receiver at a time");
}

#[tokio::test]
async fn what_waits_survives_a_restart() {
    let (database, receiver) = (Arc::new(Sqlite::in_memory().unwrap()), Receiver::start().await);
    let server = Server::on(database.clone(), permit_this_machine).await;
    let owner = Owner::of(Site::on(server, "enterprise").await).await;
    let (hook, secret) = owner.hook_for(&receiver, "detection.created").await;
    owner.notify(&hook, 3).await;
    drop(owner);
    let again = Server::on(database, permit_this_machine).await;
    again.advance(10_000);
    webhooks::deliver_due(&again.app).await;
    assert_eq!(receiver.count(), 0, "nothing was read yet");
    jobs::start(&again.app);
    let received = receiver.until(3).await;
    assert!(received.iter().all(|one| is_genuine(&secret, one, again.app.now().seconds())));
    again.app.jobs.stop(Duration::from_secs(5)).await;
    webhooks::recover(&again.app).await.unwrap();
    webhooks::deliver_due(&again.app).await;
    assert_eq!(receiver.count(), 3, "what arrived is done");
}

#[tokio::test]
async fn of_more_than_ten_thousand_the_oldest_are_dropped_and_counted() {
    let owner = Owner::start().await;
    let (hook, _) = owner.hook(json!({ "url": PUBLIC, "events": ["detection.created"] })).await;
    let id = hook.trim_start_matches('/');
    owner.notify(&hook, 1).await;
    let oldest = owner.deliveries(&hook).await[0]["id"].clone();
    owner.site.server.advance(1_000);
    owner.notify(&hook, 10_001).await;
    let app = &owner.site.server.app;
    assert_eq!(app.storage.get::<Hook>(id).await.unwrap().unwrap().dropped, 2);
    webhooks::recover(app).await.unwrap();
    assert_eq!(
        app.storage.get::<Hook>(id).await.unwrap().unwrap().dropped,
        2,
        "they are gone from storage too"
    );
    assert!(owner.deliveries(&hook).await.iter().all(|delivery| delivery["id"] != oldest));
}
