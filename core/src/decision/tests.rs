use super::*;

fn reason(policy: &Policy, path: &str) -> Reason {
    let facts = DecisionFacts { path: Some(path.to_owned()), ..DecisionFacts::default() };
    Decider::new(policy.clone()).unwrap().decide(&facts).reason
}

#[test]
fn a_path_is_left_alone_only_in_every_reading() {
    let excluding = Policy { excluded_paths: vec!["/health".to_owned()], ..Policy::default() };
    for path in ["/health", "/health/live", "/health?x=/../admin", "/health#f"] {
        assert_eq!(reason(&excluding, path), Reason::Excluded, "{path}");
    }
    for path in [
        "/admin/..%2fhealth",
        "/admin/../health",
        "/admin/%2e%2e/health",
        "/health/..%2fadmin",
        "/health/../admin/..%2fhealth",
        "/health/%2e%2e/admin/..%2fhealth",
        "/%68ealth",
    ] {
        assert_ne!(reason(&excluding, path), Reason::Excluded, "{path}");
    }
    let long = format!("/health/{}", "a".repeat(8_192));
    assert_ne!(reason(&excluding, &long), Reason::Excluded);
    let including = Policy { included_paths: vec!["/admin".to_owned()], ..Policy::default() };
    assert_eq!(reason(&including, "/blog/%61"), Reason::Excluded);
    for path in ["/admin", "/%61dmin", "/blog/..%2fadmin", "/admin/..%2fblog", "/blog/..%2fother"] {
        assert_ne!(reason(&including, path), Reason::Excluded, "{path}");
    }
}

#[test]
fn a_path_too_long_to_look_at_gets_no_favour() {
    let policy = |pattern: &str, action| Policy {
        path_rules: vec![PathRule {
            pattern: pattern.to_owned(),
            action,
            min_confidence: None,
            priority: 100,
        }],
        ..Policy::default()
    };
    let long = format!("/admin/{}", "a".repeat(8_192));
    assert_eq!(reason(&policy("/admin/**", Action::Block), &long), Reason::Rule);
    assert_eq!(reason(&policy("/blog/**", Action::Block), &long), Reason::Default);
    assert_eq!(reason(&policy("/admin/**", Action::Allow), &long), Reason::Default);
    assert_eq!(reason(&policy("/admin/**", Action::Allow), "/admin/a"), Reason::Rule);
}

#[test]
fn regular_expressions_end_on_any_text() {
    for pattern in ["(x+x+)+y", "(x|x)*y", "(x*)*y", "x*x*x*x*x*x*x*x*y", "(x?){50}x{50}y"] {
        let condition = Condition {
            field: Field::UserAgent,
            operator: Operator::Matches,
            value: pattern.into(),
            case_insensitive: false,
        };
        let rule = Rule {
            id: "r".to_owned(),
            name: None,
            priority: 100,
            enabled: true,
            conditions: vec![condition],
            action: Action::Block,
            message: None,
            redirect_url: None,
        };
        let decider = Decider::new(Policy { rules: vec![rule], ..Policy::default() }).unwrap();
        let facts = DecisionFacts { user_agent: Some("x".repeat(100_000)), ..DecisionFacts::default() };
        assert_eq!(decider.decide(&facts).reason, Reason::Default);
    }
}
