//! Agents that sign their requests.

use super::*;
use crate::signature::{Line, LocationKind, MessageSigner, Request, SigningPlan};
use crate::token::Jwk;

const AGENT: &str = "https://chatgpt.com";

/// A browser agent's request, signed for this site with a lifetime of a minute, and what was changed afterwards.
fn signed<const N: usize>(
    signer: &MessageSigner,
    components: [&str; N],
    nonce: Option<&str>,
) -> GuardRequest {
    let mut request = with(browser("/cart?id=5"), "Signature-Agent", &format!("\"{AGENT}\""));
    let lines: Vec<Line<'_>> =
        request.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let mut plan = SigningPlan::new(components, "web-bot-auth", Timestamp::from_milliseconds(NOW), 60);
    plan.nonce = nonce.map(str::to_owned);
    let unsigned = Request { method: Some("GET"), headers: &lines, ..Request::default() }
        .with_url("https://shop.example/cart?id=5");
    let fields = signer.sign(&(&unsigned).into(), &plan).unwrap();
    request.headers.push(("Signature-Input".to_owned(), fields.signature_input));
    request.headers.push(("Signature".to_owned(), fields.signature));
    request
}

const COMPONENTS: [&str; 4] = ["@authority", "@method", "@path", "signature-agent"];

fn signer() -> MessageSigner {
    MessageSigner::generate(&[42; 32]).unwrap()
}

fn key() -> Jwk {
    signer().public_key().jwk().clone()
}

/// Closed to everybody without a signature, with the agent's keys.
fn closed_but_for(chosen: Value) -> DetectionGuard {
    let mut all = json!({"policy": {"require": "signed"}, "keys": {AGENT: [key()]}});
    all.as_object_mut().unwrap().extend(chosen.as_object().cloned().unwrap_or_default());
    guard(all)
}

fn status_of(guard: &DetectionGuard, request: &GuardRequest) -> (bool, VerificationStatus) {
    let outcome = check(guard, request);
    (outcome.passes, outcome.classification.unwrap().verification.status)
}

#[test]
fn a_signed_agent_is_verified_and_let_in() {
    let guard = closed_but_for(json!({}));
    let outcome = check(&guard, &signed(&signer(), COMPONENTS, None));
    let seen = outcome.classification.unwrap();
    assert!(outcome.passes && seen.is_verified());
    assert_eq!((seen.confidence, seen.agent.unwrap().id.as_str()), (1.0, "openai-chatgpt-agent"));
    assert_eq!(header(&outcome.upstream.set, "X-AgentShield-Verification"), Some("verified"));
}

#[test]
fn the_signature_of_another_key_request_or_time_is_false() {
    let other_key = MessageSigner::generate(&[43; 32]).unwrap();
    let mut other_method = signed(&signer(), COMPONENTS, None);
    other_method.method = "POST".to_owned();
    let mut other_path = signed(&signer(), COMPONENTS, None);
    other_path.target = "/checkout".to_owned();
    let mut other_site = signed(&signer(), COMPONENTS, None);
    other_site.authority = Some("other.example".to_owned());
    let too_late = later(signed(&signer(), COMPONENTS, None), 91_000);
    for request in [other_method, other_path, other_site, too_late] {
        let expected = (false, VerificationStatus::Spoofed);
        assert_eq!(status_of(&closed_but_for(json!({})), &request), expected);
    }
    let unknown_key = signed(&other_key, COMPONENTS, None);
    assert_eq!(status_of(&closed_but_for(json!({})), &unknown_key), (false, VerificationStatus::Claimed));
}

