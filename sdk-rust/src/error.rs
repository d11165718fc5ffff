//! What can go wrong in a call: the core refused, the service refused, or the service was not reached.

use serde_json::Value;

/// The result of a call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed call; [`Error::code`] is the same string in every language.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The service answered, but with a refusal or with something that cannot be read.
    #[error("service answered {status} with code {code}")]
    Api {
        /// The HTTP status of the answer.
        status: u16,
        /// The code in the body; `HTTP_<status>` when it has none, `MALFORMED_ANSWER` when a success cannot be read.
        code: String,
        /// The body of a refusal; `Null` when it is not JSON, and for a success, which may hold secrets.
        body: Value,
    },
    /// No answer: refused, timed out, cut off, or larger than the limit.
    #[error("{message}")]
    Connection {
        /// The plain reason; holds no address, because addresses may hold session tokens.
        message: String,
        /// The failure underneath, when there is one.
        #[source]
        source: Option<reqwest::Error>,
    },
    /// The core refused the input, or a token, challenge or answer does not hold.
    #[error(transparent)]
    Core(#[from] quivive_core::Error),
}

impl Error {
    /// The stable code.
    pub fn code(&self) -> &str {
        match self {
            Self::Api { code, .. } => code,
            Self::Connection { .. } => "CONNECTION_FAILED",
            Self::Core(error) => error.kind().code(),
        }
    }

    /// Whether the same call may succeed later: there was no answer or none that can be read, the service is busy (408,
    /// 425, 429, or 204 where it should have answered) or at fault (5xx).
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Api { status, code, .. } => {
                code == MALFORMED || matches!(status, 408 | 425 | 429 | 500..=599)
            }
            Self::Connection { .. } => true,
            Self::Core(_) => false,
        }
    }

    /// The sentence of the service for a person, when its body has one.
    pub fn service_message(&self) -> Option<&str> {
        let Self::Api { body, .. } = self else { return None };
        body.get("message").or_else(|| body.get("error")?.get("message"))?.as_str()
    }

    pub(crate) fn connection(message: impl Into<String>) -> Self {
        Self::Connection { message: message.into(), source: None }
    }

    pub(crate) fn malformed(status: u16) -> Self {
        Self::Api { status, code: MALFORMED.to_owned(), body: Value::Null }
    }

    pub(crate) fn refusal(status: u16, body: Value) -> Self {
        let code = code_of(&body).map_or_else(|| format!("HTTP_{status}"), str::to_owned);
        Self::Api { status, code, body }
    }
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let what = if error.is_timeout() {
            "no answer in time"
        } else if error.is_connect() {
            "connection failed"
        } else {
            "request failed"
        };
        Self::Connection { message: what.to_owned(), source: Some(error) }
    }
}

const MALFORMED: &str = "MALFORMED_ANSWER";

/// The three families put the code in three places.
fn code_of(body: &Value) -> Option<&str> {
    let error = body.get("error");
    let is_code = |text: &&str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    };
    [body.get("code"), error.and_then(|error| error.get("code")), error]
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .find(is_code)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_can_pass_is_worth_repeating() {
        for status in [408, 425, 429, 500, 502, 503, 599] {
            assert!(Error::refusal(status, Value::Null).is_passing(), "{status}");
        }
        for status in [301, 400, 401, 402, 403, 404, 409, 413, 422] {
            assert!(!Error::refusal(status, json!({"code": "ANY"})).is_passing(), "{status}");
        }
        // A batch that was shed has an empty answer.
        assert!(Error::malformed(204).is_passing());
        assert!(Error::connection("cut off").is_passing());
        assert!(!Error::Core(quivive_core::Error::invalid_input("no")).is_passing());
    }

    #[test]
    fn code_is_found_in_the_body_of_each_family() {
        for (body, code) in [
            (
                json!({"success": false, "error": "CHALLENGE_FAILED", "message": "too slow"}),
                "CHALLENGE_FAILED",
            ),
            (json!({"error": "Authentication required", "code": "UNAUTHENTICATED"}), "UNAUTHENTICATED"),
            (
                json!({"error": {"code": "RATE_LIMIT_EXCEEDED", "message": "slow down"}}),
                "RATE_LIMIT_EXCEEDED",
            ),
            (json!({"error": "Missing id or answers array"}), "HTTP_403"),
            (Value::Null, "HTTP_403"),
        ] {
            assert_eq!(Error::refusal(403, body).code(), code);
        }
    }
}
