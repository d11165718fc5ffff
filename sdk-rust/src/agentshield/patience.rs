//! Calls that are sent again when the service is busy, at fault or silent.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, Response};
use serde::de::DeserializeOwned;

use crate::service::answer;
use crate::{Error, Result};

/// Sends a request and reads the JSON of a 2xx answer. After 429, 5xx and no answer it is sent again, at most five
/// times, after a random part of 0.5 s, 1 s, 2 s and so on up to 30 s (exponential back-off with full jitter), and not
/// before a `Retry-After`; a service that asks for more patience than 30 s is not asked again.
pub(super) async fn call<T: DeserializeOwned>(mut request: RequestBuilder) -> Result<T> {
    let mut repeats = 0;
    loop {
        let again = request.try_clone();
        let (result, wait) = match request.send().await {
            Ok(response) => {
                let wait = retry_after(response.headers());
                let is_passing = is_passing(&response);
                (answer(response, LARGEST_LIST).await, is_passing.then_some(wait))
            }
            Err(error) => (Err(Error::from(error)), Some(Duration::ZERO)),
        };
        let pause = wait.map(|wait| wait.max(jitter(repeats)));
        match (pause.filter(|pause| *pause <= LONGEST_PAUSE), again) {
            (Some(pause), Some(next)) if result.is_err() && repeats < MOST_REPEATS => {
                tokio::time::sleep(pause).await;
                request = next;
                repeats += 1;
            }
            _ => return result,
        }
    }
}

fn is_passing(response: &Response) -> bool {
    response.status().as_u16() == 429 || response.status().is_server_error()
}

/// What a service asks to wait; it asks in seconds, not by a date.
fn retry_after(headers: &HeaderMap) -> Duration {
    let text = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    Duration::from_secs(text.and_then(|text| text.trim().parse().ok()).unwrap_or_default())
}

/// A random part of the longest pause after so many repeats; all of it when the system has no random bytes.
fn jitter(repeats: u32) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(1 << repeats.min(16)).min(LONGEST_PAUSE);
    let part = getrandom::u32().unwrap_or(u32::MAX);
    longest.mul_f64(f64::from(part) / f64::from(u32::MAX))
}

/// A page of a thousand detections with long addresses, in bytes.
const LARGEST_LIST: usize = 8_388_608;
const MOST_REPEATS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_half_a_minute_and_differ() {
        for (repeats, longest) in
            [(0, 500), (1, 1_000), (4, 8_000), (5, 16_000), (6, 30_000), (u32::MAX, 30_000)]
        {
            let pauses: Vec<Duration> = (0..200).map(|_| jitter(repeats)).collect();
            let longest = Duration::from_millis(longest);
            assert!(pauses.iter().all(|pause| *pause <= longest), "{repeats}");
            assert!(
                pauses.iter().any(|pause| *pause > longest / 2)
                    && pauses.iter().any(|pause| *pause < longest / 2)
            );
        }
    }

    #[test]
    fn waits_are_read_in_seconds() {
        for (text, seconds) in
            [("7", 7), (" 7 ", 7), ("-1", 0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0), ("", 0)]
        {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            assert_eq!(retry_after(&headers), Duration::from_secs(seconds), "{text}");
        }
    }
}
