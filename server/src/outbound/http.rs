//! Guarded HTTP: a GET that follows redirects, and a POST that does not.

mod document;

use std::error::Error as StdError;
use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ETAG, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Certificate, Client, Response, Url};

pub use self::document::{Document, GetDocument};
use super::address::Guard;
use super::dns::{Dns, DnsError, Family};

/// What to fetch, and within which bounds.
#[derive(Clone, Copy, Debug)]
pub struct Get<'a> {
    /// Where.
    pub url: &'a str,
    /// The `ETag` of what is there already.
    pub etag: Option<&'a str>,
    /// The largest body in bytes.
    pub limit: usize,
    /// The time for everything: names, connections, redirects and body.
    pub timeout: Duration,
}

/// What to send, and within which bounds. No redirect is followed, and the answer's body is not read.
#[derive(Clone, Debug)]
pub struct Post<'a> {
    /// Where.
    pub url: &'a str,
    /// The headers, `Content-Type` included.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The time for everything: names, connection and the head of the answer.
    pub timeout: Duration,
    /// Whether `http` will do although the configuration of everything else does not permit it.
    pub allow_http: bool,
}

/// What came back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fetched {
    /// A body, with status 200.
    Body {
        /// The body.
        bytes: Bytes,
        /// Its `ETag`.
        etag: Option<String>,
    },
    /// It is still what the `ETag` names.
    Unchanged,
}

/// Why nothing came back.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum GetError {
    /// The URL, or one that it redirects to, is not fetched.
    #[error("{0}")]
    Url(UrlError),
    /// The name leads to no public address.
    #[error("{0} is not on the public internet")]
    Forbidden(String),
    /// There is no such name, or it has no address.
    #[error("{0} has no address")]
    NoAddress(String),
    /// Whether there is such a name could not be found out.
    #[error("the name cannot be resolved: {0}")]
    Dns(DnsError),
    /// Another status than 200 and 304.
    #[error("status {0}")]
    Status(u16),
    /// The body is larger than permitted.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// It took too long.
    #[error("it took longer than {0:?}")]
    Timeout(Duration),
    /// Anything else: connection, TLS, protocol.
    #[error("{0}")]
    Failed(String),
}

/// Why a URL is not fetched.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UrlError {
    /// It cannot be read.
    #[error("it is not a URL")]
    Syntax,
    /// Only `https`, and `http` where the configuration permits it.
    #[error("the URL's scheme is not permitted")]
    Scheme,
    /// User names and passwords are never sent.
    #[error("the URL contains credentials")]
    Credentials,
    /// Redirects beyond a few.
    #[error("too many redirects")]
    Redirects,
}

/// The clients, one that follows redirects and one that does not; each made when it is first used.
pub(super) struct Http {
    dns: Dns,
    rules: Rules,
    certificates: Vec<Certificate>,
    following: OnceLock<Result<Client, String>>,
    direct: OnceLock<Result<Client, String>>,
}

/// What is checked of every URL, also of one that is redirected to.
#[derive(Clone, Debug)]
struct Rules {
    guard: Guard,
    allow_http: bool,
}

impl Http {
    pub fn new(dns: Dns, guard: Guard, allow_http: bool, certificates: Vec<Certificate>) -> Self {
        let (following, direct) = (OnceLock::new(), OnceLock::new());
        Self { dns, rules: Rules { guard, allow_http }, certificates, following, direct }
    }

    pub fn permits_literal(&self, host: &str) -> bool {
        self.rules.permits_literal(host)
    }

    pub async fn get(&self, request: Get<'_>) -> Result<Fetched, GetError> {
        tokio::time::timeout(request.timeout, self.fetch(request))
            .await
            .unwrap_or(Err(GetError::Timeout(request.timeout)))
    }

    async fn fetch(&self, request: Get<'_>) -> Result<Fetched, GetError> {
        let url = Url::parse(request.url).map_err(|_| GetError::Url(UrlError::Syntax))?;
        self.rules.check(&url)?;
        let mut builder = self.client(&self.following, || self.following())?.get(url);
        if let Some(etag) = request.etag {
            builder = builder.header(IF_NONE_MATCH, etag);
        }
        let response = builder.send().await.map_err(|error| reason(&error))?;
        match response.status() {
            StatusCode::OK => {
                let etag =
                    response.headers().get(ETAG).and_then(|value| value.to_str().ok()).map(str::to_owned);
                Ok(Fetched::Body { bytes: body(response, request.limit).await?, etag })
            }
            StatusCode::NOT_MODIFIED if request.etag.is_some() => Ok(Fetched::Unchanged),
            status => Err(GetError::Status(status.as_u16())),
        }
    }

