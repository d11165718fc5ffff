//! The field `Signature-Agent` of Web Bot Auth: where the signer publishes its keys.

use serde::{Deserialize, Serialize};
use sfv::{Item, ListEntry, Parser};

use super::component::{combined, dictionary};
use super::fields::Labelled;
use super::message::Line;
use super::result::Reason;
use super::uri;

/// The well-known path of a key directory.
pub const DIRECTORY_PATH: &str = "/.well-known/http-message-signatures-directory";

/// Where a signer publishes its keys.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeyLocation {
    /// What is fetched there.
    pub kind: LocationKind,
    /// The `https` URL to fetch, host in lower case; keys are kept by this and their thumbprint.
    pub url: String,
}

/// What a key location holds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LocationKind {
    /// A directory at the well-known path of an origin.
    Directory,
    /// A JWK Set.
    JwksUri,
    /// A client id metadata document.
    Cimd,
}

impl KeyLocation {
    /// Reads an origin (`https://agent.example`) as its directory, and the URL of a directory as itself; for other
    /// kinds any `https` URL. `None` for anything else.
    ///
    /// ```
    /// use quivive_core::signature::{KeyLocation, LocationKind};
    /// let location = KeyLocation::read("https://Agent.example", LocationKind::Directory).unwrap();
    /// assert_eq!(location.url, "https://agent.example/.well-known/http-message-signatures-directory");
    /// assert_eq!(location.origin(), "https://agent.example");
    /// assert_eq!(KeyLocation::read("http://agent.example", LocationKind::Directory), None);
    /// ```
    pub fn read(text: &str, kind: LocationKind) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\\#\"<>^`{|}".contains(&byte);
        if !scheme.eq_ignore_ascii_case("https") || text.len() > LONGEST_URL || !text.bytes().all(is_plain) {
            return None;
        }
        let (authority, rest) = uri::split_authority(rest);
        let host = uri::authority(Some("https"), authority)?;
        let path = match (kind, rest) {
            (LocationKind::Directory, "" | "/" | DIRECTORY_PATH) => DIRECTORY_PATH.to_owned(),
            (LocationKind::Directory, _) => return None,
            (_, rest) if rest.starts_with('/') => rest.to_owned(),
            (_, rest) => format!("/{rest}"),
        };
        Some(Self { kind, url: format!("https://{host}{path}") })
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> &str {
        let rest = self.url.strip_prefix("https://").unwrap_or_default();
        self.url.get(..self.url.len() - uri::split_authority(rest).1.len()).unwrap_or_default()
    }

    /// Who the signer is: the URL without its query.
    pub fn identifier(&self) -> &str {
        self.url.split('?').next().unwrap_or_default()
    }
}

/// The location that a signature is attributed to: the one that it covers.
///
/// `None` when the message names none, or none that can be used.
pub(super) fn attributed(headers: &[Line<'_>], signature: &Labelled) -> Result<Option<KeyLocation>, Reason> {
    let value = match combined(headers, "signature-agent") {
        Ok(value) => value,
        Err(super::component::Fault::Missing) => return Ok(None),
        Err(super::component::Fault::Unfit) => return Err(Reason::Malformed),
    };
    if value.len() > LONGEST_FIELD {
        return Err(Reason::Malformed);
    }
    let mut covered =
        signature.components.iter().filter(|component| component.is("signature-agent")).peekable();
    if covered.peek().is_none() {
        return Err(Reason::SignatureAgentNotCovered);
    }
    if value.starts_with('"') {
        let item: Item = Parser::new(&value).parse().map_err(|_| Reason::Malformed)?;
        let url =
            item.bare_item.as_string().map(|url| KeyLocation::read(url.as_str(), LocationKind::Directory));
        return Ok(url.flatten());
    }
    let members = dictionary(&value).map_err(|_| Reason::Malformed)?;
    let keys: Vec<&str> = covered.filter_map(|component| component.key.as_deref()).collect();
    // The whole field is covered where no key is named.
    let is_covered = |key: &str| keys.is_empty() || keys.contains(&key);
    let own = members.get(signature.label.as_str()).filter(|_| is_covered(&signature.label));
    let mut others = members.iter().filter(|(key, _)| is_covered(key.as_str())).map(|(_, member)| member);
    let member = match (own, others.next(), others.next()) {
        (Some(own), ..) => Some(own),
        (None, Some(only), None) => Some(only),
        _ => None,
    };
    Ok(member.and_then(location))
}

fn location(member: &ListEntry) -> Option<KeyLocation> {
    let ListEntry::Item(item) = member else { return None };
    let kind = match item.params.get("type") {
        None => LocationKind::Directory,
        Some(kind) => match kind.as_token()?.as_str() {
            "directory" => LocationKind::Directory,
            "jwks_uri" => LocationKind::JwksUri,
            "cimd" => LocationKind::Cimd,
            _ => return None,
        },
    };
    KeyLocation::read(item.bare_item.as_string()?.as_str(), kind)
}

const LONGEST_FIELD: usize = 8 * 1024;
const LONGEST_URL: usize = 512;
