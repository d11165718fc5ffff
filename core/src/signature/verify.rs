//! The verifier (RFC 9421 section 3.2): every signature of a message on its own.

use std::sync::Arc;

use super::agent::{self, KeyLocation, LocationKind};
use super::base;
use super::component::Fault;
use super::digest::{self, Comparison};
use super::fields::{self, Labelled, Malformed};
use super::key::{KeyDirectory, VerificationKey};
use super::message::Message;
use super::policy::{Profile, SignaturePolicy};
use super::result::{BaseForm, NonceRecord, Reason, SignatureResult};
use crate::Timestamp;
use crate::agent::SignatureStatus;
use crate::public_key::SignatureAlgorithm;

/// The key that a signature needs.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct WantedKey {
    /// The rules that the signature is judged by.
    pub profile: Profile,
    /// The key id that it names.
    pub keyid: String,
    /// Where the covered `Signature-Agent` member says that the key is. A key from elsewhere must not be given.
    pub location: Option<KeyLocation>,
}

/// A key that the host has.
#[derive(Clone, Debug)]
pub struct FoundKey {
    /// The key.
    pub key: Arc<VerificationKey>,
    /// The name of its registry or federation, for keys that are not found by their location.
    pub source: Option<String>,
    /// Whether it is of an agent that is registered with the host, for which profile `tap` takes the `botcha` form.
    pub is_registered: bool,
}

/// What a host knows about keys; it answers at once, from memory.
pub trait KeySource {
    /// The key, unless it is not known or could not be fetched.
    fn find(&self, wanted: &WantedKey) -> Option<FoundKey>;
}

impl<F: Fn(&WantedKey) -> Option<FoundKey>> KeySource for F {
    fn find(&self, wanted: &WantedKey) -> Option<FoundKey> {
        self(wanted)
    }
}

/// Verifies every signature of a message; nothing when it has none.
///
/// Whether a nonce was used before is for the host to find out, by [`SignatureResult::once`].
pub fn verify(
    message: &Message<'_>,
    policy: &SignaturePolicy,
    keys: &impl KeySource,
    now: Timestamp,
) -> Vec<SignatureResult> {
    examine(message, policy, now)
        .into_iter()
        .map(|examined| {
            let Examined { mut result, candidate } = examined;
            if let Some(candidate) = candidate
                && let Err((status, reason)) = candidate.verify(message, policy, keys, now, &mut result)
            {
                result.end(status, reason);
            }
            result
        })
        .collect()
}

/// The keys that the signatures of a message need, without those of signatures that are refused before; for a host
/// that fetches keys before it verifies.
pub fn wanted_keys(message: &Message<'_>, policy: &SignaturePolicy, now: Timestamp) -> Vec<WantedKey> {
    examine(message, policy, now)
        .into_iter()
        .filter_map(|examined| examined.candidate.map(|candidate| candidate.wanted))
        .collect()
}

/// Verifies that the answer of a key directory is signed with keys that it holds; one result for each signature.
///
/// Only a host that did not fetch the directory itself over TLS needs this.
pub fn verify_directory(
    message: &Message<'_>,
    directory: &KeyDirectory,
    policy: &SignaturePolicy,
    now: Timestamp,
) -> Vec<SignatureResult> {
    let policy = SignaturePolicy { profiles: vec![Profile::Directory], ..policy.clone() };
    let find = |wanted: &WantedKey| {
        let key = directory.find(LocationKind::Directory, &wanted.keyid)?;
        Some(FoundKey { key: Arc::clone(key), source: None, is_registered: false })
    };
    verify(message, &policy, &find, now)
}

struct Examined {
    result: SignatureResult,
    candidate: Option<Candidate>,
}

/// A signature that a key decides about.
struct Candidate {
    signature: Labelled,
    profile: Profile,
    wanted: WantedKey,
}

/// Everything that needs no key.
fn examine(message: &Message<'_>, policy: &SignaturePolicy, now: Timestamp) -> Vec<Examined> {
    let signatures = fields::read(message.headers(), policy.raw_base);
    let one = |signature: Result<Labelled, Malformed>| match signature {
        Err(Malformed(label)) => {
            let mut result = SignatureResult { label, ..empty() };
            result.end(SignatureStatus::Invalid, Reason::Malformed);
            Examined { result, candidate: None }
        }
        Ok(signature) => {
            let mut result = described(&signature);
            match candidate(message, policy, now, signature, &mut result) {
                Ok(candidate) => Examined { result, candidate: Some(candidate) },
                Err((status, reason)) => {
                    result.end(status, reason);
                    Examined { result, candidate: None }
                }
            }
        }
    };
    signatures.into_iter().map(one).collect()
}

type Refusal = (SignatureStatus, Reason);

