//! Evidence from the shape of the headers. Only a header map that was supplied can show that one is missing.

use std::collections::BTreeMap;

use super::signals;
use super::user_agent::{Platform, UserAgentClass};
use crate::evidence::Evidence;

/// The headers that matter, found in one pass; names in any case.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Headers<'a> {
    pub user_agent: Option<&'a str>,
    pub accept: Option<&'a str>,
    pub accept_language: Option<&'a str>,
    pub accept_encoding: Option<&'a str>,
    pub fetch_destination: Option<&'a str>,
    pub has_fetch_metadata: bool,
    pub brands: Option<&'a str>,
    pub platform: Option<&'a str>,
    pub signature_agent: Option<&'a str>,
    pub signature_input: Option<&'a str>,
    pub from: Option<&'a str>,
    pub has_http2_settings: bool,
    pub ai_header: Option<&'a str>,
}

impl<'a> Headers<'a> {
    pub fn read(map: &'a BTreeMap<String, String>, ai_headers: &[String]) -> Self {
        let mut headers = Self::default();
        for (name, value) in map {
            let value = Some(value.as_str());
            let mut buffer = [0; LONGEST_NAME];
            match lower_case(name, &mut buffer) {
                Some("user-agent") => headers.user_agent = value,
                Some("accept") => headers.accept = value,
                Some("accept-language") => headers.accept_language = value,
                Some("accept-encoding") => headers.accept_encoding = value,
                Some("sec-fetch-dest") => {
                    headers.fetch_destination = value;
                    headers.has_fetch_metadata = true;
                }
                Some("sec-fetch-site" | "sec-fetch-mode" | "sec-fetch-user") => {
                    headers.has_fetch_metadata = true
                }
                Some("sec-ch-ua") => headers.brands = value,
                Some("sec-ch-ua-platform") => headers.platform = value,
                Some("signature-agent") => headers.signature_agent = value,
                Some("signature-input") => headers.signature_input = value,
                Some("http2-settings") => headers.has_http2_settings = true,
                Some("from") => headers.from = value,
                Some(other) if ai_headers.iter().any(|name| name == other) => headers.ai_header = Some(name),
                _ => {}
            }
        }
        headers
    }

    /// What the headers show; `is_https` is `None` when the URL was not supplied, `order` when it was not seen.
    pub fn evidence(
        &self,
        class: &UserAgentClass<'_>,
        is_https: Option<bool>,
        order: Option<&[String]>,
        found: &mut Vec<Evidence>,
    ) {
        if let Some(name) = self.ai_header {
            found.push(signals::HDR_AI_HEADER.seen_in(name.to_ascii_lowercase()));
        }
        if class.browser.is_browser {
            self.missing(class, is_https, found);
            self.mismatches(class, found);
            order.into_iter().for_each(|names| order_evidence(names, found));
        }
    }

    fn missing(&self, class: &UserAgentClass<'_>, is_https: Option<bool>, found: &mut Vec<Evidence>) {
        if self.accept.is_none() && self.accept_language.is_none() && self.accept_encoding.is_none() {
            found.push(signals::HDR_BROWSER_BARE.seen_in("accept, accept-language, accept-encoding"));
        }
        let has_modern_headers = self.has_fetch_metadata || self.brands.is_some();
        let sends_modern_headers =
            class.browser.chromium.is_some_and(|major| major >= FIRST_WITH_FETCH_METADATA);
        if sends_modern_headers && is_https == Some(true) && !has_modern_headers {
            found.push(signals::HDR_NO_FETCH_METADATA.seen_in("sec-fetch-mode, sec-ch-ua"));
        }
        if self.has_http2_settings {
            found.push(signals::HDR_HTTP2_SETTINGS.seen_in("http2-settings"));
        }
        if sends_modern_headers && !has_modern_headers && self.accept_language.is_none() {
            found.push(signals::HDR_NO_MODERN.seen_in("sec-fetch-mode, sec-ch-ua, accept-language"));
        }
        if self.accept_language.is_some_and(|languages| languages.trim() == "*") {
            found.push(signals::HDR_ANY_LANGUAGE.seen_in("accept-language"));
        }
        if self.accept_language.is_none() {
            found.push(signals::HDR_NO_ACCEPT_LANGUAGE.seen_in("accept-language"));
        }
        let is_navigation = self.fetch_destination.is_none_or(|destination| destination.trim() == "document");
        if self.accept.is_some_and(|accept| accept.trim() == "*/*") && is_navigation {
            found.push(signals::HDR_ACCEPT_STAR_NAVIGATION.seen_in("accept"));
        }
        if self.accept.is_none() {
            found.push(signals::HDR_NO_ACCEPT.seen_in("accept"));
        }
        if self.accept_encoding.is_none() {
            found.push(signals::HDR_NO_ACCEPT_ENCODING.seen_in("accept-encoding"));
        }
    }

