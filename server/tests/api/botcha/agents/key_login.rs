use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PSS_SHA256,
    RsaKeyPair,
};
use quivive_core::encoding::{base64url, decode_hex};
use serde_json::{Value, json};

use super::{
    agent, agent_with_key, base64, key_login, key_pair, public_key, refusal, secret, send, with_app,
};
use crate::botcha::claims;
use crate::support::{Answer, Server};

async fn begin(server: &Server, agent_id: &str) -> Value {
    let answer = server.post("/v1/agents/auth", &json!({ "agent_id": agent_id })).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    answer.json
}

async fn finish(server: &Server, challenge: &Value, agent_id: &str, signature: &[u8]) -> Answer {
    let body = json!({
        "challenge_id": challenge["challenge_id"], "agent_id": agent_id, "signature": base64(signature),
    });
    server.post("/v1/agents/auth/verify", &body).await
}

async fn register(server: &Server, public_key: Value, algorithm: &str) -> String {
    let body = json!({
        "name": "a", "public_key": public_key, "signature_algorithm": algorithm, "app_id": "app_mine",
        "app_secret": secret("app_mine"),
    });
    let answer = server.post("/v1/agents/register/tap", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.json);
    answer.json["agent_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_signature_over_the_text_of_the_nonce_logs_in() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let pair = key_pair(1);
    let id = agent_with_key(&server, "app_mine", &pair).await;
    let begun = begin(&server, &id).await;
    assert!(begun["challenge_id"].as_str().unwrap().starts_with("agentauth_"));
    assert_eq!(decode_hex(begun["nonce"].as_str().unwrap()).unwrap().len(), 32);
    assert_eq!((&begun["agent_id"], &begun["expires_in"]), (&json!(id), &json!(60)));
    for name in ["what_to_sign", "signature_format", "next_step"] {
        assert!(begun["instructions"][name].is_string(), "{name}");
    }
    let answer =
        finish(&server, &begun, &id, pair.sign(begun["nonce"].as_str().unwrap().as_bytes()).as_ref()).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    assert_eq!(answer.header("cache-control"), "no-store");
    for (name, value) in [
        ("success", json!(true)),
        ("token_type", json!("Bearer")),
        ("agent_id", json!(id)),
        ("app_id", json!("app_mine")),
        ("expires_in", json!(3600)),
    ] {
        assert_eq!(answer.json[name], value, "{name}");
    }
    assert!(answer.json["message"].is_string() && answer.json["usage"]["header"].is_string());
    let said = claims(&answer.json["access_token"]);
    let now = server.app.now().seconds();
    assert_eq!(
        said,
        json!({
            "type": "botcha-agent-identity", "jti": said["jti"], "sub": id, "iss": "botcha.ai", "iat": now,
            "exp": now + 3600, "app_id": "app_mine", "agent_id": id,
        })
    );
}

#[tokio::test]
async fn the_token_opens_what_access_tokens_open() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let pair = key_pair(1);
    let id = agent_with_key(&server, "app_mine", &pair).await;
    let token = key_login(&server, &id, &pair).await.json["access_token"].clone();
    let bearer = format!("Bearer {}", token.as_str().unwrap());
    let header = [("Authorization", bearer.as_str())];
    for path in ["/agent-only", "/v1/agents", "/v1/agents/tap", "/v1/agents/me/tap", "/v1/token"] {
        assert_eq!(server.call("GET", path, &header, "").await.status, 200, "{path}");
    }
    let valid = server.post("/v1/token/validate", &json!({ "token": token })).await.json;
    assert_eq!((&valid["valid"], &valid["payload"]["agent_id"]), (&json!(true), &json!(id)));
    let refused = server.post("/v1/token/refresh", &json!({ "refresh_token": token })).await;
    assert_eq!(refusal(&refused), (401, "INVALID_REFRESH_TOKEN"));
}

