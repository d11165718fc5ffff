//! Keys, pixels and webhooks by their forms.

use quivive_server::audit;
use quivive_server::flows::webhooks;

use super::*;

/// The id of the first entry of a list.
fn entry(page: &str, prefix: &str) -> String {
    let found =
        page.split(&format!("<li id=\"{prefix}")).nth(1).unwrap_or_else(|| panic!("no {prefix}: {page}"));
    format!("{prefix}{}", found.split('"').next().unwrap())
}

/// What the audit trail of a tenant names.
async fn noted(owner: &Owner, tenant: &str) -> Vec<String> {
    let events = audit::latest(&owner.site.server.app, tenant, 100).await.unwrap();
    events.iter().map(|event| event["action"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_key_is_shown_once_replaced_with_an_overlap_and_revoked() {
    let owner = Owner::start().await;
    let key = owner.key("name=Shop+server&scope-detect=on&scope-read=on&projects=this").await;
    assert!(key.starts_with("as_live_"), "{key}");
    assert_eq!(owner.detect(&key, GPTBOT).await.status, 200);
    let page = owner.page("/keys").await;
    assert!(!page.contains(&key) && page.contains(&key[..12]) && page.contains("Shop server"), "{page}");
    assert!(page.contains("detect, read") && page.contains("this project"));
    let id = entry(&page, "key_");

    let rotated = owner.post(&format!("/keys/{id}/rotate"), "overlap=3600").await;
    let next = secret(&rotated);
    assert_ne!(next, key);
    for good in [&key, &next] {
        assert_eq!(owner.detect(good, GPTBOT).await.status, 200);
    }
    owner.site.server.advance(3_601_000);
    assert_eq!(owner.detect(&key, GPTBOT).await.status, 401, "the overlap is over");
    assert_eq!(owner.detect(&next, GPTBOT).await.status, 200);

    let keys = detection_key::list(&owner.site.server.app, owner.site.account).await.unwrap();
    let id = keys.iter().find(|key| next.starts_with(&key.start)).unwrap().id.clone();
    let revoked = owner.post(&format!("/keys/{id}/revoke"), "").await;
    assert_eq!(revoked.status, 200);
    assert_eq!(owner.detect(&next, GPTBOT).await.status, 401);
    assert_eq!(owner.post(&format!("/keys/{id}/revoke"), "").await.status, 404, "it is gone");
}

#[tokio::test]
async fn a_key_of_another_account_is_as_good_as_none() {
    let owner = Owner::start().await;
    let stranger = owner.site.other_tenant(true).await;
    let new = detection_key::NewKey { project_id: stranger.project, ..Default::default() };
    let (foreign, _) = detection_key::make(&owner.site.server.app, new).await.unwrap();
    for what in ["rotate", "revoke"] {
        let answer = owner.post(&format!("/keys/{}/{what}", foreign.id), "overlap=0").await;
        assert_eq!(answer.status, 404, "{what}");
    }
    assert!(!owner.page("/keys").await.contains(&foreign.start));
    let kept = detection_key::list(&owner.site.server.app, stranger.account).await.unwrap();
    assert_eq!(kept.len(), 1, "nothing happened to it");
}

#[tokio::test]
async fn a_wrong_key_form_is_refused_beside_the_field() {
    let owner = Owner::start().await;
    assert!(fault(&owner.post("/keys", "name=x").await, "scopes").contains("at least one"));
    let past = owner.post("/keys", "scope-read=on&expires=2020-01-01").await;
    assert!(fault(&past, "expiresAt").contains("after"), "{}", text(&past));
    let unreadable = owner.post("/keys", "scope-read=on&expires=soon").await;
    assert!(fault(&unreadable, "expiresAt").contains("cannot be read"));
    let long = owner.post("/keys", &format!("scope-read=on&name={}", "x".repeat(101))).await;
    assert!(fault(&long, "name").contains("at most 100"));
    let keys = detection_key::list(&owner.site.server.app, owner.site.account).await.unwrap();
    assert!(keys.is_empty());
    let _ = owner.key("scope-read=on").await;
    let id = entry(&owner.page("/keys").await, "key_");
    let overlap = owner.post(&format!("/keys/{id}/rotate"), "overlap=86401").await;
    assert_eq!(overlap.status, 422);
    assert!(text(&overlap).contains("between 0 and 86400"));
}

#[tokio::test]
async fn a_pixel_is_made_set_switched_off_and_deleted() {
    let owner = Owner::start().await;
    let wrong = owner.post("/pixels", "enabled=on&allowedDomains=exa+mple&batchSize=1000").await;
    assert!(fault(&wrong, "allowedDomains").contains("cannot be read"));
    assert!(fault(&wrong, "batchSize").contains("between 1 and 100"));
    assert!(text(&wrong).contains("exa mple"), "what was written is kept");
    let made = owner.post("/pixels", "enabled=on&respectDoNotTrack=on&allowedDomains=Example.com").await;
    assert_eq!(made.status, 303);
    let page = owner.page("/pixels").await;
    let id = entry(&page, "px_");
    assert!(page.contains(&format!("/api/v1/pixel.js?id={id}")));

    let saved = owner.post(&format!("/pixels/{id}"), "allowedDomains=example.com&batchSize=5").await;
    assert_eq!(saved.status, 303);
    let stored = pixel::read(&owner.site.server.app, owner.site.project, &id).await.unwrap();
    assert_eq!((stored.settings.enabled, stored.settings.batch_size), (false, 5));
    assert!(owner.page(&format!("/pixels/{id}")).await.contains(">off<"));

    let stranger = owner.site.other_tenant(true).await;
    let app = &owner.site.server.app;
    let foreign = pixel::create(app, stranger.project, pixel::PixelSettings::default(), None).await.unwrap();
    assert_eq!(owner.get(&format!("/pixels/{}", foreign.id)).await.status, 404);
    for what in ["", "/delete"] {
        assert_eq!(owner.post(&format!("/pixels/{}{what}", foreign.id), "").await.status, 404);
    }
    assert_eq!(owner.post(&format!("/pixels/{id}/delete"), "").await.status, 303);
    assert_eq!(owner.get(&format!("/pixels/{id}")).await.status, 404);
    assert_eq!(pixel::list(app, stranger.project).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_webhook_is_made_tried_given_a_new_secret_and_deleted() {
    let owner = Owner::start().await;
    let made = owner.post("/webhooks", "url=https%3A%2F%2Fhooks.example.com%2Fin&event-detection.created=on&who=bots&minConfidence=80&enabled=on").await;
    assert_eq!(made.status, 200, "{}", text(&made));
    let first = secret(&made);
    let page = owner.page("/webhooks").await;
    assert!(!page.contains(&first) && page.contains("https://hooks.example.com/in"));
    let id = entry(&page, "wh_");
    let hook = webhooks::find(&owner.site.server.app, &owner.site.project.to_string(), &id).await.unwrap();
    assert_eq!((hook.filter.is_bot, hook.filter.min_confidence), (Some(true), Some(0.8)));

    assert_eq!(owner.post(&format!("/webhooks/{id}/test"), "").await.status, 303);
    let log = owner.page(&format!("/webhooks/{id}/deliveries")).await;
    assert!(log.contains("webhook.test"), "{log}");
    let second = secret(&owner.post(&format!("/webhooks/{id}/secret"), "").await);
    assert_ne!(first, second);

    let changed = owner
        .post(
            &format!("/webhooks/{id}"),
            "url=https%3A%2F%2Fhooks.example.com%2Fin&event-agent.spoofed=on&who=all",
        )
        .await;
    assert_eq!(changed.status, 303);
    let hook = webhooks::find(&owner.site.server.app, &owner.site.project.to_string(), &id).await.unwrap();
    assert_eq!(
        (hook.is_enabled, hook.filter.is_bot, hook.events.as_slice()),
        (false, None, &["agent.spoofed".to_owned()][..])
    );
    assert_eq!(owner.post(&format!("/webhooks/{id}/delete"), "").await.status, 303);
    assert_eq!(owner.get(&format!("/webhooks/{id}")).await.status, 404);
    let actions = noted(&owner, &owner.site.project.to_string()).await;
    for action in ["webhook.created", "webhook.changed", "webhook.secret_rotated", "webhook.deleted"] {
        assert!(actions.iter().any(|noted| noted == action), "{action}: {actions:?}");
    }
}

#[tokio::test]
async fn a_wrong_webhook_form_is_refused_beside_the_field() {
    let owner = Owner::start().await;
    for (url, wanted) in [
        ("https%3A%2F%2F127.0.0.1%2F", "public one"),
        ("https%3A%2F%2Fdb.internal%2F", "public one"),
        ("http%3A%2F%2Fexample.com%2F", "https://"),
        ("https%3A%2F%2Fa%3Ab%40example.com%2F", "user name"),
        ("nonsense", "complete URL"),
    ] {
        let answer = owner.post("/webhooks", &format!("url={url}&event-detection.created=on")).await;
        assert!(fault(&answer, "url").contains(wanted), "{url}: {}", fault(&answer, "url"));
    }
    let good = "url=https%3A%2F%2Fexample.com%2F";
    assert!(fault(&owner.post("/webhooks", good).await, "events").contains("at least one"));
    let most = owner
        .post("/webhooks", &format!("{good}&event-webhook.test=on&botsPerMinute=many&minConfidence=200"))
        .await;
    assert!(fault(&most, "botsPerMinute").contains("another form"));
    assert!(fault(&most, "filter-minConfidence").contains("between 0"));
    assert!(
        webhooks::list(&owner.site.server.app, &owner.site.project.to_string()).await.unwrap().is_empty()
    );

    let made = owner.post("/webhooks", &format!("{good}&event-webhook.test=on")).await;
    let id = entry(&owner.page("/webhooks").await, "wh_");
    assert_eq!(made.status, 200);
    let stranger = owner.site.other_tenant(true).await;
    let user = directory::api_token(&owner.site.server.app, &stranger.token).await.unwrap().unwrap().user_id;
    let browser = log_in(&owner.site.server, user).await;
    let theirs = format!("/-/console/projects/{}/detections/webhooks/{id}", stranger.project);
    assert_eq!(browser.get(&owner.site.server, &theirs).await.status, 404);
    for what in ["", "/test", "/secret", "/delete"] {
        let answer = browser.post(&owner.site.server, &format!("{theirs}{what}"), good).await;
        assert_eq!(answer.status, 404, "{what}");
    }
}
