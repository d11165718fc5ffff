use quivive_core::public_key::{PublicKey, SignatureAlgorithm};
use quivive_core::token::Jwk;
use quivive_server::config::AppGate;
use serde_json::{Value, json};

use super::{agent, agent_with_key, app_token, get_as, key_pair, refusal, secret, send, session, with_app};
use crate::support::Server;

#[tokio::test]
async fn the_key_set_of_an_app_holds_the_keys_of_its_agents() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    with_app(&server, "app_other").await;
    let id = agent_with_key(&server, "app_mine", &key_pair(1)).await;
    agent(&server, "app_mine", "keyless").await;
    agent_with_key(&server, "app_other", &key_pair(2)).await;
    for path in [
        "/.well-known/jwks?app_id=app_mine",
        "/.well-known/jwks.json?app_id=app_mine",
        "/v1/keys?app_id=app_mine",
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("cache-control"), "public, max-age=3600");
        let keys = answer.json["keys"].as_array().unwrap();
        assert_eq!(keys.len(), 2, "{path}");
        assert_eq!(keys[0]["kid"], "botcha-signing-1");
        let key = &keys[1];
        let thumbprint = key["thumbprint"].as_str().unwrap();
        assert_eq!(
            key,
            &json!({
                "kty": "OKP", "crv": "Ed25519", "x": key["x"], "key_ops": ["verify"], "ext": true, "kid": id,
                "use": "sig", "alg": "EdDSA", "agent_id": id, "agent_name": "keyed-agent",
                "expires_at": "2027-02-15T12:00:00.000Z", "thumbprint": thumbprint,
            })
        );
        let read: Jwk = serde_json::from_value(key.clone()).unwrap();
        let parsed = PublicKey::from_jwk(&read, SignatureAlgorithm::Ed25519).unwrap();
        assert_eq!(parsed.thumbprint(), thumbprint);
        for single in
            [format!("/v1/keys/{id}"), format!("/v1/keys?keyID={id}"), format!("/v1/keys/{thumbprint}")]
        {
            assert_eq!(&server.get(&single).await.json, key, "{single}");
        }
    }
    let own = server.get("/.well-known/jwks").await.json;
    assert_eq!(own["keys"].as_array().unwrap().len(), 1);
    assert_eq!(
        server.get("/.well-known/jwks?app_id=app_none").await.json,
        own,
        "an unknown app adds nothing"
    );
    assert_eq!(server.get("/v1/keys").await.json, own);
    assert_eq!(server.get("/v1/keys/botcha-signing-1").await.json, own["keys"][0]);
}

#[tokio::test]
async fn every_form_and_algorithm_is_converted() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let p256 = json!({ "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" });
    let rsa = json!({ "kty": "RSA", "e": "AQAB", "n": "orRRoH0KpfluRVZxUTVQUUqKW0YuvvcXCU-h_ugiJOY3-XRtP3yv0xh42AMltu9aFwD2WQO0aUKeidbqyIRQl7WrOTGJ25JRLtincRoSU_rNIPecFegkfz0-QuRuSMmOJUov6XZTE6A-_48X4aApOXofomqNzib0kO2BKZYV2YFMItphBCjgnH2WWFlCZvXAIdD87KCNlFoSvoLeTR7Oa0wDFFtdNJXU7VQR64eNrwX9evw-Ca2g8RJkIvWQl1oZaYFvSGmLy7obTZyuedRg2Pn4Xnl1AF2bwixOWsD3waRdElaaYoB9O5oC5aUw53MGb0U9H1tMLpz3ggKD90K51Q" });
    let pem = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAorRRoH0KpfluRVZxUTVQ\nUUqKW0YuvvcXCU+h/ugiJOY3+XRtP3yv0xh42AMltu9aFwD2WQO0aUKeidbqyIRQ\nl7WrOTGJ25JRLtincRoSU/rNIPecFegkfz0+QuRuSMmOJUov6XZTE6A+/48X4aAp\nOXofomqNzib0kO2BKZYV2YFMItphBCjgnH2WWFlCZvXAIdD87KCNlFoSvoLeTR7O\na0wDFFtdNJXU7VQR64eNrwX9evw+Ca2g8RJkIvWQl1oZaYFvSGmLy7obTZyuedRg\n2Pn4Xnl1AF2bwixOWsD3waRdElaaYoB9O5oC5aUw53MGb0U9H1tMLpz3ggKD90K5\n1QIDAQAB\n-----END PUBLIC KEY-----\n";
    for (key, algorithm, name) in [
        (p256.clone(), "ecdsa-p256-sha256", "ES256"),
        (json!(p256.to_string()), "ecdsa-p256-sha256", "ES256"),
        (rsa.clone(), "rsa-pss-sha256", "PS256"),
        (json!(pem), "rsa-pss-sha256", "PS256"),
    ] {
        let body =
            json!({ "name": "a", "public_key": key, "signature_algorithm": algorithm, "app_id": "app_mine" });
        let made =
            send(&server, "/v1/agents/register/tap", &[("X-App-Secret", &secret("app_mine"))], &body).await;
        assert_eq!(made.status, 201, "{}", made.json);
        let shown = server.get(&format!("/v1/keys/{}", made.json["agent_id"].as_str().unwrap())).await.json;
        assert_eq!(shown["alg"], name);
        let wanted = if name == "ES256" { &p256 } else { &rsa };
        for (member, value) in wanted.as_object().unwrap() {
            assert_eq!(&shown[member], value, "{algorithm} {member}");
        }
        assert!(shown.get("error").is_none() && shown.get("raw_pem").is_none());
    }
}

