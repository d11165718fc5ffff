//! The functions and the handle that other languages get.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::agent::{KeyLocation, LocationKind};
use super::digest::content_digest;
use super::key::{DatedJwk, KeyDirectory, VerificationKey};
use super::message::{Body, Line, Request};
use super::policy::{SignaturePolicy, WEB_BOT_AUTH_TAG};
use super::result::{SignatureResult, signature_outcome};
use super::signer::{MessageSigner, SigningPlan, quoted};
use super::verify::{FoundKey, WantedKey, verify};
use crate::agent::SignatureOutcome;
use crate::encoding::decode_base64;
use crate::token::{Jwk, OneOrMany};
use crate::{Error, ErrorKind, Result, Timestamp};

/// Verifies message signatures with one set of keys, under one policy.
#[derive(Clone, Debug)]
pub struct SignatureVerifier {
    policy: SignaturePolicy,
    /// By the URL of their location; a key never counts for another one.
    directories: BTreeMap<String, Vec<Arc<VerificationKey>>>,
    keys: Vec<Arc<VerificationKey>>,
}

/// Keys and policy of a [`SignatureVerifier`].
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SignatureVerifierOptions {
    /// The keys of signers by their origin (`https://agent.example`), or by the URL of their directory or key set.
    pub directories: BTreeMap<String, Vec<DatedJwk>>,
    /// Keys that are known otherwise, found by thumbprint, in profile `tap` also by `kid`.
    pub keys: Vec<DatedJwk>,
    /// What is demanded.
    pub policy: SignaturePolicy,
}

impl SignatureVerifierOptions {
    /// Reads the keys once for many messages.
    ///
    /// # Errors
    /// `INVALID_KEY` for a key that cannot verify here, `INVALID_INPUT` for a name that is no `https` URL,
    /// `LIMIT_EXCEEDED` above 50 keys of one signer or 1000 others.
    pub fn verifier(self) -> Result<SignatureVerifier> {
        let read = |keys: Vec<DatedJwk>, most: usize| {
            if keys.len() > most {
                return Err(Error::new(ErrorKind::LimitExceeded, format!("more than {most} keys")));
            }
            keys.iter().map(|key| VerificationKey::from_jwk(key).map(Arc::new)).collect::<Result<Vec<_>>>()
        };
        let mut directories = BTreeMap::new();
        for (name, keys) in self.directories {
            let location = KeyLocation::read(&name, LocationKind::Directory)
                .or_else(|| KeyLocation::read(&name, LocationKind::JwksUri))
                .ok_or_else(|| Error::invalid_input(format!("`{name}` is no https URL")))?;
            directories.insert(location.url, read(keys, KeyDirectory::MOST_KEYS)?);
        }
        Ok(SignatureVerifier { policy: self.policy, directories, keys: read(self.keys, MOST_KEYS)? })
    }
}

impl SignatureVerifier {
    /// Verifies every signature of a request.
    ///
    /// # Errors
    /// Those of [`SignedRequest::with`].
    pub fn verify(&self, request: &SignedRequest, now: Timestamp) -> Result<VerifiedSignatures> {
        let find = |wanted: &WantedKey| self.find(wanted);
        let signatures = request.with(|request| verify(&request.into(), &self.policy, &find, now))?;
        Ok(VerifiedSignatures { summary: signature_outcome(&signatures), signatures })
    }

    /// The key that a signature needs.
    pub(crate) fn find(&self, wanted: &WantedKey) -> Option<FoundKey> {
        let is_wanted = |key: &&Arc<VerificationKey>| {
            key.thumbprint() == wanted.keyid || key.jwk().jwk.kid.as_deref() == Some(&wanted.keyid)
        };
        let keys = match &wanted.location {
            Some(location) => self.directories.get(&location.url)?,
            None => &self.keys,
        };
        let key = keys.iter().find(is_wanted)?;
        Some(FoundKey { key: Arc::clone(key), source: None, is_registered: wanted.location.is_none() })
    }
}

/// A request as other languages describe it.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SignedRequest {
    /// The HTTP method.
    #[serde(default)]
    pub method: Option<String>,
    /// The absolute URL as the client asked for it, or a path that begins with `/`; nothing decoded.
    #[serde(default)]
    pub url: Option<String>,
    /// The headers, names in any case; a repeated header as a list.
    pub headers: BTreeMap<String, OneOrMany>,
    /// The trailers, likewise.
    #[serde(default)]
    pub trailers: BTreeMap<String, OneOrMany>,
    /// The content in base64; needed where `content-digest` is covered.
    #[serde(default)]
    pub body_base64: Option<String>,
}

