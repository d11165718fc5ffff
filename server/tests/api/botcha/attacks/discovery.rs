//! On pages, challenges in pages, and keys.

use quivive_core::encoding;
use quivive_core::token::{Jwk, Signer};
use quivive_server::keys::rotation;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::botcha::{claims, tokens};
use crate::support::{Answer, Server};

/// The challenge in a page, read as an agent reads it.
async fn embedded(server: &Server, path: &str) -> Value {
    let page = server.call("GET", path, &[("accept", "text/html"), ("host", "door.example")], "").await;
    let page = String::from_utf8(page.body).unwrap();
    let (_, rest) = page.split_once("<script type=\"application/botcha+json\"").unwrap();
    let (_, rest) = rest.split_once('>').unwrap();
    let (challenge, _) = rest.split_once("</script>").unwrap();
    serde_json::from_str(challenge).unwrap()
}

/// Does what the instruction says, word by word: the text to hash stands in it with its parts in angle brackets.
fn follow(challenge: &Value, timestamp: &str) -> Value {
    let challenge = &challenge["challenge"];
    let instruction = challenge["instruction"].as_str().unwrap();
    let template = instruction.split_whitespace().find(|word| word.starts_with("BOTCHA-LANDING-")).unwrap();
    let nonce = challenge["nonce"].as_str().unwrap();
    let text = template
        .replace("<date>", &timestamp[..10])
        .replace("<timestamp>", timestamp)
        .replace("<nonce>", nonce);
    assert!(
        !text.contains('<') && instruction.contains("SHA-256") && instruction.contains("16"),
        "{instruction}"
    );
    let answer = &encoding::hex(&Sha256::digest(text.as_bytes()))[..16];
    let mut body = challenge["body_format"].clone();
    body["answer"] = json!(answer);
    body["timestamp"] = json!(timestamp);
    body["nonce"] = json!(nonce);
    body
}

async fn submit(server: &Server, challenge: &Value, body: &Value) -> Answer {
    let address = challenge["challenge"]["submit_to"].as_str().unwrap();
    let path = address.strip_prefix("http://door.example").unwrap();
    assert_eq!(challenge["challenge"]["method"], "POST");
    server.post(path, body).await
}

