//! The only way out: every DNS question and every HTTP request that the server itself sends.
//!
//! A request goes to public addresses only. Names are resolved first, the addresses checked, and the connection goes
//! to an address that was checked, so that a name that changes its mind in between gains nothing. Redirects pass the
//! same checks. Bodies have a limit, everything has a deadline, and no proxy is taken from the environment.

mod address;
mod breaker;
mod dns;
mod http;

use std::sync::Arc;
use std::time::Duration;

use reqwest::Certificate;

pub use self::address::{Guard, is_local, is_public};
pub use self::dns::{Dns, DnsError, Family, Resolver, SystemResolver};
pub use self::http::{Document, Fetched, Get, GetDocument, GetError, Post, UrlError};
use crate::config::{ConfigError, OutboundConfig};

/// What the server asks others with.
pub struct Outbound {
    dns: Dns,
    http: http::Http,
}

impl Outbound {
    /// By the settings of `[outbound]`.
    ///
    /// # Errors
    /// When the file of `outbound.certificates` cannot be read.
    pub fn new(config: &OutboundConfig) -> Result<Self, ConfigError> {
        let timeout = Duration::from_millis(config.dns_timeout_ms);
        Self::with(config, Arc::new(SystemResolver::new(&config.dns_servers, timeout)))
    }

    /// By the settings, with a resolver of the caller's own.
    ///
    /// # Errors
    /// As [`Outbound::new`].
    pub fn with(config: &OutboundConfig, resolver: Arc<dyn Resolver>) -> Result<Self, ConfigError> {
        let dns = Dns::new(resolver, Duration::from_millis(config.dns_timeout_ms));
        let guard = Guard { allowed: config.allow_private.clone() };
        let certificates = config.certificates.as_deref().map(read).transpose()?.unwrap_or_default();
        Ok(Self { http: http::Http::new(dns.clone(), guard, config.allow_http, certificates), dns })
    }

    /// DNS questions.
    pub fn dns(&self) -> &Dns {
        &self.dns
    }

    /// Whether a host may be asked as far as its text shows: names may, addresses only if they are permitted.
    pub fn permits_literal(&self, host: &str) -> bool {
        self.http.permits_literal(host)
    }

    /// Fetches a document from the public internet.
    ///
    /// # Errors
    /// [`GetError`] says what was refused or failed.
    pub async fn get(&self, request: Get<'_>) -> Result<Fetched, GetError> {
        self.http.get(request).await
    }

    /// Sends a document to a place on the public internet and returns the status of the answer, whatever it is.
    ///
    /// # Errors
    /// [`GetError`] says what was refused or failed.
    pub async fn post(&self, request: Post<'_>) -> Result<u16, GetError> {
        self.http.post(request).await
    }

    /// Fetches a document of a stranger from the public internet; no redirect is followed.
    ///
    /// # Errors
    /// [`GetError`] says what was refused or failed.
    pub async fn document(&self, request: GetDocument<'_>) -> Result<Document, GetError> {
        self.http.document(request).await
    }
}

fn read(path: &str) -> Result<Vec<Certificate>, ConfigError> {
    let failed =
        |error: &dyn std::fmt::Display| ConfigError(format!("`outbound.certificates`, {path}: {error}"));
    let pem = std::fs::read(path).map_err(|error| failed(&error))?;
    Certificate::from_pem_bundle(&pem).map_err(|error| failed(&error))
}
