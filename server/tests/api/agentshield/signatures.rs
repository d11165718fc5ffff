//! Signed requests: the vectors of signatures, labels, nonces, and what was not supplied.

use quivive_core::signature::SigningPlan;
use quivive_server::jobs;
use quivive_server::tenant::directory::{self, NewProject};
use serde_json::{Value, json};

use super::signer::{Agent, claimed, outcome, spoofed, verified};
use super::site::{KEY, Site};
use super::tracked::detections;
use super::vectors::{Expected, assert_vector};

const UNDECLARED: Expected = (true, 0.90, "ai_agent", Some("undeclared_agent"), "000");
const SPOOFED: Expected = (true, 0.97, "scraper", Some("spoofed_identity"), "000");

fn chat_gpt() -> Agent {
    Agent::new(7, "https://chatgpt.com")
}

fn changed(request: &Value, path: &str, value: Value) -> Value {
    let mut request = request.clone();
    *request.pointer_mut(path).unwrap() = value;
    request
}

#[tokio::test]
async fn vectors_22_to_26_of_signatures() {
    let site = Site::start().await;
    let agent = chat_gpt();
    let now = site.server.app.now();
    let signed = agent.request(&Agent::plan(now));
    let answer = assert_vector(&site, 22, &signed, UNDECLARED).await;
    assert_eq!(answer["extended"]["verification"]["status"], "claimed");
    assert_eq!(answer["extended"]["verification"]["signatureAgent"], "https://chatgpt.com");

    agent.publish(&site).await;
    let answer =
        assert_vector(&site, 23, &signed, (true, 1.0, "ai_agent", Some("browser_agent"), "000")).await;
    let verification = &answer["extended"]["verification"];
    assert_eq!(
        (&verification["status"], &verification["method"], &verification["forgeability"]),
        (&json!("verified"), &json!("http_signature"), &json!("low"))
    );
    assert_eq!(verification["keyid"], agent.thumbprint());
    assert_eq!(answer["extended"]["agent"]["name"], "ChatGPT agent");
    assert_eq!(answer["extended"]["signals"][0]["id"], "sig.verified");

    let altered = changed(&signed, "/url", json!("https://shop.example/other"));
    assert_vector(&site, 24, &altered, SPOOFED).await;
    let late = SigningPlan { created: now.plus_milliseconds(-7_200_000), ..Agent::plan(now) };
    assert_vector(&site, 25, &agent.request(&late), SPOOFED).await;
    let mut without = signed.clone();
    without.as_object_mut().unwrap().remove("url");
    assert_vector(&site, 26, &without, UNDECLARED).await;
}

#[tokio::test]
async fn what_proved_an_identity_is_kept_with_the_detection() {
    let site = Site::start().await;
    jobs::start(&site.server.app);
    let agent = chat_gpt();
    agent.publish(&site).await;
    assert_eq!(outcome(&site, &agent.request(&Agent::plan(site.server.app.now()))).await, verified());
    let row = detections(&site, 1).await.remove(0);
    let expected = json!({
        "method": "http_signature", "keyId": agent.thumbprint(), "signatureAgent": "https://chatgpt.com",
    });
    assert_eq!(row["proof"], expected);
    let key = site.writer().await;
    let path =
        format!("/api/v1/projects/{}/detections?include=verification", site.public_id(site.project).await);
    let listed = site.call(&key, "GET", &path, Value::Null).await.json;
    assert_eq!(
        listed["detections"][0]["extended"]["verification"],
        json!({
            "status": "verified", "method": "http_signature", "keyid": agent.thumbprint(),
            "signatureAgent": "https://chatgpt.com",
        })
    );
    site.detect(&json!({ "userAgent": "curl/8.5.0" })).await;
    assert!(detections(&site, 2).await.iter().any(|row| row["proof"].is_null()), "nothing where nothing is");
}

/// Any label will do, and the older bare form of the agent's header.
#[tokio::test]
async fn labels_and_forms_of_the_agents_header_are_free() {
    let site = Site::start().await;
    let agent = chat_gpt();
    agent.publish(&site).await;
    let now = site.server.app.now();
    for label in ["sig2", "a-very-long-label_with.marks*", "x"] {
        let plan = SigningPlan { label: label.to_owned(), ..Agent::plan(now) };
        assert_eq!(outcome(&site, &agent.request(&plan)).await, verified(), "{label}");
    }
    let signed = agent.request(&Agent::plan(now));
    let bare = changed(&signed, "/headers/signature-agent", json!("\"https://chatgpt.com\""));
    assert_eq!(outcome(&site, &bare).await, spoofed(), "the signature covers a member of a dictionary");
}

#[tokio::test]
async fn what_was_tampered_with_is_spoofed() {
    let site = Site::start().await;
    let agent = chat_gpt();
    agent.publish(&site).await;
    let now = site.server.app.now();
    let signed = agent.request(&Agent::plan(now));
    assert_eq!(outcome(&site, &signed).await, verified());
    let input = signed["headers"]["signature-input"].as_str().unwrap().to_owned();
    for (path, value) in [
        ("/method", json!("POST")),
        ("/url", json!("https://other.example/cart?id=5")),
        ("/headers/signature", json!("sig1=:AAAA:")),
        ("/headers/signature", json!("not a dictionary(")),
        ("/headers/signature-input", json!(input.replace(";expires=", ";expires=1"))),
        ("/headers/signature-input", json!(input.replace("\"@path\"", "\"@query\""))),
        ("/headers/signature-input", json!("sig1=")),
    ] {
        let altered = changed(&signed, path, value);
        assert_ne!(altered, signed);
        let (status, method, bot_type) = outcome(&site, &altered).await;
        assert_ne!((status.as_str(), method.as_str()), ("verified", "http_signature"), "{path}");
        assert!(bot_type == "scraper" || status == "claimed", "{path}: {status} {bot_type}");
    }
    // Another origin's key proves nothing about this one.
    let other = Agent { origin: "https://agent.bot.goog".to_owned(), ..chat_gpt() };
    assert_eq!(outcome(&site, &other.request(&Agent::plan(now))).await, claimed());
    // Nor does a signature that would hold for longer than a day.
    let long = SigningPlan { lifetime_seconds: 90_000, ..Agent::plan(now) };
    assert_eq!(outcome(&site, &agent.request(&long)).await, spoofed());
}

