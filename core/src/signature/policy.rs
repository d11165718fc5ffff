//! What a verifier demands: profiles by tag, with their coverage, parameters and times.

use serde::{Deserialize, Serialize};

use super::fields::Labelled;
use super::message::Message;
use super::result::{Reason, Warning};
use crate::public_key::SignatureAlgorithm;

/// What a verifier of message signatures demands.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SignaturePolicy {
    /// The profiles in order; for each signature the first one that is for its tag counts.
    pub profiles: Vec<Profile>,
    /// The tag of profile `generic`; without one it takes every signature.
    pub generic_tag: Option<String>,
    /// What profile `generic` demands to be covered.
    pub generic_components: Vec<String>,
    /// Seconds by which clocks may differ.
    pub clock_skew_seconds: u32,
    /// Longest time from `created` to `expires` in seconds, instead of the profile's own.
    pub longest_lifetime_seconds: Option<u64>,
    /// Whether the request is only described: a covered part that was not supplied makes the signature `unverified`
    /// instead of `invalid`.
    pub described: bool,
    /// Whether the request is a payment, which needs a payer's tag in profile `tap`.
    pub payment: bool,
    /// Whether profile `tap` takes signatures without `expires` for 300 seconds, and payments that cover little.
    pub compat: bool,
    /// Whether profile `tap` takes signatures over the parameters exactly as received.
    pub raw_base: bool,
    /// Whether profile `tap` takes signatures over the label and the parameters in a fixed order without `alg`.
    pub visa_page_base: bool,
    /// Whether keys count whose private half was published with a specification.
    pub allow_test_keys: bool,
}

impl Default for SignaturePolicy {
    fn default() -> Self {
        Self {
            profiles: vec![Profile::WebBotAuth, Profile::Tap],
            generic_tag: None,
            generic_components: ["@method", "@authority", "@path"].map(str::to_owned).to_vec(),
            clock_skew_seconds: 30,
            longest_lifetime_seconds: None,
            described: false,
            payment: false,
            compat: false,
            raw_base: false,
            visa_page_base: false,
            allow_test_keys: false,
        }
    }
}

/// A set of rules for signatures of one purpose.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Visa's Trusted Agent Protocol and registered agents: tags `agent-browser-auth` and `agent-payer-auth`.
    Tap,
    /// Web Bot Auth: tag `web-bot-auth`.
    WebBotAuth,
    /// Answers of key directories: tag `http-message-signatures-directory`.
    Directory,
    /// What the policy says.
    Generic,
}

impl Profile {
    /// The algorithms that are allowed, in the order in which a key without one is tried.
    pub(super) fn algorithms(self) -> &'static [SignatureAlgorithm] {
        match self {
            Self::Tap => &[
                SignatureAlgorithm::Ed25519,
                SignatureAlgorithm::EcdsaP256Sha256,
                SignatureAlgorithm::RsaPssSha512,
                SignatureAlgorithm::RsaPssSha256,
            ],
            Self::WebBotAuth | Self::Directory | Self::Generic => &[
                SignatureAlgorithm::Ed25519,
                SignatureAlgorithm::EcdsaP256Sha256,
                SignatureAlgorithm::EcdsaP384Sha384,
                SignatureAlgorithm::RsaPssSha512,
                SignatureAlgorithm::RsaV15Sha256,
            ],
        }
    }

    /// The algorithm of that name; `None` for one that is not allowed.
    pub(super) fn algorithm(self, name: &str) -> Option<SignatureAlgorithm> {
        // Some senders of this profile write the name of the JSON Web Algorithm.
        let name = if self == Self::Tap && name == "Ed25519" { "ed25519" } else { name };
        self.algorithms().iter().copied().find(|algorithm| algorithm.name() == name)
    }

    fn longest_lifetime(self) -> u64 {
        match self {
            Self::WebBotAuth | Self::Directory => 86_400,
            Self::Tap | Self::Generic => 480,
        }
    }
}

impl SignaturePolicy {
    /// The profile for a tag.
    pub(super) fn profile(&self, tag: Option<&str>) -> Option<Profile> {
        self.profiles.iter().copied().find(|profile| match profile {
            Profile::Tap => matches!(tag, Some(BROWSER_TAG | PAYER_TAG)),
            Profile::WebBotAuth => tag == Some(WEB_BOT_AUTH_TAG),
            Profile::Directory => tag == Some(DIRECTORY_TAG),
            Profile::Generic => self.generic_tag.is_none() || self.generic_tag.as_deref() == tag,
        })
    }

    /// Checks all that needs no key.
    pub(super) fn check(
        &self,
        profile: Profile,
        signature: &Labelled,
        message: &Message<'_>,
        now: i64,
    ) -> Result<Vec<Warning>, Reason> {
        self.check_parameters(profile, signature)?;
        let warnings = self.check_coverage(profile, signature, message)?;
        self.check_times(profile, signature, now)?;
        if self.payment && profile == Profile::Tap && signature.tag.as_deref() != Some(PAYER_TAG) {
            return Err(Reason::TagMismatch);
        }
        Ok(warnings)
    }

