//! The data that is built in: as it is, or with the feature `compact` compressed by DEFLATE (RFC 1951).

use std::borrow::Cow;

/// The catalogue of agents.
#[cfg(not(feature = "compact"))]
pub(super) fn agents() -> Cow<'static, str> {
    Cow::Borrowed(include_str!("../../data/agents.json"))
}

/// The snapshot of address ranges.
#[cfg(not(feature = "compact"))]
pub(super) fn ranges() -> Cow<'static, str> {
    Cow::Borrowed(include_str!("../../data/ranges.json"))
}

/// The catalogue of agents.
#[cfg(feature = "compact")]
pub(super) fn agents() -> Cow<'static, str> {
    inflated(include_bytes!(concat!(env!("OUT_DIR"), "/agents.json")))
}

/// The snapshot of address ranges.
#[cfg(feature = "compact")]
pub(super) fn ranges() -> Cow<'static, str> {
    inflated(include_bytes!(concat!(env!("OUT_DIR"), "/ranges.json")))
}

/// What the build script compressed. It can always be read; else no rule set would come of it.
#[cfg(feature = "compact")]
fn inflated(compressed: &[u8]) -> Cow<'static, str> {
    let bytes = miniz_oxide::inflate::decompress_to_vec(compressed).unwrap_or_default();
    Cow::Owned(String::from_utf8(bytes).unwrap_or_default())
}
