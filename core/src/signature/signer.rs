//! The signer (RFC 9421 section 3.1).

use base64ct::{Base64, Encoding};
use sfv::{Item, ItemSerializer, Key, Parser, StringRef};

use super::component::{Component, Fault};
use super::message::Message;
use crate::crypto::{Ed25519SigningKey, SigningKey};
use crate::encoding::{base64url, decode_base64url, equal_in_constant_time};
use crate::public_key::{PublicKey, SignatureAlgorithm};
use crate::token::Jwk;
use crate::{Error, ErrorKind, Result, Timestamp};

/// Signs messages with one private key: Ed25519 or ECDSA with P-256.
///
/// ```
/// use quivive_core::Timestamp;
/// use quivive_core::signature::{MessageSigner, Request, SigningPlan};
/// let signer = MessageSigner::generate(&[7; 32])?;
/// let request = Request { method: Some("GET"), ..Request::default() }.with_url("https://shop.example/");
/// let plan = SigningPlan::new(["@authority"], "web-bot-auth", Timestamp::from_seconds(1_795_000_000), 60);
/// let signed = signer.sign(&(&request).into(), &plan)?;
/// assert!(signed.signature_input.starts_with(r#"sig1=("@authority");created=1795000000;expires=1795000060;keyid="#));
/// # Ok::<(), quivive_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MessageSigner {
    key: PrivateKey,
    public: PublicKey,
}

#[derive(Clone, Debug)]
enum PrivateKey {
    Ed25519(Ed25519SigningKey),
    Ecdsa(SigningKey),
}

/// What to sign and how.
#[derive(Clone, Debug, PartialEq)]
pub struct SigningPlan {
    /// The label of the signature.
    pub label: String,
    /// What to cover: names (`@authority`), or identifiers with parameters (`"signature-agent";key="sig1"`).
    pub components: Vec<String>,
    /// When the signature is made.
    pub created: Timestamp,
    /// For how many seconds it holds.
    pub lifetime_seconds: u32,
    /// What the signature is for.
    pub tag: String,
    /// A value that is used once.
    pub nonce: Option<String>,
    /// The id of the key; its thumbprint when absent.
    pub keyid: Option<String>,
    /// Whether the algorithm is named.
    pub names_algorithm: bool,
}

impl SigningPlan {
    /// A plan with the label `sig1`, the key's thumbprint as its id, and neither nonce nor algorithm.
    pub fn new<const N: usize>(
        components: [&str; N],
        tag: &str,
        created: Timestamp,
        lifetime_seconds: u32,
    ) -> Self {
        Self {
            label: "sig1".to_owned(),
            components: components.map(str::to_owned).to_vec(),
            created,
            lifetime_seconds,
            tag: tag.to_owned(),
            nonce: None,
            keyid: None,
            names_algorithm: false,
        }
    }
}

/// The values of the two fields of a signature.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignatureFields {
    /// `Signature-Input`.
    pub signature_input: String,
    /// `Signature`.
    pub signature: String,
}

impl MessageSigner {
    /// Reads a private key.
    ///
    /// # Errors
    /// `INVALID_KEY` for another type or curve, and for halves that do not fit.
    pub fn from_jwk(jwk: &Jwk) -> Result<Self> {
        let names_other = |wanted: &[&str]| jwk.alg.as_deref().is_some_and(|alg| !wanted.contains(&alg));
        if jwk.kty != "OKP" || jwk.crv.as_deref() != Some("Ed25519") {
            let key = jwk.signing_key()?;
            let public =
                PublicKey::from_jwk(&Jwk::from(&key.verifying_key()), SignatureAlgorithm::EcdsaP256Sha256)?;
            return Ok(Self { key: PrivateKey::Ecdsa(key), public });
        }
        let decoded = |text: &Option<String>| {
            decode_base64url(text.as_deref().unwrap_or_default())
                .map_err(|_| invalid_key("member is not base64url"))
        };
        let cannot_sign = jwk.key_ops.as_ref().is_some_and(|all| !all.iter().any(|one| one == "sign"));
        let is_for_other_use = jwk.key_use.as_deref().is_some_and(|one| one != "sig");
        if names_other(&["EdDSA", "Ed25519"]) || cannot_sign || is_for_other_use {
            return Err(invalid_key("key is for another algorithm or use"));
        }
        let signer = Self::from_ed25519(Ed25519SigningKey::from_seed(&decoded(&jwk.d)?)?)?;
        let public = decode_base64url(signer.public.jwk().x.as_deref().unwrap_or_default())?;
        let is_pair = equal_in_constant_time(&public, &decoded(&jwk.x)?);
        if is_pair { Ok(signer) } else { Err(invalid_key("private and public half do not fit")) }
    }

