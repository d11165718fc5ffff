//! Comparing what a client sent with what is right.

use serde_json::Value;

use crate::encoding::equal_in_constant_time;

/// Whether a sent value is the right lower-case text; case does not matter, a whole number counts as its digits.
pub(super) fn is_right(sent: Option<&Value>, expected: &str) -> bool {
    let text = match sent {
        Some(Value::String(text)) => text.to_ascii_lowercase(),
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => number.to_string(),
        _ => return false,
    };
    !expected.is_empty() && equal_in_constant_time(text.as_bytes(), expected.as_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn case_does_not_matter_and_whole_numbers_are_texts() {
        assert!(is_right(Some(&json!("AbCd0123")), "abcd0123"));
        assert!(is_right(Some(&json!(12_345_678)), "12345678"));
        assert!(is_right(Some(&json!("12345678")), "12345678"));
    }

    #[test]
    fn everything_else_is_wrong() {
        for sent in [
            json!(null),
            json!(true),
            json!([]),
            json!(["12345678"]),
            json!({}),
            json!(""),
            json!(" 12345678"),
            json!("1234567"),
            json!("123456789"),
            json!(12_345_678.0),
            json!("undefined"),
        ] {
            assert!(!is_right(Some(&sent), "12345678"), "{sent}");
        }
        assert!(!is_right(None, "12345678"));
        assert!(!is_right(Some(&json!("")), ""));
        assert!(!is_right(None, ""));
    }
}
