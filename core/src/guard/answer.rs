//! What a visitor is answered who may not pass.

use serde::Serialize;

use super::request::Incoming;
use super::{GuardOptions, GuardResponse, RedirectMode};
use crate::decision::address::{is_address, is_path};
use crate::decision::{Action, Decision, MatchType, Policy, Reason};
use crate::signature::{accept_signature, uri};
use crate::{Error, Result};

/// What a decision comes to.
pub(super) enum Course {
    /// On to the site.
    Pass,
    /// On to the site, as if this path had been asked for.
    Rewrite(String),
    /// Back with an answer.
    Answer(Box<GuardResponse>),
}

/// The site's way of answering.
pub(super) struct Answers {
    status: u16,
    message: String,
    headers: Vec<(String, String)>,
    redirect_mode: RedirectMode,
    redirect_url: Option<String>,
    tells_reason: bool,
    challenge_url: Option<String>,
    /// The names of this site.
    authorities: Vec<String>,
}

impl Answers {
    pub fn new(options: &GuardOptions, policy: &Policy) -> Result<Self> {
        let blocked = &options.blocked_response;
        if !(400..=599).contains(&blocked.status) {
            return Err(invalid("blocked_response.status", "is not from 400 to 599"));
        }
        if !blocked.headers.iter().all(|(name, value)| is_header(name, value)) {
            return Err(invalid("blocked_response.headers", "holds what is no header"));
        }
        for (name, address) in [
            ("redirect_url", &policy.redirect_url),
            ("challenge_url", &options.challenge_url),
            ("rewrite_url", &policy.rewrite_url),
        ] {
            if address.as_deref().is_some_and(|address| !is_address(address)) {
                return Err(invalid(name, "is neither a path nor an http address"));
            }
        }
        if policy.rewrite_url.as_deref().is_some_and(|address| !is_path(address)) {
            return Err(invalid("rewrite_url", "is not a path of this site"));
        }
        Ok(Self {
            status: blocked.status,
            message: blocked.message.clone(),
            headers: blocked.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            redirect_mode: options.redirect_mode,
            redirect_url: policy.redirect_url.clone(),
            tells_reason: options.redirect_reason,
            challenge_url: options.challenge_url.clone(),
            authorities: options.authorities.clone(),
        })
    }

    /// What a decision about a request comes to.
    ///
    /// The place to which visitors are sent lets them in: else they would be sent in a circle. Where only the request
    /// says that it is that place, its visitor is refused instead.
    pub fn course(&self, decision: &Decision, request: &Incoming<'_>) -> Course {
        let address = decision.redirect_url.as_deref().filter(|address| is_address(address));
        let destination = match decision.action {
            Action::Challenge => self.challenge_url.as_deref(),
            Action::Instruct => self.redirect_url.as_deref(),
            _ => address,
        };
        let leads_here = destination.is_some_and(|address| names_page(address, request));
        if leads_here && destination.is_some_and(|address| self.is_own(address)) {
            return Course::Pass;
        }
        let answer = match decision.action {
            Action::Allow | Action::Log => return Course::Pass,
            Action::Rewrite => match address.filter(|address| is_path(address)) {
                Some(path) => return Course::Rewrite(path.to_owned()),
                None => self.blocked(decision, request),
            },
            Action::Redirect => match (address.filter(|_| !leads_here), self.redirect_mode) {
                (Some(address), RedirectMode::Http) => self.redirected(decision, address),
                (Some(_), RedirectMode::Instruct) => Self::instructed(decision, address),
                (None, _) => self.blocked(decision, request),
            },
            Action::Instruct => Self::instructed(decision, self.redirect_url.as_deref()),
            Action::Challenge => self.challenged(decision, request),
            Action::Delay => Self::delayed(decision),
            Action::Block if decision.reason == Reason::Unavailable => unavailable(decision),
            Action::Block => self.blocked(decision, request),
        };
        Course::Answer(Box::new(answer))
    }

