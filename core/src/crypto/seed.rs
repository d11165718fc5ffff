//! The 32 random bytes from which a function derives all its randomness.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::encoding::{decode_hex, hex};

/// Random bytes given by the caller; text of 64 hexadecimal characters in other languages.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Seed(pub [u8; 32]);

impl std::fmt::Debug for Seed {
    /// Shows nothing of the seed.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Seed")
    }
}

impl<'de> Deserialize<'de> for Seed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = decode_hex(&text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| serde::de::Error::custom("seed is not 64 hexadecimal characters"))
    }
}

impl Serialize for Seed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(&self.0))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Seed {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Seed".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[0-9a-fA-F]{64}$",
            "description": "32 random bytes as 64 hexadecimal characters."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_other_lengths_are_refused() {
        let text = serde_json::to_string(&Seed([9; 32])).unwrap();
        assert_eq!(serde_json::from_str::<Seed>(&text).unwrap(), Seed([9; 32]));
        for text in [
            "\"\"",
            "\"00\"",
            "7",
            "null",
            &format!("\"{}\"", "g".repeat(64)),
            &format!("\"{}\"", "0".repeat(66)),
        ] {
            assert!(serde_json::from_str::<Seed>(text).is_err(), "{text}");
        }
    }
}
