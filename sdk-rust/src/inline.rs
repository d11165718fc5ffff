//! Challenges that a guard puts into its refusal: read, solved in the core, answered in headers.

use futures::StreamExt;
use quivive_core::challenge::solve_inline;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Body, Response, ResponseBuilderExt, StatusCode};
use serde_json::Value;
use url::Url;

use crate::Result;
use crate::service::LARGEST_ANSWER;

/// What a response held.
pub(crate) enum Met {
    /// A challenge; these headers answer it.
    Solved(Vec<(HeaderName, HeaderValue)>),
    /// Nothing to solve; the response as it came.
    Nothing(Response),
}

/// Solves the challenge of a 403 that came from `asked` itself; any other response comes back whole.
pub(crate) async fn meet(asked: &Url, response: Response) -> Result<Met> {
    let is_own_answer = response.url().origin() == asked.origin();
    if response.status() != StatusCode::FORBIDDEN || !is_own_answer || !is_json(&response) {
        return Ok(Met::Nothing(response));
    }
    let (bytes, response) = peek(response).await?;
    match serde_json::from_slice(&bytes).ok().and_then(|body| answer(&body)) {
        Some(headers) => Ok(Met::Solved(headers)),
        None => Ok(Met::Nothing(response)),
    }
}

/// The headers that answer the challenge; `None` when there is none or it cannot be solved here.
fn answer(body: &Value) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let header = |(name, value): (String, String)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    };
    solve_inline(body).ok()?.headers.into_iter().map(header).collect()
}

fn is_json(response: &Response) -> bool {
    let media =
        response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media == "application/json" || media.ends_with("+json")
}

/// Reads the body up to the limit and gives it back together with a response that still has all of it.
async fn peek(mut response: Response) -> Result<(Vec<u8>, Response)> {
    let mut bytes = Vec::new();
    let mut is_whole = false;
    while bytes.len() <= LARGEST_ANSWER {
        let Some(chunk) = response.chunk().await? else {
            is_whole = true;
            break;
        };
        bytes.extend_from_slice(&chunk);
    }
    let mut builder = http::Response::builder()
        .status(response.status())
        .version(response.version())
        .url(response.url().clone());
    if let Some(extensions) = builder.extensions_mut() {
        extensions.extend(std::mem::take(response.extensions_mut()));
    }
    if let Some(headers) = builder.headers_mut() {
        headers.clone_from(response.headers());
    }
    let body = if is_whole {
        Body::from(bytes.clone())
    } else {
        let read = futures::stream::iter([Ok(bytes::Bytes::copy_from_slice(&bytes))]);
        bytes.clear();
        Body::wrap_stream(read.chain(response.bytes_stream()))
    };
    let whole = builder.body(body).map_err(|_| crate::Error::connection("response cannot be rebuilt"))?;
    Ok((bytes, whole.into()))
}
