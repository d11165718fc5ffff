use quivive_server::botcha::apps::{RegisteredApp, RegistrationPolicy};
use serde_json::{Value, json};

use super::{
    actions, agent, agent_with_key, app_token, base64, get_as, granted, key_login, key_pair, public_key,
    refresh, refusal, secret, send, session, with_app,
};
use crate::support::{Answer, Server};

/// RFC 9421 appendix B.1.4: its private half is printed there.
const PRINTED: &str = "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=";

async fn register(server: &Server, body: &Value) -> Answer {
    send(
        server,
        "/v1/agents/register/tap",
        &[("X-App-Id", "app_mine"), ("X-App-Secret", "sk_app_mine")],
        body,
    )
    .await
}

async fn rotate(server: &Server, id: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    send(server, &format!("/v1/agents/{id}/tap/rotate-key?app_id=app_mine"), headers, body).await
}

#[tokio::test]
async fn the_documented_registration_answers_every_field() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let body = json!({
        "name": "shopping-agent", "operator": "my-company", "version": "1.0.0", "issuer": "acme",
        "public_key": public_key(&key_pair(1)), "signature_algorithm": "ed25519",
        "capabilities": [
            { "action": "browse", "resource": "products" },
            { "action": "purchase", "resource": "orders" },
        ],
        "trust_level": "verified", "app_id": "app_mine", "ans_name": "ans://my-agent.agents", "did": "did:web:a.example",
    });
    let answer = send(&server, "/v1/agents/register/tap", &[("X-App-Secret", "sk_app_mine")], &body).await;
    assert_eq!(answer.status, 201, "{}", answer.json);
    let now = server.app.now().to_string();
    let id = answer.json["agent_id"].as_str().unwrap();
    let registered = json!({
        "success": true, "agent_id": id, "app_id": "app_mine", "name": "shopping-agent", "operator": "my-company",
        "version": "1.0.0", "created_at": now, "owner_verified": true, "tap_enabled": true,
        "trust_level": "verified",
        "capabilities": [
            { "action": "browse", "resource": "products", "scope": ["products"] },
            { "action": "purchase", "resource": "orders", "scope": ["orders"] },
        ],
        "signature_algorithm": "ed25519", "issuer": "acme", "did": "did:web:a.example",
        "ans_name": "ans://my-agent.agents", "ans_badge_id": null, "ans_trust_level": null, "has_public_key": true,
        "key_fingerprint": answer.json["key_fingerprint"], "key_thumbprint": answer.json["key_thumbprint"],
        "key_created_at": now,
    });
    assert_eq!(answer.json, registered);
    let mut read = registered;
    for (name, value) in [
        ("last_verified_at", Value::Null),
        ("ans_verified_at", Value::Null),
        ("public_key", json!(public_key(&key_pair(1)))),
    ] {
        read[name] = value;
    }
    assert_eq!(server.get(&format!("/v1/agents/{id}/tap")).await.json, read);
    assert!(actions(&server, "app_mine").await.contains(&"agent.tap_registered".to_owned()));
}

#[tokio::test]
async fn an_agent_needs_no_key() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let answer = register(&server, &json!({ "name": "a", "capabilities": ["search"] })).await;
    assert_eq!(answer.status, 201, "{}", answer.json);
    assert_eq!((&answer.json["tap_enabled"], &answer.json["has_public_key"]), (&json!(false), &json!(false)));
    assert_eq!(answer.json["capabilities"], json!([{ "action": "search" }]));
    assert!(answer.json.get("key_fingerprint").is_none() && answer.json.get("operator").is_none());
    assert_eq!((&answer.json["did"], &answer.json["trust_level"]), (&Value::Null, &json!("basic")));
}

