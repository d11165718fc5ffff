//! What is kept in the data folder, and what is removed from it.

use std::path::Path;

use quivive_core::Timestamp;
use quivive_core::challenge::solve_speed;
use quivive_server::config::{Config, Profile};
use quivive_server::jobs;
use quivive_server::seed;
use quivive_server::serve;
use quivive_server::storage::{Condition, Content, Event, EventQuery, Put};
use quivive_server::tenant::detection_key::DetectionKey;
use quivive_server::tenant::{Account, credentials};
use serde_json::json;

use crate::support::Server;

async fn open(folder: &Path) -> Result<Server, serve::StartError> {
    let mut config = Config::defaults(Profile::Secure).unwrap();
    config.data = folder.join("data");
    Ok(Server::around(serve::open(config).await?))
}

#[tokio::test]
async fn keys_and_tokens_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let server = open(folder.path()).await.unwrap();
    let challenge = server.get("/v1/token").await.json["challenge"].clone();
    let numbers: Vec<u64> = challenge["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["num"].as_u64().unwrap())
        .collect();
    let body = json!({ "id": challenge["id"], "answers": solve_speed(&numbers) });
    let tokens = server.post("/v1/token/verify", &body).await.json;
    let keys = server.get("/.well-known/jwks").await.json;
    drop(server);

    let server = open(folder.path()).await.unwrap();
    assert_eq!(server.get("/.well-known/jwks").await.json, keys);
    let validated = server.post("/v1/token/validate", &json!({ "token": tokens["access_token"] })).await;
    assert_eq!(validated.json["valid"], true);
    let refresh = json!({ "refresh_token": tokens["refresh_token"] });
    assert_eq!(server.post("/v1/token/refresh", &refresh).await.status, 200);
    server.post("/v1/token/revoke", &json!({ "token": tokens["refresh_token"] })).await;
    drop(server);

    let server = open(folder.path()).await.unwrap();
    assert_eq!(server.post("/v1/token/refresh", &refresh).await.status, 401, "revocations survive as well");
}

#[cfg(unix)]
#[tokio::test]
async fn the_data_folder_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).await.unwrap());
    let mode = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("data"), 0o700);
    assert_eq!(mode("data/master.secret"), 0o600);
}

#[tokio::test]
async fn another_master_secret_does_not_open_the_keys() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).await.unwrap());
    std::fs::remove_file(folder.path().join("data/master.secret")).unwrap();
    let error = open(folder.path()).await.err().unwrap();
    assert!(error.to_string().contains("master.secret"), "{error}");
}

#[tokio::test]
async fn the_private_key_is_not_in_the_database() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).await.unwrap());
    let files: Vec<Vec<u8>> = std::fs::read_dir(folder.path().join("data"))
        .unwrap()
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    let holds =
        |text: &str| files.iter().any(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()));
    assert!(holds("\"sealed\":\""), "the search sees what records hold");
    let encoded = quivive_core::encoding::base64url(b"{\"kty");
    let begin = encoded.get(..6).unwrap();
    for private in [r#""d":""#, r#"\"d\":\""#, begin] {
        assert!(!holds(private), "{private}");
    }
}

#[tokio::test]
async fn a_seed_that_was_cut_off_is_finished_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let server = open(folder.path()).await.unwrap();
    let (seed, demo) = (seed::built_in().unwrap(), seed::demo().unwrap());
    let classify = async || {
        let key = [("X-AgentShield-Key", demo.api_key.as_str())];
        server.call("POST", "/api/v1/detect", &key, r#"{"userAgent":"GPTBot/1.2"}"#).await.status.as_u16()
    };
    assert!(seed::apply(&server.app, &seed).await.unwrap());
    // As a kill leaves it: the last record is missing, and so is the note that all are there.
    let content =
        Content { parent: String::new(), expires_at: None, body: r#"{"is_complete":false}"#.into() };
    let begun = Put {
        kind: "seeding",
        id: "seed".to_owned(),
        condition: Condition::Any,
        content: Some(content),
        short_lived: false,
    };
    let missing = Put::delete::<DetectionKey>(credentials::hash(&demo.api_key));
    server.app.storage.write(vec![begun, missing]).await.unwrap();
    server.app.callers.forget();
    assert_eq!(classify().await, 401);
    assert!(seed::apply(&server.app, &seed).await.unwrap());
    server.app.callers.forget();
    assert_eq!(classify().await, 200);
    assert!(!seed::apply(&server.app, &seed).await.unwrap());
}

#[tokio::test]
async fn a_seed_that_contradicts_itself_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let server = open(folder.path()).await.unwrap();
    let file = folder.path().join("seed.toml");
    std::fs::write(&file, "[[accounts]]\nid = 7\nname = \"A\"\n[[accounts]]\nid = 7\nname = \"B\"\n")
        .unwrap();
    let error = seed::apply(&server.app, &seed::read(&file).unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("account 7"), "{error}");
    assert!(server.app.storage.list::<Account>("", None, 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_folder_or_file_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("data"), "a file").unwrap();
    let error = open(folder.path()).await.err().unwrap();
    assert!(error.to_string().contains("data folder") && error.to_string().contains("--data"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/quivive.db"), "x".repeat(4096)).unwrap();
    let error = open(folder.path()).await.err().unwrap();
    assert!(error.to_string().contains("quivive.db"), "{error}");
}

#[tokio::test]
async fn a_seed_goes_into_an_empty_database_alone() {
    let folder = tempfile::tempdir().unwrap();
    let server = open(folder.path()).await.unwrap();
    let seed = seed::built_in().unwrap();
    assert!(seed::apply(&server.app, &seed).await.unwrap());
    assert!(!seed::apply(&server.app, &seed).await.unwrap());
    assert_eq!(server.app.storage.list::<Account>("", None, 10).await.unwrap().len(), 1);
    let demo = seed::demo().unwrap();
    let bearer = format!("Bearer {}", demo.private_key);
    let verdict = server.call("GET", "/v1/sessions/none/verdict", &[("Authorization", &bearer)], "").await;
    assert_eq!((verdict.status.as_u16(), verdict.json["action"].as_str()), (200, Some("allow")));
    let detection = server
        .call(
            "POST",
            "/api/v1/detect",
            &[("X-AgentShield-Key", &demo.api_key)],
            r#"{"userAgent":"GPTBot/1.2"}"#,
        )
        .await;
    assert_eq!(detection.json["isBot"], true);
    let user = [("Authorization", "Bearer DemoAccountToken00000000000000000000000000000000")];
    assert_eq!(server.call("GET", "/user", &user, "").await.status, 200);
}

#[tokio::test]
async fn events_are_removed_after_their_retention() {
    let server = Server::start().await;
    let event = |id: &str, days: i64| Event {
        kind: "audit".to_owned(),
        project: "1".to_owned(),
        id: id.to_owned(),
        at: Timestamp::from_milliseconds(server.app.now().milliseconds() - days * 86_400_000),
        label: "block".to_owned(),
        score: None,
        body: "{}".to_owned(),
        ..Event::default()
    };
    let events = server.app.storage.events();
    events.append(vec![event("old", 91), event("recent", 89)]).await.unwrap();
    jobs::remove_expired(&server.app).await.unwrap();
    let query = EventQuery { kind: "audit".into(), project: "1".into(), limit: 10, ..EventQuery::default() };
    let left: Vec<String> = events.scan(query).await.unwrap().into_iter().map(|event| event.id).collect();
    assert_eq!(left, ["recent"]);
}
