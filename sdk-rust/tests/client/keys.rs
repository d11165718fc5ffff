//! Offline verification with fetched keys.

use std::sync::atomic::Ordering;

use quivive::core::token::VerifyPolicy;
use quivive::keys::RemoteVerifier;

use crate::service::{Service, now};

#[tokio::test]
async fn keys_are_fetched_once_for_many_tokens() {
    let service = Service::start().await;
    let verifier = RemoteVerifier::new(&service.client(), VerifyPolicy::default()).unwrap();
    let token = service.token(3600);
    assert!(verifier.verify_now(&token, now()).is_none());
    let checks = (0..10).map(|_| {
        let (verifier, token) = (verifier.clone(), token.clone());
        tokio::spawn(async move { verifier.verify(&token, now()).await.unwrap() })
    });
    for check in checks.collect::<Vec<_>>() {
        assert_eq!(check.await.unwrap().sub.as_deref(), Some("challenge"));
    }
    assert!(verifier.verify_now(&token, now()).unwrap().is_ok());
    assert_eq!(service.count(&service.keys_asked), 1);
}

#[tokio::test]
async fn unknown_key_is_asked_for_at_most_every_half_minute() {
    let service = Service::start().await;
    let verifier = RemoteVerifier::new(&service.client(), VerifyPolicy::default()).unwrap();
    verifier.verify(&service.token(3600), now()).await.unwrap();
    service.rotate_key("key-2");
    for _ in 0..5 {
        assert_eq!(verifier.verify(&service.token(3600), now()).await.unwrap_err().code(), "UNKNOWN_KEY");
    }
    assert_eq!(service.count(&service.keys_asked), 1);
}

#[tokio::test]
async fn good_keys_outlive_an_empty_answer() {
    let service = Service::start().await;
    let verifier = RemoteVerifier::new(&service.client(), VerifyPolicy::default()).unwrap();
    verifier.load().await.unwrap();
    service.is_down.store(true, Ordering::SeqCst);
    assert_eq!(verifier.load().await.unwrap_err().code(), "MALFORMED_ANSWER");
    assert!(verifier.verify(&service.token(3600), now()).await.is_ok());
}

#[tokio::test]
async fn without_any_keys_nothing_is_verified() {
    let service = Service::start().await;
    service.is_down.store(true, Ordering::SeqCst);
    let verifier = RemoteVerifier::new(&service.client(), VerifyPolicy::default()).unwrap();
    for _ in 0..5 {
        let error = verifier.verify(&service.token(3600), now()).await.unwrap_err();
        assert!(!matches!(error, quivive::Error::Core(_)), "{error:?}");
    }
    assert_eq!(service.count(&service.keys_asked), 1);
    service.is_down.store(false, Ordering::SeqCst);
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert!(verifier.verify(&service.token(3600), now()).await.is_ok());
}
