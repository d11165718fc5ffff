//! Answers that a caller may keep: by the tag of what he has he asks for what is new only (RFC 9110 sections 8.8.3
//! and 13.1.2).

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use quivive_core::crypto::sha256;
use quivive_core::encoding::base64url;

/// The answer with the strong tag of its bytes and with `Cache-Control`; for a caller who has these bytes already, 304
/// with the same two headers.
pub fn tagged(
    full: impl IntoResponse,
    bytes: &[u8],
    cache_control: &'static str,
    asked: &HeaderMap,
) -> Response {
    let tag = format!("\"{}\"", base64url(&sha256(bytes)));
    let mut response =
        if names(asked, &tag) { StatusCode::NOT_MODIFIED.into_response() } else { full.into_response() };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache_control));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// Whether `If-None-Match` names the tag, by weak comparison, or whatever there is. Our tags hold no comma, so that a
/// list may be cut at each.
fn names(asked: &HeaderMap, tag: &str) -> bool {
    let lines = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    lines.map(str::trim).any(|line| {
        line == "*"
            || line.split(',').map(str::trim).any(|known| known.strip_prefix("W/").unwrap_or(known) == tag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(lines: &[&[u8]]) -> Response {
        let mut asked = HeaderMap::new();
        for line in lines {
            asked.append(header::IF_NONE_MATCH, HeaderValue::from_bytes(line).unwrap());
        }
        tagged("text", b"text", "private, no-cache", &asked)
    }

    #[test]
    fn who_names_the_tag_in_whatever_list_has_the_answer_already() {
        let first = answered(&[]);
        assert_eq!(first.status(), 200);
        assert_eq!(first.headers()["cache-control"], "private, no-cache");
        let tag = first.headers()["etag"].to_str().unwrap();
        assert!(tag.len() == 45 && tag.starts_with('"') && tag.ends_with('"'), "strong: {tag}");
        let text = |text: String| text.into_bytes();
        for lines in [
            vec![text(tag.to_owned())],
            vec![text(format!("W/{tag}"))],
            vec![text(format!(" \"other\" ,W/\"weak\",\t{tag}  , \"more\""))],
            vec![text("\"other\"".to_owned()), text(tag.to_owned())],
            vec![vec![0xff], text(tag.to_owned())],
            vec![text(" * ".to_owned())],
        ] {
            let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
            let again = answered(&lines);
            assert_eq!(again.status(), 304, "{lines:?}");
            for name in ["etag", "cache-control"] {
                assert_eq!(again.headers()[name], first.headers()[name], "{lines:?}");
            }
            assert!(!again.headers().contains_key("content-type"), "{lines:?}");
        }
        let bare = tag.trim_matches('"');
        for line in
            ["", "\"\"", bare, "\"a,*,b\"", "w/\"x\"", "*, \"x\"", &format!("\"{bare}"), &format!("w/{tag}")]
        {
            assert_eq!(answered(&[line.as_bytes()]).status(), 200, "{line}");
        }
    }

    #[test]
    fn other_bytes_have_another_tag() {
        let of = |bytes: &[u8]| tagged((), bytes, "no-cache", &HeaderMap::new()).headers()["etag"].clone();
        assert_eq!(of(b"a"), of(b"a"));
        assert_ne!(of(b"a"), of(b"b"));
    }
}
