//! What a receiver gets, and who gets nothing.

use std::io::Write;

use hickory_proto::rr::RecordType;
use serde_json::{Value, json};

use super::super::receiver::{Receiver, is_genuine, signatures};
use super::super::site::Site;
use super::{HOUR, Owner};
use crate::dns::{DnsServer, Reply, data};

#[tokio::test]
async fn a_receiver_over_https_can_tell_that_a_notice_is_genuine() {
    let (dns, receiver) = (DnsServer::start().await, Receiver::tls("hooks.example").await);
    dns.set("hooks.example", RecordType::A, Reply::Records(vec![data("127.0.0.1")]));
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(receiver.certificate.as_bytes()).unwrap();
    let site = Site::with(|config| {
        config.webhooks.ports = Vec::new();
        config.outbound.dns_servers = vec![dns.address];
        config.outbound.allow_private = vec!["127.0.0.1/32".parse().unwrap()];
        config.outbound.certificates = Some(file.path().to_str().unwrap().to_owned());
    });
    let owner = Owner::of(site.await).await;
    let url = format!("https://hooks.example:{}/hook?tenant=7", receiver.port);
    let (hook, secret) = owner.hook(json!({ "url": url, "events": ["detection.created"] })).await;
    let test = owner.call("POST", &format!("{hook}/test"), Value::Null).await;
    assert_eq!(test.status, 202);
    let delivery_id = test.json["deliveryId"].as_str().unwrap();
    assert!(delivery_id.starts_with("dlv_") && delivery_id.len() == 30);
    owner.deliver().await;
    let received = receiver.received();
    assert_eq!(received.len(), 1, "{:?}", owner.deliveries(&hook).await);
    let received = &received[0];
    assert_eq!(received.line, "POST /hook?tenant=7 HTTP/1.1");
    for (name, value) in [
        ("content-type", "application/json"),
        ("user-agent", "Quivive-Webhooks/1"),
        ("x-agentshield-event", "webhook.test"),
        ("x-agentshield-delivery", delivery_id),
    ] {
        assert_eq!(received.header(name), value);
    }
    assert!(received.header("host").starts_with("hooks.example"));
    let body = received.json();
    assert_eq!(body["event"], "webhook.test");
    assert_eq!(body["data"], json!({ "webhookId": hook.trim_start_matches('/') }));
    assert!((owner.now() - body["timestamp"].as_i64().unwrap()).abs() <= 2);
    assert_eq!(body.as_object().unwrap().len(), 3);
    assert_eq!(signatures(received), 1);
    assert!(is_genuine(&secret, received, owner.now()));
    // The check can fail: another secret, another body, an old capture.
    assert!(!is_genuine("whsec_other", received, owner.now()));
    let mut changed = received.clone();
    changed.body.push(' ');
    assert!(!is_genuine(&secret, &changed, owner.now()));
    assert!(!is_genuine(&secret, received, owner.now() + 310));

    let log = owner.deliveries(&hook).await;
    let moment = &log[0]["createdAt"];
    let expected = json!({
        "id": delivery_id, "event": "webhook.test", "status": "delivered", "attempts": 1, "lastStatusCode": 200,
        "lastError": null, "createdAt": moment, "deliveredAt": moment,
    });
    assert_eq!(log, [expected]);
}

#[tokio::test]
async fn a_certificate_for_another_name_gets_nothing() {
    let (dns, receiver) = (DnsServer::start().await, Receiver::tls("hooks.example").await);
    dns.set("hooks.example", RecordType::A, Reply::Records(vec![data("127.0.0.1")]));
    let site = Site::with(|config| {
        config.webhooks.ports = Vec::new();
        config.outbound.dns_servers = vec![dns.address];
        config.outbound.allow_private = vec!["127.0.0.1/32".parse().unwrap()];
    });
    let owner = Owner::of(site.await).await;
    let url = format!("https://hooks.example:{}/", receiver.port);
    let (hook, _) = owner.hook(json!({ "url": url, "events": ["detection.created"] })).await;
    owner.notify(&hook, 1).await;
    owner.deliver().await;
    assert_eq!(receiver.count(), 0);
    let log = owner.deliveries(&hook).await;
    assert_eq!((&log[0]["status"], &log[0]["lastStatusCode"]), (&json!("pending"), &Value::Null));
    assert!(log[0]["lastError"].is_string());
}

