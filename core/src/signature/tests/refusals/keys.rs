//! Keys: which are wanted, which are taken, and what a directory may hold.

use super::*;

#[test]
fn wanted_keys_are_those_of_signatures_that_may_hold() {
    let fields = signed();
    let lines = lines(&fields);
    let request = Request { headers: &lines, ..VISIT };
    let wanted = |now| wanted_keys(&(&request).into(), &SignaturePolicy::default(), seconds(now));
    let expected = WantedKey {
        profile: Profile::WebBotAuth,
        keyid: signer().public_key().thumbprint().to_owned(),
        location: KeyLocation::read("https://agent.example", LocationKind::Directory),
    };
    assert_eq!(wanted(NOW), [expected]);
    assert_eq!(wanted(NOW + 61), []);
    let none = |_: &WantedKey| None;
    let results = verify(&(&request).into(), &SignaturePolicy::default(), &none, seconds(NOW));
    assert_eq!(only(&results), unverified(Reason::KeyUnavailable));
    assert_eq!(results[0].signature_agent.as_deref(), Some("https://agent.example"));
}

#[test]
fn a_key_that_the_host_mixes_up_is_not_taken() {
    let other = |_: &WantedKey| Some(FoundKey { key: key(ED25519), source: None, is_registered: false });
    let fields = signed();
    let lines = lines(&fields);
    let request = Request { headers: &lines, ..VISIT };
    let results = verify(&(&request).into(), &SignaturePolicy::default(), &other, seconds(NOW));
    assert_eq!(only(&results), unverified(Reason::KeyUnavailable));
}

#[test]
fn keys_are_checked_when_they_are_read() {
    let read = |key: serde_json::Value| {
        serde_json::from_value::<DatedJwk>(key)
            .map_err(Error::from)
            .and_then(|key| VerificationKey::from_jwk(&key))
    };
    let jwk = |x: &[u8]| json!({"kty": "OKP", "crv": "Ed25519", "x": crate::encoding::base64url(x)});
    // Points of small order and another spelling of a coordinate: signatures by nobody would hold.
    let order_8 = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
    for unfit in [
        jwk(&[0; 32]),
        jwk(&[vec![1], vec![0; 31]].concat()),
        jwk(&[vec![0xec], vec![0xff; 30], vec![0x7f]].concat()),
        jwk(&crate::encoding::decode_hex(order_8).unwrap()),
        jwk(&[vec![0xee], vec![0xff; 30], vec![0x7f]].concat()),
        jwk(&[1; 31]),
        serde_json::from_str(ED25519).unwrap(),
        json!({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}),
        json!({"kty": "OKP", "crv": "X25519", "x": "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs", "use": "enc"}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs", "alg": "HS256"}),
        json!({"kty": "RSA", "e": "AQAB", "n": "AQAB"}),
        json!({}),
    ] {
        assert!(read(unfit.clone()).is_err(), "{unfit}");
    }
    let rsa = |alg: Option<&str>| {
        let mut key: serde_json::Value = serde_json::from_str(RSA).unwrap();
        if let Some(alg) = alg {
            key["alg"] = json!(alg);
        }
        read(key).unwrap()
    };
    let chosen = |key: &VerificationKey, profile, alg: Option<&str>| {
        key.for_signature(profile, alg).map(|key| key.algorithm().name())
    };
    use Profile::{Tap, WebBotAuth};
    for (key, profile, alg, expected) in [
        (rsa(None), WebBotAuth, None, Ok("rsa-pss-sha512")),
        (rsa(None), WebBotAuth, Some("rsa-v1_5-sha256"), Ok("rsa-v1_5-sha256")),
        (rsa(None), WebBotAuth, Some("rsa-pss-sha256"), Err(Reason::AlgNotAllowed)),
        (rsa(None), Tap, Some("rsa-pss-sha256"), Ok("rsa-pss-sha256")),
        (rsa(None), Tap, Some("rsa-v1_5-sha256"), Err(Reason::AlgNotAllowed)),
        (rsa(Some("PS512")), WebBotAuth, Some("rsa-v1_5-sha256"), Err(Reason::AlgMismatch)),
        (rsa(Some("RS256")), WebBotAuth, None, Ok("rsa-v1_5-sha256")),
        (rsa(Some("PS256")), WebBotAuth, None, Err(Reason::AlgNotAllowed)),
        (rsa(None), WebBotAuth, Some("ed25519"), Err(Reason::AlgMismatch)),
        (rsa(None), WebBotAuth, Some("hmac-sha256"), Err(Reason::AlgNotAllowed)),
        (rsa(None), Tap, Some("hmac-sha256"), Err(Reason::AlgNotAllowed)),
        (rsa(None), WebBotAuth, Some("none"), Err(Reason::AlgNotAllowed)),
        (rsa(None), WebBotAuth, Some(""), Err(Reason::AlgNotAllowed)),
    ] {
        assert_eq!(chosen(&key, profile, alg), expected, "{alg:?}");
    }
    let ed25519 = key(ED25519);
    assert_eq!(chosen(&ed25519, Tap, Some("Ed25519")), Ok("ed25519"));
    assert_eq!(chosen(&ed25519, WebBotAuth, Some("Ed25519")), Err(Reason::AlgNotAllowed));
    assert_eq!(chosen(&ed25519, WebBotAuth, Some("ecdsa-p256-sha256")), Err(Reason::AlgMismatch));
}

#[test]
fn directories_have_limits_and_find_by_thumbprint() {
    let public = serde_json::to_value(key(ED25519).jwk()).unwrap();
    let mut other = serde_json::to_value(key(P256).jwk()).unwrap();
    other["kid"] = json!(THUMBPRINT);
    let document = json!({"keys": [other, public]}).to_string();
    let directory = KeyDirectory::parse(document.as_bytes()).unwrap();
    let found = directory.find(LocationKind::Directory, THUMBPRINT).unwrap();
    assert_eq!(found.thumbprint(), THUMBPRINT, "another key's id must not count");
    assert!(directory.find(LocationKind::Directory, "test-key-ed25519").is_none());
    assert!(directory.find(LocationKind::JwksUri, "test-key-ed25519").is_some());
    let padded = |length: usize| format!("{document}{}", " ".repeat(length - document.len()));
    assert_eq!(KeyDirectory::parse(padded(65_536).as_bytes()).unwrap().keys().len(), 2);
    let too_large = KeyDirectory::parse(padded(65_537).as_bytes()).unwrap_err();
    assert_eq!(too_large.kind(), ErrorKind::LimitExceeded);
}
