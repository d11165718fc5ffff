//! The data that is built in: as it is, or with the feature `compact` compressed by DEFLATE (RFC 1951).

pub(super) use form::{agents, ranges};

#[cfg(not(feature = "compact"))]
mod form {
    /// The catalogue of agents.
    pub fn agents() -> &'static str {
        include_str!("../../data/agents.json")
    }

    /// The snapshot of address ranges.
    pub fn ranges() -> &'static str {
        include_str!("../../data/ranges.json")
    }
}

#[cfg(feature = "compact")]
mod form {
    /// The catalogue of agents.
    pub fn agents() -> String {
        inflated(include_bytes!(concat!(env!("OUT_DIR"), "/agents.json")))
    }

    /// The snapshot of address ranges.
    pub fn ranges() -> String {
        inflated(include_bytes!(concat!(env!("OUT_DIR"), "/ranges.json")))
    }

    /// What the build script compressed; it can always be read, or else no rule set would come of it.
    fn inflated(compressed: &[u8]) -> String {
        let bytes = miniz_oxide::inflate::decompress_to_vec(compressed).unwrap_or_default();
        String::from_utf8(bytes).unwrap_or_default()
    }
}