    fn blocked(&self, decision: &Decision, request: &Incoming<'_>) -> GuardResponse {
        let message = self.message_of(decision);
        let mut answer = if wants_html(request) {
            html(self.status, message, None)
        } else {
            json_answer(self.status, &coded(message, "POLICY_BLOCKED", decision))
        };
        for (name, value) in &self.headers {
            answer.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            answer.headers.push((name.clone(), value.clone()));
        }
        answer
    }

    fn redirected(&self, decision: &Decision, address: &str) -> GuardResponse {
        let location =
            if self.tells_reason { with_reason(address, decision.reason) } else { address.to_owned() };
        let mut answer = json_answer(302, &coded("Found", "POLICY_REDIRECT", decision));
        answer.headers.push(("Location".to_owned(), location));
        answer
    }

    /// Tells a program where to go and how to identify itself.
    fn instructed(decision: &Decision, address: Option<&str>) -> GuardResponse {
        let message = match address {
            Some(address) => {
                format!("Automated visitors are asked to use {address}, or to sign their requests.")
            }
            None => "Automated visitors are asked to sign their requests.".to_owned(),
        };
        let message = own_message(decision).unwrap_or(&message);
        let body = Body {
            redirect_url: address,
            identification: Some(identification()),
            ..coded(message, "IDENTIFICATION_REQUIRED", decision)
        };
        let mut answer = asking(401, &body, "Quivive");
        answer
            .headers
            .extend(address.map(|address| ("Link".to_owned(), format!("<{address}>; rel=\"alternate\""))));
        answer
    }

    /// A page for a person; for a program how to prove itself, by 403 where a signature is what is asked for.
    fn challenged(&self, decision: &Decision, request: &Incoming<'_>) -> GuardResponse {
        let asks_for_signature =
            matches!(decision.reason, Reason::SignatureRequired | Reason::InvalidSignature);
        let status = if asks_for_signature { 403 } else { 401 };
        let scheme = match &self.challenge_url {
            Some(address) => format!("Quivive challenge=\"{address}\""),
            None => "Quivive".to_owned(),
        };
        let message = own_message(decision);
        if wants_html(request) && !asks_for_signature {
            let message = message.unwrap_or("Please confirm that you are not a program.");
            let mut answer = html(status, message, self.challenge_url.as_deref());
            answer.headers.extend(asking_headers(&scheme));
            return answer;
        }
        let message = message.unwrap_or("Prove who you are: sign the request or meet the challenge.");
        let body = Body {
            challenge_url: self.challenge_url.as_deref(),
            identification: Some(identification()),
            ..coded(message, "CHALLENGE_REQUIRED", decision)
        };
        asking(status, &body, &scheme)
    }

    fn delayed(decision: &Decision) -> GuardResponse {
        let message = own_message(decision).unwrap_or("Too many requests");
        let mut answer = json_answer(429, &coded(message, "POLICY_DELAYED", decision));
        answer.headers.push(("Retry-After".to_owned(), DELAY_SECONDS.to_owned()));
        answer
    }

    /// Whether an address is a page of this site: a path, or one with a name of the site.
    fn is_own(&self, address: &str) -> bool {
        let (Some((scheme, host)), _) = split(address) else { return true };
        let host = uri::authority(Some(scheme), host);
        host.is_some() && self.authorities.iter().any(|own| uri::authority(Some(scheme), own) == host)
    }

    fn message_of<'a>(&'a self, decision: &'a Decision) -> &'a str {
        own_message(decision).unwrap_or(&self.message)
    }
}

/// A rule's message is meant for the visitor; the reasons of lists are not.
fn own_message(decision: &Decision) -> Option<&str> {
    decision.message.as_deref().filter(|_| decision.reason == Reason::Rule)
}

/// The name by which a value of a closed set goes over the wire.
pub(super) fn name_of(value: impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn unavailable(decision: &Decision) -> GuardResponse {
    let message = "Who asks cannot be found out at the moment.";
    json_answer(503, &coded(message, "DETECTION_UNAVAILABLE", decision))
}

/// What a program is told, in this order whatever the JSON library is built with.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    error: &'a str,
    code: &'static str,
    reason: Reason,
    rule_id: Option<&'a str>,
    match_type: MatchType,
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identification: Option<[Identification; 1]>,
}

