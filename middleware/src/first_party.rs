//! First-party ingest: the collector runs under the site's own name, and the site's server speaks for it.
//!
//! [`FirstParty`] does two things, each behind the tower layer or the actix middleware of this crate:
//!
//! - **Pages.** Every HTML page that the site answers a GET with carries the collector, a signed token for that page
//!   view, and the visitor's signed session cookie; it is reported as a page hit and kept out of shared caches.
//! - **Proxy.** The collector posts its events to a path of the site (`/_botect/events`); they are checked and handed
//!   over to the service with the private key, in the background.
//!
//! Deliveries wait in memory and are repeated for up to an hour; [`FirstParty::flush`] waits for them before the
//! program ends.

mod delivery;
mod proxy;
mod tag;
pub(crate) mod track;
mod visitor;

use std::sync::Arc;
use std::time::Duration;

use quivive::botect::Botect;
use quivive_core::Error as CoreError;
use quivive_core::first_party::{PageTokens, SessionCookie};

pub use track::Page;
pub use visitor::VisitorAddress;

use self::delivery::Deliveries;
use self::visitor::Visitor;
use crate::facts::{Facts, TrustedProxies};

type LoginHook = dyn Fn(&Facts) -> Option<bool> + Send + Sync;

/// First-party ingest of one site; clones share everything. Make it once for all workers.
#[derive(Clone)]
pub struct FirstParty {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    botect: Botect,
    site_key: String,
    cookie: SessionCookie,
    pages: PageTokens,
    is_enabled: bool,
    proxy_path: String,
    collector: String,
    body_limit: usize,
    origin: Option<String>,
    visitor: Visitor,
    logged_in: Option<Arc<LoginHook>>,
    deliveries: Deliveries,
    mismatches: proxy::Mismatches,
}

impl std::fmt::Debug for FirstParty {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("FirstParty").field("site_key", &self.inner.site_key).finish_non_exhaustive()
    }
}

impl FirstParty {
    /// For the site with these back-end calls and this site key (`pk_…`).
    ///
    /// # Errors
    /// `INVALID_INPUT` for a key that cannot be one, or when the client has no service.
    pub fn new(botect: Botect, site_key: &str) -> quivive::Result<Self> {
        quivive_core::first_party::sign_session_cookie(quivive_core::first_party::SignSessionCookie {
            private_key: botect.private_key().to_owned(),
            site_key: site_key.to_owned(),
            session_token: "check".to_owned(),
        })?;
        let inner = Inner {
            cookie: SessionCookie::new(botect.private_key(), site_key),
            pages: PageTokens::new(botect.private_key(), site_key),
            is_enabled: true,
            proxy_path: "/_botect/events".to_owned(),
            collector: botect.asset("v1/sdk.js")?.into(),
            body_limit: 262_144,
            origin: None,
            visitor: Visitor::default(),
            logged_in: None,
            deliveries: Deliveries::new(botect.clone()),
            mismatches: proxy::Mismatches::default(),
            site_key: site_key.to_owned(),
            botect,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Whether pages are tracked and events taken; true unless set. When false, pages stay as they are and the proxy's
    /// path answers 404.
    #[must_use]
    pub fn enabled(self, is_enabled: bool) -> Self {
        self.with(|inner| inner.is_enabled = is_enabled)
    }

    /// The path that the collector posts to; `/_botect/events` unless set.
    ///
    /// # Errors
    /// `INVALID_INPUT` unless it is one `/` and then letters, digits, `/`, `_` and `-`.
    pub fn proxy_path(self, path: &str) -> quivive_core::Result<Self> {
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-');
        let rest = path.strip_prefix('/').filter(|rest| !rest.is_empty() && !rest.starts_with('/'));
        if !rest.is_some_and(|rest| rest.bytes().all(is_fine)) {
            return Err(CoreError::invalid_input(
                "proxy path must be `/` and letters, digits, `/`, `_` or `-`",
            ));
        }
        Ok(self.with(|inner| inner.proxy_path = path.to_owned()))
    }

    /// The address of the collector's script; the service's own unless set.
    #[must_use]
    pub fn collector(self, address: &str) -> Self {
        self.with(|inner| inner.collector = address.to_owned())
    }

    /// The most bytes that the proxy takes from a browser at once, 1024 to 1,048,576; 262,144 unless set.
    ///
    /// # Errors
    /// `INVALID_INPUT` outside of that.
    pub fn body_limit(self, bytes: usize) -> quivive_core::Result<Self> {
        if !(1_024..=1_048_576).contains(&bytes) {
            return Err(CoreError::invalid_input("body limit must be from 1024 to 1048576"));
        }
        Ok(self.with(|inner| inner.body_limit = bytes))
    }

    /// How long a page may send events, 60 to 3600 seconds; 900 unless set. Every back end of a site has the same.
    ///
    /// # Errors
    /// `INVALID_INPUT` outside of that.
    pub fn page_lifetime(self, seconds: u32) -> quivive_core::Result<Self> {
        let pages = self.inner.pages.clone().lifetime(seconds)?;
        Ok(self.with(|inner| inner.pages = pages))
    }

    /// The site's own origin, for example `https://shop.example`: the only one that the proxy takes events from, and
    /// whether cookies are `Secure`. Unless set, it is the request's `Host`, over HTTPS if a trusted proxy or the
    /// request says so; events of an HTTPS page on that host are taken in any case.
    ///
    /// # Errors
    /// `INVALID_INPUT` unless it is `http://` or `https://` and a host.
    pub fn origin(self, origin: &str) -> quivive_core::Result<Self> {
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        let is_host = |host: &str| !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']);
        if !host.is_some_and(is_host) {
            return Err(CoreError::invalid_input("origin must be `https://` and a host"));
        }
        Ok(self.with(|inner| inner.origin = Some(origin.to_ascii_lowercase())))
    }

    /// Where the visitor's address is read; [`VisitorAddress::Auto`] unless set.
    #[must_use]
    pub fn visitor_address(self, mode: VisitorAddress) -> Self {
        self.with(|inner| inner.visitor.mode = mode)
    }

    /// Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed; none unless set.
    #[must_use]
    pub fn trusted_proxies(self, proxies: TrustedProxies) -> Self {
        self.with(|inner| inner.visitor.proxies = proxies)
    }

    /// How the site tells from a request whether its visitor is logged in; `None` where it cannot. Not told unless set.
    #[must_use]
    pub fn logged_in(self, tell: impl Fn(&Facts) -> Option<bool> + Send + Sync + 'static) -> Self {
        self.with(|inner| inner.logged_in = Some(Arc::new(tell)))
    }

    /// Waits until everything is delivered, at most so long; false when something is left.
    pub async fn flush(&self, patience: Duration) -> bool {
        self.inner.deliveries.flush(patience).await
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.inner));
        self
    }
}

impl Inner {
    fn is_logged_in(&self, facts: &Facts) -> Option<bool> {
        self.logged_in.as_ref().and_then(|tell| tell(facts))
    }

    /// Whether the visitor's request came over HTTPS, as far as that can be known.
    fn is_https(&self, facts: &Facts) -> bool {
        match &self.origin {
            Some(origin) => origin.starts_with("https://"),
            None => facts.is_https(&self.visitor.proxies),
        }
    }
}

/// So many random bytes in lower-case hexadecimal; nothing when the system has none.
fn random_hex<const N: usize>() -> Option<String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).ok()?;
    Some(quivive_core::encoding::hex(&bytes))
}
