//! `Content-Digest` (RFC 9530): whether the content is what its digests say.

use base64ct::{Base64, Encoding};
use sfv::ListEntry;

use super::component::{Fault, combined, dictionary};
use super::message::{Body, Line};
use crate::crypto::{sha256, sha512};
use crate::encoding::equal_in_constant_time;

/// How a content and its digests compare.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Comparison {
    /// Every digest that can be computed here is right, and there is one.
    Equal,
    /// A digest is wrong, or none can be computed.
    Different,
    /// The content was not supplied.
    Unknown,
}

/// Compares `sha-256` and `sha-512`; other digests are passed over.
pub(super) fn compare(headers: &[Line<'_>], body: Option<Body<'_>>) -> Comparison {
    let Ok(members) = combined(headers, "content-digest").and_then(|value| dictionary(&value)) else {
        return Comparison::Different;
    };
    let Some(body) = body else { return Comparison::Unknown };
    let mut checked = 0;
    for (name, member) in &members {
        let Some(actual) = digest(name.as_str(), body) else { continue };
        let ListEntry::Item(item) = member else { return Comparison::Different };
        let is_equal =
            item.bare_item.as_byte_sequence().is_some_and(|given| equal_in_constant_time(given, &actual));
        if !is_equal {
            return Comparison::Different;
        }
        checked += 1;
    }
    if checked > 0 { Comparison::Equal } else { Comparison::Different }
}

/// The value of a `Content-Digest` field with the SHA-256 of a content.
///
/// ```
/// let digest = quivive_core::signature::content_digest(br#"{"hello": "world"}"#);
/// assert_eq!(digest, "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:");
/// ```
pub fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", Base64::encode_string(&sha256(body)))
}

/// Whether the content itself must be supplied to check a message with these headers, for example before a body is
/// read from the network.
pub fn needs_body(headers: &[Line<'_>]) -> bool {
    let covers = |fault: Result<String, Fault>| fault.is_ok_and(|value| value.contains("\"content-digest\""));
    covers(combined(headers, "signature-input"))
}

fn digest(name: &str, body: Body<'_>) -> Option<Vec<u8>> {
    match (name, body) {
        ("sha-256", Body::Bytes(bytes)) => Some(sha256(bytes).to_vec()),
        ("sha-512", Body::Bytes(bytes)) => Some(sha512(bytes).to_vec()),
        ("sha-256", Body::Sha256(digest)) => Some(digest.to_vec()),
        ("sha-512", Body::Sha512(digest)) => Some(digest.to_vec()),
        _ => None,
    }
}
