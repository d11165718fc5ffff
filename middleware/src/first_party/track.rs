//! Pages that carry the collector.

use std::time::Instant;

use bytes::Bytes;
use quivive_core::first_party::{
    HEADER_NAMES, PageHitReport, PageMethod, SCHEMA_VERSION, SIGNED_COOKIE, languages, path_hash,
};
use quivive_core::{crypto, encoding};

use super::delivery::Delivery;
use super::tag::{self, Tag};
use super::{FirstParty, random_hex};
use crate::facts::Facts;
use crate::known::now;

/// A page view that is being answered; attached to the request for sites that place the collector's tag themselves.
/// A page with a tag gets no second one.
#[derive(Clone, Debug)]
pub struct Page {
    id: String,
    session: String,
    tag: String,
}

impl Page {
    /// The page view: 32 lower-case hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The visitor's session.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// The collector's tag, as markup.
    pub fn tag(&self) -> &str {
        &self.tag
    }
}

/// A GET whose answer may be a page.
pub(crate) struct Visit {
    first_party: FirstParty,
    facts: Facts,
    page: Page,
    endpoint: String,
    had_session_cookie: bool,
    begun: Instant,
}

/// A page with the collector, and the cookie to set with it.
pub(crate) struct Html {
    pub body: Bytes,
    pub cookie: String,
}

/// What a tracked page no longer has: it is another page for every visitor.
pub(crate) const REMOVED_HEADERS: [&str; 3] = ["content-length", "etag", "last-modified"];

/// What a tracked page says to caches.
pub(crate) const CACHE_CONTROL: &str = "private, no-store";

/// Longer pages are not touched.
const LONGEST_PAGE: u64 = 8 * 1_048_576;

const COOKIE_SECONDS: u32 = 2_592_000;

impl FirstParty {
    /// Begins a page view, if the request can be one.
    pub(crate) fn begin(&self, facts: Facts) -> Option<Visit> {
        let inner = &self.inner;
        if !inner.is_enabled || facts.method() != "GET" {
            return None;
        }
        let known = inner.session_of(&facts);
        let had_session_cookie = known.is_some();
        let session = match known {
            Some(session) => session,
            None => format!("sess_{}", random_hex::<24>()?),
        };
        let id = random_hex::<16>()?;
        let token = inner.pages.sign(&id, &session, now()).ok()?;
        let endpoint = format!("{}?page_token={token}", inner.proxy_path);
        let tag = inner.tag(&endpoint, None);
        let page = Page { id, session, tag };
        Some(Visit {
            first_party: self.clone(),
            facts,
            page,
            endpoint,
            had_session_cookie,
            begun: Instant::now(),
        })
    }

    /// Says in the background that the visitor of a session authenticated in the site's application; false when there
    /// is no room for it. Repeated for up to an hour, also while the session's first report is still on its way.
    pub fn assert_login(&self, session: &str) -> bool {
        self.inner.deliveries.put(Delivery::Login(session.to_owned()), session.len())
    }
}

impl super::Inner {
    /// The session of a request's cookie whose signature holds.
    pub(super) fn session_of(&self, facts: &Facts) -> Option<String> {
        facts.cookies(SIGNED_COOKIE).find_map(|value| self.cookie.read(value)).map(str::to_owned)
    }

    fn tag(&self, endpoint: &str, nonce: Option<&str>) -> String {
        Tag { collector: &self.collector, site_key: &self.site_key, endpoint, nonce }.render()
    }
}

impl Visit {
    pub fn page(&self) -> &Page {
        &self.page
    }

    /// Whether an answer is a page that can be tracked; `length` is that of its body, unless it is streamed.
    pub fn is_page(status: u16, media: Option<&str>, encoding: Option<&str>, length: Option<u64>) -> bool {
        let essence = media.and_then(|media| media.split(';').next()).unwrap_or_default().trim();
        (200..300).contains(&status)
            && status != 206
            && essence.eq_ignore_ascii_case("text/html")
            && encoding.is_none()
            && length.is_some_and(|length| length <= LONGEST_PAGE)
    }

    /// Puts the collector into a page and reports it; nothing for a fragment of a page, which has no place for it.
    /// `policy` is the answer's `Content-Security-Policy`.
    pub fn finish(self, policy: Option<&str>, html: &Bytes) -> Option<Html> {
        let body = if tag::is_tagged(html) {
            html.clone()
        } else {
            let (before, after) = html.split_at_checked(tag::place(html)?)?;
            let nonce = policy.and_then(tag::nonce);
            let tag = self.first_party.inner.tag(&self.endpoint, nonce);
            [before, tag.as_bytes(), after].concat().into()
        };
        let cookie = self.cookie();
        self.report();
        Some(Html { body, cookie })
    }

    fn cookie(&self) -> String {
        let inner = &self.first_party.inner;
        let value = inner.cookie.sign(&self.page.session);
        let secure = if inner.is_https(&self.facts) { "; Secure" } else { "" };
        format!("{SIGNED_COOKIE}={value}; Path=/; Max-Age={COOKIE_SECONDS}; HttpOnly; SameSite=Lax{secure}")
    }

    fn report(self) {
        let Self { first_party, facts, page, had_session_cookie, begun, .. } = self;
        let inner = &first_party.inner;
        let duration = begun.elapsed().as_millis().min(86_400_000);
        let key = encoding::hex(&crypto::sha256(format!("page-hit\n{}", page.id).as_bytes()));
        let report = PageHitReport {
            schema_version: SCHEMA_VERSION,
            page_id: page.id,
            session_token: page.session,
            occurred_at: now(),
            method: PageMethod::of(facts.method()),
            path_hash: path_hash(inner.botect.private_key(), facts.path()),
            header_names: header_names(&facts),
            languages: languages(facts.header("accept-language").unwrap_or_default()),
            had_session_cookie,
            duration_ms: u32::try_from(duration).unwrap_or(u32::MAX),
            ja4: None,
            observed: inner.visitor.observe(&facts),
            logged_in: inner.is_logged_in(&facts),
        };
        inner.deliveries.put(Delivery::PageHit(report, key), 0);
    }
}

/// The names that a page hit may tell, each once, in the order in which they came.
fn header_names(facts: &Facts) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (name, _) in facts.headers() {
        if HEADER_NAMES.contains(&name) && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_html_answers_are_pages() {
        let html = Some("text/html; charset=utf-8");
        assert!(Visit::is_page(200, html, None, Some(10)));
        assert!(Visit::is_page(203, Some("TEXT/HTML"), None, Some(LONGEST_PAGE)));
        for (status, media, encoding, length) in [
            (404, html, None, Some(10)),
            (302, html, None, Some(10)),
            (206, html, None, Some(10)),
            (200, Some("application/json"), None, Some(10)),
            (200, None, None, Some(10)),
            (200, html, Some("gzip"), Some(10)),
            (200, html, None, None),
            (200, html, None, Some(LONGEST_PAGE + 1)),
        ] {
            assert!(
                !Visit::is_page(status, media, encoding, length),
                "{status} {media:?} {encoding:?} {length:?}"
            );
        }
    }
}
