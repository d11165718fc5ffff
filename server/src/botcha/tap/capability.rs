//! What an agent may do: an action, the resources that it may do it to, and restrictions.
//!
//! The public documentation writes `resource` and `constraints`, the original reads `scope` and `restrictions` and
//! takes what it does not know for "no limit". Both are read here, kept as given, and completed by the second pair.

use serde_json::{Map, Value, json};

use crate::error::Error;

/// What can be done.
pub const ACTIONS: [&str; 5] = ["browse", "compare", "purchase", "audit", "search"];

/// Reads a list of capabilities; each has `action`, and `scope` and `restrictions` if it is limited.
///
/// # Errors
/// 400 `INVALID_REQUEST` for another type, an unknown action, resources that are no text, restrictions that are no
/// object, and limits that are no positive numbers.
pub fn read(given: Option<&Value>) -> Result<Vec<Value>, Error> {
    match given {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) if list.len() <= MOST_CAPABILITIES => list.iter().map(normalize).collect(),
        Some(Value::Array(_)) => {
            Err(Error::invalid(format!("Capabilities must be at most {MOST_CAPABILITIES}")))
        }
        Some(_) => Err(Error::invalid("Capabilities must be an array")),
    }
}

fn normalize(given: &Value) -> Result<Value, Error> {
    let mut members = match given {
        Value::String(action) => Map::from_iter([("action".to_owned(), json!(action))]),
        Value::Object(members) => members.clone(),
        _ => return Err(unknown_action()),
    };
    let action = members.get("action").and_then(Value::as_str).unwrap_or_default();
    if !ACTIONS.contains(&action) {
        return Err(unknown_action());
    }
    let scope = one_of(&members, "scope", "resource")?.map(scope).transpose()?;
    let restrictions = one_of(&members, "restrictions", "constraints")?.map(restrictions).transpose()?;
    members.extend(scope.map(|scope| ("scope".to_owned(), scope)));
    members.extend(restrictions.map(|restrictions| ("restrictions".to_owned(), restrictions)));
    Ok(Value::Object(members))
}

/// A member under its own or its other name, not under both.
fn one_of<'a>(members: &'a Map<String, Value>, name: &str, other: &str) -> Result<Option<&'a Value>, Error> {
    let named = |name: &str| members.get(name).filter(|value| !value.is_null());
    match (named(name), named(other)) {
        (Some(left), Some(right)) if left != right => {
            Err(Error::invalid(format!("{name} and {other} of a capability say different things")))
        }
        (left, right) => Ok(left.or(right)),
    }
}

fn scope(given: &Value) -> Result<Value, Error> {
    let is_resource =
        |value: &Value| value.as_str().is_some_and(|text| !text.is_empty() && text.len() <= LONGEST_RESOURCE);
    match given {
        Value::Array(list) if list.len() <= MOST_RESOURCES && list.iter().all(is_resource) => {
            Ok(given.clone())
        }
        Value::String(_) if is_resource(given) => Ok(json!([given])),
        _ => Err(Error::invalid(format!(
            "scope or resource of a capability must be up to {MOST_RESOURCES} texts of at most {LONGEST_RESOURCE} bytes"
        ))),
    }
}

fn restrictions(given: &Value) -> Result<Value, Error> {
    let members = given
        .as_object()
        .filter(|members| members.len() <= MOST_RESTRICTIONS)
        .ok_or_else(|| Error::invalid("restrictions or constraints of a capability must be an object"))?;
    for name in ["max_amount", "rate_limit"] {
        let is_limit = |value: &Value| value.as_f64().is_some_and(|number| number >= 0.0);
        if members.get(name).is_some_and(|value| !is_limit(value)) {
            return Err(Error::invalid(format!("{name} of a capability must be a number from 0")));
        }
    }
    Ok(given.clone())
}

fn unknown_action() -> Error {
    Error::invalid(format!("Invalid capability action. Valid: {}", ACTIONS.join(", ")))
        .with("valid_actions", ACTIONS.to_vec())
}

const MOST_CAPABILITIES: usize = 50;
const MOST_RESOURCES: usize = 100;
const LONGEST_RESOURCE: usize = 256;
const MOST_RESTRICTIONS: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_read_and_kept() {
        let given = json!([
            { "action": "browse", "resource": "products" },
            { "action": "purchase", "resource": ["orders", "refunds"], "constraints": { "max_amount": 50 } },
            { "action": "audit", "scope": ["*"], "restrictions": { "rate_limit": 10, "note": "free" } },
            { "action": "compare" },
            "search",
        ]);
        let read = Value::Array(read(Some(&given)).unwrap());
        assert_eq!(
            read,
            json!([
                { "action": "browse", "resource": "products", "scope": ["products"] },
                { "action": "purchase", "resource": ["orders", "refunds"], "scope": ["orders", "refunds"],
                  "constraints": { "max_amount": 50 }, "restrictions": { "max_amount": 50 } },
                { "action": "audit", "scope": ["*"], "restrictions": { "rate_limit": 10, "note": "free" } },
                { "action": "compare" },
                { "action": "search" },
            ])
        );
    }

    #[test]
    fn nothing_that_is_not_understood_becomes_no_limit() {
        for given in [
            json!({}),
            json!("browse"),
            json!([1]),
            json!([{}]),
            json!([{ "action": "steal" }]),
            json!([{ "action": ["browse"] }]),
            json!([{ "action": "browse", "scope": 1 }]),
            json!([{ "action": "browse", "scope": [1] }]),
            json!([{ "action": "browse", "resource": "" }]),
            json!([{ "action": "browse", "scope": ["a"], "resource": "b" }]),
            json!([{ "action": "browse", "restrictions": [] }]),
            json!([{ "action": "browse", "constraints": { "max_amount": "all" } }]),
            json!([{ "action": "browse", "constraints": { "rate_limit": -1 } }]),
            Value::Array(vec![json!("browse"); MOST_CAPABILITIES + 1]),
        ] {
            assert_eq!(read(Some(&given)).unwrap_err().code(), "INVALID_REQUEST", "{given}");
        }
        assert!(read(None).unwrap().is_empty() && read(Some(&Value::Null)).unwrap().is_empty());
    }
}
