//! The service address and the guarded way of calling it: no redirects, bounded answers, coded errors.

use quivive_core::Error as CoreError;
use reqwest::{Method, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::{Host, Url};

use crate::{Error, Result};

/// The largest answer that is read, in bytes.
pub(crate) const LARGEST_ANSWER: usize = 262_144;

/// Where the service is; `https`, or `http` on a loopback address.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    base: Url,
}

impl Service {
    pub(crate) fn new(url: &str) -> Result<Self> {
        let refuse = |why: &str| CoreError::invalid_input(format!("service URL {why}"));
        let base = Url::parse(url.trim()).map_err(|_| refuse("cannot be read"))?;
        if !is_safe(&base) {
            return Err(refuse("must be https, or http on a loopback address").into());
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(refuse("must not hold credentials").into());
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(refuse("must not hold a query or fragment").into());
        }
        Ok(Self { base })
    }

    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    /// The address of an endpoint; every segment is percent-encoded.
    pub(crate) fn endpoint(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }
}

/// Whether a secret may travel to this address.
pub(crate) fn is_safe(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.has_host(),
        "http" => match url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        },
        _ => false,
    }
}

/// A request to the service with the headers that every call has.
pub(crate) fn request(http: &reqwest::Client, method: Method, url: Url) -> RequestBuilder {
    http.request(method, url).header("Accept", "application/json")
}

/// Sends the request and reads the JSON of a 2xx answer.
pub(crate) async fn call<T: DeserializeOwned>(request: RequestBuilder) -> Result<T> {
    answer(request.send().await?, LARGEST_ANSWER).await
}

/// Reads the JSON of a 2xx answer of at most `limit` bytes.
pub(crate) async fn answer<T: DeserializeOwned>(response: Response, limit: usize) -> Result<T> {
    let status = response.status().as_u16();
    let bytes = read(response, limit).await?;
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    if !(200..300).contains(&status) {
        return Err(Error::refusal(status, body));
    }
    serde_json::from_value(body).map_err(|_| Error::malformed(status))
}

/// As [`call`], with a JSON body.
pub(crate) async fn post<T: DeserializeOwned>(
    http: &reqwest::Client,
    url: Url,
    body: &impl Serialize,
) -> Result<T> {
    call(request(http, Method::POST, url).json(body)).await
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read(mut response: Response, limit: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > limit {
            return Err(Error::connection(format!("answer is larger than {limit} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_loopback_addresses_are_taken() {
        for url in
            ["https://door.example", "http://127.0.0.1:8080", "http://[::1]:8080/", "http://localhost/prefix"]
        {
            assert!(Service::new(url).is_ok(), "{url}");
        }
        for url in [
            "http://door.example",
            "http://10.0.0.1",
            "ftp://door.example",
            "https://user:secret@door.example",
            "https://door.example/?key=1",
            "https://door.example/#top",
            "http://localhost.evil.example",
            "door.example",
            "",
        ] {
            let error = Service::new(url).unwrap_err();
            assert_eq!(error.code(), "INVALID_INPUT", "{url}");
        }
    }

    #[test]
    fn endpoint_keeps_the_prefix_and_encodes_segments() {
        let service = Service::new("https://door.example/prefix/").unwrap();
        let url = service.endpoint(&["v1", "sessions", "a/b?c", "verdict"]);
        assert_eq!(url.as_str(), "https://door.example/prefix/v1/sessions/a%2Fb%3Fc/verdict");
    }
}
