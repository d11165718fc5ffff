//! What handlers take from a request, without a family's rules: bodies, JSON with limits, the caller's address.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{COOKIE, HOST, HeaderMap};
use http::request::Parts;
use http::{Extensions, StatusCode, Uri};
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::error::{Error, Result};

/// The raw body, at most `limits.body_bytes` long; `F` is the family's failure.
pub struct Body<F>(pub Bytes, pub PhantomData<F>);

impl<S: Send + Sync, F: From<Error> + IntoResponse> FromRequest<S> for Body<F> {
    type Rejection = F;

    async fn from_request(request: Request, state: &S) -> Result<Self, F> {
        let bytes =
            Bytes::from_request(request, state).await.map_err(|rejection| F::from(refused(&rejection)))?;
        Ok(Self(bytes, PhantomData))
    }
}

/// Parts of the path, for our own routes: what cannot be read is "not found".
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(path)) => Ok(Self(path)),
            Err(rejection) => Err(Error::not_found("no such path").because(rejection)),
        }
    }
}

/// Reads JSON that is nested at most [`MAX_JSON_DEPTH`] deep, whatever its media type says.
///
/// # Errors
/// `INVALID_JSON` (400) if it is no JSON, nested too deep, or not of the wanted form.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let invalid = |message: &str| Error::invalid(message).with_code("INVALID_JSON");
    if depth(bytes) > MAX_JSON_DEPTH {
        return Err(invalid("Request body is nested too deep"));
    }
    serde_json::from_slice(bytes).map_err(|error| invalid("Request body must be valid JSON").because(error))
}

/// The deepest nesting of arrays and objects that is read.
pub const MAX_JSON_DEPTH: usize = 32;

/// The caller's address: the socket's, or what a trusted proxy says about it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClientIp(pub IpAddr);

/// Scheme and host by which the caller reached us, without a slash at the end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Origin(pub String);

/// Whether the caller reached us over TLS, as far as we can know: by what a trusted proxy says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IsHttps(pub bool);

/// Layer: works out [`ClientIp`], [`Origin`] and [`IsHttps`] once for each request.
pub async fn identify_caller(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let peer = peer(request.extensions());
    let is_trusted = app.config.trusts(peer);
    let headers = request.headers();
    let forwarded = |name: &str| if is_trusted { first_of(headers, name) } else { None };
    let ip = if is_trusted { forwarded_address(&app, headers).unwrap_or(peer) } else { peer };
    let is_https = forwarded("x-forwarded-proto").is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
    let origin = app.config.public_url.clone().unwrap_or_else(|| {
        let host = forwarded("x-forwarded-host")
            .or_else(|| first_of(headers, HOST.as_str()))
            .or_else(|| request.uri().authority().map(|authority| authority.as_str()))
            .filter(|host| is_host(host));
        let scheme = if is_https { "https" } else { "http" };
        format!("{scheme}://{}", host.map_or_else(|| app.config.listen.to_string(), str::to_owned))
    });
    let extensions = request.extensions_mut();
    extensions.insert(ClientIp(ip));
    extensions.insert(Origin(origin));
    extensions.insert(IsHttps(is_https));
    next.run(request).await
}

/// Whether headers about the original request are believed.
pub fn is_from_trusted_proxy(app: &App, extensions: &Extensions) -> bool {
    app.config.trusts(peer(extensions))
}

impl<S: Sync> FromRequestParts<S> for ClientIp {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or(Self(IpAddr::V4(Ipv4Addr::LOCALHOST))))
    }
}

impl<S: Sync> FromRequestParts<S> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_else(|| Self("http://localhost".to_owned())))
    }
}

impl<S: Sync> FromRequestParts<S> for IsHttps {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or(Self(false)))
    }
}

/// The value of a header if it is text and not blank, trimmed.
pub fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim).filter(|text| !text.is_empty())
}

/// The credential of `Authorization: Bearer …`, the scheme in any case.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, credential) = header_text(headers, "authorization")?.split_once(char::is_whitespace)?;
    let credential = credential.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !credential.is_empty()).then_some(credential)
}

/// The value of a cookie; nothing if it is empty.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value).filter(|value| !value.is_empty())
}

/// Whether a browser says that a page of this origin sent the request: by `Sec-Fetch-Site`, else `Origin`, else
/// `Referer`. Without any of them nothing is known, and the answer is no.
pub fn is_own_page(headers: &HeaderMap, own: &str) -> bool {
    if let Some(site) = header_text(headers, "sec-fetch-site") {
        return site == "same-origin";
    }
    let is_own = |address: &str| {
        let rest = address.get(own.len()..);
        address.get(..own.len()).is_some_and(|start| start.eq_ignore_ascii_case(own))
            && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    header_text(headers, "origin").or_else(|| header_text(headers, "referer")).is_some_and(is_own)
}

/// Whether a browser says that a page of another site sent the request, by the same headers as [`is_own_page`].
/// Programs that send none of them are not foreign.
pub fn is_foreign_page(headers: &HeaderMap, own: &str) -> bool {
    match header_text(headers, "sec-fetch-site") {
        // `none` is the person himself, at the address bar.
        Some(site) => !matches!(site, "same-origin" | "none"),
        None => {
            ["origin", "referer"].iter().any(|name| headers.contains_key(*name)) && !is_own_page(headers, own)
        }
    }
}

/// The first value of a query parameter.
pub fn query_value(uri: &Uri, name: &str) -> Option<String> {
    form_urlencoded::parse(uri.query()?.as_bytes())
        .find(|(found, _)| found == name)
        .map(|(_, value)| value.into_owned())
}

/// The socket's address. Without a socket (calls in process) the caller is this machine.
fn peer(extensions: &Extensions) -> IpAddr {
    let socket = extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
    socket.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// From the right, the first address that is not a trusted proxy: what stands left of it is the caller's claim.
fn forwarded_address(app: &App, headers: &HeaderMap) -> Option<IpAddr> {
    let mut farthest = None;
    let lines: Vec<&str> =
        headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok()).collect();
    for entry in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        let address: IpAddr = entry.trim().parse().ok()?;
        let address = address.to_canonical();
        farthest = Some(address);
        if !app.config.trusts(address) {
            break;
        }
    }
    farthest.or_else(|| first_of(headers, "x-real-ip")?.parse().ok())
}

fn first_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    header_text(headers, name)?.split(',').next().map(str::trim).filter(|text| !text.is_empty())
}

fn is_host(text: &str) -> bool {
    text.len() <= 255
        && text.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']' | b'_')
        })
}

fn refused(rejection: &BytesRejection) -> Error {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Error::too_large("Request body is too large")
    } else {
        Error::invalid("Request body cannot be read")
    }
}

fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_text, mut is_escaped) = (0_usize, 0, false, false);
    for byte in bytes {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_of_text() {
        assert_eq!(depth(br#"{"a":["[[[\"[["]}"#), 2);
        let nested = "[".repeat(MAX_JSON_DEPTH) + &"]".repeat(MAX_JSON_DEPTH);
        assert!(parse_json::<serde_json::Value>(nested.as_bytes()).is_ok());
        let deeper = format!("[{nested}]");
        assert_eq!(parse_json::<serde_json::Value>(deeper.as_bytes()).unwrap_err().code(), "INVALID_JSON");
    }

    #[test]
    fn bearer_is_read_in_any_case() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("authorization", text.parse().unwrap());
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(read("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(read("bEARER   abc ").as_deref(), Some("abc"));
        assert_eq!(read("Bearer"), None);
        assert_eq!(read("Basic abc"), None);
    }
}
