//! Covered components: their identifiers and values (RFC 9421 section 2).

use sfv::{BareItem, Dictionary, FieldType, Item, List, ListEntry, ListSerializer, Parser};

use super::message::{Line, Message, Request, field};
use super::uri;

/// Why a component has no value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// The message does not have it, or the host did not supply it.
    Missing,
    /// It can have no value in this message: unknown, of the wrong kind, or not of ASCII.
    Unfit,
}

/// One covered component.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Component {
    /// The name in lower case; that of a derived component begins with `@`.
    pub name: String,
    /// Name and parameters in their canonical form.
    pub identifier: String,
    /// The member of a dictionary that is covered.
    pub key: Option<String>,
    /// Whether the value is that of the related request.
    pub is_of_request: bool,
    /// Whether the value stands in the trailers.
    pub is_trailer: bool,
    is_structured: bool,
    is_binary: bool,
    query_name: Option<String>,
}

impl Component {
    /// `None` for a name that is no lower-case text, an unknown parameter, and parameters that exclude each other.
    pub fn read(item: &Item) -> Option<Self> {
        let name = item.bare_item.as_string()?.as_str().to_owned();
        let mut component = Self { identifier: item.serialize(), ..Self::default() };
        for (parameter, value) in &item.params {
            let text = || value.as_string().map(|text| text.as_str().to_owned());
            let flag = match (parameter.as_str(), value) {
                ("sf", BareItem::Boolean(true)) => &mut component.is_structured,
                ("bs", BareItem::Boolean(true)) => &mut component.is_binary,
                ("tr", BareItem::Boolean(true)) => &mut component.is_trailer,
                ("req", BareItem::Boolean(true)) => &mut component.is_of_request,
                ("key", _) => {
                    component.key = Some(text()?);
                    continue;
                }
                ("name", _) => {
                    component.query_name = Some(text()?);
                    continue;
                }
                _ => return None,
            };
            *flag = true;
        }
        let is_field = !name.starts_with('@');
        let has_field_parameters =
            component.is_structured || component.is_binary || component.is_trailer || component.key.is_some();
        let is_fit = if is_field {
            is_field_name(&name)
                && component.query_name.is_none()
                && !(component.is_binary && (component.is_structured || component.key.is_some()))
        } else {
            !has_field_parameters && (name == "@query-param") == component.query_name.is_some()
        };
        is_fit.then_some(Self { name, ..component })
    }

    /// Whether this is the derived component or plain field of that name, in whatever form.
    pub fn is(&self, name: &str) -> bool {
        self.name == name && !self.is_of_request && !self.is_trailer
    }

    /// Whether both are of one name with the same parameters, whose order does not matter (RFC 9421 section 2).
    pub fn is_same(&self, other: &Self) -> bool {
        let identifier = self.identifier.clone();
        *self == Self { identifier, ..other.clone() }
    }

    /// The line of the signature base without its end.
    pub fn line(&self, message: &Message<'_>) -> Result<String, Fault> {
        let value = self.value(message)?;
        let is_plain = value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte));
        if is_plain { Ok(format!("{}: {value}", self.identifier)) } else { Err(Fault::Unfit) }
    }

    fn value(&self, message: &Message<'_>) -> Result<String, Fault> {
        let request = match (message, self.is_of_request) {
            (Message::Request(request), false) => Some(*request),
            (Message::Response(_, request), true) => Some(request.ok_or(Fault::Missing)?),
            (Message::Response(..), false) => None,
            (Message::Request(_), true) => return Err(Fault::Unfit),
        };
        match (request, message) {
            (Some(request), _) if self.name.starts_with('@') => self.derived(request),
            (Some(request), _) => {
                self.field(if self.is_trailer { request.trailers } else { request.headers })
            }
            (None, Message::Response(response, _)) => match self.name.as_str() {
                "@status" => Ok(format!("{:03}", response.status)),
                name if name.starts_with('@') => Err(Fault::Unfit),
                _ => self.field(if self.is_trailer { response.trailers } else { response.headers }),
            },
            (None, Message::Request(_)) => Err(Fault::Unfit),
        }
    }

    /// RFC 9421 section 2.2.
    fn derived(&self, request: &Request<'_>) -> Result<String, Fault> {
        let target = || request.target.ok_or(Fault::Missing);
        let given = |text: Option<&str>| {
            text.filter(|text| !text.is_empty()).map(str::to_owned).ok_or(Fault::Missing)
        };
        match self.name.as_str() {
            "@method" => given(request.method),
            "@scheme" => given(request.scheme).map(|scheme| scheme.to_ascii_lowercase()),
            "@authority" => authority(request),
            "@path" => Ok(uri::path_and_query(target()?).0.to_owned()),
            "@query" => Ok(format!("?{}", uri::path_and_query(target()?).1.unwrap_or_default())),
            "@request-target" => {
                let target = target()?;
                let is_bare_query = target.is_empty() || target.starts_with('?');
                Ok(if is_bare_query { format!("/{target}") } else { target.to_owned() })
            }
            "@target-uri" => {
                let (path, query) = uri::path_and_query(target()?);
                let scheme = given(request.scheme)?.to_ascii_lowercase();
                let mark = if query.is_some() { "?" } else { "" };
                Ok(format!("{scheme}://{}{path}{mark}{}", authority(request)?, query.unwrap_or_default()))
            }
            "@query-param" => self.query_parameter(uri::path_and_query(target()?).1.unwrap_or_default()),
            _ => Err(Fault::Unfit),
        }
    }

    /// The one parameter of that name, decoded and encoded again (RFC 9421 section 2.2.8).
    fn query_parameter(&self, query: &str) -> Result<String, Fault> {
        let wanted = self.query_name.as_deref().ok_or(Fault::Unfit)?;
        short(query)?;
        let mut found = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| encoded(name) == wanted);
        let (_, value) = found.next().ok_or(Fault::Missing)?;
        // Bytes that are no text all decode to the same character, so that one signature would fit many requests.
        if found.next().is_some() || value.contains(char::REPLACEMENT_CHARACTER) {
            return Err(Fault::Unfit);
        }
        Ok(encoded(&value))
    }

    /// RFC 9421 section 2.1.
    fn field(&self, lines: &[Line<'_>]) -> Result<String, Fault> {
        if self.is_binary {
            let values: List = field(lines, &self.name)
                .map(|value| unfolded(value).map(|value| ListEntry::from(value.into_bytes())))
                .collect::<Result<_, _>>()?;
            return values.serialize().ok_or(Fault::Missing);
        }
        let value = combined(lines, &self.name)?;
        match &self.key {
            Some(key) => {
                let members = dictionary(short(&value)?)?;
                members.get(key.as_str()).map(member_text).ok_or(Fault::Missing)
            }
            None if self.is_structured => strictly(&self.name, short(&value)?),
            None => Ok(value),
        }
    }
}