#[tokio::test]
async fn the_fingerprint_is_that_of_the_text() {
    let server = Server::with(|config| config.agents.allow_test_keys = true).await;
    with_app(&server, "app_mine").await;
    let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=\n-----END PUBLIC KEY-----\n";
    let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"}"#;
    for (key, fingerprint) in [
        (json!(pem), "cc983d672f21802d"),
        (json!(PRINTED), "ea4e5e2fb218f4aa"),
        (json!(jwk), "abc9483fe9d10f01"),
        (serde_json::from_str(jwk).unwrap(), "abc9483fe9d10f01"),
    ] {
        let body = json!({ "name": "a", "public_key": key, "signature_algorithm": "ed25519" });
        let answer = register(&server, &body).await;
        assert_eq!(answer.json["key_fingerprint"], fingerprint, "{key}");
        assert_eq!(answer.json["key_thumbprint"], "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U", "{key}");
    }
}

#[tokio::test]
async fn bad_members_are_named() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let key = public_key(&key_pair(1));
    let format = "Invalid public key format. Provide a PEM key, JWK object/JSON, or raw Ed25519 base64 key.";
    for (members, message) in [
        (json!({}), "Agent name is required"),
        (json!({ "name": 7 }), "Agent name is required"),
        (json!({ "name": "x".repeat(129) }), "Agent name must be at most 128"),
        (json!({ "name": "a", "operator": 7 }), "operator must be a string"),
        (json!({ "name": "a", "issuer": "\u{1}" }), "issuer must be"),
        (json!({ "name": "a", "public_key": key }), "signature_algorithm required when public_key provided"),
        (
            json!({ "name": "a", "public_key": key, "signature_algorithm": "rot13" }),
            "Unsupported algorithm. Supported: ecdsa-p256-sha256, rsa-pss-sha256, ed25519",
        ),
        (json!({ "name": "a", "public_key": key, "signature_algorithm": "rsa-pss-sha256" }), format),
        (json!({ "name": "a", "public_key": "not a key", "signature_algorithm": "ed25519" }), format),
        (json!({ "name": "a", "public_key": [1], "signature_algorithm": "ed25519" }), format),
        (json!({ "name": "a", "public_key": {}, "signature_algorithm": "ed25519" }), format),
        (json!({ "name": "a", "public_key": base64(&[0; 32]), "signature_algorithm": "ed25519" }), format),
        (json!({ "name": "a", "public_key": PRINTED, "signature_algorithm": "ed25519" }), format),
        (
            json!({ "name": "a", "signature_algorithm": "ed25519",
                "public_key": { "kty": "OKP", "crv": "Ed25519", "x": key, "d": key } }),
            format,
        ),
        (json!({ "name": "a", "capabilities": {} }), "Capabilities must be an array"),
        (
            json!({ "name": "a", "capabilities": [{ "action": "steal" }] }),
            "Invalid capability action. Valid: browse, compare, purchase, audit, search",
        ),
        (json!({ "name": "a", "trust_level": "absolute" }), "Invalid trust_level"),
        (json!({ "name": "a", "trust_level": 7 }), "Invalid trust_level"),
        (json!({ "name": "a", "ans_name": "single" }), "ans_name must"),
        (json!({ "name": "a", "ans_name": "a..b" }), "ans_name must"),
        (json!({ "name": "a", "did": "web:a" }), "Invalid did field: "),
        (json!({ "name": "a", "did": 7 }), "Invalid did field: "),
    ] {
        let answer = register(&server, &members).await;
        assert_eq!(refusal(&answer), (400, "INVALID_REQUEST"), "{members}");
        assert!(answer.json["message"].as_str().unwrap().starts_with(message), "{members} {}", answer.json);
    }
    for end in [json!("yesterday"), json!("2026-02-15T12:00:00Z"), json!("2025-01-01"), json!(7), json!("")] {
        let body = json!({ "name": "a", "public_key": key, "signature_algorithm": "ed25519", "key_expires_at": end });
        assert_eq!(refusal(&register(&server, &body).await), (400, "INVALID_KEY_EXPIRY"), "{end}");
    }
    let headers = [("X-App-Id", "app_mine"), ("X-App-Secret", "sk_app_mine")];
    let oversize = server.call("POST", "/v1/agents/register/tap", &headers, "x".repeat(70_000)).await;
    assert_eq!(oversize.status, 413);
}