#[tokio::test]
async fn the_app_is_named_by_query_header_or_token() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    agent_with_key(&server, "app_mine", &key_pair(1)).await;
    let count = |answer: crate::support::Answer| answer.json["keys"].as_array().unwrap().len();
    assert_eq!(count(server.call("GET", "/v1/keys", &[("X-App-Id", "app_mine")], "").await), 2);
    assert_eq!(count(get_as(&server, "/v1/keys", &app_token(&server, "app_mine").await).await), 2);
    assert_eq!(refusal(&server.get("/v1/keys?app_id=app_none").await), (400, "INVALID_APP_ID"));

    let server = Server::compat().await;
    with_app(&server, "app_mine").await;
    agent_with_key(&server, "app_mine", &key_pair(1)).await;
    assert_eq!(server.get("/v1/keys").await.json, json!({ "keys": [] }));
    assert_eq!(count(server.call("GET", "/v1/keys", &[("X-App-Id", "app_mine")], "").await), 0);
    assert_eq!(count(server.get("/v1/keys?app_id=app_mine").await), 2);
}

#[tokio::test]
async fn what_is_no_key_is_404() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let keyless = agent(&server, "app_mine", "keyless").await;
    let nothing = "A".repeat(43);
    for id in ["none", "agent_0000000000000000", keyless.as_str(), nothing.as_str(), "%FF", &"x".repeat(3000)]
    {
        let answer = server.get(&format!("/v1/keys/{id}")).await;
        assert_eq!(refusal(&answer), (404, "Key not found"), "{id}");
        assert!(answer.json.get("success").is_none());
        assert_eq!(
            refusal(&server.get(&format!("/v1/keys?keyID={id}")).await),
            (404, "Key not found"),
            "{id}"
        );
    }
}

#[tokio::test]
async fn a_strict_gate_guards_the_key_routes_but_not_the_key_set() {
    let server = Server::with(|config| config.botcha.app_gate = AppGate::Strict).await;
    with_app(&server, "app_mine").await;
    let id = agent_with_key(&server, "app_mine", &key_pair(1)).await;
    for path in ["/v1/keys".to_owned(), format!("/v1/keys/{id}"), format!("/v1/keys?keyID={id}")] {
        assert_eq!(refusal(&server.get(&path).await), (401, "APP_REGISTRATION_REQUIRED"), "{path}");
    }
    assert_eq!(server.get(&format!("/v1/keys/{id}?app_id=app_mine")).await.status, 200);
    assert_eq!(server.get("/.well-known/jwks?app_id=app_mine").await.status, 200);
}

#[tokio::test]
async fn a_caller_who_has_the_keys_gets_304() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let path = "/.well-known/jwks?app_id=app_mine";
    let tag = server.get(path).await.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"'));
    let known = server.call("GET", path, &[("If-None-Match", &format!("\"a\", {tag}"))], "").await;
    assert_eq!((known.status.as_u16(), known.body.len(), known.header("etag")), (304, 0, tag.as_str()));
    agent_with_key(&server, "app_mine", &key_pair(1)).await;
    assert_eq!(server.call("GET", path, &[("If-None-Match", &tag)], "").await.status, 200);
}

#[tokio::test]
async fn a_rotated_key_takes_the_place_of_the_former_everywhere() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let id = agent_with_key(&server, "app_mine", &key_pair(1)).await;
    let before = server.get(&format!("/v1/keys/{id}")).await.json;
    let body = json!({ "public_key": super::public_key(&key_pair(2)), "signature_algorithm": "ed25519", "key_expires_at": "2026-03-01" });
    let owner = session(&server, "app_mine").await;
    let path = format!("/v1/agents/{id}/tap/rotate-key");
    assert_eq!(send(&server, &path, &[("Authorization", &owner)], &body).await.status, 200);
    let after = server.get(&format!("/v1/keys/{id}")).await.json;
    assert_ne!(after["x"], before["x"]);
    assert_eq!(after["expires_at"], "2026-03-01T00:00:00.000Z");
    let by_thumbprint =
        async |key: &Value| server.get(&format!("/v1/keys/{}", key["thumbprint"].as_str().unwrap())).await;
    assert_eq!(by_thumbprint(&before).await.status, 404);
    assert_eq!(by_thumbprint(&after).await.json, after);
}
