//! What pages of other origins may do: report events, and no more. No answer to a request with an API key may be
//! read by a page.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::tenant::pixel::PixelSettings;

/// Who may read an answer.
#[derive(Debug, PartialEq)]
pub enum Readers {
    /// Pages of every origin.
    All,
    /// Pages of this origin, or of none; others get another answer.
    Only(Option<HeaderValue>),
    /// No page.
    None,
}

impl Readers {
    /// Of an answer to a request that a page of `origin` sent; `settings` are those of the pixel, if it is known.
    pub fn of(settings: Option<&PixelSettings>, origin: Option<&HeaderValue>) -> Self {
        match settings {
            Some(settings) if !settings.allowed_domains.is_empty() => {
                Self::Only(origin.filter(|origin| is_allowed(settings, origin)).cloned())
            }
            _ => Self::All,
        }
    }

    /// Writes the headers.
    pub fn write(self, headers: &mut HeaderMap) {
        let origin = match self {
            Self::All => Some(HeaderValue::from_static("*")),
            Self::Only(origin) => {
                headers.append(header::VARY, HeaderValue::from_static("Origin"));
                origin
            }
            Self::None => None,
        };
        let Some(origin) = origin else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
}

/// Whether a page, by its origin or address, may send events by a pixel.
pub fn is_allowed(settings: &PixelSettings, page: &HeaderValue) -> bool {
    let host = page.to_str().ok().and_then(host).unwrap_or_default();
    settings.allows_host(host)
}

/// The answer to a preflight; who may read it is written later.
pub fn preflight(methods: &'static str) -> Response {
    let allowed = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, methods),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "Content-Type, X-Pixel-ID"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    (StatusCode::NO_CONTENT, allowed).into_response()
}

/// The host of an origin or an address, without its port.
fn host(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once("://")?;
    let authority = rest.split(['/', '?', '#', '\\']).next()?.rsplit('@').next()?;
    if let Some((address, _)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return Some(address);
    }
    authority.split(':').next()
}

const EXPOSED: &str = "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_compared_without_scheme_and_port() {
        let settings = PixelSettings {
            allowed_domains: vec!["example.org".to_owned(), "2001:db8::1".to_owned()],
            ..PixelSettings::default()
        };
        for (origin, allowed) in [
            ("https://example.org", true),
            ("http://shop.example.org:8080", true),
            ("https://[2001:db8::1]:8443", true),
            ("https://example.org.evil.example", false),
            ("https://evil.example/example.org", false),
            ("https://example.org/a?b=://evil.example#c", true),
            ("https://evil.example?://example.org", false),
            ("https://evil.example\\@example.org", false),
            ("https://example.org:a@evil.example/", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(is_allowed(&settings, &HeaderValue::from_static(origin)), allowed, "{origin}");
        }
        assert!(!is_allowed(&settings, &HeaderValue::from_bytes(b"https://\xff").unwrap()));
    }

    #[test]
    fn origins_are_told_apart_only_where_domains_are_named() {
        let page = HeaderValue::from_static("https://example.org");
        let open = PixelSettings::default();
        let closed = PixelSettings { allowed_domains: vec!["example.org".to_owned()], ..open.clone() };
        assert_eq!(Readers::of(None, Some(&page)), Readers::All);
        assert_eq!(Readers::of(Some(&open), Some(&page)), Readers::All);
        assert_eq!(Readers::of(Some(&closed), Some(&page)), Readers::Only(Some(page)));
        let other = HeaderValue::from_static("https://example.net");
        assert_eq!(Readers::of(Some(&closed), Some(&other)), Readers::Only(None));
        assert_eq!(Readers::of(Some(&closed), None), Readers::Only(None));
    }
}
