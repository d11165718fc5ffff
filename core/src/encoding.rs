//! Base64url, hexadecimal and comparison in constant time.
//!
//! ```
//! use quivive_core::encoding;
//! assert_eq!(encoding::hex(&[0, 255]), "00ff");
//! assert_eq!(encoding::decode_base64url(&encoding::base64url(b"door")).unwrap(), b"door");
//! ```

use base64ct::{Base64UrlUnpadded, Encoding};
use subtle::ConstantTimeEq;

use crate::{Error, Result};

/// Base64url without padding (RFC 4648 section 5).
pub fn base64url(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// Decodes base64url without padding.
///
/// # Errors
/// `INVALID_INPUT` for any other alphabet, padding or stray bits.
pub fn decode_base64url(text: &str) -> Result<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(text)
        .map_err(|_| Error::invalid_input("text is not base64url without padding"))
}

/// Decodes base64 of either alphabet (RFC 4648 sections 4 and 5), padded or not.
///
/// # Errors
/// `INVALID_INPUT` for any other character or stray bits.
pub fn decode_base64(text: &str) -> Result<Vec<u8>> {
    let bare = text.trim_end_matches('=');
    let is_padded_right =
        text.len() == bare.len() || text.len().is_multiple_of(4) && text.len() - bare.len() <= 2;
    if !is_padded_right {
        return Err(Error::invalid_input("text is not base64"));
    }
    decode_base64url(&bare.replace('+', "-").replace('/', "_"))
        .map_err(|_| Error::invalid_input("text is not base64"))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

/// Decodes hexadecimal of either case.
///
/// # Errors
/// `INVALID_INPUT` for an odd length or another character.
pub fn decode_hex(text: &str) -> Result<Vec<u8>> {
    let error = || Error::invalid_input("text is not hexadecimal");
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return Err(error());
    }
    text.as_bytes()
        .chunks(2)
        .map(|pair| {
            let pair = std::str::from_utf8(pair).map_err(|_| error())?;
            if pair.starts_with('+') {
                Err(error())
            } else {
                u8::from_str_radix(pair, 16).map_err(|_| error())
            }
        })
        .collect()
}

/// Compares two secrets without telling by time where they differ.
pub fn equal_in_constant_time(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_text_is_refused() {
        for text in ["a=", "a+b/", "a b", "A"] {
            assert!(decode_base64url(text).is_err(), "{text}");
        }
        for text in ["A", "AA=", "AA===", "AAA==", "AA==AA==", "A A", "AB==", "="] {
            assert!(decode_base64(text).is_err(), "{text}");
        }
        for text in ["0", "0g", "+1", "é"] {
            assert!(decode_hex(text).is_err(), "{text}");
        }
    }

    #[test]
    fn base64_is_read_in_either_alphabet() {
        for text in ["-_-_", "+/+/"] {
            assert_eq!(decode_base64(text).unwrap(), [0xfb, 0xff, 0xbf]);
        }
        for text in ["AA", "AA=="] {
            assert_eq!(decode_base64(text).unwrap(), [0]);
        }
        assert!(decode_base64("").unwrap().is_empty());
    }

    #[test]
    fn equality_needs_equal_length() {
        assert!(equal_in_constant_time(b"same", b"same"));
        assert!(!equal_in_constant_time(b"same", b"sam"));
        assert!(!equal_in_constant_time(b"same", b"samE"));
    }
}