#[tokio::test]
async fn every_form_and_algorithm_of_a_key_logs_in() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let random = SystemRandom::new();
    let nonce = |challenge: &Value| challenge["nonce"].as_str().unwrap().as_bytes().to_vec();
    let pem = |der: &[u8]| format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", base64(der));

    let ed = key_pair(3);
    let spki = [&decode_hex("302a300506032b6570032100").unwrap()[..], ed.public_key().as_ref()].concat();
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(ed.public_key().as_ref()) });
    for form in
        [json!(public_key(&ed)), json!(base64(&spki)), json!(pem(&spki)), jwk.clone(), json!(jwk.to_string())]
    {
        let id = register(&server, form.clone(), "ed25519").await;
        let challenge = begin(&server, &id).await;
        let answer = finish(&server, &challenge, &id, ed.sign(&nonce(&challenge)).as_ref()).await;
        assert_eq!(answer.status, 200, "{form}");
    }

    let fixed = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let document = fixed.to_pkcs8v1().unwrap();
    let der = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref()).unwrap();
    let spki: PublicKeyX509Der<'_> = fixed.public_key().as_der().unwrap();
    let point = fixed.public_key().as_ref();
    let jwk =
        json!({ "kty": "EC", "crv": "P-256", "x": base64url(&point[1..33]), "y": base64url(&point[33..]) });
    for form in [json!(pem(spki.as_ref())), json!(base64(spki.as_ref())), jwk] {
        let id = register(&server, form.clone(), "ecdsa-p256-sha256").await;
        for pair in [&fixed, &der] {
            let challenge = begin(&server, &id).await;
            let signature = pair.sign(&random, &nonce(&challenge)).unwrap();
            assert_eq!(finish(&server, &challenge, &id, signature.as_ref()).await.status, 200, "{form}");
        }
    }

    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let spki: PublicKeyX509Der<'_> = rsa.public_key().as_der().unwrap();
    let id = register(&server, json!(pem(spki.as_ref())), "rsa-pss-sha256").await;
    let challenge = begin(&server, &id).await;
    let mut signature = vec![0; rsa.public_modulus_len()];
    rsa.sign(&RSA_PSS_SHA256, &random, &nonce(&challenge), &mut signature).unwrap();
    assert_eq!(finish(&server, &challenge, &id, &signature).await.status, 200);
}

#[tokio::test]
async fn each_documented_error_is_answered() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let pair = key_pair(1);
    let id = agent_with_key(&server, "app_mine", &pair).await;
    let other = agent_with_key(&server, "app_mine", &key_pair(2)).await;
    let keyless = agent(&server, "app_mine", "keyless").await;
    for body in ["{}", "{not json", "{\"agent_id\":7}", "{\"agent_id\":\"\"}", "null"] {
        let answer = server.call("POST", "/v1/agents/auth", &[], body).await;
        assert_eq!(refusal(&answer), (400, "MISSING_AGENT_ID"), "{body}");
    }
    let auth = async |id: &str| server.post("/v1/agents/auth", &json!({ "agent_id": id })).await;
    assert_eq!(refusal(&auth("agent_none").await), (404, "AGENT_NOT_FOUND"));
    assert_eq!(refusal(&auth(&keyless).await), (400, "NO_PUBLIC_KEY"));

    let challenge = begin(&server, &id).await;
    let nonce = challenge["nonce"].as_str().unwrap();
    for body in [
        json!({}),
        json!({ "challenge_id": challenge["challenge_id"], "agent_id": id }),
        json!({ "challenge_id": challenge["challenge_id"], "signature": "AA==" }),
        json!({ "agent_id": id, "signature": "AA==" }),
        json!({ "challenge_id": 1, "agent_id": id, "signature": "AA==" }),
    ] {
        let answer = server.post("/v1/agents/auth/verify", &body).await;
        assert_eq!(refusal(&answer), (400, "MISSING_FIELDS"), "{body}");
    }
    let unknown = json!({ "challenge_id": "agentauth_none" });
    assert_eq!(refusal(&finish(&server, &unknown, &id, &[0; 64]).await), (404, "CHALLENGE_NOT_FOUND"));
    let signature = pair.sign(nonce.as_bytes());
    let foreign = finish(&server, &challenge, &other, signature.as_ref()).await;
    assert_eq!(refusal(&foreign), (400, "AGENT_MISMATCH"));
    let again = finish(&server, &challenge, &id, signature.as_ref()).await;
    assert_eq!(refusal(&again), (404, "CHALLENGE_NOT_FOUND"), "there is one attempt");

    for text in ["", "!", "AA==", &base64(&[0; 64]), &"A".repeat(10_000)] {
        let challenge = begin(&server, &id).await;
        let body = json!({ "challenge_id": challenge["challenge_id"], "agent_id": id, "signature": format!(" {text}") });
        let answer = server.post("/v1/agents/auth/verify", &body).await;
        assert_eq!(refusal(&answer), (401, "INVALID_SIGNATURE"), "{text}");
    }

    let late = begin(&server, &id).await;
    server.advance(60_000);
    let signature = pair.sign(late["nonce"].as_str().unwrap().as_bytes());
    assert_eq!(refusal(&finish(&server, &late, &id, signature.as_ref()).await), (404, "CHALLENGE_NOT_FOUND"));
    assert_eq!(server.call("POST", "/v1/agents/auth", &[], "x".repeat(70_000)).await.status, 413);
    assert_eq!(server.call("POST", "/v1/agents/auth/verify", &[], "x".repeat(70_000)).await.status, 413);
}

