//! RFC 9421 appendix B and section 2, the Web Bot Auth drafts, a signature from production, and the forms of the
//! Trusted Agent Protocol.

use super::*;

const REQUEST: &str = "Host: example.com
Date: Tue, 20 Apr 2021 02:07:55 GMT
Content-Type: application/json
Content-Digest: sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:
Content-Length: 18";
const CREATED: i64 = 1_618_884_473;

fn rfc_request<'a>(headers: &'a [Line<'a>]) -> Request<'a> {
    let body = Some(Body::Bytes(br#"{"hello": "world"}"#));
    Request { method: Some("POST"), headers, body, ..Request::default() }
        .with_url("https://example.com/foo?param=Value&Pet=dog")
}

fn check_rfc(signature: &str, body: Option<Body<'_>>, expected: (SignatureStatus, Option<Reason>)) {
    let text = format!("{REQUEST}\n{signature}");
    let headers = lines(&text);
    let request = Request { body, ..rfc_request(&headers) };
    assert_eq!(reason(&request, &open(Profile::Generic), CREATED), expected, "{signature}");
}

const B21: &str = r#"Signature-Input: sig-b21=();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"
Signature: sig-b21=:d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==:"#;
const B22: &str = r#"Signature-Input: sig-b22=("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example"
Signature: sig-b22=:LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==:"#;
const B23: &str = r#"Signature-Input: sig-b23=("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss"
Signature: sig-b23=:bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==:"#;
const B26: &str = r#"Signature-Input: sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"
Signature: sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:"#;

#[test]
fn requests_of_rfc_9421_verify() {
    let body = Some(Body::Bytes(br#"{"hello": "world"}"#));
    for signature in [B21, B22, B23, B26] {
        check_rfc(signature, body, VERIFIED);
    }
    // A covered digest is compared with the content.
    for signature in [B22, B23] {
        check_rfc(signature, Some(Body::Bytes(br#"{"hello": "World"}"#)), invalid(Reason::DigestMismatch));
        check_rfc(signature, None, invalid(Reason::ComponentMissing));
    }
}

#[test]
fn a_signature_that_covers_nothing_is_refused_by_every_profile() {
    let text = format!("{REQUEST}\n{B21}");
    let headers = lines(&text);
    let request = rfc_request(&headers);
    let policy = SignaturePolicy { allow_test_keys: true, ..SignaturePolicy::default() };
    assert_eq!(reason(&request, &policy, CREATED), unverified(Reason::NoApplicableSignature));
    let generic = SignaturePolicy { profiles: vec![Profile::Generic], ..policy };
    assert_eq!(reason(&request, &generic, CREATED), invalid(Reason::CoverageInsufficient));
}

#[test]
fn signing_gives_the_signature_of_rfc_9421_and_a_bare_base() {
    let headers = lines(REQUEST);
    let request = rfc_request(&headers);
    let mut signature = fields::read(&lines(B26), false).pop().unwrap().unwrap();
    let lines = base::component_lines(&(&request).into(), &signature).unwrap();
    let base = base::with_parameters(&lines, &signature.parameters);
    assert_eq!(base.len(), 284);
    assert_eq!(
        crate::encoding::hex(&crate::crypto::sha256(base.as_bytes())),
        "e6402577f54303accfda63dfbde1a7b8c5e5e6f3f7898637b7d78dc07ee1896a"
    );
    let seed = crate::encoding::decode_base64url("n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU").unwrap();
    let key = crate::crypto::Ed25519SigningKey::from_seed(&seed).unwrap();
    assert_eq!(key.sign(base.as_bytes()).unwrap().to_vec(), std::mem::take(&mut signature.signature));
}

#[test]
fn the_response_of_rfc_9421_verifies() {
    let text = r#"Date: Tue, 20 Apr 2021 02:07:56 GMT
Content-Type: application/json
Content-Digest: sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:
Content-Length: 23
Signature-Input: sig-b24=("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256"
Signature: sig-b24=:wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==:"#;
    let headers = lines(text);
    let check = |status, body| {
        let response = Response { status, headers: &headers, body: Some(Body::Bytes(body)), trailers: &[] };
        let results = verify(
            &Message::Response(&response, None),
            &open(Profile::Generic),
            &every_key,
            seconds(CREATED),
        );
        (results[0].outcome, results[0].reason)
    };
    assert_eq!(check(200, br#"{"message": "good dog"}"#), VERIFIED);
    assert_eq!(check(201, br#"{"message": "good dog"}"#), invalid(Reason::SignatureMismatch));
    assert_eq!(check(200, br#"{"message": "bad dog!"}"#), invalid(Reason::DigestMismatch));
}

#[test]
fn the_request_of_a_proxy_in_rfc_9421_verifies() {
    // Appendix B.3.
    let text = r#"Host: service.internal.example
Client-Cert: :MIIBqDCCAU6gAwIBAgIBBzAKBggqhkjOPQQDAjA6MRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxGzAZBgNVBAMMEkxBIEludGVybWVkaWF0ZSBDQTAeFw0yMDAxMTQyMjU1MzNaFw0yMTAxMjMyMjU1MzNaMA0xCzAJBgNVBAMMAkJDMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8YnXXfaUgmnMtOXU/IncWalRhebrXmckC8vdgJ1p5Be5F/3YC8OthxM4+k1M6aEAEFcGzkJiNy6J84y7uzo9M6NyMHAwCQYDVR0TBAIwADAfBgNVHSMEGDAWgBRm3WjLa38lbEYCuiCPct0ZaSED2DAOBgNVHQ8BAf8EBAMCBsAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0RAQH/BBMwEYEPYmRjQGV4YW1wbGUuY29tMAoGCCqGSM49BAMCA0gAMEUCIBHda/r1vaL6G3VliL4/Di6YK0Q6bMjeSkC3dFCOOB8TAiEAx/kHSB4urmiZ0NX5r5XarmPk0wmuydBVoU4hBVZ1yhk=:
Signature-Input: ttrp=("@path" "@query" "@method" "@authority" "client-cert");created=1618884473;keyid="test-key-ecc-p256"
Signature: ttrp=:xVMHVpawaAC/0SbHrKRs9i8I3eOs5RtTMGCWXm/9nvZzoHsIg6Mce9315T6xoklyy0yzhD9ah4JHRwMLOgmizw==:"#;
    let headers = lines(text);
    let request = Request { method: Some("POST"), headers: &headers, ..Request::default() }
        .with_url("/foo?param=Value&Pet=dog");
    assert_eq!(reason(&request, &open(Profile::Generic), CREATED), VERIFIED);
    let other = request.with_url("/foo?param=Value&Pet=cat");
    assert_eq!(reason(&other, &open(Profile::Generic), CREATED), invalid(Reason::SignatureMismatch));
}

#[test]
fn fields_may_be_split_and_joined_on_the_way_but_not_changed() {
    // RFC 9421 appendix B.4.
    let signed = r#"Signature-Input: transform=("@method" "@path" "@authority" "accept");created=1618884473;keyid="test-key-ed25519"
Signature: transform=:ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/LXlh5QMFFQ6cpLt2m0pmj3NDA==:"#;
    for (method, host, accept, expected) in [
        ("GET", "example.org", "Accept: application/json\nAccept: */*", VERIFIED),
        ("GET", "example.org", "Accept: application/json, */*\nAccept-Language: en-US", VERIFIED),
        ("GET", "EXAMPLE.ORG:443", "Accept: application/json, */*", VERIFIED),
        ("GET", "example.org", "Accept: */*\nAccept: application/json", invalid(Reason::SignatureMismatch)),
        ("POST", "example.com", "Accept: application/json, */*", invalid(Reason::SignatureMismatch)),
        ("GET", "example.org", "Accept-Language: en", invalid(Reason::ComponentMissing)),
    ] {
        let text = format!("Host: {host}\n{accept}\n{signed}");
        let headers = lines(&text);
        let request = Request {
            method: Some(method),
            target: Some("/demo?name1=Value1&Name2=value2"),
            headers: &headers,
            ..Request::default()
        };
        assert_eq!(reason(&request, &open(Profile::Generic), CREATED), expected, "{method} {host} {accept}");
    }
}

/// The lines of the base for these components, joined by `|`, or the fault.
fn values(request: &Request<'_>, components: &str) -> String {
    let input = format!("s=({components})");
    let headers = [("signature-input", input.as_bytes()), ("signature", b"s=:AA==:".as_slice())];
    match fields::read(&headers, false).pop().unwrap() {
        Ok(signature) => match base::component_lines(&request.into(), &signature) {
            Ok(lines) => lines.trim_end_matches('\n').replace('\n', "|"),
            Err(fault) => format!("{fault:?}"),
        },
        Err(_) => "Malformed".to_owned(),
    }
}

#[test]
fn components_have_the_values_of_rfc_9421_section_2() {
    let headers: &[Line<'_>] = &[
        ("Host", b"www.example.com"),
        ("Date", b"Tue, 20 Apr 2021 02:07:56 GMT"),
        ("X-OWS-Header", b"   Leading and trailing whitespace.   "),
        ("X-Obs-Fold-Header", b"Obsolete\r\n    line folding."),
        ("Cache-Control", b"max-age=60"),
        ("Cache-Control", b"   must-revalidate"),
        ("Example-Dict", b"  a=1,    b=2;x=1;y=2,   c=(a   b    c), d"),
        ("X-Empty-Header", b""),
        ("Example-Header", b"value, with, lots"),
        ("Example-Header", b"of, commas"),
        ("Broken", b"line\nbreak"),
        ("Binary", &[0xff, 0]),
    ];
    let request = Request {
        method: Some("POST"),
        headers,
        trailers: &[("Expires", b"Wed, 9 Nov 2022 07:28:00 GMT")],
        ..Request::default()
    }
    .with_url(
        "https://www.example.com/path?param=value&foo=bar&baz=batman&qux=&twice=1&twice=2&bad=%FF#part",
    );
    for (components, expected) in [
        (r#""date""#, r#""date": Tue, 20 Apr 2021 02:07:56 GMT"#),
        (r#""x-ows-header""#, r#""x-ows-header": Leading and trailing whitespace."#),
        (r#""x-obs-fold-header""#, r#""x-obs-fold-header": Obsolete line folding."#),
        (r#""cache-control""#, r#""cache-control": max-age=60, must-revalidate"#),
        (r#""cache-control";sf"#, r#""cache-control";sf: max-age=60, must-revalidate"#),
        (r#""example-dict""#, r#""example-dict": a=1,    b=2;x=1;y=2,   c=(a   b    c), d"#),
        (r#""x-empty-header""#, r#""x-empty-header": "#),
        (r#""example-dict";key="a""#, r#""example-dict";key="a": 1"#),
        (r#""example-dict";key="b""#, r#""example-dict";key="b": 2;x=1;y=2"#),
        (r#""example-dict";key="c""#, r#""example-dict";key="c": (a b c)"#),
        (r#""example-dict";key="d""#, r#""example-dict";key="d": ?1"#),
        (r#""example-dict";key="e""#, "Missing"),
        (r#""example-dict";sf"#, "Unfit"),
        (r#""date";key="a""#, "Unfit"),
        (r#""example-header""#, r#""example-header": value, with, lots, of, commas"#),
        (r#""example-header";bs"#, r#""example-header";bs: :dmFsdWUsIHdpdGgsIGxvdHM=:, :b2YsIGNvbW1hcw==:"#),
        (r#""expires";tr"#, r#""expires";tr: Wed, 9 Nov 2022 07:28:00 GMT"#),
        (r#""expires""#, "Missing"),
        (r#""date";tr"#, "Missing"),
        (r#""broken""#, "Unfit"),
        (r#""binary""#, "Unfit"),
        (r#""@method""#, r#""@method": POST"#),
        (
            r#""@target-uri""#,
            r#""@target-uri": https://www.example.com/path?param=value&foo=bar&baz=batman&qux=&twice=1&twice=2&bad=%FF"#,
        ),
        (r#""@authority""#, r#""@authority": www.example.com"#),
        (r#""@scheme""#, r#""@scheme": https"#),
        (r#""@path""#, r#""@path": /path"#),
        (r#""@query-param";name="baz""#, r#""@query-param";name="baz": batman"#),
        (r#""@query-param";name="qux""#, r#""@query-param";name="qux": "#),
        (r#""@query-param";name="twice""#, "Unfit"),
        (r#""@query-param";name="bad""#, "Unfit"),
        (r#""@query-param";name="none""#, "Missing"),
        (r#""@query-param""#, "Malformed"),
        (r#""@status""#, "Unfit"),
        (r#""@unknown""#, "Unfit"),
        (r#""@authority";req"#, "Unfit"),
        (r#""@authority";sf"#, "Malformed"),
        (r#""@method";name="a""#, "Malformed"),
        (r#""date";name="a""#, "Malformed"),
        (r#""date";bs;sf"#, "Malformed"),
        (r#""date";bs;key="a""#, "Malformed"),
        (r#""date";other"#, "Malformed"),
        (r#""date";sf=?0"#, "Malformed"),
        (r#""Date""#, "Malformed"),
        (r#""""#, "Malformed"),
        ("date", "Malformed"),
        ("1", "Malformed"),
        (r#""@signature-params""#, "Malformed"),
        (r#""date" "date""#, "Malformed"),
        (r#""a";key="x";tr "a";tr;key="x""#, "Malformed"),
        (
            r#""example-dict";key="a" "example-dict";key="d""#,
            r#""example-dict";key="a": 1|"example-dict";key="d": ?1"#,
        ),
    ] {
        assert_eq!(values(&request, components), expected, "{components}");
    }
    let request = Request::default().with_url(
        "/parameters?var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace&fa%C3%A7ade%22%3A%20=something",
    );
    for (name, value) in [
        ("var", "this%20is%20a%20big%0Amultiline%20value"),
        ("bar", "with%20plus%20whitespace"),
        ("fa%C3%A7ade%22%3A%20", "something"),
    ] {
        let component = format!(r#""@query-param";name="{name}""#);
        assert_eq!(values(&request, &component), format!("{component}: {value}"));
    }
    for (target, query, on_wire) in [
        ("/path?queryString", "?queryString", "/path?queryString"),
        ("/path", "?", "/path"),
        ("/path?", "?", "/path?"),
        ("*", "?", "*"),
    ] {
        let request = Request { target: Some(target), ..Request::default() };
        assert_eq!(values(&request, r#""@query""#), format!(r#""@query": {query}"#));
        assert_eq!(values(&request, r#""@request-target""#), format!(r#""@request-target": {on_wire}"#));
    }
    let unknown = Request::default();
    for name in
        ["@method", "@scheme", "@authority", "@path", "@query", "@request-target", "@target-uri", "date"]
    {
        assert_eq!(values(&unknown, &format!("\"{name}\"")), "Missing", "{name}");
    }
}

#[test]
fn large_parts_are_not_parsed_or_covered_again_and_again() {
    let long = |length: usize| format!("a=1, b={}", "b".repeat(length - 7));
    let check = |length: usize, components: &str| {
        let value = long(length);
        let url = format!("/?a=1&b={}", "b".repeat(length - 6));
        let headers = [("big", value.as_bytes()), ("cache-control", value.as_bytes())];
        let found = values(&Request { headers: &headers, ..Request::default() }.with_url(&url), components);
        if found.len() > 6 { "a value".to_owned() } else { found }
    };
    for parsed in [r#""big";key="a""#, r#""cache-control";sf"#, r#""@query-param";name="a""#] {
        assert_eq!(check(8192, parsed), "a value", "{parsed}");
        assert_eq!(check(8193, parsed), "Unfit", "{parsed}");
    }
    assert_eq!(check(60_000, r#""big""#), "a value");
    assert_eq!(check(60_000, r#""big" "big";bs"#), "Unfit");
    assert_eq!(check(70_000, r#""big""#), "Unfit");
}

const DICTIONARY: &str = r#"Signature-Agent: agent2="https://signature-agent.test"
Signature-Input: sig2=("@authority" "signature-agent";key="agent2");created=1735689600;keyid="poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U";alg="ed25519";expires=4889289600;nonce="n9p433xm+NJ3ph3upfBIGmsuwHw387YV7Q/F+6BSpGCVjYCqQw6rznNA8PVVLySrAWsv0hQtFioQb6E1YsauiA==";tag="web-bot-auth"
Signature: sig2=:RdNFx5Bj6au3YgAMQL/RzmUlZE8QZLIaXGRpw985hWnwPfMxT228NMk6ehRS1PSl4e8PhbNZACSanGdhEwYCCg==:"#;
const STRING: &str = r#"Signature-Agent: "https://signature-agent.test"
Signature-Input: sig2=("@authority" "signature-agent");created=1735689600;keyid="poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U";alg="ed25519";expires=1735693200;nonce="e8N7S2MFd/qrd6T2R3tdfAuuANngKI7LFtKYI/vowzk4lAZYadIX6wW25MwG7DCT9RUKAJ0qVkU0mEeLElW1qg==";tag="web-bot-auth"
Signature: sig2=:jdq0SqOwHdyHr9+r5jw3iYZH6aNGKijYp/EstF4RQTQdi5N5YYKrD+mCT1HA1nZDsi6nJKuHxUi/5Syp3rLWBA==:"#;
const WITHOUT_AGENT: &str = r#"Signature-Input: sig1=("@authority");created=1735689600;keyid="poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U";alg="ed25519";expires=4889289600;nonce="zIW8+cdmA3vdYagbxojpONwa/l0EKJ/O3/wD486VvsQjO/RxPaSt6ZxvQaMcQzNnqKN/mQ6hpGiFro2L2qkz5A==";tag="web-bot-auth"
Signature: sig1=:QKN4fTdIYfh82fvoZCQiQA1weuozfCS/Led2zTMbewMMqH8PI2Wsy/5c4ao6B6D09nraNQdBNOADg8aM1MqfCg==:"#;
const BY_RSA: &str = r#"Signature-Agent: agent2="https://signature-agent.test"
Signature-Input: sig2=("@authority" "signature-agent";key="agent2");created=1735689600;keyid="oD0HwocPBSfpNy5W3bpJeyFGY_IQ_YpqxSjQ3Yd-CLA";alg="rsa-pss-sha512";expires=4889289600;nonce="wcfPQPh7SzkvrIVvhD00vNk9PkxJNY2NVbYl2PVBB4zmUoluSwE7W6bPtF60QA3k8g06FU7PPCD+J58YofY1zg==";tag="web-bot-auth"
Signature: sig2=:gHzpLNeHaHIO19NaJH9YMW5dcVSi2s0wOMBr6p18vcofS106sfC4KBIS0/szPlBBd1vIcyQ88B6CTEWIhRAiVrb9zfX0mx1aG12CSGWcYkSirHeyTxhbuJvXd27ed6skWoy4PjXItq38936ivUQjfdIwXh1aX6HxkAC3vRnEdSNfntkLWeEuIQ5BLIOBGE39fSwg27Qjq6OVWYas/9/aFUr3HA34MXWYdp+//cvlEKDp3kRoLOw9ro0AOr6srHrTeEtxon2afcws1aZVSlPdd2fZSEIGmw9HAHLDCEkFTERu1gH2k/zIEqgy7CAYXI9E5slog0cLg/Vc6+f8gih33g==:"#;

#[test]
fn requests_of_the_web_bot_auth_drafts_verify() {
    let url = "https://signature-agent.test/.well-known/http-message-signatures-directory";
    for (text, alg, source) in [
        (DICTIONARY, "ed25519", url),
        (STRING, "ed25519", url),
        (WITHOUT_AGENT, "ed25519", THUMBPRINT),
        (BY_RSA, "rsa-pss-sha512", url),
    ] {
        let headers = lines(text);
        let request = Request { headers: &headers, ..Request::default() }
            .with_url("https://example.com/path/to/resource");
        let result = result(&request, &open(Profile::WebBotAuth), 1_735_689_700);
        assert_eq!((result.outcome, result.reason), VERIFIED, "{text}");
        assert_eq!(result.alg.as_deref(), Some(alg));
        assert_eq!(result.key_source.as_deref(), Some(source));
        assert_eq!(result.base_form, Some(BaseForm::Rfc9421));
        let agent = (source == url).then_some("https://signature-agent.test");
        assert_eq!(result.signature_agent.as_deref(), agent);
        assert!(result.once.is_some());
    }
}

#[test]
fn published_signatures_are_refused_by_the_default_policy() {
    for (text, expected) in [
        (DICTIONARY, Reason::WindowTooLong),
        (STRING, Reason::TestKey),
        (WITHOUT_AGENT, Reason::WindowTooLong),
        (BY_RSA, Reason::WindowTooLong),
    ] {
        let headers = lines(text);
        let request = Request { headers: &headers, ..Request::default() }.with_url("https://example.com/");
        assert_eq!(reason(&request, &SignaturePolicy::default(), 1_735_689_700), invalid(expected), "{text}");
    }
}

#[test]
fn a_signed_directory_verifies_with_its_own_keys() {
    let body = br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U","x":"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs","use":"sig"}]}"#;
    let text = r#"Content-Type: application/http-message-signatures-directory+json
Content-Digest: sha-256=:CADMT2aBdV/rqQr/NIru64ERQkCobVvllA4V0fLFDu0=:
Signature-Input: binding=("@authority";req "content-digest");created=1735689600;expires=4889289600;keyid="poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U";tag="http-message-signatures-directory"
Signature: binding=:l6P8R67tm3kujAxbHWio7ll01qrEZ0dKD/WWlGhNYEmTnFZM8Wt0VQ9zqGfvo7T/UMkBxsigzChM1Gpz7gOVBg==:"#;
    let directory = KeyDirectory::parse(body).unwrap();
    let headers = lines(text);
    let response = Response { status: 200, headers: &headers, body: Some(Body::Bytes(body)), trailers: &[] };
    let check = |host, policy: &SignaturePolicy| {
        let request = Request { authority: Some(host), ..Request::default() };
        let message = Message::Response(&response, Some(&request));
        let results = verify_directory(&message, &directory, policy, seconds(1_735_689_700));
        (results[0].outcome, results[0].reason)
    };
    let policy = open(Profile::Generic);
    assert_eq!(check("signature-agent.test", &policy), VERIFIED);
    assert_eq!(check("other.test", &policy), invalid(Reason::SignatureMismatch));
    let strict = SignaturePolicy { allow_test_keys: false, ..policy };
    assert_eq!(check("signature-agent.test", &strict), invalid(Reason::TestKey));
}

#[test]
fn a_signature_from_production_verifies() {
    let text = r#"Signature-Agent: "https://chatgpt.com"
Signature-Input: sig1=("@authority" "@method" "@path" "signature-agent");created=1754340838;keyid="otMqcjr17mGyruktGvJU8oojQTSMHlVm7uO-lrcqbdg";expires=1754344438;nonce="_8jbGwfLcgt_vUeiZQdWvfyIeh9FmlthEXElL-O2Rq5zydBYWivw4R3sV9PV-zGwZ2OEGr3T2Pmeo2NzmboMeQ";tag="web-bot-auth";alg="ed25519"
Signature: sig1=:1AxfqHocTf693inKKMQ7NRoHoWAZ9d/vY4D/FO0+MqdFBy0HEH3ZIRv1c3hyiTrzCvquqDC8eYl1ojcPYOSpCQ==:"#;
    let key = key(r#"{"kty":"OKP","crv":"Ed25519","x":"7F_3jDlxaquwh291MiACkcS3Opq88NksyHiakzS-Y1g"}"#);
    let home = KeyLocation::read("https://chatgpt.com", LocationKind::Directory);
    let keys = |wanted: &WantedKey| {
        let is_there = wanted.location == home && wanted.keyid == key.thumbprint();
        is_there.then(|| FoundKey { key: Arc::clone(&key), source: None, is_registered: false })
    };
    let headers = lines(text);
    let request = Request { method: Some("GET"), headers: &headers, ..Request::default() }
        .with_url("https://simonwillison.net/test-url-context");
    let policy = SignaturePolicy::default();
    let results = verify(&(&request).into(), &policy, &keys, seconds(1_754_340_900));
    assert_eq!((results[0].outcome, results[0].reason), VERIFIED);
    let outcome = signature_outcome(&results).unwrap();
    assert_eq!(outcome.signature_agent.as_deref(), Some("https://chatgpt.com"));
    assert_eq!(outcome.keyid.as_deref(), Some("otMqcjr17mGyruktGvJU8oojQTSMHlVm7uO-lrcqbdg"));
    let wanted = wanted_keys(&(&request).into(), &policy, seconds(1_754_340_900));
    assert_eq!(wanted[0].location, home);

    let other = Request { method: Some("POST"), ..request };
    let results = verify(&(&other).into(), &policy, &keys, seconds(1_754_340_900));
    assert_eq!(results[0].reason, Some(Reason::SignatureMismatch));
    let results = verify(&(&request).into(), &policy, &keys, seconds(1_754_344_439));
    assert_eq!(results[0].reason, Some(Reason::Expired));
}

#[test]
fn forms_of_the_trusted_agent_protocol_verify_where_they_are_allowed() {
    let ordered = format!(
        r#"("@authority" "@path");created=1735689600;keyid="agent_0123456789abcdef";alg="ed25519";expires=1735690080;nonce="{LONG_NONCE}";tag="agent-browser-auth""#
    );
    let reordered = format!(
        r#"("@authority" "@path");tag="agent-browser-auth";nonce="{LONG_NONCE}";keyid="agent_0123456789abcdef";expires=1735690080;created=1735689600"#
    );
    let raw = r#"("@authority" "@path"); created=1735689600; expires=1735690080; keyId="primary-ed25519"; alg="ed25519"; nonce="7c2d2a0e-5d0b-4f0e-9b57-3f6f3f0a2f11"; tag="agent-browser-auth""#;
    let closed = SignaturePolicy { allow_test_keys: true, ..SignaturePolicy::default() };
    let with_raw = SignaturePolicy { raw_base: true, ..closed.clone() };
    for (input, signature, form, policy) in [
        (
            ordered.as_str(),
            "nXPERWHIG0JEV7DCZSIjcb0k9erpcfbx5Ruk6E7dnP7mvZ2fJNgL19a3CKvjQ6CTqutoWcHiGGIpf8Ln7keaBg==",
            BaseForm::Rfc9421,
            &closed,
        ),
        (
            &ordered,
            "N/MwhjL4g7XauviX3Gs49BBuAUHy4n/x6oCKiqXLV5WVkgzq3iWJHMNNFpw47CeQbqLcLLtCojtwee0hwCVsAg==",
            BaseForm::Botcha,
            &closed,
        ),
        (
            &reordered,
            "nXtRMGgfXWHewEoVPOgYKK+ND7IvNK28nVN8dzzdHRZq1rqvFpasrVJ6Us5+IhtjtN1YEdqZpa/qEba/eRuyDw==",
            BaseForm::Rfc9421,
            &closed,
        ),
        (
            raw,
            "HBEzxgGBfo2uxh3IVYsWI4A9swE5jY36JXL0cRYMdIy3S7OijqlT04jYrFrd2hAwKSzmRD+PZhZrowar4IA0Dg==",
            BaseForm::Raw,
            &with_raw,
        ),
    ] {
        let text = format!("Signature-Input: sig2={input}\nSignature: sig2=:{signature}:");
        let headers = lines(&text);
        let request = Request { method: Some("GET"), headers: &headers, ..Request::default() }
            .with_url("https://example.com/example-product");
        let result = result(&request, policy, 1_735_689_700);
        assert_eq!(
            (result.outcome, result.reason, result.base_form),
            (VERIFIED.0, None, Some(form)),
            "{input}"
        );
        let federated =
            |wanted: &WantedKey| every_key(wanted).map(|found| FoundKey { is_registered: false, ..found });
        let results = verify(&(&request).into(), policy, &federated, seconds(1_735_689_700));
        assert_eq!(results[0].is_verified(), form != BaseForm::Botcha, "{form:?}");
        let is_read =
            !super::result(&request, &closed, 1_735_689_700).reason.is_some_and(|it| it == Reason::Malformed);
        assert_eq!(is_read, form != BaseForm::Raw, "{form:?}");
    }
}

#[test]
fn a_payer_signs_the_content_too() {
    let text = format!(
        r#"Content-Digest: sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:
Signature-Input: sig1=("@method" "@authority" "@path" "@query" "content-digest");created=1735689600;expires=1735690080;keyid="agent_0123456789abcdef";nonce="{LONG_NONCE}";tag="agent-payer-auth"
Signature: sig1=:/7j3Odx6cY0F7FyblaaUS1bYOSo5h2GBx9B/SK81brXvXyGiC/zV+Q+pMNhNGpf0at8hM7hMcyUqJMFh5diFBQ==:"#
    );
    let headers = lines(&text);
    let request = Request {
        method: Some("POST"),
        headers: &headers,
        body: Some(Body::Bytes(br#"{"hello": "world"}"#)),
        ..Request::default()
    }
    .with_url("https://example.com/checkout?cart=42");
    let policy = SignaturePolicy { allow_test_keys: true, payment: true, ..SignaturePolicy::default() };
    let check = |request: &Request<'_>| reason(request, &policy, 1_735_689_700);
    assert_eq!(check(&request), VERIFIED);
    let digest = crate::crypto::sha256(br#"{"hello": "world"}"#);
    assert_eq!(check(&Request { body: Some(Body::Sha256(digest)), ..request }), VERIFIED);
    for (changed, expected) in [
        (request.with_url("https://example.com/checkout?cart=43"), Reason::SignatureMismatch),
        (request.with_url("https://example.com/checkout"), Reason::SignatureMismatch),
        (request.with_url("https://example.com/other?cart=42"), Reason::SignatureMismatch),
        (request.with_url("https://example.org/checkout?cart=42"), Reason::SignatureMismatch),
        (Request { method: Some("PUT"), ..request }, Reason::SignatureMismatch),
        (Request { method: Some("post"), ..request }, Reason::SignatureMismatch),
        (Request { body: Some(Body::Bytes(b"{}")), ..request }, Reason::DigestMismatch),
        (Request { body: Some(Body::Sha512([0; 64])), ..request }, Reason::DigestMismatch),
        (Request { body: None, ..request }, Reason::ComponentMissing),
        (Request { headers: &headers[1..], ..request }, Reason::ComponentMissing),
    ] {
        assert_eq!(check(&changed), invalid(expected), "{changed:?}");
    }
}