    pub async fn post(&self, request: Post<'_>) -> Result<u16, GetError> {
        let timeout = request.timeout;
        tokio::time::timeout(timeout, self.send(request)).await.unwrap_or(Err(GetError::Timeout(timeout)))
    }

    async fn send(&self, request: Post<'_>) -> Result<u16, GetError> {
        let url = Url::parse(request.url).map_err(|_| GetError::Url(UrlError::Syntax))?;
        let allow_http = self.rules.allow_http || request.allow_http;
        Rules { allow_http, ..self.rules.clone() }.check(&url)?;
        let builder = self.client(&self.direct, Policy::none)?.post(url);
        let response = builder.headers(request.headers).body(request.body).send().await;
        Ok(response.map_err(|error| reason(&error))?.status().as_u16())
    }

    fn client<'a>(
        &self,
        made: &'a OnceLock<Result<Client, String>>,
        redirects: impl FnOnce() -> Policy,
    ) -> Result<&'a Client, GetError> {
        let client = made.get_or_init(|| self.build(redirects()).map_err(|error| chain(&error)));
        client.as_ref().map_err(|error| GetError::Failed(error.clone()))
    }

    /// A few redirects, each to a URL that passes the same checks.
    fn following(&self) -> Policy {
        let rules = self.rules.clone();
        Policy::custom(move |attempt: Attempt| {
            if attempt.previous().len() > MOST_REDIRECTS {
                return attempt.error(GetError::Url(UrlError::Redirects));
            }
            match rules.check(attempt.url()) {
                Ok(()) => attempt.follow(),
                Err(error) => attempt.error(error),
            }
        })
    }

    fn build(&self, redirects: Policy) -> reqwest::Result<Client> {
        Client::builder()
            .user_agent(concat!("Quivive/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .referer(false)
            .redirect(redirects)
            .pool_max_idle_per_host(0)
            .tls_certs_merge(self.certificates.iter().cloned())
            // The connection goes to the very addresses that were checked: nothing is resolved a second time.
            .dns_resolver(GuardedNames { dns: self.dns.clone(), guard: self.rules.guard.clone() })
            .build()
    }
}

impl Rules {
    /// Addresses in a URL are checked here, those of names when they are resolved.
    fn check(&self, url: &Url) -> Result<(), GetError> {
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http => {}
            _ => return Err(GetError::Url(UrlError::Scheme)),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(GetError::Url(UrlError::Credentials));
        }
        let host = url.host_str().ok_or(GetError::Url(UrlError::Syntax))?;
        if self.permits_literal(host) { Ok(()) } else { Err(GetError::Forbidden(host.to_owned())) }
    }

    /// Any other way to write an address was brought to this one by the parser of the URL.
    fn permits_literal(&self, host: &str) -> bool {
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        address.map_or(true, |address| self.guard.permits(address))
    }
}

/// Names as the client sees them: only with permitted addresses.
struct GuardedNames {
    dns: Dns,
    guard: Guard,
}

impl Resolve for GuardedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let (dns, guard) = (self.dns.clone(), self.guard.clone());
        Box::pin(async move {
            let addresses = permitted(&dns, &guard, name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

async fn permitted(dns: &Dns, guard: &Guard, name: &str) -> Result<Vec<SocketAddr>, GetError> {
    let (v4, v6) = tokio::join!(dns.addresses(name, Family::V4), dns.addresses(name, Family::V6));
    let found = match (v4, v6) {
        (Ok(v4), Ok(v6)) if v4.is_empty() && v6.is_empty() => {
            return Err(GetError::NoAddress(name.to_owned()));
        }
        (Ok(v4), Ok(v6)) => [v4, v6].concat(),
        (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.is_empty() => found,
        (Err(error), _) | (_, Err(error)) => return Err(GetError::Dns(error)),
    };
    let permitted: Vec<_> = found
        .into_iter()
        .filter(|address| guard.permits(*address))
        .map(|address| SocketAddr::new(address, 0))
        .collect();
    if permitted.is_empty() { Err(GetError::Forbidden(name.to_owned())) } else { Ok(permitted) }
}

async fn body(mut response: Response, limit: usize) -> Result<Bytes, GetError> {
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(GetError::TooLarge(limit));
    }
    let mut bytes = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| reason(&error))? {
        if bytes.len() + chunk.len() > limit {
            return Err(GetError::TooLarge(limit));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// Our own refusal if one is the cause, else the whole chain of causes.
fn reason(error: &reqwest::Error) -> GetError {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(ours) = error.downcast_ref::<GetError>() {
            return ours.clone();
        }
        cause = error.source();
    }
    GetError::Failed(chain(error))
}

fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

const MOST_REDIRECTS: usize = 3;
