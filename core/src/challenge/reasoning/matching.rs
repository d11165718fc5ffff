//! Comparing an answer in natural language with the right one: exactly, after both are in normal form.

use icu_normalizer::ComposingNormalizerBorrowed;
use serde_json::Value;

use crate::encoding::equal_in_constant_time;

/// Whether a sent answer is the right one. An answer that lists several guesses is none of them.
pub(super) fn is_right(sent: Option<&Value>, expected: &str) -> bool {
    let text = match sent {
        Some(Value::String(text)) if text.len() <= 4 * LONGEST_ANSWER => text.clone(),
        Some(Value::Number(number)) => match number.as_f64().filter(|_| number.is_f64()) {
            // JSON writers of some languages give a whole number as `42.0`.
            Some(number) => number.to_string(),
            None => number.to_string(),
        },
        Some(Value::Bool(truth)) => truth.to_string(),
        _ => return false,
    };
    let is_short = text.chars().nth(LONGEST_ANSWER).is_none();
    let answer = if is_short { normalize(&text) } else { String::new() };
    is_short & !expected.is_empty() & equal_in_constant_time(answer.as_bytes(), expected.as_bytes())
}

/// The normal form: NFKC (Unicode Standard Annex 15) in lower case, words separated by single spaces, without
/// punctuation around words, a leading article or the grouping of digits.
pub(super) fn normalize(text: &str) -> String {
    let text =
        ComposingNormalizerBorrowed::new_nfkc().normalize(text).to_lowercase().replace('\u{2212}', "-");
    let words: Vec<&str> = text.split_whitespace().map(bare).filter(|word| !word.is_empty()).collect();
    let words = match words.split_first() {
        Some((&("a" | "an" | "the"), rest)) if !rest.is_empty() => rest,
        _ => &words,
    };
    let text = words.join(" ");
    ungrouped(&text).unwrap_or(text)
}

/// The longest answer that is looked at, in characters.
const LONGEST_ANSWER: usize = 200;

/// A word without the punctuation around it; a minus sign before a digit belongs to the number.
fn bare(word: &str) -> &str {
    let is_mark = |character: char| !character.is_alphanumeric();
    let without_end = word.trim_end_matches(is_mark);
    let bare = without_end.trim_start_matches(is_mark);
    let is_number = bare.starts_with(|character: char| character.is_ascii_digit());
    match without_end.len().checked_sub(bare.len() + 1).and_then(|sign| without_end.get(sign..)) {
        Some(negative) if is_number && negative.starts_with('-') => negative,
        _ => bare,
    }
}

/// A number without the marks between its groups of three digits; `None` for any other text.
fn ungrouped(text: &str) -> Option<String> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let mark = unsigned.chars().find(|character| matches!(character, ',' | ' ' | '\'' | '’' | '_'))?;
    let mut groups = unsigned.split(mark);
    let first = groups.next()?;
    let has_digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    let is_grouped = (1..=3).contains(&first.len())
        && has_digits(first)
        && groups.all(|group| group.len() == 3 && has_digits(group));
    is_grouped.then(|| text.replace(mark, ""))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn ways_to_write_one_answer_are_the_same() {
        for (text, normal) in [
            ("Lantern", "lantern"),
            ("  the LANTERN. ", "lantern"),
            ("\"lantern\"", "lantern"),
            ("**lantern**!", "lantern"),
            ("‘an otter’", "otter"),
            ("ｌａｎｔｅｒｎ", "lantern"),
            ("1,234", "1234"),
            ("1 234 567", "1234567"),
            ("1\u{a0}234", "1234"),
            ("12'345.", "12345"),
            ("12_345", "12345"),
            ("−42", "-42"),
            ("(-42)", "-42"),
            ("-1,234", "-1234"),
            ("４２", "42"),
            ("+42", "42"),
            ("14:05.", "14:05"),
            ("A", "a"),
            ("the", "the"),
            ("", ""),
            ("?!", ""),
        ] {
            assert_eq!(normalize(text), normal, "{text}");
        }
    }

    #[test]
    fn numbers_and_truth_values_count_as_texts() {
        assert!(is_right(Some(&json!(1234)), "1234"));
        assert!(is_right(Some(&json!(1234.0)), "1234"));
        assert!(is_right(Some(&json!(-5)), "-5"));
        assert!(is_right(Some(&json!(true)), "true"));
        assert!(!is_right(Some(&json!(1234.5)), "1234"));
    }

    #[test]
    fn lists_of_guesses_are_wrong() {
        for guesses in [
            "1, 2, 3, 42",
            "42 or 43",
            "42 43",
            "1,42",
            "41/42/43",
            "the answer is 42",
            "x = 42",
            "42.5",
            "4 2",
            "042",
            "4,2",
            "42 lantern",
            "42,lantern",
            "--42",
        ] {
            assert!(!is_right(Some(&json!(guesses)), "42"), "{guesses}");
        }
        let everything: String = (0..60).map(|guess| format!("{guess} ")).collect();
        assert!(!is_right(Some(&json!(everything)), "42"));
    }

    #[test]
    fn other_types_and_long_texts_are_wrong() {
        for sent in [json!(null), json!([]), json!(["42"]), json!({}), json!({"42": 42}), json!("")] {
            assert!(!is_right(Some(&sent), "42"), "{sent}");
            assert!(!is_right(Some(&sent), ""), "{sent}");
        }
        assert!(!is_right(None, ""));
        assert!(!is_right(None, "null"));
        let padded = |spaces: usize| json!(format!("{}42", " ".repeat(spaces)));
        assert!(is_right(Some(&padded(198)), "42"));
        assert!(!is_right(Some(&padded(199)), "42"));
        assert!(!is_right(Some(&padded(100_000)), "42"));
    }

    proptest! {
        #[test]
        fn text_is_right_for_its_own_normal_form(text in any::<String>()) {
            let normal = normalize(&text);
            let is_short = text.chars().count() <= LONGEST_ANSWER;
            prop_assert_eq!(is_right(Some(&json!(text)), &normal), is_short && !normal.is_empty());
        }

        #[test]
        fn numbers_are_right_however_they_are_grouped(number in -999_999_999_i64..=999_999_999) {
            let digits = number.abs().to_string();
            let mut grouped = String::new();
            for (place, digit) in digits.chars().enumerate() {
                if place > 0 && (digits.len() - place) % 3 == 0 {
                    grouped.push(',');
                }
                grouped.push(digit);
            }
            let sign = if number < 0 { "-" } else { "" };
            prop_assert_eq!(normalize(&format!("{sign}{grouped}.")), number.to_string());
        }
    }
}
