//! The language of rules: grammar, checks, meaning and limits; and that no text does harm.

use std::net::IpAddr;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::lexer::{Kind, Lexer};
use super::*;
use crate::score::Band;

fn tree(text: &str) -> Json {
    match Expression::parse(text) {
        Ok(expression) => serde_json::to_value(expression).unwrap(),
        Err(error) => panic!("{text}: {error} {:?}", error.details()),
    }
}

fn fault(text: &str) -> Error {
    match Expression::parse(text) {
        Ok(expression) => panic!("{text} is accepted as {expression}"),
        Err(error) => error,
    }
}

/// Position, token and hint of the fault.
fn place(text: &str) -> (usize, String, Option<String>) {
    let error = fault(text);
    let detail = |name: &str| error.details().get(name).cloned();
    let text = |name: &str| detail(name).map(|value| value.as_str().unwrap().to_owned());
    let position = detail("position").unwrap().as_u64().unwrap();
    (position.try_into().unwrap(), text("token").unwrap(), text("hint"))
}

fn is_match(text: &str, facts: &Facts) -> bool {
    let rule = RuleSource { name: "rule".to_owned(), expression: text.to_owned(), action: Action::Log };
    !RuleSet::compile(&[rule]).unwrap().matches(facts).is_empty()
}

fn facts(json: &Json) -> Facts {
    serde_json::from_value(json.clone()).unwrap()
}

mod grammar {
    use super::*;

    #[test]
    fn not_binds_tighter_than_and_and_and_tighter_than_or() {
        assert_eq!(
            tree("logged_in OR NOT verified_bot AND static_resource"),
            json!(["OR", "logged_in", ["AND", ["NOT", "verified_bot"], "static_resource"]])
        );
        assert_eq!(
            tree("(logged_in OR NOT verified_bot) AND static_resource"),
            json!(["AND", ["OR", "logged_in", ["NOT", "verified_bot"]], "static_resource"])
        );
        assert_eq!(
            tree("NOT (logged_in AND verified_bot)"),
            json!(["NOT", ["AND", "logged_in", "verified_bot"]])
        );
        assert_eq!(tree("NOT NOT logged_in"), json!(["NOT", ["NOT", "logged_in"]]));
        assert_eq!(tree("NOT score < 5"), json!(["NOT", ["<", "score", 5]]));
    }

