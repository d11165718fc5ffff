//! Solving whatever challenge a server put into its answer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::speed::{SpeedProblem, solve_problems};
use super::standard::solve_standard;
use crate::{Error, Result};

/// The answers to an inline challenge and the headers to send with the retry.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InlineSolution {
    /// The challenge's id.
    pub id: String,
    /// The answers: one for each problem, or the one to the puzzle.
    pub answers: Vec<String>,
    /// Header names and values for the retry.
    pub headers: BTreeMap<String, String>,
}

/// Solves the `challenge` in a body: `{id, problems}` with numbers or `{num}` objects, or `{id, puzzle}`.
///
/// # Errors
/// `INVALID_INPUT` when there is none, its id cannot stand in a header, or its parts cannot be read;
/// `UNSUPPORTED_ALGORITHM` and `LIMIT_EXCEEDED` as the solvers of each kind.
pub fn solve_inline(body: &Value) -> Result<InlineSolution> {
    let challenge = body.get("challenge").ok_or_else(|| Error::invalid_input("body holds no `challenge`"))?;
    let id = challenge
        .get("id")
        .or_else(|| challenge.get("challenge_id"))
        .and_then(Value::as_str)
        .filter(|id| is_header_safe(id))
        .ok_or_else(|| Error::invalid_input("challenge has no usable `id`"))?;
    if let Some(problems) = challenge.get("problems").filter(|problems| problems.is_array()) {
        let problems: Vec<SpeedProblem> = Deserialize::deserialize(problems)?;
        let answers = solve_problems(&problems)?;
        let list = serde_json::to_string(&answers)?;
        let headers = [("X-Botcha-Id", id), ("X-Botcha-Answers", &list)];
        return Ok(solution(id, &list, &headers, answers));
    }
    if let Some(puzzle) = challenge.get("puzzle").and_then(Value::as_str) {
        let answer = solve_standard(puzzle)?;
        return Ok(solution(id, &answer, &[], vec![answer.clone()]));
    }
    Err(Error::invalid_input("challenge has neither `problems` nor a `puzzle`"))
}

fn solution(id: &str, solution: &str, more: &[(&str, &str)], answers: Vec<String>) -> InlineSolution {
    let common = [("X-Botcha-Challenge-Id", id), ("X-Botcha-Solution", solution)];
    let headers =
        common.iter().chain(more).map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    InlineSolution { id: id.to_owned(), answers, headers }
}

/// A server's id becomes a header of ours: visible ASCII only, so that it cannot start a header of its own.
fn is_header_safe(id: &str) -> bool {
    (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

const LONGEST_ID: usize = 200;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn problems_in_both_forms_are_solved() {
        for problems in [json!([42, 7]), json!([{"num": 42, "operation": "sha256_first8"}, {"num": 7}])] {
            let body = json!({"error": "BOTCHA_CHALLENGE", "challenge": {"id": "c-1", "problems": problems, "timeLimit": 500}});
            let solved = solve_inline(&body).unwrap();
            assert_eq!(solved.answers, ["73475cb4", "7902699b"]);
            let list = r#"["73475cb4","7902699b"]"#;
            assert_eq!(
                serde_json::to_value(&solved.headers).unwrap(),
                json!({"X-Botcha-Id": "c-1", "X-Botcha-Challenge-Id": "c-1", "X-Botcha-Answers": list, "X-Botcha-Solution": list})
            );
        }
    }

    #[test]
    fn puzzle_is_solved_with_its_salt() {
        let body = json!({"challenge": {"id": "c-2", "puzzle": "first 5 primes, salt \"0123456789abcdef\""}});
        let solved = solve_inline(&body).unwrap();
        assert_eq!(
            serde_json::to_value(&solved.headers).unwrap(),
            json!({"X-Botcha-Challenge-Id": "c-2", "X-Botcha-Solution": "a8eb23892a8feae8"})
        );
    }

    #[test]
    fn unusable_bodies_are_refused() {
        for body in [
            json!(null),
            json!([]),
            json!({}),
            json!({"challenge": null}),
            json!({"challenge": {"id": "x"}}),
            json!({"challenge": {"problems": [1]}}),
            json!({"challenge": {"id": 5, "problems": [1]}}),
            json!({"challenge": {"id": "", "problems": [1]}}),
            json!({"challenge": {"id": "a\r\nX-Evil: 1", "problems": [1]}}),
            json!({"challenge": {"id": "a".repeat(201), "problems": [1]}}),
            json!({"challenge": {"id": "é", "problems": [1]}}),
            json!({"challenge": {"id": "x", "problems": ["1"]}}),
            json!({"challenge": {"id": "x", "puzzle": "what is love"}}),
        ] {
            assert_eq!(solve_inline(&body).unwrap_err().kind(), crate::ErrorKind::InvalidInput, "{body}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_texts_never_panic(id in any::<String>(), puzzle in any::<String>()) {
            let _ = solve_inline(&json!({"challenge": {"id": id, "puzzle": puzzle}}));
        }
    }
}