#[test]
fn a_covered_part_that_is_missing_is_false_and_one_that_was_not_looked_at_is_not() {
    let mut covering = with(browser("/cart?id=5"), "Signature-Agent", &format!("\"{AGENT}\""));
    covering.headers.push(("X-Order".to_owned(), "7".to_owned()));
    let lines: Vec<Line<'_>> =
        covering.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let plan = SigningPlan::new(
        ["@authority", "@scheme", "signature-agent", "x-order"],
        "web-bot-auth",
        Timestamp::from_milliseconds(NOW),
        60,
    );
    let unsigned =
        Request { headers: &lines, ..Request::default() }.with_url("https://shop.example/cart?id=5");
    let fields = signer().sign(&(&unsigned).into(), &plan).unwrap();
    covering.headers.push(("Signature-Input".to_owned(), fields.signature_input));
    covering.headers.push(("Signature".to_owned(), fields.signature));
    assert_eq!(status_of(&closed_but_for(json!({})), &covering), (true, VerificationStatus::Verified));
    let mut cut = covering.clone();
    cut.headers.retain(|(name, _)| name != "X-Order");
    assert_eq!(status_of(&closed_but_for(json!({})), &cut), (false, VerificationStatus::Spoofed));
    let mut unknown_scheme = covering;
    unknown_scheme.scheme = None;
    assert_eq!(status_of(&closed_but_for(json!({})), &unknown_scheme), (false, VerificationStatus::Claimed));
}

#[test]
fn a_nonce_is_taken_once_even_by_many_threads() {
    let guard = closed_but_for(json!({}));
    let request = signed(&signer(), COMPONENTS, Some("n-0S6WzA2Mj4xQ"));
    let passed = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| check(&guard, &request).passes)).collect();
        threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum::<usize>()
    });
    assert_eq!(passed, 1);
    assert_eq!(status_of(&guard, &request), (false, VerificationStatus::Spoofed));
    let fresh = signed(&signer(), COMPONENTS, Some("another-nonce-1"));
    assert!(check(&guard, &fresh).passes);
}

#[test]
fn a_signature_counts_for_the_sites_own_names_only() {
    let request = signed(&signer(), COMPONENTS, None);
    assert!(check(&closed_but_for(json!({"authorities": ["Shop.Example"]})), &request).passes);
    let elsewhere = closed_but_for(json!({"authorities": ["www.shop.example"]}));
    assert_eq!(status_of(&elsewhere, &request), (false, VerificationStatus::Claimed));
}

#[test]
fn fetched_keys_count_for_their_own_location_and_until_they_are_old() {
    let guard = guard(json!({"policy": {"require": "signed"}}));
    let request = signed(&signer(), COMPONENTS, None);
    let incoming = request.incoming().unwrap();
    let home = KeyLocation::read(AGENT, LocationKind::Directory).unwrap();
    assert_eq!(guard.policy().require, Require::Signed);
    assert_eq!(guard.wanted_directories(&incoming), std::slice::from_ref(&home));
    assert!(guard.wanted_directories(&crawler("/").incoming().unwrap()).is_empty());
    let directory = || KeyDirectory::parse(json!({"keys": [key()]}).to_string().as_bytes()).unwrap();
    let until = Timestamp::from_milliseconds(NOW + 1);
    let elsewhere = KeyLocation::read("https://other.example", LocationKind::Directory).unwrap();
    guard.set_directory(&elsewhere, directory(), until);
    assert_eq!(status_of(&guard, &request), (false, VerificationStatus::Claimed), "a key of somebody else");
    guard.set_directory(&home, directory(), until);
    assert!(guard.wanted_directories(&incoming).is_empty());
    assert_eq!(status_of(&guard, &request), (true, VerificationStatus::Verified));
    // A stale directory weakens the claim; it neither proves nor refutes.
    assert_eq!(status_of(&guard, &later(request.clone(), 1)), (false, VerificationStatus::Claimed));
    assert_eq!(guard.wanted_directories(&later(request, 1).incoming().unwrap()), [home]);
}

#[test]
fn keys_that_cannot_verify_are_refused() {
    let private = json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "d": "AAAA"});
    for (name, key, kind) in [
        (AGENT, private, ErrorKind::InvalidKey),
        ("http://agent.example", json!(key()), ErrorKind::InvalidInput),
    ] {
        assert_eq!(refused(json!({"keys": {name: [key]}})), kind, "{name}");
    }
}
