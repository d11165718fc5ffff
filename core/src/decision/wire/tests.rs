//! The notations of policies: what is read, what is written, and what is refused.

use super::*;

fn faults(policy: &Value) -> Vec<(String, &'static str)> {
    let faults = read_policy(policy).unwrap_err();
    faults.into_iter().map(|fault| (fault.field, fault.reason)).collect()
}

#[test]
fn the_compact_notation_is_read() {
    let policy = read_policy(&json!({
        "defaultAction": "allow", "blockThreshold": 85, "allowList": ["Googlebot"], "denyList": ["scraper-ua"],
        "pathRules": [{"pattern": "/api/*", "action": "block", "minConfidence": 70}]
    }))
    .unwrap();
    let expected = Policy {
        thresholds: Thresholds { confidence_threshold: 0.85, ..Thresholds::default() },
        allow_list: vec![ListEntry { client_name: Some("Googlebot".to_owned()), ..ListEntry::default() }],
        deny_list: vec![ListEntry { client_name: Some("scraper-ua".to_owned()), ..ListEntry::default() }],
        path_rules: vec![PathRule {
            pattern: "/api/*".to_owned(),
            action: Action::Block,
            min_confidence: Some(0.7),
            priority: 100,
        }],
        ..Policy::default()
    };
    assert_eq!(policy, expected);
    assert_eq!(read_policy(&json!({})).unwrap(), Policy::default());
}

#[test]
fn the_full_notation_is_read_and_written_as_the_same() {
    let full = json!({
        "version": "1.0.0", "enabled": true, "defaultAction": "log", "redirectUrl": "/agents",
        "thresholds": {"confidenceThreshold": 0.5, "confidenceAction": "redirect", "minReputationScore": 1,
            "lowReputationAction": "challenge", "trustedReputationThreshold": 90, "trustSignedRequests": false},
        "allowList": [{"clientName": "ChatGPT", "reason": "partner"}, {"ip": "192.0.2.0/24"}],
        "denyList": [{"agentDid": "did:web:example.org"}],
        "excludedPaths": ["/health"], "includedPaths": ["/**"],
        "rules": [{"id": "r1", "name": "n", "priority": 10, "enabled": false, "action": "instruct", "message": "m",
            "conditions": [
                {"field": "requestRate300s", "operator": "greaterThanOrEquals", "value": 30},
                {"field": "confidence", "operator": "lessThan", "value": 12.5},
                {"field": "agentDid", "operator": "notIn", "value": ["a"], "caseInsensitive": true},
                {"field": "signatureVerified", "operator": "equals", "value": false},
                {"field": "userAgent", "operator": "matches", "value": "^curl"}]}],
        "pathRules": [{"pattern": "/x/", "action": "permit", "priority": -1}], "require": "human", "failOpen": true,
        "somethingElse": 1, "capability": null
    });
    let policy = read_policy(&full).unwrap();
    assert_eq!((policy.rules[0].priority, policy.path_rules[0].action), (10, Action::Allow));
    assert_eq!(policy.rules[0].conditions[1].value, json!(0.125));
    assert_eq!(policy.thresholds.confidence_threshold, 0.5);
    let written = write_policy(&policy);
    assert_eq!(read_policy(&written).unwrap(), policy);
    assert_eq!(written["thresholds"]["confidenceThreshold"], 50);
    assert_eq!(written["rules"][0]["conditions"][0]["field"], "requestRate300s");
    assert_eq!(written["rules"][0]["conditions"][1]["value"], 12.5);
}

#[test]
fn no_figure_changes_its_scale_on_the_way() {
    for thousandth in 0..=1000 {
        let figure = f64::from(thousandth) / 1000.0;
        assert_eq!(share(percent(figure).as_f64().unwrap()), figure, "{figure}");
    }
    for (given, read) in
        [(json!(80), 0.8), (json!(0.8), 0.8), (json!(1), 1.0), (json!(1.5), 0.015), (json!(100), 1.0)]
    {
        let policy = read_policy(&json!({ "blockThreshold": given })).unwrap();
        assert_eq!(policy.thresholds.confidence_threshold, read, "{given}");
    }
}