#[tokio::test]
async fn a_token_that_anybody_can_get_is_not_enough_but_in_compat() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    with_app(&server, "app_other").await;
    let body = json!({ "name": "a", "app_id": "app_mine" });
    let token = app_token(&server, "app_mine").await;
    let path = "/v1/agents/register/tap";
    let by_token = send(&server, path, &[("Authorization", &token)], &body).await;
    assert_eq!(refusal(&by_token), (403, "OWNER_PROOF_REQUIRED"));
    assert!(by_token.json["message"].as_str().unwrap().contains("X-App-Secret"));
    assert_eq!(refusal(&server.post(path, &body).await), (401, "UNAUTHORIZED"));
    assert_eq!(
        refusal(&server.post(path, &json!({ "name": "a" })).await),
        (401, "APP_REGISTRATION_REQUIRED")
    );
    for wrong in ["sk_app_other", "x"] {
        let answer = send(&server, path, &[("X-App-Secret", wrong)], &body).await;
        assert_eq!(
            (refusal(&answer), &answer.json["message"]),
            ((401, "UNAUTHORIZED"), &json!("Invalid app_secret"))
        );
    }
    let foreign = session(&server, "app_other").await;
    assert_eq!(
        refusal(&send(&server, path, &[("Authorization", &foreign)], &body).await),
        (401, "UNAUTHORIZED")
    );
    let owner = session(&server, "app_mine").await;
    assert_eq!(send(&server, path, &[("Authorization", &owner)], &json!({ "name": "a" })).await.status, 201);

    let server = Server::compat().await;
    with_app(&server, "app_mine").await;
    let token = app_token(&server, "app_mine").await;
    let answer = send(&server, path, &[("Authorization", &token)], &body).await;
    assert_eq!((answer.status.as_u16(), &answer.json["owner_verified"]), (201, &json!(false)));
}

#[tokio::test]
async fn a_paired_app_takes_agents_with_a_code_only_also_where_a_token_is_enough() {
    let server = Server::compat().await;
    let app = with_app(&server, "app_mine").await;
    let paired = RegisteredApp { registration_policy: RegistrationPolicy::Paired, ..app };
    server.app.storage.put(&paired).await.unwrap();
    let token = app_token(&server, "app_mine").await;
    let header = [("Authorization", token.as_str())];
    let path = "/v1/agents/register/tap";
    let refused = send(&server, path, &header, &json!({ "name": "a" })).await;
    assert_eq!(refusal(&refused), (403, "PAIR_CODE_REQUIRED"));
    let refused = send(&server, path, &header, &json!({ "name": "a", "pair_code": "PAIR-AAAAAA" })).await;
    assert_eq!(refusal(&refused), (403, "INVALID_PAIR_CODE"));
    let made = send(&server, "/v1/apps/app_mine/pair", &[("X-App-Secret", "sk_app_mine")], &json!({})).await;
    let body = json!({ "name": "a", "pair_code": made.json["pair_code"] });
    let answer = send(&server, path, &header, &body).await;
    assert_eq!((answer.status.as_u16(), &answer.json["owner_verified"]), (201, &json!(true)));
}

