//! What is refused, and why; limits on both sides.

mod attribution;
mod bodies;
mod keys;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::crypto::Ed25519SigningKey;
use crate::{Error, ErrorKind};

const NOW: i64 = 1_795_000_000;
const AGENT: Line<'static> = ("signature-agent", br#"sig1="https://agent.example""#);
const COMPONENTS: [&str; 4] = ["@method", "@authority", "@path", r#""signature-agent";key="sig1""#];

fn signer() -> MessageSigner {
    MessageSigner::generate(&[7; 32]).unwrap()
}

/// The signer's key, at its own address and as a registered agent's.
fn home(wanted: &WantedKey) -> Option<FoundKey> {
    let key = Arc::new(VerificationKey::from_public_key(signer().public_key().clone(), None));
    let home = KeyLocation::read("https://agent.example", LocationKind::Directory);
    let is_known = wanted.location.is_none() || wanted.location == home;
    is_known.then(|| FoundKey { key, source: Some("registry".to_owned()), is_registered: true })
}

fn plan() -> SigningPlan {
    SigningPlan::new(COMPONENTS, WEB_BOT_AUTH_TAG, seconds(NOW), 60)
}

/// A request of the agent, without the fields of its signature.
const VISIT: Request<'static> = Request {
    method: Some("GET"),
    scheme: Some("https"),
    authority: Some("shop.example"),
    target: Some("/cart"),
    headers: &[AGENT],
    trailers: &[],
    body: None,
};

fn signed() -> SignatureFields {
    signer().sign(&(&VISIT).into(), &plan()).unwrap()
}

/// The headers of the visit with its signature.
fn lines(fields: &SignatureFields) -> [Line<'_>; 3] {
    [
        AGENT,
        ("signature-input", fields.signature_input.as_bytes()),
        ("signature", fields.signature.as_bytes()),
    ]
}