    fn mismatches(&self, class: &UserAgentClass<'_>, found: &mut Vec<Evidence>) {
        let hinted = self.platform.and_then(platform_of_hint);
        if let (Some(hinted), Some(named)) = (hinted, class.browser.platform)
            && !is_same_platform(hinted, named)
        {
            found.push(signals::HDR_PLATFORM_MISMATCH.seen_in("sec-ch-ua-platform"));
        }
        let Some(brands) = self.brands else { return };
        let is_headless = brands.contains("HeadlessChrome") && class.tool.is_none();
        let hinted = chromium_of_brands(brands);
        let disagrees = match (hinted, class.browser.chromium) {
            (Some(hinted), Some(named)) => hinted != named,
            (Some(_), None) => class.browser.firefox.is_some(),
            (None, _) => false,
        };
        if disagrees || is_headless {
            found.push(signals::HDR_CH_MISMATCH.seen_in("sec-ch-ua"));
        }
    }
}

/// Every browser names what it accepts before languages and encodings, and writes all names alike.
fn order_evidence(names: &[String], found: &mut Vec<Evidence>) {
    let place = |wanted: &str| names.iter().position(|name| name.eq_ignore_ascii_case(wanted));
    let accept = place("accept");
    let is_early = |wanted: &str| place(wanted).zip(accept).is_some_and(|(place, accept)| place < accept);
    if is_early("accept-language") || is_early("accept-encoding") {
        found.push(signals::HDR_ORDER.seen_in("accept, accept-language, accept-encoding"));
    }
    let common = names.iter().filter(|name| {
        ["user-agent", "accept", "accept-language", "accept-encoding"]
            .iter()
            .any(|wanted| name.eq_ignore_ascii_case(wanted))
    });
    let (lower, upper): (Vec<&String>, Vec<&String>) =
        common.partition(|name| name.starts_with(|first: char| first.is_ascii_lowercase()));
    if !lower.is_empty() && !upper.is_empty() {
        found.push(signals::HDR_LETTER_CASE.seen_in("accept, user-agent"));
    }
}

/// The name in lower case; `None` for one that is longer than any that matters.
fn lower_case<'b>(name: &str, buffer: &'b mut [u8; LONGEST_NAME]) -> Option<&'b str> {
    let place = buffer.get_mut(..name.len())?;
    place.copy_from_slice(name.as_bytes());
    place.make_ascii_lowercase();
    std::str::from_utf8(place).ok()
}

fn platform_of_hint(value: &str) -> Option<Platform> {
    Some(match value.trim().trim_matches('"') {
        "Android" => Platform::Android,
        "Chrome OS" | "Chromium OS" => Platform::ChromeOs,
        "iOS" => Platform::Ios,
        "Linux" => Platform::Linux,
        "macOS" => Platform::MacOs,
        "Windows" => Platform::Windows,
        _ => return None,
    })
}

/// Android is Linux, and its browsers say so when they ask for desktop pages.
fn is_same_platform(hinted: Platform, named: Platform) -> bool {
    hinted == named || (hinted == Platform::Android && named == Platform::Linux)
}

/// The major version of the brand `Chromium` in a `Sec-CH-UA` list.
fn chromium_of_brands(brands: &str) -> Option<u32> {
    let (_, behind) = brands.split_once("\"Chromium\"")?;
    let version =
        behind.trim_start().strip_prefix(';')?.trim_start().strip_prefix("v=")?.trim_start_matches('"');
    version.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

const FIRST_WITH_FETCH_METADATA: u32 = 89;
const LONGEST_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brand_lists_are_read_in_any_order() {
        let list = r#""Not=A?Brand";v="24", "Chromium";v="140", "Google Chrome";v="140""#;
        assert_eq!(chromium_of_brands(list), Some(140));
        assert_eq!(chromium_of_brands(r#""Chromium"; v="99""#), Some(99));
        for broken in ["", "\"Chromium\"", "\"Chromium\";v=", "\"Chromium\";v=\"x\"", "Chromium;v=1"] {
            assert_eq!(chromium_of_brands(broken), None, "{broken}");
        }
    }

    #[test]
    fn names_of_any_length_and_case_are_read() {
        let map = BTreeMap::from([("ACCEPT".to_owned(), "x".to_owned()), ("é".repeat(200), String::new())]);
        let headers = Headers::read(&map, &[]);
        assert_eq!(headers.accept, Some("x"));
    }
}
