//! Pages, tokens and challenges.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use quivive::core::challenge::reasoning::NaturalQuestion;
use quivive::reqwest::{Method, Request, StatusCode};
use quivive::{Client, Error};

use crate::service::Service;

#[tokio::test]
async fn token_is_got_when_asked_for_and_kept() {
    let service = Service::start().await;
    let client = service.client();
    for _ in 0..3 {
        let page = client.get(service.url("/with-token")).await.unwrap();
        assert_eq!(page.status(), StatusCode::OK);
        assert_eq!(page.text().await.unwrap(), "welcome");
    }
    assert_eq!(service.count(&service.solved), 1);
    let shown = service.shown.lock().unwrap();
    assert_eq!(shown.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, true, true]);
}

#[tokio::test]
async fn concurrent_fetches_share_one_token() {
    let service = Service::start().await;
    let client = service.client();
    let fetches = (0..20).map(|_| {
        let (client, url) = (client.clone(), service.url("/with-token"));
        tokio::spawn(async move { client.get(url).await.unwrap().status() })
    });
    for fetch in fetches.collect::<Vec<_>>() {
        assert_eq!(fetch.await.unwrap(), StatusCode::OK);
    }
    assert_eq!(service.count(&service.solved), 1);
}

#[tokio::test]
async fn token_near_its_end_is_refreshed_before_use() {
    let service = Service::start().await;
    service.life.store(59, Ordering::SeqCst);
    let client = service.client();
    for _ in 0..2 {
        assert_eq!(client.get(service.url("/with-token")).await.unwrap().status(), StatusCode::OK);
    }
    assert_eq!((service.count(&service.solved), service.count(&service.refreshed)), (1, 1));

    service.refuses_refresh.store(true, Ordering::SeqCst);
    assert_eq!(client.get(service.url("/with-token")).await.unwrap().status(), StatusCode::OK);
    assert_eq!((service.count(&service.solved), service.count(&service.refreshed)), (2, 1));
}

#[tokio::test]
async fn refused_token_is_renewed_once() {
    let service = Service::start().await;
    let client = service.client();
    let first = client.botcha().token().await.unwrap();
    service.rotate_key("key-2");
    assert_eq!(client.get(service.url("/with-token")).await.unwrap().status(), StatusCode::OK);
    assert_eq!(service.count(&service.refreshed), 1);
    assert_ne!(client.botcha().token().await.unwrap(), first);
}