#[tokio::test]
async fn a_registered_agent_is_given_a_key() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    with_app(&server, "app_other").await;
    let id = agent(&server, "app_mine", "first name").await;
    let body = json!({
        "name": "other name", "agent_id": id, "public_key": public_key(&key_pair(1)),
        "signature_algorithm": "ed25519", "trust_level": "enterprise", "capabilities": ["audit"],
    });
    let answer = register(&server, &body).await;
    assert_eq!(answer.status, 201, "{}", answer.json);
    assert_eq!((&answer.json["agent_id"], &answer.json["name"]), (&json!(id), &json!("first name")));
    assert_eq!(answer.json["tap_enabled"], true);
    let merged = register(&server, &json!({ "name": "x", "agent_id": id, "did": "did:web:a" })).await.json;
    assert_eq!(
        (&merged["capabilities"], &merged["trust_level"]),
        (&json!([{ "action": "audit" }]), &json!("basic"))
    );
    assert_eq!((&merged["tap_enabled"], &merged["did"]), (&json!(true), &json!("did:web:a")));
    assert!(key_login(&server, &id, &key_pair(1)).await.status.is_success());

    let foreign = agent(&server, "app_other", "b").await;
    assert_eq!(
        refusal(&register(&server, &json!({ "name": "x", "agent_id": foreign })).await),
        (403, "UNAUTHORIZED")
    );
    for unknown in [json!("agent_none"), json!(7), json!("")] {
        let answer = register(&server, &json!({ "name": "x", "agent_id": unknown })).await;
        assert_eq!(refusal(&answer), (404, "AGENT_NOT_FOUND"), "{unknown}");
    }
}

#[tokio::test]
async fn a_proof_that_the_key_is_held_must_hold_and_can_be_demanded() {
    let server = Server::with(|config| config.agents.require_key_proof = true).await;
    with_app(&server, "app_mine").await;
    let pair = key_pair(1);
    let thumbprint = quivive_core::public_key::PublicKey::parse(
        &public_key(&pair),
        quivive_core::public_key::SignatureAlgorithm::Ed25519,
    )
    .unwrap()
    .thumbprint()
    .to_owned();
    let now = server.app.now().seconds();
    let attempt = async |signed: String, time: Value| {
        let body = json!({
            "name": "a", "public_key": public_key(&pair), "signature_algorithm": "ed25519",
            "proof": base64(pair.sign(signed.as_bytes()).as_ref()), "proof_time": time,
        });
        register(&server, &body).await
    };
    let message = |app: &str, time: i64| format!("botcha-tap-register:{app}:{thumbprint}:{time}");
    for time in [now, now - 300, now + 300] {
        assert_eq!(attempt(message("app_mine", time), json!(time)).await.status, 201);
    }
    for (signed, time) in [
        (message("app_other", now), json!(now)),
        (message("app_mine", now), json!(now + 1)),
        (message("app_mine", now - 301), json!(now - 301)),
        (message("app_mine", now + 301), json!(now + 301)),
        (message("app_mine", now), json!(now.to_string())),
        (message("app_mine", i64::MIN), json!(i64::MIN)),
        (message("app_mine", now), Value::Null),
    ] {
        let answer = attempt(signed, time.clone()).await;
        assert_eq!(refusal(&answer), (400, "INVALID_KEY_PROOF"), "{time}");
    }
    let without = json!({ "name": "a", "public_key": public_key(&pair), "signature_algorithm": "ed25519" });
    assert_eq!(refusal(&register(&server, &without).await), (400, "INVALID_KEY_PROOF"));
}

#[tokio::test]
async fn the_list_shows_agents_with_a_key_unless_asked_for_all() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let keyed = agent_with_key(&server, "app_mine", &key_pair(1)).await;
    server.advance(1);
    agent(&server, "app_mine", "keyless").await;
    let token = app_token(&server, "app_mine").await;
    let list = get_as(&server, "/v1/agents/tap", &token).await;
    assert_eq!(list.status, 200);
    assert_eq!((&list.json["count"], &list.json["tap_enabled_count"]), (&json!(1), &json!(1)));
    let created_at = list.json["agents"][0]["created_at"].as_str().unwrap();
    assert_eq!(
        list.json["agents"][0],
        json!({
            "agent_id": keyed, "name": "keyed-agent", "created_at": created_at, "owner_verified": true,
            "tap_enabled": true, "trust_level": "basic", "capabilities": [], "last_verified_at": null,
        })
    );
    let all = get_as(&server, "/v1/agents/tap?tap_only=false", &token).await.json;
    assert_eq!((&all["count"], &all["tap_enabled_count"]), (&json!(2), &json!(1)));
    assert_eq!(refusal(&server.get("/v1/agents/tap?app_id=app_mine").await), (401, "UNAUTHORIZED"));
    assert_eq!(refusal(&server.get("/v1/agents/tap").await), (401, "APP_REGISTRATION_REQUIRED"));
    assert_eq!(refusal(&get_as(&server, "/v1/agents/tap", "Bearer x").await), (401, "INVALID_TOKEN"));
    let without = app_token(&server, "").await;
    assert_eq!(refusal(&get_as(&server, "/v1/agents/tap", &without).await), (403, "MISSING_APP_ID"));

    let server = Server::compat().await;
    with_app(&server, "app_mine").await;
    agent(&server, "app_mine", "keyless").await;
    let token = app_token(&server, "app_mine").await;
    assert_eq!(get_as(&server, "/v1/agents/tap", &token).await.json["count"], 1);
    assert_eq!(get_as(&server, "/v1/agents/tap?tap_only=true", &token).await.json["count"], 0);
}