    /// Until when a nonce is kept, in seconds since the Unix epoch.
    pub(super) fn keep_nonce_until(&self, profile: Profile, signature: &Labelled) -> i64 {
        let created = signature.created.unwrap_or_default();
        let end = created.saturating_add_unsigned(self.longest_lifetime(profile));
        end.max(signature.expires.unwrap_or(end)).saturating_add(self.clock_skew_seconds.into())
    }

    fn check_parameters(&self, profile: Profile, signature: &Labelled) -> Result<(), Reason> {
        let is_complete = signature.created.is_some()
            && signature.keyid.is_some()
            && match profile {
                Profile::WebBotAuth | Profile::Directory => signature.expires.is_some(),
                Profile::Tap => signature.nonce.is_some() && (self.compat || signature.expires.is_some()),
                Profile::Generic => true,
            };
        if !is_complete {
            return Err(Reason::ParameterMissing);
        }
        let is_fit = |nonce: &String| (8..=256).contains(&nonce.len());
        if signature.nonce.as_ref().is_none_or(is_fit) { Ok(()) } else { Err(Reason::NonceLength) }
    }

    fn check_coverage(
        &self,
        profile: Profile,
        signature: &Labelled,
        message: &Message<'_>,
    ) -> Result<Vec<Warning>, Reason> {
        let covers = |name: &str| signature.covers(name);
        let is_enough = match profile {
            Profile::Tap => covers("@target-uri") || covers("@authority") && covers("@path"),
            Profile::WebBotAuth => covers("@target-uri") || covers("@authority"),
            Profile::Directory => {
                let mut covered = signature.components.iter();
                covered.any(|component| component.name == "@authority" && component.is_of_request)
            }
            Profile::Generic => self.generic_components.iter().all(|name| covers(name)),
        };
        if !is_enough {
            return Err(Reason::CoverageInsufficient);
        }
        let is_payment = profile == Profile::Tap && signature.tag.as_deref() == Some(PAYER_TAG);
        let covers_payment = covers("@method") && (covers("content-digest") || !message.has_body());
        match (is_payment && !covers_payment, self.compat) {
            (false, _) => Ok(Vec::new()),
            (true, true) => Ok(vec![Warning::PayerCoverage]),
            (true, false) => Err(Reason::CoverageInsufficient),
        }
    }

    fn check_times(&self, profile: Profile, signature: &Labelled, now: i64) -> Result<(), Reason> {
        let created = signature.created.ok_or(Reason::ParameterMissing)?;
        if created > now.saturating_add(self.clock_skew_seconds.into()) {
            return Err(Reason::CreatedInFuture);
        }
        let Some(expires) = signature.expires else {
            let is_young = now.saturating_sub(created) <= LONGEST_WITHOUT_END;
            return if is_young { Ok(()) } else { Err(Reason::Expired) };
        };
        if expires <= created {
            return Err(Reason::ExpiresBeforeCreated);
        }
        if expires < now {
            return Err(Reason::Expired);
        }
        let is_short = expires.abs_diff(created) <= self.longest_lifetime(profile);
        if is_short { Ok(()) } else { Err(Reason::WindowTooLong) }
    }

    fn longest_lifetime(&self, profile: Profile) -> u64 {
        self.longest_lifetime_seconds.unwrap_or_else(|| profile.longest_lifetime())
    }
}

/// The tag of Web Bot Auth.
pub const WEB_BOT_AUTH_TAG: &str = "web-bot-auth";
/// The tag of an agent that browses (Trusted Agent Protocol).
pub const BROWSER_TAG: &str = "agent-browser-auth";
/// The tag of an agent that pays (Trusted Agent Protocol).
pub const PAYER_TAG: &str = "agent-payer-auth";
/// The tag of a key directory's answer.
pub const DIRECTORY_TAG: &str = "http-message-signatures-directory";

/// The value of `Accept-Signature` (RFC 9421 section 5.1) that asks for a Web Bot Auth signature.
///
/// ```
/// assert_eq!(
///     quivive_core::signature::accept_signature(Some("n-0S6WzA2Mj")),
///     r#"sig1=("@authority" "signature-agent";key="sig1");created;expires;keyid;nonce="n-0S6WzA2Mj";tag="web-bot-auth""#
/// );
/// ```
///
/// A nonce with characters other than letters, digits, and `+/=_-` is left out.
pub fn accept_signature(nonce: Option<&str>) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=_-".contains(&byte);
    let nonce = nonce.filter(|nonce| nonce.bytes().all(is_plain));
    let nonce = nonce.map(|nonce| format!(";nonce=\"{nonce}\"")).unwrap_or_default();
    format!(
        r#"sig1=("@authority" "signature-agent";key="sig1");created;expires;keyid{nonce};tag="{WEB_BOT_AUTH_TAG}""#
    )
}

/// Seconds for which a signature without an end holds.
const LONGEST_WITHOUT_END: i64 = 300;