#[tokio::test]
async fn refusal_comes_back_when_no_token_can_be_had() {
    let service = Service::start().await;
    service.is_down.store(true, Ordering::SeqCst);
    let client = service.client();
    assert_eq!(client.get(service.url("/with-token")).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let error = client.botcha().token().await.unwrap_err();
    assert!(matches!(&error, Error::Api { status: 500, code, .. } if code == "INTERNAL_ERROR"), "{error:?}");
}

#[tokio::test]
async fn inline_challenge_is_solved_without_any_service() {
    let site = Service::start().await;
    let client = Client::builder().app_id("app_1").build().unwrap();
    let page = client.get(site.url("/inline")).await.unwrap();
    assert_eq!((page.status(), page.text().await.unwrap()), (StatusCode::OK, "welcome app_1".to_owned()));
    assert_eq!(site.shown.lock().unwrap().len(), 2);
    assert_eq!(client.get(site.url("/with-token")).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(client.botcha().token().await.unwrap_err().code(), "INVALID_INPUT");
}

#[tokio::test]
async fn body_is_sent_again_with_the_answer() {
    let site = Service::start().await;
    let client = Client::builder().build().unwrap();
    let mut request = Request::new(Method::POST, site.url("/inline").parse().unwrap());
    *request.body_mut() = Some("parcel".into());
    let page = client.fetch(request).await.unwrap();
    assert_eq!(page.text().await.unwrap(), "welcome parcel");
}

#[tokio::test]
async fn token_stays_away_from_origins_that_did_not_ask() {
    let (service, other) = (Service::start().await, Service::start().await);
    let client = service.client();
    client.botcha().token().await.unwrap();
    client.get(other.url("/open")).await.unwrap();
    assert_eq!(*other.shown.lock().unwrap(), [None]);
    client.get(service.url("/open")).await.unwrap();
    assert!(service.shown.lock().unwrap()[0].is_some());
    client.get(other.url("/with-token")).await.unwrap();
    client.get(other.url("/open")).await.unwrap();
    assert!(other.shown.lock().unwrap().last().unwrap().is_some());
}

#[tokio::test]
async fn listed_origins_alone_get_the_token() {
    let (service, other) = (Service::start().await, Service::start().await);
    let builder = || Client::builder().url(service.url(""));
    let client = builder().token_origins(["https://shop.example"]).build().unwrap();
    assert_eq!(client.get(other.url("/with-token")).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(*other.shown.lock().unwrap(), [None]);

    let client = builder().token_origins([other.url("")]).build().unwrap();
    client.get(other.url("/with-token")).await.unwrap();
    assert!(other.shown.lock().unwrap().last().unwrap().is_some());
}

#[tokio::test]
async fn own_authorization_is_left_alone() {
    let service = Service::start().await;
    let client = service.client();
    client.botcha().token().await.unwrap();
    let mut request = Request::new(Method::GET, service.url("/with-token").parse().unwrap());
    request.headers_mut().insert("authorization", "Basic b3duOm93bg==".parse().unwrap());
    assert_eq!(client.fetch(request).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(*service.shown.lock().unwrap(), [Some("Basic b3duOm93bg==".to_owned())]);
}

#[tokio::test]
async fn redirects_of_pages_are_followed() {
    let service = Service::start().await;
    let page = service.client().get(service.url("/moved")).await.unwrap();
    assert_eq!(page.url().path(), "/open");
}

#[tokio::test]
async fn refusal_that_holds_no_challenge_comes_back_whole() {
    let service = Service::start().await;
    let page = service.client().get(service.url("/large-refusal")).await.unwrap();
    assert_eq!((page.status(), page.url().path()), (StatusCode::FORBIDDEN, "/large-refusal"));
    assert_eq!(page.text().await.unwrap().len(), 1_000_002);
}

#[tokio::test]
async fn service_judges_tokens() {
    let service = Service::start().await;
    let botcha = service.client().botcha();
    let token = botcha.token().await.unwrap();
    let valid = botcha.validate(&token).await.unwrap();
    assert_eq!(valid.payload.unwrap().sub.as_deref(), Some("challenge"));
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let forged = botcha.validate(&format!("{signed}.{other}{}", &signature[1..])).await.unwrap();
    assert_eq!((forged.valid, forged.error.as_deref()), (false, Some("Invalid signature")));
    assert_eq!(botcha.keys().await.unwrap().keys.len(), 1);
}

#[tokio::test]
async fn agent_proves_itself_with_the_answers_of_its_model() {
    let service = Service::start().await;
    let client = service.client();
    let asked = Mutex::new(Vec::new());
    let model = async |question: NaturalQuestion| {
        asked.lock().unwrap().push(question.clone());
        service.right_answer(&question.id)
    };
    let token = client.botcha().prove(model).await.unwrap();
    let asked = asked.into_inner().unwrap();
    assert_eq!(asked.len(), 3);
    assert!(
        asked
            .iter()
            .all(|question| !question.question.is_empty() && question.id.starts_with(char::is_lowercase))
    );
    assert_eq!(client.botcha().token().await.unwrap(), token);
    assert_eq!(client.get(service.url("/with-token")).await.unwrap().status(), StatusCode::OK);
    assert_eq!(service.count(&service.solved), 0);
}

#[tokio::test]
async fn wrong_answers_prove_nothing() {
    let service = Service::start().await;
    let client = service.client();
    let error = client.botcha().prove(async |_| "no idea".to_owned()).await.unwrap_err();
    assert_eq!(
        (error.code(), error.service_message()),
        ("CHALLENGE_FAILED", Some("❌ Failed: Failed: reasoning"))
    );
    assert_eq!(*service.shown.lock().unwrap(), []);
}

#[tokio::test]
async fn model_is_not_asked_before_the_speed_part_is_passed() {
    let service = Service::start().await;
    let client = service.client();
    let asked = AtomicUsize::new(0);
    let model = async |question: NaturalQuestion| {
        asked.fetch_add(1, Ordering::SeqCst);
        service.right_answer(&question.id)
    };
    service.fails_speed.store(2, Ordering::SeqCst);
    assert_eq!(client.botcha().prove(&model).await.unwrap_err().code(), "CHALLENGE_FAILED");
    assert_eq!(service.count(&asked), 0);
    service.fails_speed.store(1, Ordering::SeqCst);
    client.botcha().prove(&model).await.unwrap();
    assert_eq!(service.count(&asked), 3);
}

#[tokio::test]
async fn questions_are_answered_at_the_same_time() {
    let service = Service::start().await;
    let all = tokio::sync::Barrier::new(3);
    let model = async |question: NaturalQuestion| {
        all.wait().await;
        service.right_answer(&question.id)
    };
    let botcha = service.client().botcha();
    let proof = tokio::time::timeout(Duration::from_secs(20), botcha.prove(model)).await;
    assert!(proof.unwrap().is_ok());
}

#[tokio::test]
async fn proof_may_run_in_a_task_of_its_own() {
    let service = Service::start().await;
    let (botcha, answers) = (service.client().botcha(), std::sync::Arc::clone(&service));
    let proof = tokio::spawn(async move {
        let model = |question: NaturalQuestion| {
            let answer = answers.right_answer(&question.id);
            async move { answer }
        };
        botcha.prove(model).await
    });
    assert!(proof.await.unwrap().is_ok());
}

#[tokio::test]
async fn nobody_there_is_a_connection_failure() {
    let client = Client::builder().url("http://127.0.0.1:1").build().unwrap();
    let error = client.get("http://127.0.0.1:1/secret-path").await.unwrap_err();
    assert_eq!((error.code(), error.to_string().as_str()), ("CONNECTION_FAILED", "connection failed"));
    assert!(!format!("{error:?}").contains("secret-path"));
}
