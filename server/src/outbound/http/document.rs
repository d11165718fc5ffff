//! A document of a stranger: no redirect is followed, and what it says about itself comes along.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, StatusCode};
use reqwest::redirect::Policy;
use reqwest::{Response, Url};

use super::{GetError, Http, UrlError, body, reason};

/// What to fetch, and within which bounds.
#[derive(Clone, Copy, Debug)]
pub struct GetDocument<'a> {
    /// Where.
    pub url: &'a str,
    /// The media types that will do, as in `Accept`.
    pub accept: &'a str,
    /// The largest body in bytes, after decoding.
    pub limit: usize,
    /// The time for everything.
    pub timeout: Duration,
}

/// What came back with status 200.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Document {
    /// The body.
    pub bytes: Bytes,
    /// Its media type without parameters, in lower case; empty when none was named.
    pub media_type: String,
    /// The value of `Cache-Control`.
    pub cache_control: Option<String>,
}

impl Http {
    pub async fn document(&self, request: GetDocument<'_>) -> Result<Document, GetError> {
        tokio::time::timeout(request.timeout, self.fetch_document(request))
            .await
            .unwrap_or(Err(GetError::Timeout(request.timeout)))
    }

    async fn fetch_document(&self, request: GetDocument<'_>) -> Result<Document, GetError> {
        let url = Url::parse(request.url).map_err(|_| GetError::Url(UrlError::Syntax))?;
        self.rules.check(&url)?;
        let response =
            self.client(&self.direct, Policy::none)?.get(url).header(ACCEPT, request.accept).send().await;
        let response: Response = response.map_err(|error| reason(&error))?;
        if response.status() != StatusCode::OK {
            return Err(GetError::Status(response.status().as_u16()));
        }
        let media_type = text(response.headers(), &CONTENT_TYPE).unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let cache_control = text(response.headers(), &CACHE_CONTROL);
        Ok(Document { bytes: body(response, request.limit).await?, media_type, cache_control })
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}
