//! Digests of bodies.

use super::*;

#[test]
fn bodies_are_asked_for_where_their_digest_is_covered() {
    let covers = |input: &'static str| needs_body(&[("Signature-Input", input.as_bytes())]);
    assert!(covers(r#"a=("@path" "content-digest");created=1"#));
    assert!(covers(r#"a=("@path"), b=("content-digest";bs)"#));
    assert!(!covers(r#"a=("@path");created=1"#));
    assert!(!needs_body(&[("content-digest", b"sha-256=:AAAA:")]));
}

#[test]
fn digests_are_all_compared() {
    let body = br#"{"hello": "world"}"#;
    let right = content_digest(body);
    let sha512 =
        "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";
    let wrong = content_digest(b"");
    use super::digest::{Comparison, compare};
    for (value, expected) in [
        (right.clone(), Comparison::Equal),
        (sha512.to_owned(), Comparison::Equal),
        (format!("{right}, {sha512}"), Comparison::Equal),
        (format!("md5=:AAAA:, {right}"), Comparison::Equal),
        (wrong.clone(), Comparison::Different),
        (format!("{}, {sha512}", wrong), Comparison::Different),
        ("md5=:AAAA:".to_owned(), Comparison::Different),
        ("sha-256=abc".to_owned(), Comparison::Different),
        ("sha-256=(:AAAA:)".to_owned(), Comparison::Different),
        ("sha-256=:A".to_owned(), Comparison::Different),
        (String::new(), Comparison::Different),
    ] {
        let headers = [("Content-Digest", value.as_bytes())];
        assert_eq!(compare(&headers, Some(Body::Bytes(body))), expected, "{value}");
    }
    assert_eq!(compare(&[("content-digest", right.as_bytes())], None), Comparison::Unknown);
    assert_eq!(compare(&[], Some(Body::Bytes(body))), Comparison::Different);
}
