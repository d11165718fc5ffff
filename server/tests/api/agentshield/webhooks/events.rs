//! Which events are told, and what of them.

use std::time::Duration;

use quivive_core::agent::{RequestFacts, ReverseDnsAnswer};
use quivive_core::decision::Action;
use quivive_server::jobs;
use quivive_server::tenant::directory;
use serde_json::{Value, json};

use super::super::receiver::{Receiver, is_genuine};
use super::super::tracked::pixel;
use super::{HOUR, Owner, from};

#[tokio::test]
async fn detections_are_told_in_the_documented_form() {
    let (owner, receiver) = (Owner::start().await, Receiver::start().await);
    let project = owner.site.public_id(owner.site.project).await;
    let (_, secret) = owner.hook_for(&receiver, "detection.created").await;
    jobs::start(&owner.site.server.app);
    let person = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
    owner.observe(from(person), Action::Allow, false).await;
    owner.observe(from("curl/8.5.0"), Action::Allow, true).await;
    let answer =
        owner.site.detect_at("/api/v1/detect?include=class", &json!({ "userAgent": "curl/8.5.0" })).await;
    let received = receiver.until(1).await;
    assert_eq!(
        received[0].json(),
        json!({
            "event": "detection.created",
            "data": {
                "id": answer.json["extended"]["detectionId"], "projectId": project, "isBot": true,
                "confidence": answer.json["confidence"],
            },
            "timestamp": owner.now(),
        })
    );
    let order: Vec<_> = received[0].json().as_object().unwrap().keys().cloned().collect();
    assert_eq!(order, ["event", "data", "timestamp"]);
    assert!(is_genuine(&secret, &received[0], owner.now()));
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(receiver.count(), 1, "neither a person nor a test is told");
}

#[tokio::test]
async fn filters_choose_and_full_payloads_tell_everything() {
    let (owner, receiver, others) = (Owner::start().await, Receiver::start().await, Receiver::start().await);
    let full = json!({
        "url": receiver.url(), "events": ["detection.created"], "payload": "full",
        "filter": { "botType": ["crawler"], "minConfidence": 0.9 },
    });
    owner.hook(full).await;
    owner
        .hook(json!({ "url": others.url(), "events": ["detection.created"], "filter": { "isBot": false } }))
        .await;
    jobs::start(&owner.site.server.app);
    owner.observe(from("curl/8.5.0"), Action::Allow, false).await;
    let facts = RequestFacts {
        ip: Some("203.0.113.7".parse().unwrap()),
        url: Some("https://ada:secret@example.org/a?token=secret#x".to_owned()),
        ..from("GPTBot/1.2")
    };
    let id = owner.observe(facts, Action::Log, false).await;
    let person = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
    let person = owner.observe(from(person), Action::Allow, false).await;
    let told = receiver.until(1).await[0].json();
    let data = &told["data"];
    assert_eq!(
        (&data["id"], &data["botType"], &data["isBot"]),
        (&json!(id), &json!("crawler"), &json!(true))
    );
    assert_eq!((&data["userAgent"], &data["ip"]), (&json!("GPTBot/1.2"), &json!("203.0.113.7")));
    assert_eq!(data["url"], "https://example.org/a");
    assert!(data["timestamp"].as_str().unwrap().ends_with('Z'));
    let extended = &data["extended"];
    assert_eq!(extended["class"]["subType"], "ai_training");
    assert!(extended["agent"]["id"].as_str().unwrap().contains("gptbot"));
    assert_eq!(
        (&extended["verification"]["status"], &extended["policy"]["action"]),
        (&json!("claimed"), &json!("log"))
    );
    assert!(!extended["signals"].as_array().unwrap().is_empty() && !told.to_string().contains("secret"));
    assert_eq!(others.until(1).await[0].json()["data"]["id"], json!(person));
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!((receiver.count(), others.count()), (1, 1));
}