#[tokio::test]
async fn whoever_follows_the_text_of_a_page_is_let_in() {
    let server = Server::start().await;
    for path in ["/", "/docs", "/whitepaper", "/badge/damaged", "/nothing"] {
        let challenge = embedded(&server, path).await;
        let body = follow(&challenge, &server.app.now().to_string());
        let solved = submit(&server, &challenge, &body).await;
        assert_eq!((solved.status.as_u16(), &solved.json["success"]), (200, &json!(true)), "{path}");
        let header = challenge["on_success"]["header_to_include"].as_str().unwrap();
        let guarded = challenge["on_success"]["grants_access_to"].as_str().unwrap();
        let guarded = guarded.strip_prefix("http://door.example").unwrap();
        let token = solved.json["token"].as_str().unwrap();
        assert_eq!(server.call("GET", guarded, &[(header, token)], "").await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn one_page_gives_one_token_however_often_and_at_once_its_answer_is_sent() {
    let server = std::sync::Arc::new(Server::start().await);
    let challenge = embedded(&server, "/").await;
    let body = follow(&challenge, &server.app.now().to_string());
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let (server, challenge, body) = (server.clone(), challenge.clone(), body.clone());
        tries.spawn(async move { submit(&server, &challenge, &body).await.status.as_u16() });
    }
    let mut statuses = tries.join_all().await;
    statuses.sort_unstable();
    assert_eq!((statuses[0], statuses.iter().filter(|status| **status == 200).count()), (200, 1));
    assert!(statuses[1..].iter().all(|status| *status == 403), "{statuses:?}");
}

#[tokio::test]
async fn the_published_formula_without_a_page_works_once_for_each_time() {
    let server = std::sync::Arc::new(Server::start().await);
    let timestamp = server.app.now().to_string();
    let text = format!("BOTCHA-LANDING-{}-{timestamp}", &timestamp[..10]);
    let answer = encoding::hex(&Sha256::digest(text.as_bytes()))[..16].to_owned();
    let body = json!({ "answer": answer, "timestamp": timestamp });
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (server, body) = (server.clone(), body.clone());
        tries.spawn(async move { server.post("/api/verify-landing", &body).await.status.as_u16() });
    }
    let passed = tries.join_all().await.into_iter().filter(|status| *status == 200).count();
    assert_eq!(passed, 1);
    // The nonce of a page may not be left out to turn it into the other kind, nor added.
    let challenge = embedded(&server, "/").await;
    let mut with_page = follow(&challenge, &timestamp);
    with_page.as_object_mut().unwrap().remove("nonce");
    assert_eq!(server.post("/api/verify-landing", &with_page).await.status, 403);
    let mut without_page = body.clone();
    without_page["nonce"] = challenge["challenge"]["nonce"].clone();
    assert_eq!(server.post("/api/verify-landing", &without_page).await.status, 403);
}

#[tokio::test]
async fn a_wrong_answer_spends_the_nonce_so_that_it_cannot_be_guessed() {
    let server = Server::start().await;
    let challenge = embedded(&server, "/").await;
    let right = follow(&challenge, &server.app.now().to_string());
    let mut wrong = right.clone();
    wrong["answer"] = json!("0000000000000000");
    assert_eq!(submit(&server, &challenge, &wrong).await.status, 403);
    assert_eq!(submit(&server, &challenge, &right).await.status, 403);
}

#[tokio::test]
async fn a_damaged_signing_key_never_falls_back_to_the_shared_secret() {
    use quivive_server::config::{Config, Profile};
    let good = serde_json::to_value(Jwk::generate(&[9; 32], None).unwrap()).unwrap();
    let mut other_half = good.clone();
    other_half["d"] = serde_json::to_value(Jwk::generate(&[8; 32], None).unwrap()).unwrap()["d"].clone();
    let mut other_curve = good.clone();
    other_curve["crv"] = json!("P-384");
    for text in ["not json".to_owned(), "[]".to_owned(), other_half.to_string(), other_curve.to_string()] {
        let mut config = Config::defaults(Profile::Secure).unwrap();
        config.keys.jwt_signing_key = Some(text.clone());
        config.keys.jwt_secret = Some("x".repeat(32));
        let refused = crate::support::prepare(config).await.err();
        assert!(refused.is_some_and(|error| error.to_string().contains("jwt_signing_key")), "{text}");
    }
}

#[tokio::test]
async fn a_token_of_the_shared_secret_is_accepted_only_where_that_is_switched_on() {
    let secret = "x".repeat(32);
    let key = serde_json::to_string(&Jwk::generate(&[9; 32], None).unwrap()).unwrap();
    let plain = Server::start().await;
    let now = plain.app.now();
    let made = quivive_core::token::Claims::access("challenge", 47, "id", now, 3600);
    let token = Signer::from_secret(secret.as_bytes()).unwrap().sign(&made).unwrap();
    let both = async |accepts: bool| {
        let (secret, key) = (secret.clone(), key.clone());
        Server::with(|config| {
            config.keys.jwt_secret = Some(secret);
            config.keys.jwt_signing_key = Some(key);
            config.keys.accept_hs256 = accepts;
        })
        .await
    };
    for (server, is_accepted) in [(plain, false), (both(false).await, false), (both(true).await, true)] {
        let validated = server.post("/v1/token/validate", &json!({ "token": token })).await;
        assert_eq!(validated.json["valid"], is_accepted);
        rotation::refresh(&server.app).await.unwrap();
        let validated = server.post("/v1/token/validate", &json!({ "token": token })).await;
        assert_eq!(validated.json["valid"], is_accepted, "after the keys were read again");
    }
}

#[tokio::test]
async fn the_public_key_is_no_secret_that_signs() {
    let server = Server::start().await;
    let token = tokens(&server, json!({})).await["access_token"].clone();
    let published = server.get("/.well-known/jwks").await.json["keys"][0].clone();
    for secret in [published.to_string(), published["x"].as_str().unwrap().to_owned()] {
        let forged = Signer::from_secret(secret.as_bytes()).unwrap().sign_payload(&claims(&token)).unwrap();
        let validated = server.post("/v1/token/validate", &json!({ "token": forged })).await;
        assert_eq!(validated.json["valid"], false);
    }
}

#[tokio::test]
async fn the_published_key_id_is_the_one_in_the_header_before_and_after_a_rotation() {
    let server = Server::start().await;
    for _ in 0..3 {
        let token = tokens(&server, json!({})).await["access_token"].clone();
        let header = token.as_str().unwrap().split('.').next().unwrap();
        let header: Value = serde_json::from_slice(&encoding::decode_base64url(header).unwrap()).unwrap();
        let keys = server.get("/.well-known/jwks").await.json["keys"].clone();
        let published = keys.as_array().unwrap().iter().filter(|key| key["kid"] == header["kid"]);
        assert_eq!(published.count(), 1, "{header} in {keys}");
        rotation::rotate(&server.app, true).await.unwrap();
    }
}

#[tokio::test]
async fn no_page_has_agents_put_secrets_into_conversations() {
    let server = Server::start().await;
    for path in ["/", "/docs", "/whitepaper", "/ai.txt", "/.well-known/ai-plugin.json"] {
        for accept in ["text/html", "text/markdown", "application/json"] {
            let answer = server.call("GET", path, &[("accept", accept), ("user-agent", "x")], "").await;
            let text = String::from_utf8(answer.body).unwrap().to_lowercase();
            for sentence in text.split(['.', '\n']) {
                let asks =
                    ["paste", "chat", "conversation", "prompt"].iter().any(|word| sentence.contains(word));
                let is_secret = ["secret", "private key", "token"].iter().any(|word| sentence.contains(word));
                let refuses = ["never", "not ", "no "].iter().any(|word| sentence.contains(word))
                    || sentence.contains("out of the conversation");
                assert!(!(asks && is_secret) || refuses, "{path} {accept}: {sentence}");
            }
        }
    }
}