/// How a program identifies itself, for its authors.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Identification {
    method: &'static str,
    tag: &'static str,
    accept_signature: String,
    specification: &'static str,
}

fn coded<'a>(message: &'a str, code: &'static str, decision: &'a Decision) -> Body<'a> {
    Body {
        error: message,
        code,
        reason: decision.reason,
        rule_id: decision.rule_id.as_deref(),
        match_type: decision.match_type,
        redirect_url: None,
        challenge_url: None,
        identification: None,
    }
}

fn identification() -> [Identification; 1] {
    [Identification {
        method: "http_message_signature",
        tag: "web-bot-auth",
        accept_signature: accept_signature(None),
        specification: "https://www.rfc-editor.org/rfc/rfc9421",
    }]
}

fn asking(status: u16, body: &Body<'_>, scheme: &str) -> GuardResponse {
    let mut answer = json_answer(status, body);
    answer.headers.extend(asking_headers(scheme));
    answer
}

fn asking_headers(scheme: &str) -> [(String, String); 2] {
    [
        ("WWW-Authenticate".to_owned(), scheme.to_owned()),
        ("Accept-Signature".to_owned(), accept_signature(None)),
    ]
}

fn json_answer(status: u16, body: &Body<'_>) -> GuardResponse {
    answer(status, "application/json", serde_json::to_string(body).unwrap_or_default())
}

fn html(status: u16, message: &str, link: Option<&str>) -> GuardResponse {
    let message = escaped(message);
    let link = link.map_or_else(String::new, |address| {
        format!("<p><a href=\"{}\" rel=\"nofollow\">Continue</a></p>", escaped(address))
    });
    let body = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"robots\" content=\"noindex\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{message}</title><h1>{message}</h1>{link}</html>"
    );
    let mut answer = answer(status, "text/html; charset=utf-8", body);
    answer.headers.push(("Content-Security-Policy".to_owned(), "default-src 'none'".to_owned()));
    answer
}

fn answer(status: u16, media: &str, body: String) -> GuardResponse {
    let headers = [("Content-Type", media), ("Cache-Control", "private, no-store"), ("Vary", "Accept")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    GuardResponse { status, headers, body }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn wants_html(request: &Incoming<'_>) -> bool {
    request.header("accept").is_some_and(|accept| accept.to_ascii_lowercase().contains("text/html"))
}

fn with_reason(address: &str, reason: Reason) -> String {
    let (front, fragment) =
        address.split_once('#').map_or((address, None), |(front, behind)| (front, Some(behind)));
    let separator = if front.contains('?') { '&' } else { '?' };
    let fragment = fragment.map_or_else(String::new, |fragment| format!("#{fragment}"));
    format!("{front}{separator}reason={}{fragment}", name_of(reason))
}

/// Whether an address is the page that is being asked for, if the host that the request names is this site.
fn names_page(address: &str, request: &Incoming<'_>) -> bool {
    let (place, target) = split(address);
    let names_host = place.is_none_or(|(scheme, host)| {
        let host = uri::authority(Some(scheme), host);
        host.is_some() && request.host().and_then(|asked| uri::authority(Some(scheme), &asked)) == host
    });
    names_host && uri::path_and_query(target.split('#').next().unwrap_or_default()).0 == request.path()
}

/// Scheme and authority of an address, nothing for a path; and what follows.
///
/// After two slashes comes an authority, too (RFC 3986 section 4.2): `//other.example/` leads to another host, by the
/// scheme of the page before, which counts as `https` here.
fn split(address: &str) -> (Option<(&str, &str)>, &str) {
    let absolute = match address.strip_prefix("//") {
        Some(behind) => Some(("https", behind)),
        None => address.split_once("://").filter(|_| !address.starts_with('/')),
    };
    absolute.map_or((None, address), |(scheme, behind)| {
        let (host, target) = uri::split_authority(behind);
        (Some((scheme, host)), target)
    })
}

fn is_header(name: &str, value: &str) -> bool {
    let is_token_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty()
        && name.bytes().all(is_token_byte)
        && value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

fn invalid(field: &str, why: &str) -> Error {
    Error::invalid_input(format!("{field} {why}")).with("field", field)
}

const DELAY_SECONDS: &str = "5";
