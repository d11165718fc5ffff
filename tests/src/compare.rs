//! Comparison of JSON values: deep equality, with a tolerance for numbers that are not integers.

use serde_json::Value;

const TOLERANCE: f64 = 1e-9;

/// Says where two values differ; `None` when they are equal.
pub fn difference(actual: &Value, expected: &Value) -> Option<String> {
    compare(actual, expected, false, "")
}

/// Like [`difference`], but objects may hold members that are not expected.
pub fn difference_from_subset(actual: &Value, expected: &Value) -> Option<String> {
    compare(actual, expected, true, "")
}

fn compare(actual: &Value, expected: &Value, subset: bool, path: &str) -> Option<String> {
    match (actual, expected) {
        (Value::Object(left), Value::Object(right)) => {
            let surplus = left.keys().find(|key| !subset && !right.contains_key(*key));
            surplus.map(|key| format!("{path}/{key}: not expected")).or_else(|| {
                right.iter().find_map(|(key, value)| match left.get(key) {
                    Some(found) => compare(found, value, subset, &format!("{path}/{key}")),
                    None => Some(format!("{path}/{key}: missing")),
                })
            })
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => left
            .iter()
            .zip(right)
            .enumerate()
            .find_map(|(index, (left, right))| compare(left, right, subset, &format!("{path}/{index}"))),
        (Value::Number(left), Value::Number(right)) => {
            let equal = left == right
                || left.as_f64().zip(right.as_f64()).is_some_and(|(a, b)| (a - b).abs() <= TOLERANCE);
            (!equal).then(|| format!("{path}: {left} is not {right}"))
        }
        _ => (actual != expected).then(|| format!("{path}: {actual} is not {expected}")),
    }
}