impl SignedRequest {
    /// Calls `then` with the request in its borrowed form.
    ///
    /// # Errors
    /// `INVALID_INPUT` for a body that is not base64, `LIMIT_EXCEEDED` above 1000 header lines or 64 KiB of URL.
    pub fn with<T>(&self, then: impl FnOnce(&Request<'_>) -> T) -> Result<T> {
        let body = self.body_base64.as_deref().map(decode_base64).transpose()?;
        let (headers, trailers) = (lines(&self.headers), lines(&self.trailers));
        if headers.len() + trailers.len() > MOST_LINES {
            return Err(Error::new(ErrorKind::LimitExceeded, "more than 1000 header lines"));
        }
        if self.url.as_ref().is_some_and(|url| url.len() > LONGEST_URL) {
            return Err(Error::new(ErrorKind::LimitExceeded, "URL is longer than 64 KiB"));
        }
        let request = Request {
            method: self.method.as_deref(),
            headers: &headers,
            trailers: &trailers,
            body: body.as_deref().map(Body::Bytes),
            ..Request::default()
        };
        Ok(then(&match &self.url {
            Some(url) => request.with_url(url),
            None => request,
        }))
    }
}

/// Verifies the message signatures of a request.
///
/// # Errors
/// Those of [`SignatureVerifierOptions::verifier`] and [`SignedRequest::with`]; a signature that does not hold is no
/// error but a result.
pub fn verify_http_signature(input: VerifyHttpSignature) -> Result<VerifiedSignatures> {
    let options =
        SignatureVerifierOptions { directories: input.directories, keys: input.keys, policy: input.policy };
    options.verifier()?.verify(&input.request, input.now)
}

/// Input of [`verify_http_signature`].
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct VerifyHttpSignature {
    /// The request.
    pub request: SignedRequest,
    /// The keys of signers by their origin (`https://agent.example`), or by the URL of their directory or key set.
    #[serde(default)]
    pub directories: BTreeMap<String, Vec<DatedJwk>>,
    /// Keys that are known otherwise, found by thumbprint, in profile `tap` also by `kid`.
    #[serde(default)]
    pub keys: Vec<DatedJwk>,
    /// What is demanded.
    #[serde(default)]
    pub policy: SignaturePolicy,
    /// The present.
    pub now: Timestamp,
}

/// What was found out about the signatures of a request.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VerifiedSignatures {
    /// One result for each label; empty when the request is not signed.
    pub signatures: Vec<SignatureResult>,
    /// All of them in one, as `classify_request` takes it; absent when the request is not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<SignatureOutcome>,
}

/// Signs a request by Web Bot Auth and gives the headers to add to it.
///
/// # Errors
/// `INVALID_KEY` for a key that is not a private Ed25519 or P-256 key, `INVALID_INPUT` for a component that the
/// request does not have, a `signature_agent` that is no `https` origin or a text that no header can hold.
pub fn sign_http_request(input: SignHttpRequest) -> Result<SignedHttpRequest> {
    let signer = MessageSigner::from_jwk(&input.key)?;
    let mut headers = BTreeMap::new();
    let mut components =
        vec!["@method".to_owned(), "@authority".to_owned(), "@path".to_owned(), "@query".to_owned()];
    if let Some(body) = &input.request.body_base64 {
        headers.insert("content-digest".to_owned(), content_digest(&decode_base64(body)?));
        components.push("content-digest".to_owned());
    }
    if let Some(origin) = &input.signature_agent {
        let location = KeyLocation::read(origin, LocationKind::Directory)
            .ok_or_else(|| Error::invalid_input("`signature_agent` is no https origin"))?;
        let (origin, label) = (quoted(location.origin())?, &input.label);
        let (value, component) = match input.signature_agent_form {
            SignatureAgentForm::Dictionary => {
                (format!("{label}={origin}"), format!("\"signature-agent\";key={}", quoted(label)?))
            }
            SignatureAgentForm::String => (origin, "signature-agent".to_owned()),
        };
        headers.insert("signature-agent".to_owned(), value);
        components.push(component);
    }
    let plan = SigningPlan {
        label: input.label,
        components: input.components.unwrap_or(components),
        created: input.now,
        lifetime_seconds: input.lifetime_seconds,
        tag: input.tag,
        nonce: input.nonce,
        keyid: input.keyid,
        names_algorithm: input.names_algorithm,
    };
    let mut request = input.request;
    request.headers.retain(|name, _| !headers.contains_key(&name.to_ascii_lowercase()));
    request.headers.extend(headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())));
    let fields = request.with(|request| signer.sign(&request.into(), &plan))??;
    headers.insert("signature-input".to_owned(), fields.signature_input);
    headers.insert("signature".to_owned(), fields.signature);
    Ok(SignedHttpRequest { headers })
}

