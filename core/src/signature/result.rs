//! What was found out about a signature.

use serde::{Deserialize, Serialize};

use super::policy::Profile;
use crate::agent::{SignatureOutcome, SignatureStatus};
use crate::crypto::sha256;
use crate::encoding::hex;

/// What was found out about one signature of a message.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignatureResult {
    /// Whether it holds.
    pub outcome: SignatureStatus,
    /// Why it does not; absent when it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The rules that it was judged by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// Its label; absent when the fields could not be read at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The key id that it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyid: Option<String>,
    /// The RFC 7638 thumbprint of the key that it was checked with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbprint: Option<String>,
    /// The algorithm that it was checked by, else the one that it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    /// Its tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Its nonce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// When it was made, in seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<i64>,
    /// When it ends, in seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<i64>,
    /// The identifiers of the covered components, for example `"@authority"` with its quotes.
    pub covered: Vec<String>,
    /// The origin of the covered `Signature-Agent` member, for example `https://chatgpt.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature_agent: Option<String>,
    /// Where the key is from: the URL of the signer's keys, the name of a registry, or the key's thumbprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_source: Option<String>,
    /// The form of the signature base that fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_form: Option<BaseForm>,
    /// What the host has to record so that the signature holds once only; present when it holds and has a nonce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub once: Option<NonceRecord>,
    /// What is wrong and was let pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

impl SignatureResult {
    /// Whether the signature holds.
    pub fn is_verified(&self) -> bool {
        self.outcome == SignatureStatus::Verified
    }

    /// Takes the result back because the host had recorded the nonce before.
    pub fn refuse_replay(&mut self) {
        self.end(SignatureStatus::Invalid, Reason::Replay);
    }

    /// Takes the result back because the host has no room to record the nonce.
    pub fn refuse_unrecorded(&mut self) {
        self.end(SignatureStatus::Unverified, Reason::NonceStoreFull);
    }

    pub(super) fn end(&mut self, outcome: SignatureStatus, reason: Reason) {
        (self.outcome, self.reason, self.once) = (outcome, Some(reason), None);
    }
}

/// Why a signature does not hold.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The key is of another algorithm than the signature names.
    AlgMismatch,
    /// The profile does not allow the algorithm.
    AlgNotAllowed,
    /// A covered component is not in the message, was not supplied, or has no value that can be signed.
    ComponentMissing,
    /// The profile demands that more is covered.
    CoverageInsufficient,
    /// It is from the future.
    CreatedInFuture,
    /// The content is not what the covered `Content-Digest` says.
    DigestMismatch,
    /// It has ended, or has no end and is too old.
    Expired,
    /// It ends before it was made.
    ExpiresBeforeCreated,
    /// The key has ended or is not valid yet.
    KeyExpired,
    /// The key is not known or could not be fetched.
    KeyUnavailable,
    /// The fields cannot be read or exceed a limit.
    Malformed,
    /// No profile is for its tag.
    NoApplicableSignature,
    /// The nonce is not of 8 to 256 characters.
    NonceLength,
    /// The host has no room to record the nonce.
    NonceStoreFull,
    /// The profile demands another parameter.
    ParameterMissing,
    /// The nonce was used before.
    Replay,
    /// The message names a `Signature-Agent` that is not covered.
    SignatureAgentNotCovered,
    /// The signature does not fit content and key.
    SignatureMismatch,
    /// The action demands another tag.
    TagMismatch,
    /// The private half of the key was published with a specification.
    TestKey,
    /// It is valid for longer than the profile allows.
    WindowTooLong,
}

/// Forms of the last line of a signature base.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BaseForm {
    /// RFC 9421 section 2.5.
    Rfc9421,
    /// With the label and six parameters in a fixed order.
    Botcha,
    /// As received.
    Raw,
    /// As `botcha`, without the algorithm.
    VisaPage,
}

/// What was let pass.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Warning {
    /// A payment does not cover `@method`, or its content.
    PayerCoverage,
}

/// A nonce as the host records it: inserted in one step unless it is there.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NonceRecord {
    /// SHA-256 of thumbprint, a zero byte and nonce, as hexadecimal text.
    pub key: String,
    /// From when it may be forgotten, in seconds since the Unix epoch.
    pub keep_until: i64,
}

impl NonceRecord {
    pub(super) fn new(thumbprint: &str, nonce: &str, keep_until: i64) -> Self {
        let content = [thumbprint.as_bytes(), &[0], nonce.as_bytes()].concat();
        Self { key: hex(&sha256(&content)), keep_until }
    }
}

/// What the results say about the request as a whole: the first signature that holds, else one that is invalid, else
/// one that could not be checked. `None` when there is none.
pub fn signature_outcome(results: &[SignatureResult]) -> Option<SignatureOutcome> {
    let of = |status| results.iter().find(move |result| result.outcome == status);
    let result = of(SignatureStatus::Verified)
        .or_else(|| of(SignatureStatus::Invalid))
        .or_else(|| of(SignatureStatus::Unverified))?;
    Some(SignatureOutcome {
        status: result.outcome,
        keyid: result.thumbprint.clone().or_else(|| result.keyid.clone()),
        signature_agent: result.signature_agent.clone(),
        trigger: None,
    })
}