#[tokio::test]
async fn an_agent_is_told_of_when_it_comes_first() {
    let (owner, receiver) = (Owner::start().await, Receiver::start().await);
    let project = owner.site.public_id(owner.site.project).await;
    jobs::start(&owner.site.server.app);
    // Before anybody listened.
    owner.observe(from("Googlebot/2.1 (+http://www.google.com/bot.html)"), Action::Allow, false).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    owner.hook_for(&receiver, "agent.first_seen").await;
    owner.site.server.advance(2_000);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    for agent in ["Googlebot/2.1 (+http://www.google.com/bot.html)", "curl/8.5.0", "GPTBot/1.2", "GPTBot/1.2"]
    {
        owner.observe(from(agent), Action::Allow, false).await;
    }
    let mut told: Vec<Value> = Vec::new();
    for _ in 0..100 {
        told = receiver.received().iter().map(|one| one.json()["data"].clone()).collect();
        if told.iter().any(|data| data["name"] == "GPTBot") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(told.iter().all(|data| data["name"] != "Googlebot"), "{told:?}");
    let gptbot: Vec<_> = receiver
        .received()
        .iter()
        .map(|one| one.json())
        .filter(|one| one["data"]["name"] == "GPTBot")
        .collect();
    assert_eq!(gptbot.len(), 1);
    let data = &gptbot[0]["data"];
    assert_eq!((&data["projectId"], &data["vendor"]), (&json!(project), &json!("OpenAI")));
    assert_eq!((&data["botType"], &data["verification"]), (&json!("crawler"), &json!("claimed")));
    assert!(data["agentId"].is_string() && data.as_object().unwrap().len() == 6);
}

#[tokio::test]
async fn spoofed_identities_and_enforced_refusals_are_told() {
    let (owner, receiver) = (Owner::start().await, Receiver::start().await);
    let project = owner.site.public_id(owner.site.project).await;
    owner.hook(json!({ "url": receiver.url(), "events": ["agent.spoofed", "detection.blocked"] })).await;
    let app = &owner.site.server.app;
    jobs::start(app);
    let spoofed = RequestFacts {
        ip: Some("203.0.113.7".parse().unwrap()),
        reverse_dns: Some(ReverseDnsAnswer {
            name: Some("host.example".to_owned()),
            forward_confirmed: true,
        }),
        ..from("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)")
    };
    // Refusals are not enforced in this project yet.
    let id = owner.observe(spoofed, Action::Block, false).await;
    let told = receiver.until(1).await[0].json();
    assert_eq!((&told["event"], &told["data"]["id"]), (&json!("agent.spoofed"), &json!(id)));
    let data = &told["data"];
    assert_eq!((&data["projectId"], &data["ip"]), (&json!(project), &json!("203.0.113.7")));
    assert_eq!(data["reason"], "address_has_another_name");
    assert!(data["claimed"].as_str().unwrap().contains("googlebot") && data.as_object().unwrap().len() == 5);

    directory::change_project(app, owner.site.project, |project| project.detection.is_blocking = true)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    owner.observe(from("curl/8.5.0"), Action::Log, false).await;
    let id = owner.observe(from("curl/8.5.0"), Action::Challenge, false).await;
    let told = receiver.until(2).await[1].json();
    let data = &told["data"];
    assert_eq!(told["event"], "detection.blocked");
    assert_eq!(
        (&data["id"], &data["action"], &data["ruleId"]),
        (&json!(id), &json!("challenge"), &Value::Null)
    );
    assert_eq!((&data["projectId"], &data["botType"]), (&json!(project), &json!("automation")));
    assert!(data["confidence"].as_f64().unwrap() > 0.5 && data.as_object().unwrap().len() == 6);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn too_many_bots_in_a_minute_are_told_once_in_ten_minutes() {
    let (owner, receiver) = (Owner::start().await, Receiver::start().await);
    let own = json!({ "url": receiver.url(), "events": ["threshold.exceeded"], "botsPerMinute": 3 });
    owner.hook(own).await;
    let patient = Receiver::start().await;
    owner.hook_for(&patient, "threshold.exceeded").await;
    let app = &owner.site.server.app;
    jobs::start(app);
    let bots = async |count: usize| {
        for _ in 0..count {
            owner.observe(from("curl/8.5.0"), Action::Allow, false).await;
        }
        tokio::time::sleep(Duration::from_millis(700)).await;
    };
    bots(3).await;
    assert_eq!(receiver.count(), 0, "as many as the figure are not too many");
    bots(2).await;
    let told = receiver.until(1).await[0].json();
    assert_eq!(
        (&told["event"], &told["data"]["metric"]),
        (&json!("threshold.exceeded"), &json!("bots_per_minute"))
    );
    assert_eq!((&told["data"]["threshold"], &told["data"]["windowSeconds"]), (&json!(3), &json!(60)));
    assert!((4..=5).contains(&told["data"]["value"].as_i64().unwrap()));
    bots(5).await;
    owner.site.server.advance(9 * 60_000);
    bots(5).await;
    assert_eq!(receiver.count(), 1);
    owner.site.server.advance(61_000);
    bots(5).await;
    assert_eq!((receiver.until(2).await.len(), patient.count()), (2, 0), "the server's own figure is 600");
}

#[tokio::test]
async fn a_used_up_day_is_told_once() {
    let receiver = Receiver::start().await;
    let mut owner = Owner::with(|config| config.limits.unauthenticated_per_second = 0).await;
    let (_, second) = owner.site.further_project("Blog").await;
    owner.hook_for(&receiver, "ratelimit.exceeded").await;
    owner.base = format!("/api/v1/projects/{second}/webhooks");
    owner.hook_for(&receiver, "ratelimit.exceeded").await;
    owner.hook_for(&receiver, "detection.created").await;
    let app = &owner.site.server.app;
    directory::change_account(app, owner.site.account, |account| account.plan.requests_per_day = Some(2))
        .await
        .unwrap();
    let mut last = Value::Null;
    for _ in 0..6 {
        owner.site.server.advance(1_000);
        last = owner
            .site
            .detect_at("/api/v1/detect", &json!({ "ip": "203.0.113.7", "record": false }))
            .await
            .json;
    }
    assert_eq!(last["error"]["details"]["window"], "day");
    owner.deliver().await;
    let told: Vec<Value> = receiver.received().iter().map(|one| one.json()).collect();
    assert_eq!(told.len(), 2, "each project once: {told:?}");
    let projects: std::collections::HashSet<_> =
        told.iter().map(|one| one["data"]["projectId"].to_string()).collect();
    assert_eq!((projects.len(), &told[0]["event"]), (2, &json!("ratelimit.exceeded")));
    assert_eq!(
        (&told[0]["data"]["limit"], &told[0]["data"]["reset"]),
        (&json!(2), &last["error"]["details"]["reset"])
    );
    owner.site.server.advance(24 * HOUR);
    for _ in 0..4 {
        owner.site.server.advance(1_000);
        owner.site.detect_at("/api/v1/detect", &json!({ "ip": "203.0.113.7", "record": false })).await;
    }
    owner.deliver().await;
    assert_eq!(receiver.count(), 4, "a new day is told again");
}

#[tokio::test]
async fn a_used_up_part_of_pages_is_told_once() {
    let (owner, receiver) = (Owner::start().await, Receiver::start().await);
    let site = &owner.site;
    owner.hook_for(&receiver, "ratelimit.exceeded").await;
    let pixel = pixel(site).await;
    directory::change_account(&site.server.app, site.account, |account| {
        account.plan.requests_per_day = Some(10);
    })
    .await
    .unwrap();
    for _ in 0..12 {
        site.bare("GET", &format!("/api/v1/pixel?id={pixel}"), &[]).await;
    }
    owner.deliver().await;
    assert_eq!(receiver.count(), 1);
    let told = receiver.received().remove(0).json();
    assert_eq!((&told["event"], &told["data"]["limit"]), (&json!("ratelimit.exceeded"), &json!(9)));
}
