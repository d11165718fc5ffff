use quivive_core::token::{Jwk, Jwks, Verifier, VerifyPolicy};
use quivive_server::config::{Config, Profile};
use serde_json::json;

use super::{claims, tokens};
use crate::support::Server;

#[tokio::test]
async fn a_token_verifies_offline_with_the_published_keys() {
    let server = Server::start().await;
    let token = tokens(&server, json!({ "audience": "here" })).await["access_token"].clone();
    for path in ["/.well-known/jwks", "/.well-known/jwks.json"] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("cache-control"), "public, max-age=3600");
        let key = &answer.json["keys"][0];
        assert_eq!(
            (&key["kty"], &key["crv"], &key["use"], &key["alg"]),
            (&json!("EC"), &json!("P-256"), &json!("sig"), &json!("ES256"))
        );
        assert_eq!(key["kid"], "botcha-signing-1");
        assert!(key.get("d").is_none());
        let jwks: Jwks = serde_json::from_value(answer.json).unwrap();
        let policy = VerifyPolicy { audience: Some("here".to_owned()), ..VerifyPolicy::default() };
        let verified =
            Verifier::new(&jwks, policy).unwrap().verify(token.as_str().unwrap(), server.app.now()).unwrap();
        assert_eq!(json!(verified), claims(&token));
    }
}

#[tokio::test]
async fn a_configured_key_keeps_its_own_id() {
    let mut key = Jwk::generate(&[9; 32], Some("our-key")).unwrap();
    let text = serde_json::to_string(&key).unwrap();
    let server = Server::with(|config| config.keys.jwt_signing_key = Some(text)).await;
    let token = tokens(&server, json!({})).await["access_token"].clone();
    let header = token.as_str().unwrap().split('.').next().unwrap();
    let header: serde_json::Value =
        serde_json::from_slice(&quivive_core::encoding::decode_base64url(header).unwrap()).unwrap();
    assert_eq!(header, json!({ "alg": "ES256", "kid": "our-key" }));
    assert_eq!(server.get("/.well-known/jwks").await.json["keys"][0]["kid"], "our-key");

    key.kid = None;
    let text = serde_json::to_string(&key).unwrap();
    let server = Server::with(|config| config.keys.jwt_signing_key = Some(text)).await;
    assert_eq!(server.get("/.well-known/jwks").await.json["keys"][0]["kid"], "botcha-signing-1");
}

#[tokio::test]
async fn a_generated_key_stays_published_and_accepted_beside_a_configured_one() {
    let folder = tempfile::tempdir().unwrap();
    let open = async |change: &dyn Fn(&mut Config)| {
        let mut config = Config::defaults(Profile::Secure).unwrap();
        config.data = folder.path().join("data");
        change(&mut config);
        quivive_server::serve::open(config).await.map(Server::around)
    };
    let server = open(&|_| {}).await.unwrap();
    let token = tokens(&server, json!({})).await["access_token"].clone();
    let generated = server.get("/.well-known/jwks").await.json["keys"][0].clone();
    drop(server);

    let mut key = Jwk::generate(&[9; 32], None).unwrap();
    key.kid = None;
    let text = serde_json::to_string(&key).unwrap();
    let server = open(&|config| config.keys.jwt_signing_key = Some(text.clone())).await.unwrap();
    let keys = server.get("/.well-known/jwks").await.json["keys"].clone();
    assert_eq!((&keys[0]["kid"], &keys[1]), (&json!("botcha-signing-2"), &generated));
    assert_eq!(keys.as_array().unwrap().len(), 2);
    let validated = server.post("/v1/token/validate", &json!({ "token": token })).await;
    assert_eq!(validated.json["valid"], true);
    let token_of_second = tokens(&server, json!({})).await["access_token"].clone();
    let validated = server.post("/v1/token/validate", &json!({ "token": token_of_second })).await;
    assert_eq!(validated.json["valid"], true);
    drop(server);

    let server = open(&|config| config.keys.jwt_secret = Some("x".repeat(32))).await.unwrap();
    let validated = server.post("/v1/token/validate", &json!({ "token": token })).await;
    assert_eq!(validated.json["valid"], true, "beside a secret as well");
    assert_eq!(server.get("/.well-known/jwks").await.json["keys"], json!([generated]));
    drop(server);

    key.kid = Some("botcha-signing-1".to_owned());
    let text = serde_json::to_string(&key).unwrap();
    let error = open(&|config| config.keys.jwt_signing_key = Some(text.clone())).await.err().unwrap();
    assert!(error.to_string().contains("`kid`"), "{error}");
}

#[tokio::test]
async fn a_key_that_cannot_be_used_refuses_to_start() {
    let public = serde_json::to_string(&Jwk::generate(&[9; 32], None).unwrap().to_public()).unwrap();
    for text in ["{", "{}", r#"{"kty":"RSA"}"#, public.as_str()] {
        let mut config = Config::defaults(Profile::Secure).unwrap();
        config.keys.jwt_signing_key = Some(text.to_owned());
        config.keys.jwt_secret = Some("x".repeat(32));
        let error = crate::support::prepare(config).await.err().expect("it must not start");
        assert!(error.to_string().contains("jwt_signing_key"), "{error}");
        assert!(!error.to_string().contains("\"d\""), "no key material");
    }
}
