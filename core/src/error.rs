//! The one error of the core: a kind with a stable code, a message and details.
//!
//! ```
//! use quivive_core::{Error, ErrorClass, ErrorKind};
//! let error = Error::new(ErrorKind::TokenExpired, "token expired at 2026-02-15T12:00:00Z");
//! assert_eq!(error.kind().code(), "TOKEN_EXPIRED");
//! assert_eq!(error.kind().class(), ErrorClass::Expired);
//! ```

use serde::Serialize;
use serde_json::{Map, Value};

/// The result of a core function.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure with the same code in every language.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
    details: Map<String, Value>,
}

impl Error {
    /// Makes an error; messages start lower-case, have no final period and hold no secret.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), details: Map::new() }
    }

    /// Adds one machine-readable detail.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// Input that cannot be read or breaks a rule.
    pub fn invalid_input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The sentence for a person.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Machine-readable additions; empty when there is nothing to add.
    pub fn details(&self) -> &Map<String, Value> {
        &self.details
    }

    /// The form in which the error crosses into JavaScript: `{name, code, message, details}`.
    pub fn to_json(&self) -> Value {
        serde_json::json!({
            "name": self.kind.class().name(),
            "code": self.kind.code(),
            "message": self.message,
            "details": self.details,
        })
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::invalid_input(error.to_string())
    }
}

/// The five classes of failure; each is one exception class in Python and one `name` in JavaScript.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub enum ErrorClass {
    /// Valid, but not allowed.
    Denied,
    /// Was right once: too old or not yet valid.
    Expired,
    /// Input cannot be read or breaks a rule.
    Invalid,
    /// An algorithm or version that is not done here.
    Unsupported,
    /// A signature, proof or answer does not hold.
    Unverified,
}

impl ErrorClass {
    /// The class name that users of other languages see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Denied => "Denied",
            Self::Expired => "Expired",
            Self::Invalid => "InvalidInput",
            Self::Unsupported => "Unsupported",
            Self::Unverified => "VerificationFailed",
        }
    }
}

macro_rules! error_kinds {
    ($($(#[$doc:meta])* $kind:ident => $code:literal, $class:ident;)*) => {
        /// Every way in which a core function fails; codes never change.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[non_exhaustive]
        pub enum ErrorKind {
            $($(#[$doc])* $kind,)*
        }

        impl ErrorKind {
            /// Every kind, in alphabetical order.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// The stable code, the same string in Rust, HTTP, Python and JavaScript.
            pub fn code(self) -> &'static str {
                match self { $(Self::$kind => $code,)* }
            }

            /// The class that the kind belongs to.
            pub fn class(self) -> ErrorClass {
                match self { $(Self::$kind => ErrorClass::$class,)* }
            }
        }
    };
}

error_kinds! {
    /// The token names another audience.
    AudienceMismatch => "AUDIENCE_MISMATCH", Denied;
    /// The challenge was answered after its deadline.
    ChallengeExpired => "CHALLENGE_EXPIRED", Expired;
    /// The token is bound to another client address.
    ClientMismatch => "CLIENT_MISMATCH", Denied;
    /// Input cannot be read or breaks a rule.
    InvalidInput => "INVALID_INPUT", Invalid;
    /// The key cannot be read or does not fit its algorithm.
    InvalidKey => "INVALID_KEY", Invalid;
    /// The token cannot be read.
    InvalidToken => "INVALID_TOKEN", Invalid;
    /// The token names another issuer.
    IssuerMismatch => "ISSUER_MISMATCH", Denied;
    /// A stated limit is exceeded.
    LimitExceeded => "LIMIT_EXCEEDED", Invalid;
    /// The token is not valid yet.
    NotYetValid => "NOT_YET_VALID", Expired;
    /// The signature does not fit the content and key.
    SignatureMismatch => "SIGNATURE_MISMATCH", Unverified;
    /// The token is past its end.
    TokenExpired => "TOKEN_EXPIRED", Expired;
    /// The token is of another type than asked for.
    TokenTypeMismatch => "TOKEN_TYPE_MISMATCH", Denied;
    /// No key with this id is known.
    UnknownKey => "UNKNOWN_KEY", Unverified;
    /// The algorithm is not accepted.
    UnsupportedAlgorithm => "UNSUPPORTED_ALGORITHM", Unsupported;
    /// An answer is wrong or missing.
    WrongAnswer => "WRONG_ANSWER", Unverified;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_alphabetical() {
        let codes: Vec<_> = ErrorKind::ALL.iter().map(|kind| kind.code()).collect();
        let mut sorted = codes.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(codes, sorted);
    }
}
