//! What is signed: a request or a response, as much of it as the host knows.

use super::uri;

/// One line of a header or trailer section: its name in any case, its value as on the wire, of any bytes.
pub type Line<'a> = (&'a str, &'a [u8]);

/// A request; what is `None` was not supplied, which is not the same as empty.
///
/// ```
/// use quivive_core::signature::Request;
/// let request = Request { method: Some("GET"), ..Request::default() }.with_url("https://shop.example/cart?id=5");
/// assert_eq!(request.authority, Some("shop.example"));
/// assert_eq!(request.target, Some("/cart?id=5"));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// The method as sent.
    pub method: Option<&'a str>,
    /// `http` or `https`; behind a proxy what the proxy was asked for, from a trusted place.
    pub scheme: Option<&'a str>,
    /// Host and port as the client asked for them; when absent, the `Host` header is taken.
    pub authority: Option<&'a str>,
    /// The request target as on the wire, nothing decoded: for most requests path and query.
    pub target: Option<&'a str>,
    /// The header lines in their order.
    pub headers: &'a [Line<'a>],
    /// The trailer lines in their order.
    pub trailers: &'a [Line<'a>],
    /// The content.
    pub body: Option<Body<'a>>,
}

impl<'a> Request<'a> {
    /// Takes scheme, authority and target from an absolute URL, or the target from a path that begins with `/`.
    #[must_use]
    pub fn with_url(self, url: &'a str) -> Self {
        let url = url.split('#').next().unwrap_or_default();
        let Some((scheme, rest)) = url.split_once("://").filter(|_| !url.starts_with('/')) else {
            return Self { target: Some(url), ..self };
        };
        let (authority, target) = uri::split_authority(rest);
        Self { scheme: Some(scheme), authority: Some(authority), target: Some(target), ..self }
    }
}

/// A response.
#[derive(Clone, Copy, Debug, Default)]
pub struct Response<'a> {
    /// The status code.
    pub status: u16,
    /// The header lines in their order.
    pub headers: &'a [Line<'a>],
    /// The trailer lines in their order.
    pub trailers: &'a [Line<'a>],
    /// The content.
    pub body: Option<Body<'a>>,
}

/// The content of a message, or a digest of it that the host has computed.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// All of it.
    Bytes(&'a [u8]),
    /// Its SHA-256.
    Sha256([u8; 32]),
    /// Its SHA-512.
    Sha512([u8; 64]),
}

/// A message whose signatures are made or verified.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// A request.
    Request(&'a Request<'a>),
    /// A response, and the request that it answers.
    Response(&'a Response<'a>, Option<&'a Request<'a>>),
}

impl<'a> Message<'a> {
    pub(super) fn headers(&self) -> &'a [Line<'a>] {
        match self {
            Self::Request(request) => request.headers,
            Self::Response(response, _) => response.headers,
        }
    }

    pub(super) fn body(&self) -> Option<Body<'a>> {
        match self {
            Self::Request(request) => request.body,
            Self::Response(response, _) => response.body,
        }
    }

    pub(super) fn has_body(&self) -> bool {
        let has_length = field(self.headers(), "content-length").any(|length| length.trim_ascii() != b"0");
        let is_empty = matches!(self.body(), Some(Body::Bytes([])));
        (has_length || self.body().is_some() || field(self.headers(), "transfer-encoding").next().is_some())
            && !is_empty
    }
}

impl<'a> From<&'a Request<'a>> for Message<'a> {
    fn from(request: &'a Request<'a>) -> Self {
        Self::Request(request)
    }
}

/// The values of the lines of that name, which is in lower case.
pub(super) fn field<'a>(lines: &'a [Line<'a>], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    lines.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
}
