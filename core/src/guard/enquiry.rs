//! What a guard tells a detection service about a request.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use super::request::Incoming;
use crate::signature::uri;

/// What a detection service is told about a request, within its limits: the body of AgentShield's `POST /api/v1/detect`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "GuardEnquiry"))]
#[serde(rename_all = "camelCase")]
pub struct Enquiry {
    /// The user agent.
    pub user_agent: String,
    /// The client's address, behind trusted proxies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// The headers by lower-case name, without those whose name says that they hold a secret; of addresses in them,
    /// origin and path.
    pub headers: BTreeMap<String, String>,
    /// The path; a query may hold secrets.
    pub url: String,
    /// The method, if it is one that the service knows: of 1 to 16 letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
}

impl Enquiry {
    pub(super) fn new(request: &Incoming<'_>, ip: Option<IpAddr>) -> Self {
        let mut room = HEADER_ROOM;
        let headers = request.joined().into_iter().map(without_query).filter(|(name, value)| {
            if name.len() > LONGEST_NAME || value.len() > LONGEST_VALUE || is_secret(name) {
                return false;
            }
            let left = room.checked_sub(written(name) + written(value) + AROUND_HEADER);
            room = left.unwrap_or(room);
            left.is_some()
        });
        let is_method = |method: &&str| {
            (1..=LONGEST_METHOD).contains(&method.len())
                && method.bytes().all(|byte| byte.is_ascii_alphabetic())
        };
        Self {
            user_agent: request.user_agent(),
            ip,
            headers: headers.take(MOST_HEADERS).collect(),
            url: request.path().chars().take(LONGEST_URL).collect(),
            method: Some(&*request.method).filter(is_method).map(str::to_owned),
        }
    }
}

/// Whether a header's name says that it holds what is nobody else's.
fn is_secret(name: &str) -> bool {
    name != ":authority" && SECRETS.iter().any(|part| name.contains(part))
}

/// Of a header that holds an address, its origin and path.
fn without_query((name, value): (String, String)) -> (String, String) {
    if name != ":path" && !ADDRESSES.iter().any(|part| name.contains(part)) {
        return (name, value);
    }
    let address = value.split(['?', '#', ' ']).next().unwrap_or_default().trim_end_matches(',');
    let Some((scheme, rest)) = address.split_once("://").filter(|_| !address.starts_with('/')) else {
        return (name, address.to_owned());
    };
    let (authority, path) = uri::split_authority(rest);
    let host = authority.rsplit('@').next().unwrap_or_default();
    (name, format!("{scheme}://{host}{path}"))
}

/// How many bytes a text takes in JSON, at most: some writers escape all that is not ASCII.
fn written(text: &str) -> usize {
    let of = |character: char| match character {
        '"' | '\\' => 2,
        ' '..='~' => 1,
        _ => 6 * character.len_utf16(),
    };
    text.chars().map(of).sum()
}

/// Parts of the names of headers that hold what is nobody else's.
const SECRETS: [&str; 13] = [
    "assertion",
    "auth",
    "cookie",
    "credential",
    "dpop",
    "jwt",
    "key",
    "oidc",
    "passw",
    "payment",
    "secret",
    "session",
    "token",
];
/// Parts of the names of headers that hold addresses.
const ADDRESSES: [&str; 3] = ["referer", "uri", "url"];
const MOST_HEADERS: usize = 100;
/// The bytes of JSON that all headers take at most; with the longest user agent and path, less than 64 KiB.
const HEADER_ROOM: usize = 24_576;
/// Quotation marks, colon, comma and spaces.
const AROUND_HEADER: usize = 8;
const LONGEST_METHOD: usize = 16;
const LONGEST_NAME: usize = 256;
const LONGEST_VALUE: usize = 8_192;
const LONGEST_URL: usize = 2_000;