#[tokio::test]
async fn reading_knows_me_and_says_what_is_not_there() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let pair = key_pair(1);
    let id = agent_with_key(&server, "app_mine", &pair).await;
    let token = key_login(&server, &id, &pair).await.json["access_token"].as_str().unwrap().to_owned();
    let me = get_as(&server, "/v1/agents/me/tap", &format!("Bearer {token}")).await;
    assert_eq!((&me.json["agent_id"], &me.json["public_key"]), (&json!(id), &json!(public_key(&pair))));
    assert_eq!(me.json["last_verified_at"], server.app.now().to_string());
    assert_eq!(refusal(&server.get("/v1/agents/me/tap").await), (401, "UNAUTHORIZED"));
    assert_eq!(refusal(&server.get("/v1/agents/agent_none/tap").await), (404, "AGENT_NOT_FOUND"));
    assert_eq!(
        refusal(&server.get(&format!("/v1/agents/{id}/tap?app_id=app_none")).await),
        (400, "INVALID_APP_ID")
    );
    let shown = server.get(&format!("/v1/agents/{id}/tap")).await;
    for hidden in ["provider", "provider_key_hash", "oauth_authorized_at", "oauth_refresh_token_hash"] {
        assert!(shown.json.get(hidden).is_none(), "{hidden}");
    }
}

#[tokio::test]
async fn a_rotated_key_ends_the_former_and_every_login() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let (former, next) = (key_pair(1), key_pair(2));
    let id = agent_with_key(&server, "app_mine", &former).await;
    let login = key_login(&server, &id, &former).await.json["access_token"].as_str().unwrap().to_owned();
    let token = granted(&server, "app_mine", &id).await["refresh_token"].clone();
    server.advance(1000);
    let body = json!({ "public_key": public_key(&next), "signature_algorithm": "ed25519" });
    let answer = rotate(&server, &id, &[("X-App-Secret", "sk_app_mine")], &body).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    let now = server.app.now().to_string();
    assert_eq!(
        answer.json,
        json!({
            "success": true, "agent_id": id, "message": "Key rotated successfully", "has_public_key": true,
            "signature_algorithm": "ed25519", "key_created_at": now, "key_expires_at": null,
            "key_fingerprint": answer.json["key_fingerprint"], "key_thumbprint": answer.json["key_thumbprint"],
        })
    );
    assert_eq!(refusal(&key_login(&server, &id, &former).await), (401, "INVALID_SIGNATURE"));
    assert_eq!(key_login(&server, &id, &next).await.status, 200);
    assert_eq!(refusal(&refresh(&server, &token).await), (401, "INVALID_TOKEN"));
    assert_eq!(
        refusal(&get_as(&server, "/v1/agents/me", &format!("Bearer {login}")).await),
        (401, "INVALID_TOKEN")
    );
    assert!(actions(&server, "app_mine").await.contains(&"agent.key_rotated".to_owned()));
}