#[tokio::test]
async fn what_was_not_supplied_weakens_and_refutes_nothing() {
    let site = Site::start().await;
    let agent = chat_gpt();
    agent.publish(&site).await;
    let signed = agent.request(&Agent::plan(site.server.app.now()));
    for member in ["url", "method"] {
        let mut without = signed.clone();
        without.as_object_mut().unwrap().remove(member);
        assert_eq!(outcome(&site, &without).await, claimed(), "{member}");
    }
    // The host stands in for the authority.
    let mut by_host = changed(&signed, "/url", json!("/cart?id=5"));
    by_host["headers"]["host"] = json!("shop.example");
    assert_eq!(outcome(&site, &by_host).await, verified());
}

#[tokio::test]
async fn a_nonce_holds_once_for_each_project() {
    let site = Site::start().await;
    let agent = chat_gpt();
    agent.publish(&site).await;
    let now = site.server.app.now();
    let plan = SigningPlan { nonce: Some("a-nonce-of-one-use".to_owned()), ..Agent::plan(now) };
    let signed = agent.request(&plan);
    let path = format!(
        "/api/v1/projects/{}/policy/test",
        directory::project(&site.server.app, site.project).await.unwrap().public_id
    );
    let tried = site.detect_at(&path, &signed).await;
    assert_eq!(tried.json["detection"]["confidence"], 1.0, "{:?}", tried.json);
    assert_eq!(outcome(&site, &signed).await, verified(), "a trial spends nothing");
    assert_eq!(outcome(&site, &signed).await, spoofed());
    // Signatures without a nonce may come again.
    let plain = agent.request(&Agent::plan(now));
    for _ in 0..2 {
        assert_eq!(outcome(&site, &plain).await, verified());
    }
    let second = NewProject { account_id: site.account, name: "Blog".to_owned(), ..NewProject::default() };
    let second = directory::create_project(&site.server.app, second).await.unwrap();
    let headers = [("x-agentshield-key", KEY), ("x-agentshield-project", second.public_id.as_str())];
    let answer = site.server.call("POST", "/api/v1/detect", &headers, signed.to_string()).await;
    assert_eq!(answer.json["confidence"], 1.0, "another site was not visited before");
    site.server.advance(3_700_000);
    assert_eq!(outcome(&site, &signed).await, spoofed(), "expired");
}

#[tokio::test]
async fn of_many_requests_with_one_nonce_one_holds() {
    let site = Site::start().await;
    let agent = chat_gpt();
    agent.publish(&site).await;
    let plan =
        SigningPlan { nonce: Some("raced-for-nonce".to_owned()), ..Agent::plan(site.server.app.now()) };
    let signed = agent.request(&plan);
    let outcomes = futures::future::join_all((0..20).map(|_| outcome(&site, &signed))).await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == verified()).count(), 1);
}

#[tokio::test]
async fn a_policy_can_ask_for_signatures() {
    let site = Site::start().await;
    let agent = chat_gpt();
    agent.publish(&site).await;
    let app = &site.server.app;
    let project =
        directory::change_project(app, site.project, |project| project.detection.is_blocking = true);
    let project = project.await.unwrap();
    let writer = quivive_server::tenant::detection_key::NewKey {
        project_id: site.project,
        scopes: Some(vec![quivive_server::tenant::detection_key::Scope::Write]),
        ..Default::default()
    };
    let writer = site.key(writer).await;
    let policy = json!({
        "thresholds": { "confidenceAction": "block", "trustSignedRequests": true },
        "rules": [{ "id": "unsigned", "action": "instruct", "conditions": [
            { "field": "signatureVerified", "operator": "equals", "value": false },
            { "field": "botType", "operator": "equals", "value": "ai_agent" }] }]
    });
    let path = format!("/api/v1/projects/{}/policy", project.public_id);
    let put = site.server.call("PUT", &path, &[("x-agentshield-key", &writer)], policy.to_string()).await;
    assert_eq!(put.status, 200);
    let enforce = async |body: &Value| {
        let mut body = body.clone();
        body["options"] = json!({ "includeDetectionResult": true });
        let answer =
            site.server.call("POST", "/api/v1/enforce", &[("x-agentshield-key", KEY)], body.to_string());
        answer.await.json["data"].clone()
    };
    let signed = enforce(&agent.request(&Agent::plan(app.now()))).await;
    assert_eq!(signed["decision"]["action"], "allow", "{signed}");
    assert_eq!(signed["decision"]["metadata"]["signatureVerified"], true);
    assert_eq!(signed["detection"]["verificationMethod"], "signature");
    assert_eq!(signed["detection"]["reasonCodes"][0], "detection/rfc9421-signature-verified");
    let named = json!({ "userAgent": "Mozilla/5.0 (compatible; ChatGPT-User/1.0; +https://openai.com/bot)" });
    assert_eq!(enforce(&named).await["decision"]["action"], "instruct");
}