    #[test]
    fn every_operator_and_kind_of_value_is_read() {
        for (text, expected) in [
            ("score == 40", json!(["==", "score", 40])),
            ("score != -40.5", json!(["!=", "score", -40.5])),
            ("score < 007", json!(["<", "score", 7])),
            ("score <= 1", json!(["<=", "score", 1])),
            ("score > 0.25", json!([">", "score", 0.25])),
            ("score >= 1.0", json!([">=", "score", 1])),
            (r#"path == "/a\"b\\c é""#, json!(["==", "path", "/a\"b\\c é"])),
            (r#"ua in ["a","b" , ""]"#, json!(["in", "ua", ["a", "b", ""]])),
            ("detection_ids not in [1,2]", json!(["not in", "detection_ids", [1, 2]])),
            ("detection_ids in []", json!(["in", "detection_ids", []])),
            ("country in []", json!(["in", "country", []])),
            ("path == null", json!(["==", "path", null])),
            ("js_detection.passed != true", json!(["!=", "js_detection.passed", true])),
            ("logged_in == false", json!(["==", "logged_in", false])),
        ] {
            assert_eq!(tree(text), expected, "{text}");
        }
    }

    #[test]
    fn blanks_and_line_breaks_separate_and_mean_nothing_else() {
        let expected = tree("score < 40 AND NOT verified_bot");
        assert_eq!(tree("\t score<40\r\nAND\n(NOT(verified_bot)) "), expected);
        assert_eq!(tree("score<40AND NOT verified_bot".replace("40AND", "40 AND").as_str()), expected);
        assert_eq!(tree("country not  \n in [\"NL\"]"), json!(["not in", "country", ["NL"]]));
    }

    #[test]
    fn what_the_grammar_does_not_know_is_refused_at_its_place() {
        for (text, position, token) in [
            ("", 0, ""),
            (" \n ", 3, ""),
            ("score", 5, ""),
            ("score <", 7, ""),
            ("score < 40 AND", 14, ""),
            ("score < 40 40", 11, "40"),
            ("40 > score", 0, "40"),
            ("\"a\" == path", 0, "\"a\""),
            ("(score < 40", 11, ""),
            ("score < 40)", 10, ")"),
            ("()", 1, ")"),
            ("score < 40 AND AND score > 1", 15, "AND"),
            ("OR score < 40", 0, "OR"),
            ("score < 40 NOT verified_bot", 11, "NOT"),
            ("path in [\"a\",]", 13, "]"),
            ("path in [,]", 9, ","),
            ("path in [\"a\" \"b\"]", 13, "\"b\""),
            ("path in [\"a\"", 12, ""),
            ("path in [[\"a\"]]", 9, "["),
            ("path not [\"a\"]", 9, "["),
            ("path not", 8, ""),
            ("true", 0, "true"),
            ("score < score", 8, "score"),
            ("verified_bot < verified_bot", 13, "<"),
            ("score < 1e5", 8, "1e5"),
            ("score < 1.", 8, "1."),
            ("score < 1.2.3", 8, "1.2.3"),
            ("score < 40AND", 8, "40AND"),
            ("score < -", 8, "-"),
            ("score < .5", 8, "."),
            ("score < +5", 8, "+"),
            ("score ; 5", 6, ";"),
            ("score < 5 # note", 10, "#"),
            ("score < 5 -- note", 10, "--"),
            ("path == \"a", 8, "\"a"),
            ("path == \"a\\n\"", 11, "n"),
            ("path == \"a\nb\"", 10, "\n"),
            ("path == \"a\u{7f}\"", 10, "\u{7f}"),
            ("path == 'a'", 8, "'"),
            ("scøre < 5", 2, "ø"),
            ("path == \"a\"\u{a0}", 11, "\u{a0}"),
        ] {
            let (found, found_token, _) = place(text);
            assert_eq!((found, found_token.as_str()), (position, token), "{text}");
            assert_eq!(fault(text).kind(), ErrorKind::InvalidInput, "{text}");
        }
    }

    #[test]
    fn an_unknown_field_has_the_documented_message() {
        let error = fault("verified_bot AND scorre < 4");
        assert_eq!(error.message(), "Unknown field \"scorre\" in rule expression.");
        assert_eq!(
            Json::Object(error.details().clone()),
            json!({ "position": 17, "token": "scorre", "hint": "did you mean score?" })
        );
        for name in ["session_token", "ja4", "foo", "behavioral", "Score", "score.x", "js_detection", "_"] {
            let error = fault(&format!("{name} == 1"));
            assert_eq!(error.message(), format!("Unknown field {name:?} in rule expression."));
            assert_eq!(error.details()["position"], 0);
        }
    }

    #[test]
    fn close_misspellings_and_letter_case_get_a_hint() {
        for (text, hint) in [
            ("score < 5 and verified_bot", Some("did you mean AND?")),
            ("score < 5 Or verified_bot", Some("did you mean OR?")),
            ("not verified_bot", Some("did you mean NOT?")),
            ("Not verified_bot", Some("did you mean NOT?")),
            ("country IN [\"NL\"]", Some("did you mean in?")),
            ("country NOT in [\"NL\"]", Some("did you mean not?")),
            ("verified_bot == True", Some("did you mean true?")),
            ("path == NULL", Some("did you mean null?")),
            ("Score < 5", Some("did you mean score?")),
            ("verifed_bot", Some("did you mean verified_bot?")),
            ("mouse_entropy < 1", Some("did you mean behavioral.mouse_entropy?")),
            ("passed", Some("did you mean js_detection.passed?")),
            ("score < 5 && verified_bot", Some("write AND")),
            ("score < 5 || verified_bot", Some("write OR")),
            ("!verified_bot", Some("write NOT or !=")),
            ("score = 5", Some("write ==")),
            ("path == 'a'", Some("write strings in double quotes")),
            (
                "band == \"human\"",
                Some(
                    "bands are not_computed, definite, confident_automated, likely_automated, likely_human, verified",
                ),
            ),
            ("band == \"likely_humen\"", Some("did you mean likely_human?")),
            ("path in \"a\"", Some("write the value in brackets")),
            ("path == [\"a\"]", Some("lists come after in and not in")),
            ("path < \"a\"", Some("path takes ==, !=, in, not in")),
            ("zebra < 5", None),
        ] {
            assert_eq!(place(text).2.as_deref(), hint, "{text}");
        }
    }
}

mod types {
    use super::*;

    const OPERATORS: [&str; 8] = ["==", "!=", "<", "<=", ">", ">=", "in", "not in"];
    const VALUES: [(&str, &str); 9] = [
        ("number", "5"),
        ("text", "\"likely_human\""),
        ("address", "\"203.0.113.0/24\""),
        ("truth", "true"),
        ("null", "null"),
        ("ids", "[1, 2]"),
        ("texts", "[\"likely_human\"]"),
        ("addresses", "[\"2001:db8::/32\"]"),
        ("empty", "[]"),
    ];

    /// What each field takes after which operators; everything else is refused.
    fn is_allowed(field: &str, operator: &str, value: &str) -> bool {
        let is_equality = matches!(operator, "==" | "!=");
        let is_membership = matches!(operator, "in" | "not in");
        match field {
            "score" => !is_membership && value == "number",
            "behavioral.mouse_entropy"
            | "behavioral.scroll_velocity"
            | "behavioral.visibility_changes"
            | "behavioral.first_input_delay_ms" => {
                !is_membership && value == "number" || is_equality && value == "null"
            }
            "verified_bot" | "static_resource" | "logged_in" => is_equality && value == "truth",
            "js_detection.passed" => is_equality && matches!(value, "truth" | "null"),
            "band" => is_equality && value == "text" || is_membership && matches!(value, "texts" | "empty"),
            "verified_bot_category" | "path" | "country" | "ua" => {
                is_equality && matches!(value, "text" | "address" | "null")
                    || is_membership && matches!(value, "texts" | "addresses" | "empty")
            }
            "ip" => {
                is_equality && matches!(value, "address" | "null")
                    || is_membership && matches!(value, "addresses" | "empty")
            }
            "detection_ids" => is_membership && matches!(value, "ids" | "empty"),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn every_field_operator_and_value_is_accepted_or_refused_as_documented() {
        let mut counts = (0, 0);
        for field in Field::ALL {
            for operator in OPERATORS {
                for (value, text) in VALUES {
                    let expression = format!("{} {operator} {text}", field.name());
                    let outcome = Expression::parse(&expression);
                    assert_eq!(
                        outcome.is_ok(),
                        is_allowed(field.name(), operator, value),
                        "{expression}: {outcome:?}"
                    );
                    if outcome.is_ok() { counts.0 += 1 } else { counts.1 += 1 }
                }
            }
        }
        assert_eq!(counts, (100, 1_052));
    }

    #[test]
    fn only_boolean_fields_stand_alone() {
        for field in Field::ALL {
            let is_boolean = matches!(
                field.name(),
                "verified_bot" | "js_detection.passed" | "static_resource" | "logged_in"
            );
            assert_eq!(Expression::parse(field.name()).is_ok(), is_boolean, "{}", field.name());
        }
    }

    #[test]
    fn wrong_types_are_marked_at_the_value_or_operator() {
        for (text, position, token, message) in [
            (
                "score < \"5\"",
                8,
                "\"5\"",
                "Field \"score\" takes a number after \"<\" in rule expression, not a string.",
            ),
            ("path < \"a\"", 5, "<", "Operator \"<\" does not apply to field \"path\" in rule expression."),
            (
                "score not in [1]",
                6,
                "not",
                "Operator \"not in\" does not apply to field \"score\" in rule expression.",
            ),
            (
                "path in [\"a\", 5]",
                14,
                "5",
                "A list for field \"path\" holds strings in rule expression, not a number.",
            ),
            (
                "detection_ids in [1, 2.5]",
                21,
                "2.5",
                "A list for field \"detection_ids\" holds whole numbers in rule expression, not a number.",
            ),
            (
                "country in [\"NL\", null]",
                18,
                "null",
                "A list for field \"country\" holds strings in rule expression, not null.",
            ),
            (
                "ip == \"10.0.0.0/33\"",
                6,
                "\"10.0.0.0/33\"",
                "\"10.0.0.0/33\" is not an address or range in rule expression.",
            ),
            ("ip in [\"::1\", \"x\"]", 14, "\"x\"", "\"x\" is not an address or range in rule expression."),
            ("band == \"bot\"", 8, "\"bot\"", "Unknown band \"bot\" in rule expression."),
            (
                "verified_bot == null",
                16,
                "null",
                "Field \"verified_bot\" takes true or false after \"==\" in rule expression, not null.",
            ),
        ] {
            let error = fault(text);
            assert_eq!(error.message(), message);
            assert_eq!(error.details()["position"], position, "{text}");
            assert_eq!(error.details()["token"], token, "{text}");
        }
    }

    #[test]
    fn confident_automated_is_accepted_and_never_matches() {
        for band in
            [Band::NotComputed, Band::Definite, Band::LikelyAutomated, Band::LikelyHuman, Band::Verified]
        {
            let facts = Facts { band, ..Facts::default() };
            assert!(!is_match("band == \"confident_automated\"", &facts));
            assert!(is_match(&format!("band == \"{}\"", band.name()), &facts));
            assert!(is_match(&format!("band in [\"confident_automated\", \"{}\"]", band.name()), &facts));
        }
    }
}

mod meaning {
    use super::*;

    #[test]
    fn the_documented_examples_of_null_and_missing_hold() {
        for (text, given, expected) in [
            ("NOT js_detection.passed", json!({}), false),
            ("js_detection.passed == null", json!({}), true),
            ("behavioral.mouse_entropy < 0.1", json!({}), false),
            ("score < 30", json!({ "band": "verified", "verified_bot": true, "score": 0 }), false),
            ("score < 30 AND NOT verified_bot", json!({ "score": 12 }), true),
            (
                "path == \"/a\" OR score > 5 AND country in [\"NL\"]",
                json!({ "path": "/a", "score": 1, "country": null }),
                true,
            ),
            ("detection_ids not in [50331651]", json!({}), true),
            ("ip in [\"203.0.113.0/24\",\"2001:db8::/32\"]", json!({ "ip": "::ffff:203.0.113.9" }), true),
        ] {
            assert_eq!(is_match(text, &facts(&given)), expected, "{text}");
        }
    }

    #[test]
    fn missing_evidence_never_enforces() {
        let unknown = Facts::default();
        for text in [
            "country != \"NL\"",
            "NOT (country == \"NL\")",
            "country not in [\"NL\"]",
            "country not in []",
            "NOT ua in [\"x\"]",
            "ip != \"10.0.0.0/8\"",
            "ip not in [\"10.0.0.0/8\"]",
            "verified_bot_category != \"Search\"",
            "behavioral.scroll_velocity != 5",
            "behavioral.visibility_changes >= 0",
            "behavioral.first_input_delay_ms < 100000",
            "logged_in",
            "NOT logged_in",
            "logged_in != true",
            "js_detection.passed != true",
            "path != \"/\" AND verified_bot == false",
            "path != null",
            "NOT country == null",
        ] {
            assert!(!is_match(text, &unknown), "{text}");
        }
        for text in [
            "country == null OR country != \"NL\"",
            "path == null",
            "ip == null",
            "ua == null AND NOT verified_bot",
            "behavioral.mouse_entropy == null",
            "NOT (path != null)",
        ] {
            assert!(is_match(text, &unknown), "{text}");
        }
    }

    #[test]
    fn the_truth_table_of_three_values_holds() {
        let known = |name: &str| match name {
            "true" => "static_resource == false",
            "false" => "static_resource == true",
            _ => "js_detection.passed",
        };
        let facts = Facts::default();
        // A whole is false when its negation matches, and unknown when neither does.
        let truth = |text: &str| match (is_match(text, &facts), is_match(&format!("NOT ({text})"), &facts)) {
            (true, false) => "true",
            (false, true) => "false",
            (false, false) => "unknown",
            (true, true) => panic!("{text}"),
        };
        for (left, right, and, or) in [
            ("true", "true", "true", "true"),
            ("true", "false", "false", "true"),
            ("true", "unknown", "unknown", "true"),
            ("false", "true", "false", "true"),
            ("false", "false", "false", "false"),
            ("false", "unknown", "false", "unknown"),
            ("unknown", "true", "unknown", "true"),
            ("unknown", "false", "false", "unknown"),
            ("unknown", "unknown", "unknown", "unknown"),
        ] {
            let (left, right) = (known(left), known(right));
            assert_eq!(truth(&format!("{left} AND {right}")), and);
            assert_eq!(truth(&format!("{left} OR {right}")), or);
        }
        assert_eq!(truth(known("unknown")), "unknown");
    }

    #[test]
    fn score_zero_has_no_order() {
        let none = Facts::default();
        for operator in ["<", "<=", ">", ">="] {
            assert!(!is_match(&format!("score {operator} 0"), &none));
            assert!(!is_match(&format!("NOT score {operator} 50"), &none));
        }
        assert!(
            is_match("score == 0", &none) && is_match("score != 50", &none) && !is_match("score != 0", &none)
        );
        let one = Facts { score: 1, ..Facts::default() };
        assert!(is_match("score < 2", &one) && is_match("score <= 1", &one) && !is_match("score > 1", &one));
        assert!(
            is_match("score >= 1.0", &one) && is_match("score < 1.5", &one) && is_match("score != 1.5", &one)
        );
    }

    #[test]
    fn text_is_compared_by_bytes_and_countries_in_upper_case() {
        let given = facts(
            &json!({ "path": "/Checkout", "country": "nl", "ua": "Mozilla", "verified_bot_category": "Search" }),
        );
        assert!(is_match("path == \"/Checkout\"", &given) && !is_match("path == \"/checkout\"", &given));
        assert!(!is_match("path == \"/Check\"", &given) && is_match("path != \"/checkout\"", &given));
        for text in [
            "country == \"NL\"",
            "country == \"nL\"",
            "country in [\"be\", \"nl\"]",
            "NOT country in [\"BE\"]",
        ] {
            assert!(is_match(text, &given), "{text}");
        }
        assert!(
            is_match("ua in [\"b\", \"a\", \"Mozilla\"]", &given)
                && is_match("ua not in [\"mozilla\"]", &given)
        );
        assert!(is_match("verified_bot_category in [\"AI Crawler\", \"Search\"]", &given));
        assert!(!is_match("ua in []", &given) && is_match("ua not in []", &given));
    }

    #[test]
    fn addresses_are_members_of_ranges() {
        let at = |ip: &str| Facts { ip: Some(ip.parse::<IpAddr>().unwrap()), ..Facts::default() };
        assert!(is_match("ip == \"203.0.113.0/24\"", &at("203.0.113.255")));
        assert!(is_match("ip != \"203.0.113.0/24\"", &at("203.0.114.0")));
        assert!(is_match("ip == \"::ffff:203.0.113.9\"", &at("203.0.113.9")));
        assert!(is_match("ip == \"203.0.113.9\"", &at("::ffff:203.0.113.9")));
        assert!(is_match("ip in [\"2001:db8::/32\", \"10.0.0.1\"]", &at("2001:db8:1::1")));
        assert!(is_match("ip not in [\"2001:db8::/32\", \"10.0.0.1\"]", &at("10.0.0.2")));
        assert!(!is_match("ip == \"0.0.0.0/0\"", &at("2001:db8::1")));
    }

    #[test]
    fn id_lists_match_by_one_common_id() {
        let given = Facts { detection_ids: vec![50_331_651, 16_777_217], ..Facts::default() };
        assert!(
            is_match("detection_ids in [1, 16777217]", &given)
                && !is_match("detection_ids in [1, 2]", &given)
        );
        assert!(
            is_match("detection_ids not in [1, 2]", &given)
                && !is_match("detection_ids not in [50331651]", &given)
        );
        assert!(!is_match("detection_ids in []", &given) && is_match("detection_ids not in []", &given));
        assert!(is_match("detection_ids not in [-1, 4294967296, 99999999999999999999]", &given));
    }

    #[test]
    fn matches_come_in_the_order_of_the_rules() {
        let rule = |name: &str, expression: &str, action| RuleSource {
            name: name.to_owned(),
            expression: expression.to_owned(),
            action,
        };
        let set = RuleSet::compile(&[
            rule("A", "score < 30", Action::Log),
            rule("never", "score > 90", Action::Allow),
            rule("B", "score < 25", Action::Block),
        ]);
        let (set, facts) = (set.unwrap(), Facts { score: 20, ..Facts::default() });
        let expected = [("A", Action::Log), ("B", Action::Block)]
            .map(|(name, action)| RuleMatch { name: name.to_owned(), action });
        assert_eq!(set.matches(&facts), expected);
        assert_eq!(set.matching(&facts).collect::<Vec<_>>(), [0, 2]);
        assert_eq!((set.len(), set.is_empty(), set.at(3)), (3, false, None));
    }
}

mod limits {
    use super::*;

    fn is_over_limit(text: &str) -> bool {
        match Expression::parse(text) {
            Ok(_) => false,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
                assert!(error.details().contains_key("position"));
                true
            }
        }
    }

    #[test]
    fn two_thousand_bytes() {
        let of = |length: usize| format!("score < 5{}", " ".repeat(length - 9));
        assert!(!is_over_limit(&of(2_000)) && is_over_limit(&of(2_001)));
        assert_eq!(fault(&of(100_000)).details()["position"], 2_000);
    }

    #[test]
    fn thirty_two_levels() {
        let parentheses = |depth: usize| format!("{}score < 5{}", "(".repeat(depth), ")".repeat(depth));
        let negations = |depth: usize| format!("{}verified_bot", "NOT ".repeat(depth));
        let both = |depth: usize| format!("{}verified_bot{}", "NOT(".repeat(depth), ")".repeat(depth));
        assert!(!is_over_limit(&parentheses(32)) && is_over_limit(&parentheses(33)));
        assert!(!is_over_limit(&negations(32)) && is_over_limit(&negations(33)));
        assert!(!is_over_limit(&both(16)) && is_over_limit(&both(17)));
        assert_eq!(place(&parentheses(33)).0, 32);
        // Beside each other they do not count.
        let row = vec!["(NOT (verified_bot))"; 50].join(" OR ");
        assert!(!is_over_limit(&row));
    }

    #[test]
    fn two_hundred_nodes() {
        // One chain and its parts.
        let chain = |parts: usize| vec!["ua==\"\""; parts].join("OR ");
        assert!(!is_over_limit(&chain(199)) && is_over_limit(&chain(200)));
        let pairs = |count: usize| vec!["NOT logged_in"; count].join(" OR ");
        assert!(!is_over_limit(&pairs(99)) && is_over_limit(&pairs(100)));
    }

    #[test]
    fn a_hundred_items() {
        let list = |count: usize| format!("detection_ids in [{}]", vec!["1"; count].join(","));
        assert!(!is_over_limit(&list(100)) && is_over_limit(&list(101)));
    }

    #[test]
    fn five_hundred_and_twelve_bytes_of_a_string() {
        let of = |text: &str| format!("path == \"{text}\"");
        assert!(!is_over_limit(&of(&"a".repeat(512))) && is_over_limit(&of(&"a".repeat(513))));
        assert!(!is_over_limit(&of(&"é".repeat(256))) && is_over_limit(&of(&"é".repeat(257))));
        // Escapes count as what they stand for.
        assert!(!is_over_limit(&of(&"\\\\".repeat(512))) && is_over_limit(&of(&"\\\"".repeat(513))));
    }

    #[test]
    fn a_number_that_is_none_is_refused() {
        assert_eq!(
            fault(&format!("score < {}", "9".repeat(400))).message(),
            "A number is too large in rule expression."
        );
        assert!(Expression::parse(&format!("score < 0.{}1", "0".repeat(400))).is_ok());
    }

    #[test]
    fn a_hundred_rules_and_names_of_255_characters() {
        let rule =
            |name: String| RuleSource { name, expression: "verified_bot".to_owned(), action: Action::Log };
        let rules = |count: usize| vec![rule("a".to_owned()); count];
        assert_eq!(RuleSet::compile(&rules(100)).unwrap().len(), 100);
        assert_eq!(RuleSet::compile(&rules(101)).unwrap_err().kind(), ErrorKind::LimitExceeded);
        assert!(RuleSet::compile(&[rule("é".repeat(255))]).is_ok());
        for name in [String::new(), "é".repeat(256)] {
            let error = RuleSet::compile(&[rule("a".to_owned()), rule(name)]).unwrap_err();
            assert_eq!((&error.details()["rule"], &error.details()["path"]), (&json!(1), &json!("name")));
        }
    }

    #[test]
    fn the_deepest_tree_survives_storage() {
        // A chain of OR over a chain of AND on each level.
        let mut text = "ua==\"\"".to_owned();
        for _ in 0..DEEPEST_NESTING {
            text = format!("logged_in OR logged_in AND ({text} OR logged_in)");
        }
        let expression = Expression::parse(&text).unwrap();
        let stored = json!({ "rules": [{ "tree": expression }] }).to_string();
        let read: Json = serde_json::from_str(&stored).unwrap();
        assert_eq!(
            serde_json::from_value::<Expression>(read["rules"][0]["tree"].clone()).unwrap(),
            expression
        );
    }
}

mod trees {
    use super::*;

    #[test]
    fn only_checked_trees_are_read() {
        let read = |json: Json| serde_json::from_value::<Expression>(json);
        assert!(read(json!(["AND", ["<", "score", 40], ["NOT", "verified_bot"]])).is_ok());
        let mut deep = json!("verified_bot");
        for _ in 0..33 {
            deep = json!(["NOT", deep]);
        }
        let wide = |count: usize| {
            let parts = vec![json!("verified_bot"); count];
            Json::Array(std::iter::once(json!("OR")).chain(parts).collect())
        };
        assert!(read(wide(199)).is_ok());
        for wrong in [
            json!(null),
            json!(5),
            json!({}),
            json!([]),
            json!("score"),
            json!("foo"),
            json!(["AND"]),
            json!(["AND", "verified_bot"]),
            json!(["NOT"]),
            json!(["NOT", "verified_bot", "logged_in"]),
            json!(["<", "score"]),
            json!(["<", "score", "5"]),
            json!(["<", "path", "a"]),
            json!(["=", "score", 5]),
            json!(["==", "foo", 5]),
            json!(["==", 5, "score"]),
            json!(["in", "path", [["a"]]]),
            json!(["in", "path", {}]),
            json!(["==", "path", "a".repeat(513)]),
            json!(["==", "path", "a\nb"]),
            json!(["in", "detection_ids", vec![1; 101]]),
            json!(["==", "ip", "x"]),
            wide(200),
            deep,
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_normal_form_has_no_needless_parentheses() {
        for (text, normal) in [
            ("((score<40))AND(NOT(verified_bot))", "score < 40 AND NOT verified_bot"),
            (
                "(logged_in OR verified_bot) AND (logged_in AND verified_bot)",
                "(logged_in OR verified_bot) AND (logged_in AND verified_bot)",
            ),
            ("logged_in OR (verified_bot AND logged_in)", "logged_in OR verified_bot AND logged_in"),
            ("NOT (ua not   in [ \"a\\\\b\" , \"\\\"\" ])", "NOT ua not in [\"a\\\\b\", \"\\\"\"]"),
            ("behavioral.mouse_entropy <= 000.1500", "behavioral.mouse_entropy <= 0.15"),
            ("detection_ids in [ 50331651,2 ]", "detection_ids in [50331651, 2]"),
        ] {
            let checked = check_rule(CheckRule { expression: text.to_owned() }).unwrap();
            assert_eq!(checked.normal_form, normal);
        }
    }

    #[test]
    fn fields_come_in_the_order_of_their_first_use() {
        let text = "score < 5 AND (path == \"/\" OR NOT logged_in) AND score > 1";
        let checked = check_rule(CheckRule { expression: text.to_owned() }).unwrap();
        assert_eq!(serde_json::to_value(&checked.fields).unwrap(), json!(["score", "path", "logged_in"]));
    }

    #[test]
    fn names_of_fields_are_their_json_form() {
        for field in Field::ALL {
            assert_eq!(serde_json::to_value(field).unwrap(), field.name());
            assert_eq!(Field::named(field.name()), Some(field));
        }
    }
}

mod fuzz {
    use super::*;

    /// Checked comparisons and bare fields.
    fn leaf() -> impl Strategy<Value = Expression> {
        let field = proptest::sample::select(Field::ALL.to_vec());
        let operator = proptest::sample::select(Operator::ALL.to_vec());
        let text = "[ -~é]{0,6}";
        let address =
            proptest::sample::select(vec!["10.0.0.0/8", "203.0.113.7", "2001:db8::/32", "::ffff:1.2.3.4"]);
        let band = proptest::sample::select(vec!["definite", "likely_human", "verified"]);
        let literal = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(Json::from),
            any::<f64>().prop_filter("finite", |value| value.is_finite()).prop_map(Json::from),
            (-100_i64..100).prop_map(Json::from),
            text.prop_map(Json::from),
            address.clone().prop_map(Json::from),
            band.prop_map(Json::from),
            proptest::collection::vec(text, 0..4).prop_map(Json::from),
            proptest::collection::vec(address, 0..4).prop_map(Json::from),
            proptest::collection::vec(any::<u32>(), 0..4).prop_map(Json::from),
        ];
        prop_oneof![
            proptest::sample::select(vec![
                Field::VerifiedBot,
                Field::JsPassed,
                Field::StaticResource,
                Field::LoggedIn
            ])
            .prop_map(Expression::Bare),
            (field, operator, literal).prop_filter_map("fits", |(field, operator, literal)| {
                serde_json::from_value(json!([operator.symbol(), field.name(), literal])).ok()
            }),
        ]
    }

    fn expression() -> impl Strategy<Value = Expression> {
        leaf().prop_recursive(6, 40, 4, |part| {
            prop_oneof![
                part.clone().prop_map(|part| Expression::Not(Box::new(part))),
                proptest::collection::vec(part.clone(), 2..4).prop_map(Expression::And),
                proptest::collection::vec(part, 2..4).prop_map(Expression::Or),
            ]
        })
    }

    fn some_facts() -> impl Strategy<Value = Facts> {
        let truth = proptest::option::of(any::<bool>());
        let number = proptest::option::of(0.0..2_000.0);
        let text = proptest::option::of("[a-z/]{0,3}");
        let ip = proptest::option::of(any::<IpAddr>());
        (
            0_u8..100,
            truth.clone(),
            truth,
            number,
            text.clone(),
            text,
            ip,
            proptest::collection::vec(any::<u32>(), 0..3),
        )
            .prop_map(|(score, passed, logged_in, entropy, path, country, ip, detection_ids)| {
                Facts {
                    score,
                    js_detection: ProbeFacts { passed },
                    logged_in,
                    behavioral: ObservedBehavior { mouse_entropy: entropy, ..ObservedBehavior::default() },
                    path,
                    country,
                    ip,
                    detection_ids,
                    ..Facts::default()
                }
            })
    }

    /// Reads any text; the work is bounded by its length.
    fn read(text: &str) -> Result<Expression> {
        let mut lexer = Lexer::new(text);
        let mut tokens = 0;
        while lexer.next().is_ok_and(|token| token.kind != Kind::End) {
            tokens += 1;
        }
        assert!(tokens <= text.len());
        if let Ok(mut parser) = parser::Parser::new(text) {
            let _ = parser.any();
            assert!(parser.steps <= tokens + 1, "{} steps for {tokens} tokens", parser.steps);
        }
        let outcome = Expression::parse(text);
        if let Err(error) = &outcome {
            let position = error.details()["position"].as_u64().unwrap();
            let position = usize::try_from(position).unwrap();
            let token = error.details()["token"].as_str().unwrap();
            assert!(text.len() > LONGEST_EXPRESSION || text[position..].starts_with(token), "{error}");
        }
        outcome
    }

    /// A text, cut, doubled, and with pieces of the language put in.
    fn mutated() -> impl Strategy<Value = String> {
        let piece = proptest::sample::select(vec![
            "(",
            ")",
            "[",
            "]",
            ",",
            "\"",
            "\\",
            "AND",
            "OR ",
            "NOT ",
            "in ",
            "not ",
            "null",
            "-",
            "1e9",
            ".",
            "==",
            "<",
            "score",
            "path",
            "\u{0}",
            "é",
            "\u{1f600}",
            " ",
            "((((((((((((((((((((((((((((((((((",
            "NOT NOT NOT ",
        ]);
        (expression(), proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), piece), 1..6))
            .prop_map(|(expression, changes)| {
                let mut characters: Vec<char> = expression.to_string().chars().collect();
                for (place, kind, piece) in changes {
                    let place = place.index(characters.len() + 1);
                    match kind % 4 {
                        0 => characters.truncate(place),
                        1 if place < characters.len() => drop(characters.remove(place)),
                        2 => characters.extend_from_within(place..),
                        _ => drop(characters.splice(place..place, piece.chars())),
                    }
                }
                characters.into_iter().collect()
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn no_text_does_harm(text in "\\PC{0,80}|[ -~]{0,200}|[a-z.\"()\\[\\],<>=! 0-9ANDORT]{0,200}") {
            let _ = read(&text);
        }

        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn no_changed_expression_does_harm(text in mutated(), facts in some_facts()) {
            if let Ok(expression) = read(&text) {
                let rule = Rule { name: "rule".to_owned(), expression, action: Action::Log };
                let _ = RuleSet::new([rule]).matches(&facts);
            }
        }

        #[test]
        fn the_normal_form_reads_back(expression in expression()) {
            let text = expression.to_string();
            prop_assume!(text.len() <= LONGEST_EXPRESSION);
            prop_assert_eq!(read(&text).unwrap(), expression);
        }

        #[test]
        fn the_json_form_reads_back(expression in expression()) {
            let text = serde_json::to_string(&expression).unwrap();
            prop_assert_eq!(serde_json::from_str::<Expression>(&text).unwrap(), expression);
        }

        #[test]
        fn an_expression_and_its_negation_never_both_match(expression in expression(), facts in some_facts()) {
            let rule = |expression| Rule { name: "rule".to_owned(), expression, action: Action::Log };
            let negated = Expression::Not(Box::new(expression.clone()));
            let set = RuleSet::new([rule(expression.clone()), rule(negated)]);
            prop_assert!(set.matching(&facts).count() <= 1, "{}", expression);
        }
    }
}