#[test]
fn every_fault_names_its_place() {
    let entry = |list: &str, entry: Value| json!({ list: [entry] });
    let condition = |field: &str, operator: &str, value: Value| {
        let condition = json!({"field": field, "operator": operator, "value": value});
        json!({"rules": [{"id": "r", "action": "log", "conditions": [condition]}]})
    };
    let at = "rules[0].conditions[0].";
    for (policy, field, reason) in [
        (json!([]), "policy".to_owned(), "type"),
        (json!({"enabled": 1}), "enabled".to_owned(), "type"),
        (json!({"defaultAction": "explode"}), "defaultAction".to_owned(), "unknown_value"),
        (json!({"defaultAction": "delay"}), "defaultAction".to_owned(), "unknown_value"),
        (json!({"defaultAction": "redirect"}), "redirectUrl".to_owned(), "required"),
        (json!({"redirectUrl": "agents.example/door"}), "redirectUrl".to_owned(), "format"),
        (json!({"redirectUrl": "javascript:alert(1)"}), "redirectUrl".to_owned(), "format"),
        (json!({"rewriteUrl": "//other.example/"}), "rewriteUrl".to_owned(), "format"),
        (
            json!({"rules": [{"id": "r", "action": "redirect", "redirectUrl": "/\\other.example"}]}),
            "rules[0].redirectUrl".to_owned(),
            "format",
        ),
        (json!({"thresholds": {"confidenceAction": "rewrite"}}), "rewriteUrl".to_owned(), "required"),
        (json!({"blockThreshold": 101}), "blockThreshold".to_owned(), "out_of_range"),
        (json!({"blockThreshold": -1}), "blockThreshold".to_owned(), "out_of_range"),
        (json!({"blockThreshold": "80"}), "blockThreshold".to_owned(), "type"),
        (
            json!({"blockThreshold": 80, "thresholds": {"confidenceThreshold": 80}}),
            "blockThreshold".to_owned(),
            "mutually_exclusive",
        ),
        (json!({"thresholds": []}), "thresholds".to_owned(), "type"),
        (entry("allowList", json!(1)), "allowList[0]".to_owned(), "type"),
        (entry("allowList", json!({"reason": "?"})), "allowList[0]".to_owned(), "format"),
        (entry("denyList", json!({"ip": "10.0.0.0/40"})), "denyList[0]".to_owned(), "format"),
        (json!({"denyList": vec!["x"; 1_001]}), "denyList".to_owned(), "too_many"),
        (entry("excludedPaths", json!("")), "excludedPaths[0]".to_owned(), "format"),
        (entry("includedPaths", json!("a".repeat(257))), "includedPaths[0]".to_owned(), "too_long"),
        (json!({"rules": [{"action": "log"}]}), "rules[0].id".to_owned(), "required"),
        (json!({"rules": [{"id": "r"}]}), "rules[0].action".to_owned(), "required"),
        (
            json!({"rules": [{"id": "r", "action": "log", "priority": 0.5}]}),
            "rules[0].priority".to_owned(),
            "out_of_range",
        ),
        (condition("colour", "equals", json!(1)), format!("{at}field"), "unknown_value"),
        (condition("path", "sounds", json!(1)), format!("{at}operator"), "unknown_value"),
        (condition("path", "startsWith", json!(1)), format!("{at}value"), "format"),
        (condition("path", "matches", json!("(")), format!("{at}value"), "format"),
        (condition("path", "matches", json!("a".repeat(257))), format!("{at}value"), "too_long"),
        (condition("confidence", "greaterThan", json!(101)), format!("{at}value"), "format"),
        (condition("path", "equals", Value::Null), format!("{at}value"), "required"),
        (json!({"pathRules": [{"action": "log"}]}), "pathRules[0].pattern".to_owned(), "required"),
        (json!({"rules": vec![json!({"id": "r", "action": "log"}); 201]}), "rules".to_owned(), "too_many"),
    ] {
        assert_eq!(faults(&policy), [(field, reason)], "{policy}");
    }
    let both = json!({"rules": vec![json!({"id": "r", "action": "log"}); 150],
        "pathRules": vec![json!({"pattern": "/", "action": "log"}); 100]});
    assert_eq!(faults(&both), [("policy".to_owned(), "too_long")]);
    assert_eq!(faults(&json!({"enabled": 1, "rules": 2})).len(), 2);
}