#[tokio::test]
async fn a_replaced_secret_signs_for_another_day() {
    let (owner, receiver) = (Owner::start().await, Receiver::start().await);
    let (hook, first) = owner.hook_for(&receiver, "detection.created").await;
    let rotated = owner.call("POST", &format!("{hook}/rotate-secret"), Value::Null).await;
    assert_eq!((rotated.status.as_u16(), rotated.json.as_object().unwrap().len()), (200, 1));
    let second = rotated.json["secret"].as_str().unwrap();
    assert!(second.starts_with("whsec_") && second != first);
    owner.notify(&hook, 1).await;
    owner.deliver().await;
    let received = receiver.received().remove(0);
    assert_eq!(signatures(&received), 2);
    assert!(is_genuine(&first, &received, owner.now()) && is_genuine(second, &received, owner.now()));
    owner.site.server.advance(24 * HOUR);
    owner.notify(&hook, 1).await;
    owner.deliver().await;
    let received = receiver.received().remove(1);
    assert_eq!(signatures(&received), 1);
    assert!(!is_genuine(&first, &received, owner.now()) && is_genuine(second, &received, owner.now()));
}

#[tokio::test]
async fn names_that_lead_inside_get_nothing_however_often_they_change_their_mind() {
    let (dns, inside) = (DnsServer::start().await, Receiver::inside("127.0.0.2").await);
    let owner = Owner::with(|config| config.outbound.dns_servers = vec![dns.address]).await;
    dns.set("inside.example", RecordType::A, Reply::Records(vec![data("127.0.0.2")]));
    dns.set("metadata.example", RecordType::A, Reply::Records(vec![data("169.254.169.254")]));
    dns.set("six.example", RecordType::AAAA, Reply::Records(vec![data("::ffff:127.0.0.2")]));
    // Public (here: permitted) at the first question, private from the second on.
    let turns = vec![vec![data("127.0.0.1")], vec![data("127.0.0.2")]];
    dns.set("rebound.example", RecordType::A, Reply::InTurn(turns));
    let mut hooks = Vec::new();
    for host in ["inside.example", "metadata.example", "six.example", "rebound.example"] {
        let url = format!("http://{host}:{}/", inside.port);
        let (hook, _) = owner.hook(json!({ "url": url, "events": ["detection.created"] })).await;
        owner.notify(&hook, 1).await;
        hooks.push((host, hook));
    }
    owner.deliver().await;
    owner.site.server.advance(6_000);
    owner.deliver().await;
    assert_eq!(inside.count(), 0);
    for (host, hook) in hooks {
        let log = owner.deliveries(&hook).await;
        assert_eq!(log[0]["attempts"], 2, "{host}");
        assert_eq!(log[0]["lastError"], format!("{host} is not on the public internet"));
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (owner, other) = (Owner::start().await, Receiver::start().await);
    for status in ["301 Moved", "302 Found", "307 Elsewhere", "308 Elsewhere"] {
        let receiver = Receiver::start().await;
        receiver.answer(&[&format!("{status}\r\nLocation: {}", other.url())]);
        let (hook, _) = owner.hook_for(&receiver, "detection.created").await;
        owner.notify(&hook, 1).await;
        owner.deliver().await;
        let log = owner.deliveries(&hook).await;
        assert_eq!(log[0]["status"], "pending");
        assert_eq!(log[0]["lastError"], format!("status {}", &status[..3]));
    }
    assert_eq!(other.count(), 0);
}
