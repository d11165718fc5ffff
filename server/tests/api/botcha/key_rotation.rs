use std::sync::Arc;

use quivive_core::token::{Jwk, Jwks, Verifier, VerifyPolicy};
use quivive_server::keys::rotation;
use quivive_server::storage::sqlite::Sqlite;
use serde_json::{Value, json};

use super::tokens;
use crate::support::Server;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

async fn token(server: &Server) -> Value {
    tokens(server, json!({})).await["access_token"].clone()
}

fn kid(token: &Value) -> String {
    let header = token.as_str().unwrap().split('.').next().unwrap();
    let header: Value =
        serde_json::from_slice(&quivive_core::encoding::decode_base64url(header).unwrap()).unwrap();
    header["kid"].as_str().unwrap_or_default().to_owned()
}

async fn published(server: &Server) -> Vec<String> {
    let keys = server.get("/.well-known/jwks").await.json["keys"].clone();
    keys.as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Whether the signature holds, by the published keys alone.
async fn holds(server: &Server, token: &Value) -> bool {
    let jwks: Jwks = serde_json::from_value(server.get("/.well-known/jwks").await.json).unwrap();
    let verifier = Verifier::new(&jwks, VerifyPolicy::default()).unwrap();
    verifier.verify_signature(token.as_str().unwrap()).is_ok()
}

async fn is_valid(server: &Server, token: &Value) -> bool {
    server.post("/v1/token/validate", &json!({ "token": token })).await.json["valid"] == true
}

#[tokio::test]
async fn the_next_key_is_published_for_an_hour_before_it_signs() {
    let server = Server::start().await;
    assert_eq!(rotation::rotate(&server.app, false).await.unwrap(), "botcha-signing-2");
    assert_eq!(published(&server).await, ["botcha-signing-1", "botcha-signing-2"]);
    assert_eq!(kid(&token(&server).await), "botcha-signing-1");
    server.advance(HOUR - 1_000);
    let last = token(&server).await;
    assert_eq!(kid(&last), "botcha-signing-1");
    server.advance(1_000);
    let first = token(&server).await;
    assert_eq!(kid(&first), "botcha-signing-2");
    for token in [&last, &first] {
        assert!(is_valid(&server, token).await && holds(&server, token).await);
    }
    assert_eq!(server.app.keys.signing_key_id().unwrap(), "botcha-signing-2");
}

#[tokio::test]
async fn a_second_rotation_waits_for_the_first_unless_it_is_urgent() {
    let server = Server::start().await;
    rotation::rotate(&server.app, false).await.unwrap();
    let refused = rotation::rotate(&server.app, false).await.unwrap_err();
    assert!(
        refused.to_string().contains("botcha-signing-2") && refused.to_string().contains("--now"),
        "{refused}"
    );
    assert_eq!(published(&server).await.len(), 2);
    assert_eq!(rotation::rotate(&server.app, true).await.unwrap(), "botcha-signing-2", "the one that waits");
    assert_eq!(kid(&token(&server).await), "botcha-signing-2");
    assert_eq!(rotation::rotate(&server.app, true).await.unwrap(), "botcha-signing-3");
    let urgent = token(&server).await;
    assert_eq!(kid(&urgent), "botcha-signing-3");
    assert!(is_valid(&server, &urgent).await && holds(&server, &urgent).await);
    assert_eq!(published(&server).await.len(), 3);
}

#[tokio::test]
async fn a_former_key_stays_until_all_that_it_signed_has_ended() {
    let server = Server::start().await;
    let old = token(&server).await;
    rotation::rotate(&server.app, false).await.unwrap();
    server.advance(HOUR + 90 * DAY - 1_000);
    rotation::refresh(&server.app).await.unwrap();
    assert_eq!(published(&server).await, ["botcha-signing-1", "botcha-signing-2"]);
    assert!(holds(&server, &old).await);
    server.advance(2_000);
    rotation::refresh(&server.app).await.unwrap();
    assert_eq!(published(&server).await, ["botcha-signing-2"]);
    assert!(!holds(&server, &old).await);
    assert!(server.app.keys.verify_signature(old.as_str().unwrap()).is_err());
    assert!(is_valid(&server, &token(&server).await).await);
    rotation::rotate(&server.app, true).await.unwrap();
    assert_eq!(
        published(&server).await,
        ["botcha-signing-2", "botcha-signing-3"],
        "ids are never used again"
    );
}

#[tokio::test]
async fn other_nodes_take_over_and_a_restart_in_the_middle_changes_nothing() {
    let database = Arc::new(Sqlite::in_memory().unwrap());
    let one = Server::on(database.clone(), |_| {}).await;
    let other = Server::on(database.clone(), |_| {}).await;
    rotation::rotate(&one.app, false).await.unwrap();
    assert_eq!(published(&other).await, ["botcha-signing-1"]);
    rotation::refresh(&other.app).await.unwrap();
    assert_eq!(published(&other).await, published(&one).await);

    // A new start has a clock of its own, which begins before the rotation takes effect.
    let restarted = Server::on(database.clone(), |_| {}).await;
    assert_eq!(published(&restarted).await, ["botcha-signing-1", "botcha-signing-2"]);
    assert_eq!(kid(&token(&restarted).await), "botcha-signing-1");
    for server in [&one, &other, &restarted] {
        server.advance(HOUR);
    }
    for server in [&one, &other, &restarted] {
        let fresh = token(server).await;
        assert_eq!(kid(&fresh), "botcha-signing-2");
        for verifier in [&one, &other, &restarted] {
            assert!(verifier.app.keys.verify_signature(fresh.as_str().unwrap()).is_ok());
        }
    }
}

#[tokio::test]
async fn of_two_rotations_at_once_one_makes_the_key() {
    let database = Arc::new(Sqlite::in_memory().unwrap());
    let one = Server::on(database.clone(), |_| {}).await;
    let other = Server::on(database.clone(), |_| {}).await;
    let (left, right) = tokio::join!(rotation::rotate(&one.app, false), rotation::rotate(&other.app, false));
    assert_eq!([&left, &right].iter().filter(|outcome| outcome.is_ok()).count(), 1, "{left:?} {right:?}");
    for server in [&one, &other] {
        rotation::refresh(&server.app).await.unwrap();
        assert_eq!(published(server).await, ["botcha-signing-1", "botcha-signing-2"]);
    }
    assert_eq!(one.get("/.well-known/jwks").await.json, other.get("/.well-known/jwks").await.json);
}

#[tokio::test]
async fn keys_of_the_configuration_are_not_rotated_here() {
    let key = serde_json::to_string(&Jwk::generate(&[9; 32], Some("ours")).unwrap()).unwrap();
    let configured = Server::with(|config| config.keys.jwt_signing_key = Some(key)).await;
    let secret = Server::with(|config| config.keys.jwt_secret = Some("x".repeat(32))).await;
    for (server, setting) in [(configured, "keys.jwt_signing_key"), (secret, "keys.jwt_secret")] {
        for is_immediate in [false, true] {
            let refused = rotation::rotate(&server.app, is_immediate).await.unwrap_err();
            assert!(refused.to_string().contains(setting), "{refused}");
        }
        rotation::refresh(&server.app).await.unwrap();
        assert!(is_valid(&server, &token(&server).await).await);
    }
}

#[tokio::test]
async fn private_halves_are_sealed_at_rest_and_never_published() {
    let folder = tempfile::tempdir().unwrap();
    let mut config =
        quivive_server::config::Config::defaults(quivive_server::config::Profile::Secure).unwrap();
    config.data = folder.path().join("data");
    let server = Server::around(quivive_server::serve::open(config).await.unwrap());
    rotation::rotate(&server.app, true).await.unwrap();
    for key in server.get("/.well-known/jwks").await.json["keys"].as_array().unwrap() {
        assert!(key.get("d").is_none(), "{key}");
    }
    drop(server);
    let mut seen = 0;
    for entry in std::fs::read_dir(folder.path().join("data")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("\"d\":"), "{}", path.display());
        seen += usize::from(text.contains("botcha-signing-2"));
    }
    assert!(seen > 0, "the record is in the database");
}