/// Signs a request with these headers and verifies it after `change` was made to the two fields.
fn after(
    headers: &[Line<'_>],
    plan: &SigningPlan,
    policy: &SignaturePolicy,
    change: impl FnOnce(SignatureFields) -> SignatureFields,
) -> Vec<SignatureResult> {
    let request = Request { method: Some("GET"), headers, ..Request::default() }
        .with_url("https://shop.example/cart?id=5");
    let fields = change(signer().sign(&(&request).into(), plan).unwrap());
    let mut lines = headers.to_vec();
    lines.push(("Signature-Input", fields.signature_input.as_bytes()));
    lines.push(("Signature", fields.signature.as_bytes()));
    verify(&(&Request { headers: &lines, ..request }).into(), policy, &home, seconds(NOW))
}

fn only(results: &[SignatureResult]) -> (SignatureStatus, Option<Reason>) {
    assert_eq!(results.len(), 1, "{results:?}");
    (results[0].outcome, results[0].reason)
}

fn with_input(input: &str) -> Vec<SignatureResult> {
    after(&[AGENT], &plan(), &SignaturePolicy::default(), |fields| SignatureFields {
        signature_input: input.to_owned(),
        ..fields
    })
}

#[test]
fn a_signed_request_verifies() {
    assert_eq!(only(&after(&[AGENT], &plan(), &SignaturePolicy::default(), |fields| fields)), VERIFIED);
}

#[test]
fn fields_that_cannot_be_read_are_malformed() {
    let rest = "created=1795000000;expires=1795000060;keyid=\"k\";tag=\"web-bot-auth\"";
    for input in [
        String::new(),
        "sig1".to_owned(),
        "sig1=".to_owned(),
        "sig1=1".to_owned(),
        "sig1=\"a\"".to_owned(),
        "sig1=(\"@authority\"".to_owned(),
        "sig1=(@authority)".to_owned(),
        format!("sig1=(1);{rest}"),
        format!("sig1=(authority);{rest}"),
        format!("sig1=(:AA==:);{rest}"),
        format!("sig1=(\"@authority\" \"@authority\");{rest}"),
        format!("sig1=(\"@authority\" \"@signature-params\");{rest}"),
        format!("sig1=(\"@Authority\"  \"Date\");{rest}"),
        format!("Sig1=(\"@authority\");{rest}"),
        format!("sig1=(\"@authority\");{rest}, sig2"),
        "sig1=(\"@authority\");created=\"1795000000\"".to_owned(),
        "sig1=(\"@authority\");created=1795000000.0".to_owned(),
        "sig1=(\"@authority\");created=@1795000000".to_owned(),
        "sig1=(\"@authority\");created".to_owned(),
        "sig1=(\"@authority\");created=99999999999999999".to_owned(),
        "sig1=(\"@authority\");expires=soon".to_owned(),
        "sig1=(\"@authority\");keyid=k".to_owned(),
        "sig1=(\"@authority\");keyId=\"k\"".to_owned(),
        "sig1=(\"@authority\");nonce=:AAAA:".to_owned(),
        "sig1=(\"@authority\");tag=web-bot-auth".to_owned(),
        "sig1=(\"@authority\");alg=ed25519".to_owned(),
        "sig1=(\"@authority\");tag=\"caf\u{e9}\"".to_owned(),
        "sig1=(\"@authority\");tag=\"a\u{0}\"".to_owned(),
    ] {
        let results = with_input(&input);
        let last = results.last().unwrap();
        assert_eq!((last.outcome, last.reason), invalid(Reason::Malformed), "{input}");
        assert!(results.iter().all(|result| !result.is_verified()));
    }
    for signature in [
        "",
        "sig1",
        "sig1=()",
        "sig1=AAAA",
        "sig1=\"AAAA\"",
        "sig1=:A:",
        "sig1=:AA=A:",
        "sig2=:AAAA:",
        "sig1=:AAAA",
    ] {
        let results = after(&[AGENT], &plan(), &SignaturePolicy::default(), |fields| SignatureFields {
            signature: signature.to_owned(),
            ..fields
        });
        assert_eq!(only(&results), invalid(Reason::Malformed), "{signature}");
    }
    let one = |name| [(name, b"sig1=:AAAA:".as_slice())];
    for headers in [one("Signature"), one("Signature-Input")] {
        let request = Request { headers: &headers, ..Request::default() };
        assert_eq!(reason(&request, &SignaturePolicy::default(), NOW), invalid(Reason::Malformed));
    }
    let bytes = [("signature-input", [0xff, 0xfe].as_slice()), ("signature", b"a=:AA==:")];
    let request = Request { headers: &bytes, ..Request::default() };
    assert_eq!(reason(&request, &SignaturePolicy::default(), NOW), invalid(Reason::Malformed));
}

#[test]
fn signatures_of_a_wrong_length_do_not_fit() {
    for signature in [
        "sig1=::",
        "sig1=:AAAA:",
        &format!("sig1=:{}:", "A".repeat(84)),
        &format!("sig1=:{}:", "A".repeat(88)),
    ] {
        let results = after(&[AGENT], &plan(), &SignaturePolicy::default(), |fields| SignatureFields {
            signature: signature.to_owned(),
            ..fields
        });
        assert_eq!(only(&results), invalid(Reason::SignatureMismatch), "{signature}");
    }
}

#[test]
fn limits_hold_on_both_sides() {
    let check =
        |plan: SigningPlan| only(&after(&[AGENT, ("x", b"y")], &plan, &SignaturePolicy::default(), |it| it));
    let labelled = |label: String| {
        let mut plan = SigningPlan { label, ..plan() };
        plan.components.pop();
        plan.components.push("signature-agent".to_owned());
        plan
    };
    assert_eq!(check(labelled("a".repeat(64))), VERIFIED);
    assert_eq!(check(labelled("a".repeat(65))), invalid(Reason::Malformed));
    let covering = |more: usize| {
        let mut plan = plan();
        plan.components.extend((0..more).map(|number| format!(r#""@query-param";name="{number}""#)));
        plan
    };
    let query = (0..40).map(|number| format!("{number}=x")).collect::<Vec<_>>().join("&");
    let check_many = |more: usize| {
        let url = format!("https://shop.example/cart?{query}");
        let unsigned =
            Request { method: Some("GET"), headers: &[AGENT], ..Request::default() }.with_url(&url);
        let fields = signer().sign(&(&unsigned).into(), &covering(more)).unwrap();
        let lines = [
            AGENT,
            ("signature-input", fields.signature_input.as_bytes()),
            ("signature", fields.signature.as_bytes()),
        ];
        only(&verify(
            &(&Request { headers: &lines, ..unsigned }).into(),
            &SignaturePolicy::default(),
            &home,
            seconds(NOW),
        ))
    };
    assert_eq!(check_many(28), VERIFIED);
    assert_eq!(check_many(29), invalid(Reason::Malformed));
    let nonce = |length: usize| SigningPlan { nonce: Some("n".repeat(length)), ..plan() };
    for (length, expected) in [
        (7, invalid(Reason::NonceLength)),
        (8, VERIFIED),
        (256, VERIFIED),
        (257, invalid(Reason::NonceLength)),
        (512, invalid(Reason::NonceLength)),
        (513, invalid(Reason::Malformed)),
    ] {
        assert_eq!(check(nonce(length)), expected, "{length}");
    }
    // The rest of the field is another signature.
    let padded = |length: usize| {
        after(&[AGENT], &plan(), &SignaturePolicy::default(), |fields| {
            let start = format!("{}, b=(", fields.signature_input);
            let spaces = " ".repeat(length - start.len() - 1);
            SignatureFields {
                signature_input: format!("{start}{spaces})"),
                signature: format!("{}, b=:AAAA:", fields.signature),
            }
        })
    };
    assert!(padded(8192)[0].is_verified());
    assert_eq!(only(&padded(8193)), invalid(Reason::Malformed));
    let many = |count: usize| {
        after(&[AGENT], &plan(), &SignaturePolicy::default(), |fields| {
            let more =
                |value: &str| (1..count).map(|number| format!(", s{number}={value}")).collect::<String>();
            SignatureFields {
                signature_input: fields.signature_input + &more("()"),
                signature: fields.signature + &more(":AAAA:"),
            }
        })
    };
    assert_eq!(many(8).len(), 8);
    assert!(many(8)[0].is_verified());
    assert_eq!(only(&many(9)), invalid(Reason::Malformed));
}

#[test]
fn what_was_not_supplied_is_no_forgery_of_a_described_request() {
    let fields = signed();
    let lines = lines(&fields);
    let request = Request { headers: &lines, ..VISIT };
    let described = SignaturePolicy { described: true, ..SignaturePolicy::default() };
    let check = |request: &Request<'_>, policy: &SignaturePolicy| {
        only(&verify(&request.into(), policy, &home, seconds(NOW)))
    };
    assert_eq!(check(&request, &described), VERIFIED);
    for missing in [
        Request { method: None, ..request },
        Request { authority: None, ..request },
        Request { target: None, ..request },
    ] {
        assert_eq!(check(&missing, &described), unverified(Reason::ComponentMissing));
        assert_eq!(check(&missing, &SignaturePolicy::default()), invalid(Reason::ComponentMissing));
    }
    // What was supplied and cannot be signed is a forgery in both.
    let odd = Request { authority: Some("shop.example/"), ..request };
    assert_eq!(check(&odd, &described), invalid(Reason::ComponentMissing));
    assert_eq!(
        check(&Request { method: Some("PUT"), ..request }, &described),
        invalid(Reason::SignatureMismatch)
    );
}

#[test]
fn a_nonce_is_recorded_once_per_key_and_only_for_what_holds() {
    let plan = SigningPlan { nonce: Some("n-0S6_WzA2Mj".to_owned()), ..plan() };
    let results = after(&[AGENT], &plan, &SignaturePolicy::default(), |fields| fields);
    let record = results[0].once.clone().unwrap();
    let content = [signer().public_key().thumbprint().as_bytes(), b"\0n-0S6_WzA2Mj"].concat();
    assert_eq!(record.key, crate::encoding::hex(&crate::crypto::sha256(&content)));
    assert_eq!(record.keep_until, NOW + 86_400 + 30);
    let longer = SignaturePolicy { longest_lifetime_seconds: Some(10), ..SignaturePolicy::default() };
    let short = SigningPlan { lifetime_seconds: 10, ..plan.clone() };
    let kept = after(&[AGENT], &short, &longer, |fields| fields)[0].once.clone().unwrap();
    assert_eq!(kept.keep_until, NOW + 10 + 30);

    let mut replayed = results[0].clone();
    replayed.refuse_replay();
    assert_eq!((replayed.outcome, replayed.reason), invalid(Reason::Replay));
    assert_eq!(signature_outcome(&[replayed.clone()]).unwrap().status, SignatureStatus::Invalid);
    let mut unrecorded = results[0].clone();
    unrecorded.refuse_unrecorded();
    assert_eq!((unrecorded.outcome, unrecorded.reason), unverified(Reason::NonceStoreFull));
    assert_eq!((replayed.once, unrecorded.once), (None, None));

    // A bad signature must not use up a good one's nonce.
    let forged = after(&[AGENT], &plan, &SignaturePolicy::default(), |fields| SignatureFields {
        signature_input: fields.signature_input.replace("expires=1795000060", "expires=1795000061"),
        ..fields
    });
    assert_eq!(only(&forged), invalid(Reason::SignatureMismatch));
    assert_eq!(forged[0].once, None);
}

#[test]
fn verifiers_of_other_languages_have_limits() {
    let dated = DatedJwk { jwk: key(ED25519).jwk().jwk.clone(), ..DatedJwk::default() };
    let options =
        |keys: usize| SignatureVerifierOptions { keys: vec![dated.clone(); keys], ..Default::default() };
    assert!(options(1000).verifier().is_ok());
    assert_eq!(options(1001).verifier().unwrap_err().kind(), ErrorKind::LimitExceeded);
    let verifier = options(1).verifier().unwrap();
    let check = |request: serde_json::Value| {
        let request: SignedRequest = serde_json::from_value(request).unwrap();
        verifier.verify(&request, seconds(NOW)).map(|verified| verified.signatures.len())
    };
    let code = |result: crate::Result<usize>| result.map_err(|error| error.kind());
    assert_eq!(code(check(json!({"headers": {"a": vec!["b"; 1000]}}))), Ok(0));
    assert_eq!(code(check(json!({"headers": {"a": vec!["b"; 1001]}}))), Err(ErrorKind::LimitExceeded));
    assert_eq!(code(check(json!({"headers": {}, "url": "/".repeat(65_537)}))), Err(ErrorKind::LimitExceeded));
}

#[test]
fn two_hundred_headers_of_any_bytes_do_not_matter_unless_they_are_covered() {
    let bytes: Vec<u8> = (0..=255).collect();
    let mut headers: Vec<Line<'_>> = vec![AGENT];
    headers.extend(std::iter::repeat_n(("x-any", bytes.as_slice()), 200));
    assert_eq!(only(&after(&headers, &plan(), &SignaturePolicy::default(), |fields| fields)), VERIFIED);
}

proptest! {
    #[test]
    fn arbitrary_fields_never_panic_and_never_verify(
        input in "(sig1=\\(|\"@authority\" ?|\"@path\";?|;created=|17950000|[0-9]{1,20}|;keyid=|;tag=\"web-bot-auth\"|\\)|,| |sig2=|[ -~]{0,9}|\\PC{0,3}){0,20}",
        signature in "(sig1=:|[A-Za-z0-9+/=]{0,90}|:|,| |\\PC{0,3}){0,8}",
        agent in "(sig1=|\"https://|agent.example|\"|;type=|jwks_uri|[ -~]{0,9}){0,6}",
        target in "\\PC{0,40}",
        raw in any::<bool>(),
    ) {
        let headers =
            [("signature-input", input.as_bytes()), ("signature", signature.as_bytes()), ("signature-agent", agent.as_bytes())];
        let request = Request { method: Some("GET"), headers: &headers, ..Request::default() }.with_url(&target);
        let policy = SignaturePolicy { raw_base: raw, visa_page_base: true, compat: true, ..SignaturePolicy::default() };
        let results = verify(&(&request).into(), &policy, &home, seconds(NOW));
        prop_assert!(results.iter().all(|result| !result.is_verified()));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in any::<Vec<u8>>(), other in any::<Vec<u8>>()) {
        let headers = [("signature-input", bytes.as_slice()), ("signature", &other), ("content-digest", &other)];
        let request = Request { headers: &headers, trailers: &headers, ..Request::default() };
        let _ = verify(&(&request).into(), &SignaturePolicy::default(), &home, seconds(NOW));
        let _ = (KeyDirectory::parse(&bytes), needs_body(&headers));
    }

    #[test]
    fn what_is_signed_verifies(
        path in "/[!-\"$-~]{0,40}",
        values in proptest::collection::vec("[ -~\t]{0,30}", 1..5),
        nonce in "[ -~]{8,256}",
        keyid in "[ -~]{1,60}",
        seed in any::<[u8; 32]>(),
    ) {
        let signer = MessageSigner::generate(&seed).unwrap();
        let headers: Vec<Line<'_>> = values.iter().map(|value| ("X-Value", value.as_bytes())).collect();
        let request =
            Request { method: Some("GET"), authority: Some("shop.example"), target: Some(&path), headers: &headers, ..Request::default() };
        let plan = SigningPlan {
            nonce: Some(nonce),
            keyid: Some(keyid),
            ..SigningPlan::new(["@authority", "@path", "@query", "@request-target", "x-value", r#""x-value";bs"#], BROWSER_TAG, seconds(NOW), 60)
        };
        let fields = signer.sign(&(&request).into(), &plan).unwrap();
        let mut lines = headers.clone();
        lines.extend([("signature-input", fields.signature_input.as_bytes()), ("signature", fields.signature.as_bytes())]);
        let key = Arc::new(VerificationKey::from_public_key(signer.public_key().clone(), None));
        let keys = |_: &WantedKey| Some(FoundKey { key: Arc::clone(&key), source: None, is_registered: false });
        let request = Request { headers: &lines, ..request };
        let results = verify(&(&request).into(), &SignaturePolicy::default(), &keys, seconds(NOW));
        prop_assert!(results[0].is_verified(), "{results:?}");
    }
}

#[test]
fn signers_are_checked_too() {
    let read = |text: &str| MessageSigner::from_jwk(&serde_json::from_str(text).unwrap());
    assert_eq!(read(ED25519).unwrap().public_key().thumbprint(), THUMBPRINT);
    assert!(read(P256).is_ok());
    assert!(read(RSA).is_err());
    let request = Request { method: Some("GET"), ..Request::default() }.with_url("https://shop.example/");
    for unfit in [
        SigningPlan { label: "Sig".to_owned(), ..plan() },
        SigningPlan { components: vec!["accept".to_owned()], ..plan() },
        SigningPlan { components: vec!["@status".to_owned()], ..plan() },
        SigningPlan { components: vec!["@signature-params".to_owned()], ..plan() },
        SigningPlan { components: vec!["\"a\";b".to_owned()], ..plan() },
        SigningPlan { components: vec!["Accept".to_owned()], ..plan() },
        SigningPlan { components: Vec::new(), tag: "line\nbreak".to_owned(), ..plan() },
        SigningPlan { components: Vec::new(), keyid: Some("\u{e9}".to_owned()), ..plan() },
    ] {
        assert_eq!(
            signer().sign(&(&request).into(), &unfit).unwrap_err().kind(),
            ErrorKind::InvalidInput,
            "{unfit:?}"
        );
    }
}
