//! On agents: impersonation, approval by the wrong, what outlives its end, and texts that are more than text.

use std::collections::HashSet;
use std::sync::Arc;

use quivive_core::encoding::{base64url, decode_hex};
use serde_json::{Value, json};

use crate::botcha::agents::{
    agent, agent_with_key, app_token, base64, begin_grant, decide, get_as, granted, key_login, key_pair,
    poll, public_key, refresh, refusal, secret, send, session, with_app,
};
use crate::support::Server;

#[tokio::test]
async fn an_agent_cannot_approve_itself() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let id = agent(&server, "app_mine", "victim").await;
    let grant = begin_grant(&server, "app_mine", &id).await;
    let token = app_token(&server, "app_mine").await;
    let body = json!({ "user_code": grant["user_code"], "action": "approve" });
    let with_secret =
        json!({ "user_code": grant["user_code"], "action": "approve", "app_secret": secret("app_mine") });
    for (headers, body) in [
        (vec![], &body),
        (vec![("X-App-Id", "app_mine")], &body),
        (vec![("Authorization", token.as_str())], &body),
        (vec![("X-App-Secret", "sk_app_mine")], &body),
        (vec![], &with_secret),
    ] {
        let answer = send(&server, "/v1/oauth/approve?app_id=app_mine", &headers, body).await;
        assert_eq!(answer.status, 401, "{headers:?} {}", answer.json);
    }
    assert_eq!(refusal(&poll(&server, &grant).await), (400, "authorization_pending"));
}

#[tokio::test]
async fn an_identity_token_is_no_session() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let id = agent(&server, "app_mine", "a").await;
    let token = granted(&server, "app_mine", &id).await["access_token"].as_str().unwrap().to_owned();
    let grant = begin_grant(&server, "app_mine", &id).await;
    let bearer = format!("Bearer {token}");
    assert_eq!(decide(&server, &bearer, &grant, "approve").await.status, 401);
    let cookie = format!("botcha_session={token}");
    let headers = [("Cookie", cookie.as_str()), ("X-Requested-With", "x"), ("Accept", "application/json")];
    let body = json!({ "user_code": grant["user_code"], "action": "approve" });
    assert_eq!(send(&server, "/v1/oauth/approve", &headers, &body).await.status, 401);
    assert_eq!(server.call("GET", "/device", &headers, "").await.status, 401);
    let path = format!("/v1/agents/{id}");
    assert_eq!(server.call("DELETE", &path, &[("Authorization", &bearer)], "").await.status, 401);
    // And no session opens what tokens open.
    let owner = session(&server, "app_mine").await;
    assert_eq!(get_as(&server, "/agent-only", &owner).await.status, 401);
    assert_eq!(get_as(&server, "/v1/agents/me", &owner).await.status, 401);
}

#[tokio::test]
async fn another_apps_session_approves_nothing() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    with_app(&server, "app_evil").await;
    let id = agent(&server, "app_mine", "victim").await;
    let grant = begin_grant(&server, "app_mine", &id).await;
    let evil = session(&server, "app_evil").await;
    for action in ["approve", "deny"] {
        assert_eq!(decide(&server, &evil, &grant, action).await.status, 403);
    }
    let body = json!({ "agent_id": id, "app_id": "app_mine" });
    assert_eq!(send(&server, "/v1/oauth/revoke", &[("Authorization", &evil)], &body).await.status, 401);
    assert_eq!(refusal(&poll(&server, &grant).await), (400, "authorization_pending"));
}

