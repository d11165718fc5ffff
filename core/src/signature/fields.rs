//! The fields `Signature-Input` and `Signature` (RFC 9421 section 4), limits first.

use sfv::{BareItem, InnerList, ListEntry, Parameters};

use super::component::{Component, Fault, combined, dictionary, member_text};
use super::message::Line;

/// One labelled signature as it stands in a message.
#[derive(Clone, Debug)]
pub(super) struct Labelled {
    pub label: String,
    pub components: Vec<Component>,
    pub created: Option<i64>,
    pub expires: Option<i64>,
    pub keyid: Option<String>,
    pub alg: Option<String>,
    pub nonce: Option<String>,
    pub tag: Option<String>,
    /// Whether there are parameters besides the six above.
    pub has_other_parameters: bool,
    /// The value of `@signature-params` in its canonical form.
    pub parameters: String,
    /// What follows the label exactly as received, when it is the only one.
    pub raw: Option<String>,
    pub signature: Vec<u8>,
}

impl Labelled {
    pub fn covers(&self, name: &str) -> bool {
        self.components.iter().any(|component| component.is(name))
    }
}

/// A label, where it is known, whose signature cannot be read.
#[derive(Clone, Debug)]
pub(super) struct Malformed(pub Option<String>);

/// Every label of `Signature-Input`; nothing when the message has neither field.
///
/// With `is_lenient` the spelling `keyId` is read as `keyid` where there is a single label.
pub(super) fn read(headers: &[Line<'_>], is_lenient: bool) -> Vec<Result<Labelled, Malformed>> {
    let text = |name| match combined(headers, name) {
        Ok(text) if text.len() <= LONGEST_FIELD => Ok(Some(text)),
        Err(Fault::Missing) => Ok(None),
        _ => Err(Malformed(None)),
    };
    let (input, signatures) = match (text("signature-input"), text("signature")) {
        (Ok(None), Ok(None)) => return Vec::new(),
        (Ok(Some(input)), Ok(Some(signatures))) => (input, signatures),
        _ => return vec![Err(Malformed(None))],
    };
    let (Ok(inputs), Ok(signatures)) = (
        dictionary(&input).or_else(|fault| {
            let lenient = if is_lenient { dictionary(&with_standard_keyid(&input)) } else { Err(fault) };
            lenient.and_then(|inputs| if inputs.len() == 1 { Ok(inputs) } else { Err(fault) })
        }),
        dictionary(&signatures),
    ) else {
        return vec![Err(Malformed(None))];
    };
    if inputs.is_empty() || inputs.len() > MOST_LABELS || signatures.len() > MOST_LABELS {
        return vec![Err(Malformed(None))];
    }
    let raw = if inputs.len() == 1 { input.split_once('=').map(|(_, raw)| raw) } else { None };
    inputs
        .iter()
        .map(|(label, entry)| {
            let signature = signatures.get(label);
            let short = label.as_str().get(..LONGEST_LABEL.min(label.as_str().len()));
            labelled(label.as_str(), entry, signature, raw).ok_or_else(|| Malformed(short.map(str::to_owned)))
        })
        .collect()
}

fn labelled(
    label: &str,
    entry: &ListEntry,
    signature: Option<&ListEntry>,
    raw: Option<&str>,
) -> Option<Labelled> {
    let ListEntry::InnerList(list) = entry else { return None };
    let ListEntry::Item(signature) = signature? else { return None };
    let signature = signature.bare_item.as_byte_sequence()?.to_vec();
    if label.len() > LONGEST_LABEL || list.items.len() > MOST_COMPONENTS || !has_short_strings(list) {
        return None;
    }
    let components: Vec<Component> = list.items.iter().map(Component::read).collect::<Option<_>>()?;
    let is_repeated = |(index, component): (usize, &Component)| {
        components.iter().take(index).any(|other| other.is_same(component))
    };
    let is_fit = !components.iter().any(|component| component.name == "@signature-params")
        && !components.iter().enumerate().any(is_repeated);
    if !is_fit {
        return None;
    }
    let mut found = Labelled {
        label: label.to_owned(),
        components,
        created: None,
        expires: None,
        keyid: None,
        alg: None,
        nonce: None,
        tag: None,
        has_other_parameters: false,
        parameters: member_text(entry),
        raw: raw.map(str::to_owned),
        signature,
    };
    read_parameters(&list.params, &mut found)?;
    Some(found)
}

fn read_parameters(parameters: &Parameters, found: &mut Labelled) -> Option<()> {
    for (name, value) in parameters {
        let number = || value.as_integer().map(i64::from);
        let text = || value.as_string().map(|text| text.as_str().to_owned());
        match name.as_str() {
            "created" => found.created = Some(number()?),
            "expires" => found.expires = Some(number()?),
            "keyid" => found.keyid = Some(text()?),
            "alg" => found.alg = Some(text()?),
            "nonce" => found.nonce = Some(text()?),
            "tag" => found.tag = Some(text()?),
            _ => found.has_other_parameters = true,
        }
    }
    Some(())
}

fn has_short_strings(list: &InnerList) -> bool {
    let is_short = |item: &BareItem| match item {
        BareItem::String(text) => text.as_str().len() <= LONGEST_STRING,
        BareItem::DisplayString(text) => text.len() <= LONGEST_STRING,
        BareItem::Token(text) => text.as_str().len() <= LONGEST_STRING,
        BareItem::ByteSequence(bytes) => bytes.len() <= LONGEST_STRING,
        _ => true,
    };
    let has_short = |parameters: &Parameters| parameters.values().all(is_short);
    has_short(&list.params)
        && list.items.iter().all(|item| is_short(&item.bare_item) && has_short(&item.params))
}

/// `keyId`, which no structured field can spell, as `keyid`; texts in quotes stay as they are.
fn with_standard_keyid(input: &str) -> String {
    let mut is_in_string = false;
    let mut pieces: Vec<String> = Vec::new();
    for piece in input.split_inclusive('"') {
        let is_escaped = is_in_string && piece.ends_with("\\\"");
        pieces.push(if is_in_string { piece.to_owned() } else { piece.replace("keyId=", "keyid=") });
        is_in_string = if is_escaped { is_in_string } else { is_in_string != piece.ends_with('"') };
    }
    pieces.concat()
}

const LONGEST_FIELD: usize = 8 * 1024;
const MOST_LABELS: usize = 8;
const LONGEST_LABEL: usize = 64;
const MOST_COMPONENTS: usize = 32;
const LONGEST_STRING: usize = 512;
