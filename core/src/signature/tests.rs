//! Published signatures, malformed input and forgeries.

mod mutations;
mod published;
mod refusals;

use std::sync::Arc;

use super::*;
use crate::Timestamp;
use crate::agent::SignatureStatus;

/// RFC 9421 appendix B.1.4, B.1.3 and B.1.2, with the private parts of the first two.
const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"test-key-ed25519","d":"n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU","x":"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"}"#;
const P256: &str = r#"{"kty":"EC","crv":"P-256","kid":"test-key-ecc-p256","d":"UpuF81l-kOxbjf7T4mNSv0r5tN67Gim7rnf6EFpcYDs","x":"qIVYZVLCrPZHGHjP17CTW0_-D9Lfw0EkjqF7xB4FivA","y":"Mc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0"}"#;
const RSA: &str = r#"{"kty":"RSA","kid":"test-key-rsa-pss","e":"AQAB","n":"r4tmm3r20Wd_PbqvP1s2-QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct-Lh1GH45x28Rw3Ry53mm-oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHqgDsznjPFmTOtCEcN2Z1FpWgchwuYLPL-Wokqltd11nqqzi-bJ9cvSKADYdUAAN5WUtzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4aOT9v6d-nb4bnNkQVklLQ3fVAvJm-xdDOp9LCNCN48V2pnDOkFV6-U9nV5oyc6XI2w"}"#;
const THUMBPRINT: &str = "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U";
const LONG_NONCE: &str =
    "e8N7S2MFd/qrd6T2R3tdfAuuANngKI7LFtKYI/vowzk4lAZYadIX6wW25MwG7DCT9RUKAJ0qVkU0mEeLElW1qg==";

/// Reads a key's public half.
fn key(text: &str) -> Arc<VerificationKey> {
    let mut dated: DatedJwk = serde_json::from_str(text).unwrap();
    dated.jwk = dated.jwk.to_public();
    Arc::new(VerificationKey::from_jwk(&dated).unwrap())
}

/// The published keys, known by `kid`, by thumbprint and as registered agent, wherever they are looked for.
fn every_key(wanted: &WantedKey) -> Option<FoundKey> {
    let key = [ED25519, P256, RSA]
        .map(key)
        .into_iter()
        .find(|key| key.thumbprint() == wanted.keyid || key.jwk().jwk.kid.as_deref() == Some(&wanted.keyid));
    let agent = matches!(wanted.keyid.as_str(), "agent_0123456789abcdef" | "primary-ed25519")
        .then(|| self::key(ED25519));
    key.or(agent).map(|key| FoundKey { key, source: None, is_registered: true })
}

fn seconds(now: i64) -> Timestamp {
    Timestamp::from_seconds(now)
}

/// Takes the published keys and whatever the profile's own limits would refuse.
fn open(profile: Profile) -> SignaturePolicy {
    SignaturePolicy {
        profiles: vec![profile],
        generic_components: Vec::new(),
        longest_lifetime_seconds: Some(u64::MAX),
        allow_test_keys: true,
        ..SignaturePolicy::default()
    }
}

/// Header lines, one per line of the text.
fn lines(text: &str) -> Vec<(&str, &[u8])> {
    text.lines()
        .filter_map(|line| line.trim_start().split_once(": "))
        .map(|(name, value)| (name, value.as_bytes()))
        .collect()
}

/// The one result of a request.
fn result(request: &Request<'_>, policy: &SignaturePolicy, now: i64) -> SignatureResult {
    let mut results = verify(&request.into(), policy, &every_key, seconds(now));
    assert_eq!(results.len(), 1, "{results:?}");
    results.pop().unwrap()
}

fn reason(request: &Request<'_>, policy: &SignaturePolicy, now: i64) -> (SignatureStatus, Option<Reason>) {
    let result = result(request, policy, now);
    (result.outcome, result.reason)
}

const VERIFIED: (SignatureStatus, Option<Reason>) = (SignatureStatus::Verified, None);

fn invalid(reason: Reason) -> (SignatureStatus, Option<Reason>) {
    (SignatureStatus::Invalid, Some(reason))
}

fn unverified(reason: Reason) -> (SignatureStatus, Option<Reason>) {
    (SignatureStatus::Unverified, Some(reason))
}