fn candidate(
    message: &Message<'_>,
    policy: &SignaturePolicy,
    now: Timestamp,
    signature: Labelled,
    result: &mut SignatureResult,
) -> Result<Candidate, Refusal> {
    let invalid = |reason| (SignatureStatus::Invalid, reason);
    let profile = policy
        .profile(signature.tag.as_deref())
        .ok_or((SignatureStatus::Unverified, Reason::NoApplicableSignature))?;
    result.profile = Some(profile);
    result.warnings = policy.check(profile, &signature, message, now.seconds()).map_err(invalid)?;
    let location = match profile {
        Profile::WebBotAuth => agent::attributed(message.headers(), &signature).map_err(invalid)?,
        _ => None,
    };
    // Only an origin's one directory speaks for the origin; whoever may put a file there does not.
    result.signature_agent = location.as_ref().map(|location| match location.kind {
        LocationKind::Directory => location.origin().to_owned(),
        LocationKind::JwksUri | LocationKind::Cimd => location.identifier().to_owned(),
    });
    let keyid = signature.keyid.clone().ok_or(invalid(Reason::ParameterMissing))?;
    Ok(Candidate { signature, profile, wanted: WantedKey { profile, keyid, location } })
}

impl Candidate {
    fn verify(
        &self,
        message: &Message<'_>,
        policy: &SignaturePolicy,
        keys: &impl KeySource,
        now: Timestamp,
        result: &mut SignatureResult,
    ) -> Result<(), Refusal> {
        let (signature, profile) = (&self.signature, self.profile);
        let invalid = |reason| (SignatureStatus::Invalid, reason);
        let unavailable = (SignatureStatus::Unverified, Reason::KeyUnavailable);
        let found = keys.find(&self.wanted).filter(|found| self.is_wanted(found)).ok_or(unavailable)?;
        let key = &found.key;
        result.thumbprint = Some(key.thumbprint().to_owned());
        result.key_source = self.source(&found);
        if !key.is_valid_at(now.seconds()) {
            return Err(invalid(Reason::KeyExpired));
        }
        if key.is_published_test_key() && !policy.allow_test_keys {
            return Err(invalid(Reason::TestKey));
        }
        let public = key.for_signature(profile, signature.alg.as_deref()).map_err(invalid)?;
        result.alg = Some(public.algorithm().name().to_owned());
        let lines = base::component_lines(message, signature).map_err(|fault| missing(policy, fault))?;
        let holds = |parameters: &str| {
            let base = base::with_parameters(&lines, parameters);
            match public.algorithm() {
                SignatureAlgorithm::RsaPssSha256 => {
                    public.verify_any_salt(base.as_bytes(), &signature.signature)
                }
                _ => public.verify(base.as_bytes(), &signature.signature),
            }
        };
        let mut forms = base::forms(policy, profile, signature, found.is_registered).into_iter();
        let form: Option<BaseForm> = forms.find(|(_, parameters)| holds(parameters)).map(|(form, _)| form);
        result.base_form = Some(form.ok_or(invalid(Reason::SignatureMismatch))?);
        if signature.covers("content-digest") {
            match digest::compare(message.headers(), message.body()) {
                Comparison::Equal => {}
                Comparison::Different => return Err(invalid(Reason::DigestMismatch)),
                Comparison::Unknown => return Err(missing(policy, Fault::Missing)),
            }
        }
        let record =
            |nonce| NonceRecord::new(key.thumbprint(), nonce, policy.keep_nonce_until(profile, signature));
        result.once = signature.nonce.as_deref().map(record);
        (result.outcome, result.reason) = (SignatureStatus::Verified, None);
        Ok(())
    }

    /// In Web Bot Auth the key id is the thumbprint of the key itself; only documents that are not directories may
    /// name their keys otherwise.
    fn is_wanted(&self, found: &FoundKey) -> bool {
        let is_named_by_document =
            self.wanted.location.as_ref().is_some_and(|location| location.kind != LocationKind::Directory);
        !matches!(self.profile, Profile::WebBotAuth | Profile::Directory)
            || found.key.thumbprint() == self.wanted.keyid
            || is_named_by_document && found.key.jwk().jwk.kid.as_ref() == Some(&self.wanted.keyid)
    }

    fn source(&self, found: &FoundKey) -> Option<String> {
        let location = self.wanted.location.as_ref().map(|location| location.identifier().to_owned());
        location.or_else(|| found.source.clone()).or_else(|| Some(found.key.thumbprint().to_owned()))
    }
}

/// What a part that has no value means: where the host only describes a request, it may not know the part.
fn missing(policy: &SignaturePolicy, fault: Fault) -> Refusal {
    let is_unknown = policy.described && fault == Fault::Missing;
    let status = if is_unknown { SignatureStatus::Unverified } else { SignatureStatus::Invalid };
    (status, Reason::ComponentMissing)
}

fn described(signature: &Labelled) -> SignatureResult {
    SignatureResult {
        label: Some(signature.label.clone()),
        keyid: signature.keyid.clone(),
        alg: signature.alg.clone(),
        tag: signature.tag.clone(),
        nonce: signature.nonce.clone(),
        created: signature.created,
        expires: signature.expires,
        covered: signature.components.iter().map(|component| component.identifier.clone()).collect(),
        ..empty()
    }
}

fn empty() -> SignatureResult {
    SignatureResult {
        outcome: SignatureStatus::Unverified,
        reason: None,
        profile: None,
        label: None,
        keyid: None,
        thumbprint: None,
        alg: None,
        tag: None,
        nonce: None,
        created: None,
        expires: None,
        covered: Vec::new(),
        signature_agent: None,
        key_source: None,
        base_form: None,
        once: None,
        warnings: Vec::new(),
    }
}