#[tokio::test]
async fn a_device_code_is_no_other_tenants() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    with_app(&server, "app_evil").await;
    let victim = agent(&server, "app_mine", "victim").await;
    let own = agent(&server, "app_evil", "own").await;
    let grant = begin_grant(&server, "app_mine", &victim).await;
    let foreign = server.post("/v1/oauth/device", &json!({ "agent_id": victim, "app_id": "app_evil" })).await;
    assert_eq!(refusal(&foreign), (403, "invalid_client"));
    decide(&server, &session(&server, "app_mine").await, &grant, "approve").await;
    let body = |agent: &str, app: &str| {
        json!({
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": grant["device_code"],
            "agent_id": agent, "app_id": app,
        })
    };
    for (agent, app) in
        [(own.as_str(), "app_evil"), (victim.as_str(), "app_evil"), (own.as_str(), "app_mine")]
    {
        let answer = server.post("/v1/oauth/token", &body(agent, app)).await;
        assert_eq!(refusal(&answer), (400, "expired_token"), "{agent} {app}");
    }
    // The user code and a code of another purpose open nothing here.
    for code in [&grant["user_code"], &json!("BOTCHA-AAAAAA")] {
        let body =
            json!({ "grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": code });
        assert_eq!(refusal(&server.post("/v1/oauth/token", &body).await), (400, "expired_token"));
    }
    assert_eq!(server.post("/v1/oauth/token", &body(&victim, "app_mine")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_polls_at_once_get_one_token() {
    let server = Arc::new(Server::start().await);
    with_app(&server, "app_mine").await;
    let id = agent(&server, "app_mine", "a").await;
    let grant = begin_grant(&server, "app_mine", &id).await;
    decide(&server, &session(&server, "app_mine").await, &grant, "approve").await;
    let polls: Vec<_> = (0..16)
        .map(|_| {
            let (server, grant) = (server.clone(), grant.clone());
            tokio::spawn(async move { poll(&server, &grant).await.status.as_u16() })
        })
        .collect();
    let mut statuses = Vec::new();
    for poll in polls {
        statuses.push(poll.await.unwrap());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 15, "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_decision_counts_of_many_at_once() {
    let server = Arc::new(Server::start().await);
    with_app(&server, "app_mine").await;
    let id = agent(&server, "app_mine", "a").await;
    let grant = begin_grant(&server, "app_mine", &id).await;
    let owner = session(&server, "app_mine").await;
    let decisions: Vec<_> = (0..16)
        .map(|number| {
            let (server, grant, owner) = (server.clone(), grant.clone(), owner.clone());
            let action = if number % 2 == 0 { "approve" } else { "deny" };
            tokio::spawn(async move { decide(&server, &owner, &grant, action).await.status.as_u16() })
        })
        .collect();
    let mut made = 0;
    for decision in decisions {
        made += u32::from(decision.await.unwrap() == 200);
    }
    assert_eq!(made, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_refresh_token_used_at_once_by_many_gives_one_successor() {
    let server = Arc::new(Server::start().await);
    with_app(&server, "app_mine").await;
    let id = agent(&server, "app_mine", "a").await;
    let token = granted(&server, "app_mine", &id).await["refresh_token"].clone();
    let uses: Vec<_> = (0..16)
        .map(|_| {
            let (server, token) = (server.clone(), token.clone());
            tokio::spawn(async move {
                let body = json!({ "grant_type": "refresh_token", "refresh_token": token });
                server.post("/v1/oauth/token", &body).await
            })
        })
        .collect();
    let mut successors = Vec::new();
    for one in uses {
        let answer = one.await.unwrap();
        match answer.status.as_u16() {
            200 => successors.push(answer.json["refresh_token"].clone()),
            400 => {}
            status => panic!("{status} {}", answer.json),
        }
    }
    assert_eq!(successors.len(), 1);
    assert_eq!(refresh(&server, &successors[0]).await.status, 200, "a crowd is no theft");
}

#[tokio::test]
async fn a_revoked_refresh_token_is_dead_on_every_route() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let id = agent(&server, "app_mine", "a").await;
    let token = granted(&server, "app_mine", &id).await["refresh_token"].clone();
    assert_eq!(refresh(&server, &token).await.status, 200);
    let body = json!({ "agent_id": id, "app_id": "app_mine" });
    assert_eq!(server.post("/v1/oauth/revoke", &body).await.status, 401, "nobody revokes what is not his");
    assert_eq!(refresh(&server, &token).await.status, 200);
    assert_eq!(
        send(&server, "/v1/oauth/revoke", &[("X-App-Secret", "sk_app_mine")], &body).await.status,
        200
    );
    assert_eq!(refusal(&refresh(&server, &token).await), (401, "INVALID_TOKEN"));
    let exchange = json!({ "grant_type": "refresh_token", "refresh_token": token });
    assert_eq!(refusal(&server.post("/v1/oauth/token", &exchange).await), (400, "invalid_grant"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_of_a_refresh_survives_a_revocation_at_the_same_moment() {
    for round in 0..8 {
        let server = Arc::new(Server::with(|config| config.agents.refresh_rotation = true).await);
        with_app(&server, "app_mine").await;
        let id = agent(&server, "app_mine", "a").await;
        let token = granted(&server, "app_mine", &id).await["refresh_token"].clone();
        let uses: Vec<_> = (0..8)
            .map(|_| {
                let (server, token) = (server.clone(), token.clone());
                tokio::spawn(async move { refresh(&server, &token).await.json["refresh_token"].clone() })
            })
            .collect();
        let body = json!({ "agent_id": id, "app_id": "app_mine" });
        let revoked = send(&server, "/v1/oauth/revoke", &[("X-App-Secret", "sk_app_mine")], &body).await;
        assert_eq!(revoked.status, 200);
        for one in uses {
            let next = one.await.unwrap();
            if next.is_string() {
                assert_eq!(refusal(&refresh(&server, &next).await), (401, "INVALID_TOKEN"), "round {round}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn forty_agents_registered_at_once_are_all_listed() {
    let server = Arc::new(Server::start().await);
    with_app(&server, "app_mine").await;
    let registrations: Vec<_> = (0..40)
        .map(|number| {
            let server = server.clone();
            tokio::spawn(async move { agent(&server, "app_mine", &format!("agent {number}")).await })
        })
        .collect();
    let mut ids = HashSet::new();
    for registration in registrations {
        ids.insert(registration.await.unwrap());
    }
    assert_eq!(ids.len(), 40);
    let list = get_as(&server, "/v1/agents", &app_token(&server, "app_mine").await).await.json;
    assert_eq!(list["count"], 40);
    let listed: HashSet<_> = list["agents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|agent| agent["agent_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(listed, ids);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_daily_share_of_agents_without_a_proof_holds_against_a_crowd() {
    let server = Arc::new(Server::with(|config| config.limits.agent_registrations_per_hour = 0).await);
    with_app(&server, "app_mine").await;
    let registrations: Vec<_> = (0..60)
        .map(|_| {
            let server = server.clone();
            let body = json!({ "name": "squatter", "app_id": "app_mine" });
            tokio::spawn(async move { server.post("/v1/agents/register", &body).await.status.as_u16() })
        })
        .collect();
    let mut taken = 0;
    for registration in registrations {
        taken += u32::from(registration.await.unwrap() == 201);
    }
    assert_eq!(taken, 20);
}

#[tokio::test]
async fn a_token_for_a_public_app_id_changes_nothing_of_the_apps_agents() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let id = agent_with_key(&server, "app_mine", &key_pair(1)).await;
    let token = app_token(&server, "app_mine").await;
    let header = [("Authorization", token.as_str())];
    let key = json!({ "name": "a", "public_key": public_key(&key_pair(9)), "signature_algorithm": "ed25519", "agent_id": id });
    let rotate = format!("/v1/agents/{id}/tap/rotate-key");
    assert_eq!(refusal(&send(&server, &rotate, &header, &key).await), (403, "OWNER_PROOF_REQUIRED"));
    let replaced = send(&server, "/v1/agents/register/tap", &header, &key).await;
    assert_eq!(refusal(&replaced), (403, "OWNER_PROOF_REQUIRED"));
    assert_eq!(server.call("DELETE", &format!("/v1/agents/{id}"), &header, "").await.status, 401);
    let squatted = send(&server, "/v1/agents/register", &header, &json!({ "name": "a" })).await;
    assert_eq!(squatted.json["owner_verified"], false);
    let shown = server.get(&format!("/v1/agents/{}", squatted.json["agent_id"].as_str().unwrap())).await;
    assert_eq!(shown.json["owner_verified"], false);
    assert_eq!(key_login(&server, &id, &key_pair(1)).await.status, 200);
}

#[tokio::test]
async fn a_login_signature_cannot_be_replayed_or_made_for_another_agent() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    with_app(&server, "app_evil").await;
    let (victim_key, evil_key) = (key_pair(1), key_pair(2));
    let victim = agent_with_key(&server, "app_mine", &victim_key).await;
    let evil = agent_with_key(&server, "app_evil", &evil_key).await;
    let begin = async |id: &str| server.post("/v1/agents/auth", &json!({ "agent_id": id })).await.json;
    let finish = async |challenge: &Value, id: &str, signature: &[u8]| {
        let body = json!({ "challenge_id": challenge["challenge_id"], "agent_id": id, "signature": base64(signature) });
        server.post("/v1/agents/auth/verify", &body).await
    };
    let nonce = |challenge: &Value| challenge["nonce"].as_str().unwrap().to_owned();

    let challenge = begin(&victim).await;
    let signature = victim_key.sign(nonce(&challenge).as_bytes());
    assert_eq!(finish(&challenge, &victim, signature.as_ref()).await.status, 200);
    assert_eq!(refusal(&finish(&challenge, &victim, signature.as_ref()).await), (404, "CHALLENGE_NOT_FOUND"));
    let next = begin(&victim).await;
    assert_eq!(refusal(&finish(&next, &victim, signature.as_ref()).await), (401, "INVALID_SIGNATURE"));

    let challenge = begin(&evil).await;
    let signature = evil_key.sign(nonce(&challenge).as_bytes());
    assert_eq!(refusal(&finish(&challenge, &victim, signature.as_ref()).await), (400, "AGENT_MISMATCH"));
    let challenge = begin(&victim).await;
    let signature = evil_key.sign(nonce(&challenge).as_bytes());
    assert_eq!(refusal(&finish(&challenge, &victim, signature.as_ref()).await), (401, "INVALID_SIGNATURE"));

    // What the nonce stands for is not what is signed: some other protocol may have its 32 bytes signed.
    let challenge = begin(&victim).await;
    let signature = victim_key.sign(&decode_hex(&nonce(&challenge)).unwrap());
    assert_eq!(refusal(&finish(&challenge, &victim, signature.as_ref()).await), (401, "INVALID_SIGNATURE"));
}

#[tokio::test]
async fn a_key_verifies_by_its_own_algorithm_only() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let pair = key_pair(1);
    for algorithm in ["ecdsa-p256-sha256", "rsa-pss-sha256", "hmac-sha256", "none", "HS256", "EdDSA"] {
        let body = json!({
            "name": "a", "public_key": public_key(&pair), "signature_algorithm": algorithm, "app_id": "app_mine",
        });
        let answer =
            send(&server, "/v1/agents/register/tap", &[("X-App-Secret", "sk_app_mine")], &body).await;
        assert_eq!(refusal(&answer), (400, "INVALID_REQUEST"), "{algorithm}");
    }
    // An algorithm that the login names is not looked at.
    let id = agent_with_key(&server, "app_mine", &pair).await;
    let challenge = server.post("/v1/agents/auth", &json!({ "agent_id": id })).await.json;
    let mac = quivive_core::crypto::hmac_sha256(
        public_key(&pair).as_bytes(),
        challenge["nonce"].as_str().unwrap().as_bytes(),
    );
    let body = json!({
        "challenge_id": challenge["challenge_id"], "agent_id": id, "signature": base64(&mac),
        "signature_algorithm": "hmac-sha256", "alg": "none",
    });
    assert_eq!(refusal(&server.post("/v1/agents/auth/verify", &body).await), (401, "INVALID_SIGNATURE"));
}

#[tokio::test]
async fn an_identity_token_cannot_be_forged() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let pair = key_pair(1);
    let id = agent_with_key(&server, "app_mine", &pair).await;
    let token = key_login(&server, &id, &pair).await.json["access_token"].as_str().unwrap().to_owned();
    let payload = token.split('.').nth(1).unwrap();
    let published = server.get("/.well-known/jwks").await.json["keys"][0].to_string();
    let with_header = |header: &str, key: &[u8]| {
        let input = format!("{}.{payload}", base64url(header.as_bytes()));
        let mac = quivive_core::crypto::hmac_sha256(key, input.as_bytes());
        format!("Bearer {input}.{}", base64url(&mac))
    };
    let forgeries = [
        with_header(r#"{"alg":"HS256"}"#, published.as_bytes()),
        with_header(r#"{"alg":"HS256","kid":"botcha-signing-1"}"#, b""),
        with_header(r#"{"alg":"none"}"#, b""),
        format!("Bearer {}.{payload}.", base64url(br#"{"alg":"none"}"#)),
        // The agent's own key is published under its id in the key set, but signs no tokens.
        {
            let input =
                format!("{}.{payload}", base64url(format!(r#"{{"alg":"EdDSA","kid":"{id}"}}"#).as_bytes()));
            format!("Bearer {input}.{}", base64url(pair.sign(input.as_bytes()).as_ref()))
        },
    ];
    for forgery in forgeries {
        assert_eq!(
            refusal(&get_as(&server, "/v1/agents/me", &forgery).await),
            (401, "INVALID_TOKEN"),
            "{forgery}"
        );
        assert_eq!(get_as(&server, "/agent-only", &forgery).await.status, 401, "{forgery}");
    }
}

#[tokio::test]
async fn what_agents_call_themselves_is_text_on_the_approval_page() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let cookie =
        format!("botcha_session={}", session(&server, "app_mine").await.trim_start_matches("Bearer "));
    let open = async |path: &str, accept: &str| {
        let answer = server.call("GET", path, &[("Accept", accept), ("Cookie", &cookie)], "").await;
        (answer.header("content-security-policy").to_owned(), String::from_utf8(answer.body).unwrap())
    };
    for text in
        ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "</title><svg/onload=alert(1)>"]
    {
        let body =
            json!({ "name": text, "operator": text, "app_id": "app_mine", "app_secret": secret("app_mine") });
        let id =
            server.post("/v1/agents/register", &body).await.json["agent_id"].as_str().unwrap().to_owned();
        let grant = begin_grant(&server, "app_mine", &id).await;
        let path = format!("/device?code={}", grant["user_code"].as_str().unwrap());
        let (policy, page) = open(&path, "text/html").await;
        assert!(
            page.contains(&id) && !page.contains(text) && !page.contains("<img") && !page.contains("<svg/"),
            "{page}"
        );
        assert!(policy.contains("default-src 'self'") && !policy.contains("unsafe-inline"), "{policy}");
        let (_, markdown) = open(&path, "text/markdown").await;
        // Within a code span nothing is read as markup.
        let read: String = markdown.split('`').step_by(2).collect();
        assert!(!read.contains("<script") && !read.contains("<img") && !read.contains("<svg"), "{markdown}");
    }
    let link = "[Approve](https://evil.example) ` ![x](https://evil.example)";
    let body = json!({ "name": link, "app_id": "app_mine", "app_secret": secret("app_mine") });
    let id = server.post("/v1/agents/register", &body).await.json["agent_id"].as_str().unwrap().to_owned();
    let grant = begin_grant(&server, "app_mine", &id).await;
    let (_, markdown) =
        open(&format!("/device?code={}", grant["user_code"].as_str().unwrap()), "text/markdown").await;
    assert!(
        markdown.contains("`[Approve](https://evil.example) ' ![x](https://evil.example)`"),
        "{markdown}"
    );
    for code in
        ["%3Cscript%3Ealert(1)%3C/script%3E", "%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E", "'-alert(1)-'"]
    {
        let (_, page) = open(&format!("/device?code={code}"), "text/html").await;
        assert!(!page.contains("alert(1)"), "{page}");
    }
}

#[tokio::test]
async fn opening_the_approval_page_approves_nothing() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let id = agent(&server, "app_mine", "a").await;
    let grant = begin_grant(&server, "app_mine", &id).await;
    let cookie =
        format!("botcha_session={}", session(&server, "app_mine").await.trim_start_matches("Bearer "));
    let code = grant["user_code"].as_str().unwrap();
    for path in
        [format!("/device?code={code}"), format!("/device?code={code}&action=approve&user_code={code}")]
    {
        for method in ["GET", "HEAD"] {
            server.call(method, &path, &[("Accept", "text/html"), ("Cookie", &cookie)], "").await;
        }
    }
    assert_eq!(refusal(&poll(&server, &grant).await), (400, "authorization_pending"));
    let gate = server.get(&format!("/go/{code}")).await;
    assert_ne!(gate.status, 200, "the code opens no other door");
    assert_eq!(server.get(&format!("/v1/oauth/status?user_code={code}")).await.json["status"], "pending");
}

#[tokio::test]
async fn keys_of_providers_cannot_be_tried_out() {
    let server = Server::start().await;
    with_app(&server, "app_mine").await;
    let body = json!({ "provider": "openai", "api_key": "sk-leaked", "app_id": "app_mine" });
    assert_eq!(
        refusal(&server.post("/v1/agents/auth/provider", &body).await),
        (403, "PROVIDER_AUTH_DISABLED")
    );
    let server = Server::compat().await;
    with_app(&server, "app_mine").await;
    for _ in 0..60 {
        assert_eq!(server.post("/v1/agents/auth/provider", &body).await.status, 404);
    }
    let refused = server.post("/v1/agents/auth/provider", &body).await;
    assert_eq!(refusal(&refused), (429, "RATE_LIMIT_EXCEEDED"), "this limit holds in compat too");
}

#[tokio::test]
async fn codes_cannot_be_guessed_in_compat_either() {
    let server = Server::compat().await;
    for _ in 0..30 {
        assert_eq!(server.get("/v1/oauth/lookup?user_code=AAAAAA").await.status, 404);
    }
    assert_eq!(server.get("/v1/oauth/lookup?user_code=AAAAAA").await.status, 429);
}

#[tokio::test]
async fn compat_approves_nothing_without_a_session_either() {
    let server = Server::compat().await;
    with_app(&server, "app_mine").await;
    let id = agent(&server, "app_mine", "victim").await;
    let grant = begin_grant(&server, "app_mine", &id).await;
    let body = json!({ "user_code": grant["user_code"], "action": "approve" });
    assert_eq!(server.post("/v1/oauth/approve", &body).await.status, 401);
}

#[tokio::test]
async fn secrets_of_agents_are_not_stored_in_clear() {
    let moody = crate::botect::faults::Moody::new();
    let server = Server::on(moody.clone(), |_| {}).await;
    with_app(&server, "app_mine").await;
    let id = agent(&server, "app_mine", "a").await;
    let grant = begin_grant(&server, "app_mine", &id).await;
    let token = granted(&server, "app_mine", &id).await["refresh_token"].as_str().unwrap().to_owned();
    use quivive_server::storage::Records;
    for kind in ["agent_refresh_token", "device_grant"] {
        let rows = moody.list(kind, &id, None, 10, server.app.now()).await.unwrap();
        assert_eq!(rows.len(), 1, "{kind}");
        for secret in
            [token.as_str(), grant["device_code"].as_str().unwrap(), grant["user_code"].as_str().unwrap()]
        {
            assert!(!rows[0].body.contains(secret) && !rows[0].id.contains(secret), "{kind}");
        }
    }
}