#[tokio::test]
async fn the_agent_itself_rotates_its_key_and_no_other_agent_does() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let (own, other) = (key_pair(1), key_pair(2));
    let id = agent_with_key(&server, "app_mine", &own).await;
    let second = agent_with_key(&server, "app_mine", &other).await;
    let login = async |id: &str, pair| {
        format!("Bearer {}", key_login(&server, id, pair).await.json["access_token"].as_str().unwrap())
    };
    let body = json!({ "public_key": public_key(&key_pair(3)), "signature_algorithm": "ed25519" });
    let foreign = login(&second, &other).await;
    let refused = rotate(&server, &id, &[("Authorization", &foreign)], &body).await;
    assert_eq!(refusal(&refused), (403, "OWNER_PROOF_REQUIRED"));
    let itself = login(&id, &own).await;
    assert_eq!(rotate(&server, &id, &[("Authorization", &itself)], &body).await.status, 200);
    assert_eq!(key_login(&server, &id, &key_pair(3)).await.status, 200);
}

#[tokio::test]
async fn each_documented_error_of_rotating_is_answered() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    with_app(&server, "app_other").await;
    let id = agent_with_key(&server, "app_mine", &key_pair(1)).await;
    let foreign = agent_with_key(&server, "app_other", &key_pair(2)).await;
    let owner = [("X-App-Secret", "sk_app_mine")];
    let key = public_key(&key_pair(3));
    for (body, code) in [
        (json!({}), "MISSING_FIELDS"),
        (json!({ "public_key": key }), "MISSING_FIELDS"),
        (json!({ "signature_algorithm": "ed25519" }), "MISSING_FIELDS"),
        (json!({ "public_key": key, "signature_algorithm": "x" }), "INVALID_ALGORITHM"),
        (json!({ "public_key": key, "signature_algorithm": 7 }), "INVALID_ALGORITHM"),
        (json!({ "public_key": "x", "signature_algorithm": "ed25519" }), "INVALID_KEY_FORMAT"),
        (json!({ "public_key": PRINTED, "signature_algorithm": "ed25519" }), "INVALID_KEY_FORMAT"),
        (
            json!({ "public_key": key, "signature_algorithm": "ed25519", "key_expires_at": "x" }),
            "INVALID_KEY_EXPIRY",
        ),
        (
            json!({ "public_key": key, "signature_algorithm": "ed25519", "proof": "AA==" }),
            "INVALID_KEY_PROOF",
        ),
    ] {
        assert_eq!(refusal(&rotate(&server, &id, &owner, &body).await), (400, code), "{body}");
    }
    let body = json!({ "public_key": key, "signature_algorithm": "ed25519" });
    assert_eq!(refusal(&rotate(&server, "agent_none", &owner, &body).await), (404, "AGENT_NOT_FOUND"));
    assert_eq!(refusal(&rotate(&server, &foreign, &owner, &body).await), (403, "UNAUTHORIZED"));
    let wrong = rotate(&server, &id, &[("X-App-Secret", "sk_app_other")], &body).await;
    assert_eq!(
        (refusal(&wrong), &wrong.json["message"]),
        ((401, "UNAUTHORIZED"), &json!("Invalid app_secret"))
    );
    assert_eq!(refusal(&rotate(&server, &id, &[], &body).await), (401, "UNAUTHORIZED"));
    assert_eq!(
        refusal(&rotate(&server, &id, &[("Authorization", "Bearer x")], &body).await),
        (401, "INVALID_TOKEN")
    );
    let path = format!("/v1/agents/{id}/tap/rotate-key");
    assert_eq!(refusal(&server.post(&path, &body).await), (401, "APP_REGISTRATION_REQUIRED"));
    assert_eq!(server.call("POST", &path, &owner, "x".repeat(70_000)).await.status, 413);
    let secret = json!({ "public_key": key, "signature_algorithm": "ed25519", "app_id": "app_mine", "app_secret": secret("app_mine") });
    assert_eq!(server.post(&path, &secret).await.status, 200);
}