    /// Makes an Ed25519 key of 32 random bytes, which are the private key itself.
    ///
    /// # Errors
    /// `INVALID_KEY` when the bytes give no key.
    pub fn generate(seed: &[u8; 32]) -> Result<Self> {
        Self::from_ed25519(Ed25519SigningKey::from_seed(seed)?)
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message; every component must have a value.
    ///
    /// # Errors
    /// `INVALID_INPUT` for a component that the message does not have or that cannot be signed, and for texts that no
    /// structured field can hold.
    pub fn sign(&self, message: &Message<'_>, plan: &SigningPlan) -> Result<SignatureFields> {
        let components: Vec<Component> =
            plan.components.iter().map(|text| component(text)).collect::<Result<_>>()?;
        let mut base = String::new();
        for component in &components {
            base.push_str(&component.line(message).map_err(|fault| unfit(component, fault))?);
            base.push('\n');
        }
        let label = Key::from_string(plan.label.clone())
            .map_err(|_| Error::invalid_input(format!("label `{}` is no key", plan.label)))?;
        let parameters = self.parameters(&components, plan)?;
        base.push_str("\"@signature-params\": ");
        base.push_str(&parameters);
        let signature = match &self.key {
            PrivateKey::Ed25519(key) => key.sign(base.as_bytes())?,
            PrivateKey::Ecdsa(key) => key.sign(base.as_bytes())?,
        };
        Ok(SignatureFields {
            signature_input: format!("{label}={parameters}"),
            signature: format!("{label}=:{}:", Base64::encode_string(&signature)),
        })
    }

    fn from_ed25519(key: Ed25519SigningKey) -> Result<Self> {
        let public = Jwk {
            kty: "OKP".to_owned(),
            crv: Some("Ed25519".to_owned()),
            x: Some(base64url(&key.public_bytes())),
            ..Jwk::default()
        };
        let public = PublicKey::from_jwk(&public, SignatureAlgorithm::Ed25519)?;
        Ok(Self { key: PrivateKey::Ed25519(key), public })
    }

    fn parameters(&self, components: &[Component], plan: &SigningPlan) -> Result<String> {
        let covered: Vec<&str> = components.iter().map(|component| component.identifier.as_str()).collect();
        let created = plan.created.seconds();
        let expires = created.saturating_add(plan.lifetime_seconds.into());
        let text = |name: &str, value: Option<&str>| match value {
            Some(value) => Ok(format!(";{name}={}", quoted(value)?)),
            None => Ok::<_, Error>(String::new()),
        };
        let keyid = plan.keyid.as_deref().unwrap_or(self.public.thumbprint());
        let alg = plan.names_algorithm.then(|| self.public.algorithm().name());
        Ok(format!(
            "({});created={created};expires={expires}{}{}{}{}",
            covered.join(" "),
            text("keyid", Some(keyid))?,
            text("alg", alg)?,
            text("nonce", plan.nonce.as_deref())?,
            text("tag", Some(&plan.tag))?,
        ))
    }
}

fn component(text: &str) -> Result<Component> {
    let unreadable = || Error::invalid_input(format!("component `{text}` cannot be read"));
    let item: Item = if text.starts_with('"') {
        Parser::new(text).parse().map_err(|_| unreadable())?
    } else {
        Item::new(StringRef::from_str(text).map_err(|_| unreadable())?.to_owned())
    };
    Component::read(&item).filter(|component| component.name != "@signature-params").ok_or_else(unreadable)
}

fn unfit(component: &Component, fault: Fault) -> Error {
    let why = match fault {
        Fault::Missing => "is not in the message",
        Fault::Unfit => "has no value that can be signed",
    };
    Error::invalid_input(format!("component {} {why}", component.identifier))
}

/// A text as a structured field's string.
pub(super) fn quoted(text: &str) -> Result<String> {
    let text = StringRef::from_str(text)
        .map_err(|_| Error::invalid_input("text holds characters that no header can hold"))?;
    Ok(ItemSerializer::new().bare_item(text).finish())
}

fn invalid_key(message: &str) -> Error {
    Error::new(ErrorKind::InvalidKey, message)
}