/// Input of [`sign_http_request`].
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SignHttpRequest {
    /// The request as it will be sent.
    pub request: SignedRequest,
    /// A private Ed25519 or P-256 key.
    pub key: Jwk,
    /// The origin where the key is published; it becomes the `Signature-Agent` header.
    #[serde(default)]
    pub signature_agent: Option<String>,
    /// How that header is written.
    #[serde(default)]
    pub signature_agent_form: SignatureAgentForm,
    /// What to cover: names (`@authority`), or identifiers with parameters (`"signature-agent";key="sig1"`). When left
    /// out: method, authority, path, query, and what is added here.
    #[serde(default)]
    pub components: Option<Vec<String>>,
    /// The label, `sig1` when left out.
    #[serde(default = "default_label")]
    pub label: String,
    /// What the signature is for, `web-bot-auth` when left out.
    #[serde(default = "default_tag")]
    pub tag: String,
    /// For how many seconds the signature holds, 60 when left out.
    #[serde(default = "default_lifetime")]
    pub lifetime_seconds: u32,
    /// A value that is used once.
    #[serde(default)]
    pub nonce: Option<String>,
    /// The id of the key; its thumbprint when left out.
    #[serde(default)]
    pub keyid: Option<String>,
    /// Whether the algorithm is named.
    #[serde(default)]
    pub names_algorithm: bool,
    /// The present.
    pub now: Timestamp,
}

/// The two forms of the header `Signature-Agent`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SignatureAgentForm {
    /// A dictionary whose key is the label.
    #[default]
    Dictionary,
    /// One string, as older verifiers read it.
    String,
}

/// What to add to the request.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignedHttpRequest {
    /// Header values by names in lower case; each replaces the header of that name.
    pub headers: BTreeMap<String, String>,
}

/// Reads the document in which a signer publishes its keys: a key directory, a JWK Set, a single JWK or a client id
/// metadata document.
///
/// # Errors
/// Those of [`KeyDirectory::parse`].
pub fn parse_key_directory(input: ParseKeyDirectory) -> Result<ParsedKeyDirectory> {
    let directory = KeyDirectory::parse(input.document.as_bytes())?;
    let one = |key: &Arc<VerificationKey>| PublishedKey {
        key: key.jwk().clone(),
        thumbprint: key.thumbprint().to_owned(),
    };
    Ok(ParsedKeyDirectory {
        keys: directory.keys().iter().map(one).collect(),
        refused: directory.refused(),
        jwks_uri: directory.jwks_uri().map(|location| location.url),
    })
}

/// Input of [`parse_key_directory`].
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ParseKeyDirectory {
    /// The document, at most 64 KiB.
    pub document: String,
}

/// The keys of a document.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ParsedKeyDirectory {
    /// The keys that can verify, in the order of the document.
    pub keys: Vec<PublishedKey>,
    /// How many entries were passed over because they cannot.
    pub refused: usize,
    /// Where a client id metadata document says that the keys are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
}

/// A key that was read and checked.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PublishedKey {
    /// The key, as `verify_http_signature` takes it.
    #[serde(flatten)]
    pub key: DatedJwk,
    /// Its RFC 7638 thumbprint, computed.
    pub thumbprint: String,
}

fn lines(fields: &BTreeMap<String, OneOrMany>) -> Vec<Line<'_>> {
    fields
        .iter()
        .flat_map(|(name, values)| {
            let values = match values {
                OneOrMany::One(one) => std::slice::from_ref(one),
                OneOrMany::Many(many) => many.as_slice(),
            };
            values.iter().map(|value| (name.as_str(), value.as_bytes()))
        })
        .collect()
}

fn default_label() -> String {
    "sig1".to_owned()
}

fn default_tag() -> String {
    WEB_BOT_AUTH_TAG.to_owned()
}

fn default_lifetime() -> u32 {
    60
}

const MOST_KEYS: usize = 1000;
const MOST_LINES: usize = 1000;
const LONGEST_URL: usize = 64 * 1024;
