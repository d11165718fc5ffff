//! The signature base (RFC 9421 section 2.5) and the forms of its last line that deployed signers use.

use super::component::Fault;
use super::fields::Labelled;
use super::message::Message;
use super::policy::{Profile, SignaturePolicy};
use super::result::BaseForm;

/// The lines of the covered components, each with its end; at most 64 KiB, because one large header can be covered
/// many times.
pub(super) fn component_lines(message: &Message<'_>, signature: &Labelled) -> Result<String, Fault> {
    let mut base = String::with_capacity(512);
    for component in &signature.components {
        base.push_str(&component.line(message)?);
        base.push('\n');
        if base.len() > LARGEST_BASE {
            return Err(Fault::Unfit);
        }
    }
    Ok(base)
}

/// The whole base with this value in its last line.
pub(super) fn with_parameters(lines: &str, parameters: &str) -> String {
    format!("{lines}\"@signature-params\": {parameters}")
}

/// The forms that a signature may be over, the standard's first.
pub(super) fn forms(
    policy: &SignaturePolicy,
    profile: Profile,
    signature: &Labelled,
    is_registered: bool,
) -> Vec<(BaseForm, String)> {
    let mut forms = vec![(BaseForm::Rfc9421, signature.parameters.clone())];
    if profile == Profile::Tap {
        let raw = signature.raw.clone().filter(|_| policy.raw_base);
        let botcha = fixed_order(signature, true).filter(|_| is_registered);
        let visa_page = fixed_order(signature, false).filter(|_| policy.visa_page_base);
        forms.extend(botcha.map(|form| (BaseForm::Botcha, form)));
        forms.extend(raw.map(|form| (BaseForm::Raw, form)));
        forms.extend(visa_page.map(|form| (BaseForm::VisaPage, form)));
    }
    forms
}

/// `<label>=(…)` with the parameters in a fixed order; `None` where that would say less than was received.
fn fixed_order(signature: &Labelled, with_alg: bool) -> Option<String> {
    let alg = signature.alg.as_deref()?;
    let (created, keyid) = (signature.created?, signature.keyid.as_deref()?);
    let is_plain = |text: &str| !text.contains(['"', '\\']);
    let texts = [Some(alg), Some(keyid), signature.nonce.as_deref(), signature.tag.as_deref()];
    let names = signature.components.iter().map(|component| component.identifier.as_str());
    let has_parameters = names.clone().any(|name| name.contains(';'));
    if signature.has_other_parameters || has_parameters || !texts.into_iter().flatten().all(is_plain) {
        return None;
    }
    let text = |name: &str, value: Option<&str>| {
        value.map(|value| format!(";{name}=\"{value}\"")).unwrap_or_default()
    };
    Some(format!(
        "{}=({});created={created};keyid=\"{keyid}\"{}{}{}{}",
        signature.label,
        names.collect::<Vec<_>>().join(" "),
        text("alg", Some(alg).filter(|_| with_alg)),
        signature.expires.map(|expires| format!(";expires={expires}")).unwrap_or_default(),
        text("nonce", signature.nonce.as_deref()),
        text("tag", signature.tag.as_deref()),
    ))
}

const LARGEST_BASE: usize = 64 * 1024;