#[tokio::test]
async fn an_expired_key_logs_in_no_more() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let pair = key_pair(1);
    let body = json!({
        "name": "a", "public_key": public_key(&pair), "signature_algorithm": "ed25519", "app_id": "app_mine",
        "key_expires_at": "2026-02-15T12:00:30Z",
    });
    let answer = send(&server, "/v1/agents/register/tap", &[("X-App-Secret", "sk_app_mine")], &body).await;
    let id = answer.json["agent_id"].as_str().unwrap();
    let challenge = begin(&server, id).await;
    server.advance(30_000);
    let signature = pair.sign(challenge["nonce"].as_str().unwrap().as_bytes());
    assert_eq!(refusal(&finish(&server, &challenge, id, signature.as_ref()).await), (401, "KEY_EXPIRED"));
    let begun = server.post("/v1/agents/auth", &json!({ "agent_id": id })).await;
    assert_eq!(refusal(&begun), (401, "KEY_EXPIRED"));
    assert_eq!(server.get(&format!("/v1/keys/{id}")).await.status, 404, "it leaves the key set");
}

#[tokio::test]
async fn logins_of_one_address_are_limited() {
    let server = Server::start().await;
    for _ in 0..60 {
        assert_eq!(server.post("/v1/agents/auth", &json!({ "agent_id": "x" })).await.status, 404);
    }
    for path in
        ["/v1/agents/auth", "/v1/agents/auth/verify", "/v1/agents/auth/refresh", "/v1/agents/auth/provider"]
    {
        let answer = server.post(path, &json!({})).await;
        assert_eq!(refusal(&answer), (429, "RATE_LIMIT_EXCEEDED"), "{path}");
        assert_ne!(answer.header("retry-after"), "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_send_one_signature_one_logs_in() {
    let server = Arc::new(Server::start().await);
    with_app(&server, "app_mine").await;
    let pair = key_pair(1);
    let id = agent_with_key(&server, "app_mine", &pair).await;
    let challenge = begin(&server, &id).await;
    let signature = pair.sign(challenge["nonce"].as_str().unwrap().as_bytes()).as_ref().to_vec();
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let (server, challenge, id, signature) =
                (server.clone(), challenge.clone(), id.clone(), signature.clone());
            tokio::spawn(async move { finish(&server, &challenge, &id, &signature).await.status.as_u16() })
        })
        .collect();
    let mut statuses = Vec::new();
    for task in tasks {
        statuses.push(task.await.unwrap());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 404).count(), 15, "{statuses:?}");
}