/// All lines of a field, trimmed, unfolded and joined.
pub(super) fn combined(lines: &[Line<'_>], name: &str) -> Result<String, Fault> {
    let values = field(lines, name).map(unfolded).collect::<Result<Vec<_>, _>>()?;
    if values.is_empty() { Err(Fault::Missing) } else { Ok(values.join(", ")) }
}

/// A dictionary, strictly parsed (RFC 9651 section 4.2.2).
pub(super) fn dictionary(value: &str) -> Result<Dictionary, Fault> {
    Parser::new(value).parse().map_err(|_| Fault::Unfit)
}

/// A member of a dictionary with its parameters, in canonical form.
pub(super) fn member_text(member: &ListEntry) -> String {
    let mut serializer = ListSerializer::new();
    serializer.members([member]);
    serializer.finish().unwrap_or_default()
}

fn authority(request: &Request<'_>) -> Result<String, Fault> {
    let host = match request.authority.filter(|authority| !authority.is_empty()) {
        Some(authority) => authority.to_owned(),
        None => combined(request.headers, "host")?,
    };
    uri::authority(request.scheme, &host).ok_or(Fault::Unfit)
}

/// Whitespace at the ends taken off, folded lines joined by one space (RFC 9421 section 2.1).
fn unfolded(value: &[u8]) -> Result<String, Fault> {
    let text = std::str::from_utf8(value).ok().filter(|text| text.is_ascii()).ok_or(Fault::Unfit)?;
    let parts: Vec<&str> = text.split('\n').collect();
    let is_fold = |part: &&str| part.starts_with([' ', '\t']);
    if !parts.iter().skip(1).all(is_fold) {
        return Err(Fault::Unfit);
    }
    let parts: Vec<&str> = parts
        .iter()
        .enumerate()
        .map(|(index, part)| {
            let is_last = index + 1 == parts.len();
            let part = if is_last { part } else { part.strip_suffix('\r').unwrap_or(part) };
            part.trim_matches([' ', '\t'])
        })
        .collect();
    Ok(parts.join(" ").trim_matches([' ', '\t']).to_owned())
}

/// The strict form of a field whose type is known.
fn strictly(name: &str, value: &str) -> Result<String, Fault> {
    let parser = Parser::new(value);
    let text = match name {
        "accept-signature"
        | "cache-control"
        | "cdn-cache-control"
        | "content-digest"
        | "priority"
        | "repr-digest"
        | "signature"
        | "signature-input"
        | "want-content-digest"
        | "want-repr-digest" => parser.parse::<Dictionary>().map(|members| members.serialize()),
        // The older form of this field is one string.
        "signature-agent" if value.starts_with('"') => {
            parser.parse::<Item>().map(|item| Some(item.serialize()))
        }
        "signature-agent" => parser.parse::<Dictionary>().map(|members| members.serialize()),
        "accept-ch"
        | "cache-status"
        | "client-cert-chain"
        | "proxy-status"
        | "sec-ch-ua"
        | "sec-ch-ua-full-version-list" => parser.parse::<List>().map(|members| members.serialize()),
        "client-cert" | "sec-ch-ua-mobile" | "sec-ch-ua-platform" | "sec-ch-ua-platform-version" => {
            parser.parse::<Item>().map(|item| Some(item.serialize()))
        }
        _ => return Err(Fault::Unfit),
    };
    text.map(Option::unwrap_or_default).map_err(|_| Fault::Unfit)
}

/// Everything but letters, digits and `*-._` as `%` and two digits; unlike in forms a space is `%20`.
fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// A token (RFC 9110 section 5.6.2) in lower case.
fn is_field_name(name: &str) -> bool {
    let is_token =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token)
}

/// A text that may be parsed for each of many components.
fn short(text: &str) -> Result<&str, Fault> {
    if text.len() <= LONGEST_PARSED { Ok(text) } else { Err(Fault::Unfit) }
}

const LONGEST_PARSED: usize = 8 * 1024;
