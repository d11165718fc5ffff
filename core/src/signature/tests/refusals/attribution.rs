//! Whose signature it is: labels, agents, locations, the forms of an agent protocol.

use super::*;

#[test]
fn parameters_of_one_label_never_count_for_another() {
    let results = after(&[AGENT], &plan(), &SignaturePolicy::default(), |fields| SignatureFields {
        signature_input: format!("a=(\"@path\");created=1;keyid=\"A\", {}", fields.signature_input),
        signature: format!("a=:AAAA:, {}", fields.signature),
    });
    assert_eq!(results[0].reason, Some(Reason::NoApplicableSignature));
    assert_eq!((results[0].tag.as_deref(), results[0].expires), (None, None));
    assert!(results[1].is_verified());
    assert_eq!(signature_outcome(&results).unwrap().status, SignatureStatus::Verified);
    assert_eq!(signature_outcome(&results[..1]).unwrap().status, SignatureStatus::Unverified);
    assert_eq!(signature_outcome(&[]), None);
}

#[test]
fn a_signature_is_attributed_to_the_agent_that_it_covers() {
    let covering = |component: &str| {
        let mut plan = plan();
        plan.components.pop();
        plan.components.push(component.to_owned());
        plan
    };
    let by_label = r#""signature-agent";key="sig1""#;
    for (value, component, expected) in [
        (r#"sig1="https://agent.example""#, by_label, VERIFIED),
        (r#"sig1="https://AGENT.example:443/""#, by_label, VERIFIED),
        (r#"sig1="https://agent.example";type=directory"#, by_label, VERIFIED),
        (r#"sig1="https://agent.example""#, "signature-agent", VERIFIED),
        (r#"sig1="https://agent.example""#, r#""signature-agent";sf"#, VERIFIED),
        (r#""https://agent.example""#, "signature-agent", VERIFIED),
        (r#"other="https://agent.example""#, r#""signature-agent";key="other""#, VERIFIED),
        (r#"other="https://x.example", sig1="https://agent.example""#, by_label, VERIFIED),
        (r#"a="https://agent.example", b="https://x.example""#, r#""signature-agent";key="a""#, VERIFIED),
        (
            r#"sig1="https://x.example", other="https://agent.example""#,
            by_label,
            unverified(Reason::KeyUnavailable),
        ),
        (r#"sig1="https://agent.example""#, "@query", invalid(Reason::SignatureAgentNotCovered)),
        ("https://agent.example", "signature-agent", invalid(Reason::Malformed)),
        (r#""https://agent.example", "https://x.example""#, "signature-agent", invalid(Reason::Malformed)),
    ] {
        let header = ("Signature-Agent", value.as_bytes());
        let results = after(&[header], &covering(component), &SignaturePolicy::default(), |fields| fields);
        assert_eq!(only(&results), expected, "{value} {component}");
    }
    // Members that cannot be used leave a key that is known otherwise, and say so.
    for value in [
        r#"sig1="http://agent.example""#,
        r#"sig1="https://agent.example/path""#,
        r#"sig1="https://agent.example";type=other"#,
        r#"sig1="https://agent.example";type="directory""#,
        r#"sig1="https://user@agent.example""#,
        "sig1=agent",
        "sig1=(\"https://agent.example\")",
    ] {
        let header = ("Signature-Agent", value.as_bytes());
        let results = after(&[header], &plan(), &SignaturePolicy::default(), |fields| fields);
        assert_eq!(only(&results), VERIFIED, "{value}");
        assert_eq!(
            (results[0].signature_agent.as_deref(), results[0].key_source.as_deref()),
            (None, Some("registry"))
        );
    }
}

#[test]
fn locations_are_https_and_normalized() {
    use LocationKind::{Cimd, Directory, JwksUri};
    let directory = "https://agent.example/.well-known/http-message-signatures-directory";
    for (text, kind, expected) in [
        ("https://agent.example", Directory, Some(directory)),
        ("HTTPS://Agent.Example:443/", Directory, Some(directory)),
        (directory, Directory, Some(directory)),
        ("https://agent.example:8443", JwksUri, Some("https://agent.example:8443/")),
        ("https://agent.example/Keys?v=1", JwksUri, Some("https://agent.example/Keys?v=1")),
        ("https://agent.example?v=1", Cimd, Some("https://agent.example/?v=1")),
        ("https://agent.example/keys", Directory, None),
        ("https://agent.example?x", Directory, None),
        ("https://agent.example/#a", JwksUri, None),
        ("https://agent.example/a b", JwksUri, None),
        ("https://agent.example\\@x.example/", JwksUri, None),
        ("https://user:secret@agent.example/", JwksUri, None),
        ("https:///keys", JwksUri, None),
        ("https://", JwksUri, None),
        ("http://agent.example", JwksUri, None),
        ("data:application/json,{}", JwksUri, None),
        ("agent.example", Directory, None),
        ("https://\u{e4}gent.example", Directory, None),
        ("", Directory, None),
    ] {
        let read = KeyLocation::read(text, kind);
        assert_eq!(read.as_ref().map(|location| location.url.as_str()), expected, "{text}");
    }
    let location = KeyLocation::read("https://agent.example:8443/keys?v=1", JwksUri).unwrap();
    assert_eq!(location.origin(), "https://agent.example:8443");
    assert_eq!(location.identifier(), "https://agent.example:8443/keys");
    let long = format!("https://agent.example/{}", "a".repeat(500));
    assert_eq!(KeyLocation::read(&long, JwksUri), None);
}

#[test]
fn the_agent_protocol_is_strict_unless_compatibility_is_wanted() {
    let strict = SignaturePolicy::default();
    let compat = SignaturePolicy { compat: true, ..strict.clone() };
    let tap = |components: &[&str], tag: &str| SigningPlan {
        components: components.iter().map(|name| (*name).to_owned()).collect(),
        nonce: Some("n-0S6_WzA2Mj".to_owned()),
        tag: tag.to_owned(),
        lifetime_seconds: 480,
        ..plan()
    };
    let check = |plan: &SigningPlan, policy: &SignaturePolicy| {
        after(&[("content-length", b"5")], plan, policy, |fields| fields)
    };
    let browser = tap(&["@authority", "@path"], BROWSER_TAG);
    assert_eq!(only(&check(&browser, &strict)), VERIFIED);
    assert_eq!(only(&check(&tap(&["@target-uri"], BROWSER_TAG), &strict)), VERIFIED);
    for (plan, expected) in [
        (tap(&["@authority"], BROWSER_TAG), Reason::CoverageInsufficient),
        (tap(&["@path"], BROWSER_TAG), Reason::CoverageInsufficient),
        (SigningPlan { nonce: None, ..browser.clone() }, Reason::ParameterMissing),
        (SigningPlan { lifetime_seconds: 481, ..browser.clone() }, Reason::WindowTooLong),
    ] {
        assert_eq!(only(&check(&plan, &strict)), invalid(expected));
        assert_eq!(only(&check(&plan, &compat)), invalid(expected));
    }
    let payer = tap(&["@authority", "@path"], PAYER_TAG);
    assert_eq!(only(&check(&payer, &strict)), invalid(Reason::CoverageInsufficient));
    assert_eq!(only(&check(&payer, &compat)), VERIFIED);
    assert_eq!(check(&payer, &compat)[0].warnings, [Warning::PayerCoverage]);
    // Without an end a signature holds for 300 seconds, in compatibility only.
    let signed_without_end = |created: i64, policy: &SignaturePolicy| {
        let keyid = signer().public_key().thumbprint().to_owned();
        let parameters = format!(
            "(\"@authority\" \"@path\");created={created};keyid=\"{keyid}\";nonce=\"n-0S6_WzA2Mj\";tag=\"{BROWSER_TAG}\""
        );
        let base =
            format!("\"@authority\": shop.example\n\"@path\": /cart\n\"@signature-params\": {parameters}");
        let signature = Ed25519SigningKey::from_seed(&[7; 32]).unwrap().sign(base.as_bytes()).unwrap();
        let encoded = crate::encoding::base64url(&signature).replace('-', "+").replace('_', "/");
        only(&after(&[], &browser, policy, |_| SignatureFields {
            signature_input: format!("s={parameters}"),
            signature: format!("s=:{encoded}==:"),
        }))
    };
    assert_eq!(signed_without_end(NOW, &strict), invalid(Reason::ParameterMissing));
    assert_eq!(signed_without_end(NOW - 300, &compat), VERIFIED);
    assert_eq!(signed_without_end(NOW - 301, &compat), invalid(Reason::Expired));
}

#[test]
fn the_form_without_alg_counts_only_where_it_is_wanted() {
    let keyid = signer().public_key().thumbprint().to_owned();
    let rest = format!("expires=1795000060;nonce=\"n-0S6_WzA2Mj\";tag=\"{BROWSER_TAG}\"");
    let fixed = format!("s=(\"@authority\" \"@path\");created={NOW};keyid=\"{keyid}\";{rest}");
    let base = format!("\"@authority\": shop.example\n\"@path\": /cart\n\"@signature-params\": {fixed}");
    let signature = Ed25519SigningKey::from_seed(&[7; 32]).unwrap().sign(base.as_bytes()).unwrap();
    let encoded = crate::encoding::base64url(&signature).replace('-', "+").replace('_', "/");
    let check = |alg: &str, policy: &SignaturePolicy| {
        let plan = SigningPlan { components: vec!["@path".to_owned()], ..plan() };
        after(&[], &plan, policy, |_| SignatureFields {
            signature_input: format!(
                "s=(\"@authority\" \"@path\");created={NOW};keyid=\"{keyid}\"{alg};{rest}"
            ),
            signature: format!("s=:{encoded}==:"),
        })
    };
    let wanted = SignaturePolicy { visa_page_base: true, ..SignaturePolicy::default() };
    let results = check(";alg=\"ed25519\"", &wanted);
    assert_eq!(only(&results), VERIFIED);
    assert_eq!(results[0].base_form, Some(BaseForm::VisaPage));
    assert_eq!(only(&check(";alg=\"Ed25519\"", &wanted)), VERIFIED);
    assert_eq!(
        only(&check(";alg=\"ed25519\"", &SignaturePolicy::default())),
        invalid(Reason::SignatureMismatch)
    );
    // A parameter that the fixed order would leave out cannot hide in it.
    assert_eq!(only(&check(";alg=\"ed25519\";extra=1", &wanted)), invalid(Reason::SignatureMismatch));
}
