//! Rules of a site's owner: a small language over what is known about a session.
//!
//! A text is checked whole when a rule is made ([`Expression::parse`]) and becomes a syntax tree, which is what is
//! stored; evaluation never reads text. A [`RuleSet`] is prepared once and asked often. Evaluation has three truth
//! values: what was not observed is unknown, and a rule matches only when it is true, so that missing evidence never
//! enforces. It is total: it cannot fail, loop or grow.
//!
//! ```
//! use quivive_core::rules::{Facts, RuleSet, RuleSource};
//! use quivive_core::score::{Action, Band};
//! let rules = RuleSet::compile(&[RuleSource {
//!     name: "Guard checkout".to_owned(),
//!     expression: r#"score < 40 AND path == "/checkout" AND NOT verified_bot"#.to_owned(),
//!     action: Action::Challenge,
//! }])?;
//! let facts = Facts {
//!     score: 12,
//!     band: Band::LikelyAutomated,
//!     path: Some("/checkout".to_owned()),
//!     ..Facts::default()
//! };
//! assert_eq!(rules.matches(&facts)[0].name, "Guard checkout");
//! # Ok::<(), quivive_core::Error>(())
//! ```

use serde::{Deserialize, Serialize};

mod check;
mod compiled;
mod expression;
mod facts;
mod field;
mod json;
mod lexer;
mod mistake;
mod parser;

pub use self::{
    expression::{Comparison, Expression, Value},
    facts::{Facts, ObservedBehavior, ProbeFacts},
    field::{Field, FieldType, Operator},
};

use self::compiled::Test;
use crate::score::{Action, RuleMatch};
use crate::{Error, ErrorKind, Result};

/// Rules that a project or a set has at most.
pub const MOST_RULES: usize = 100;

/// Bytes of an expression's text at most.
pub const LONGEST_EXPRESSION: usize = 2_000;

/// Parentheses and NOTs inside each other at most.
pub const DEEPEST_NESTING: usize = 32;

/// Nodes of an expression at most: comparisons, bare fields, NOTs, and chains of AND or OR.
pub const MOST_NODES: usize = 200;

/// Items of a list at most.
pub const LONGEST_LIST: usize = 100;

/// Bytes of a string at most.
pub const LONGEST_STRING: usize = 512;

/// Characters of a rule's name at most.
pub const LONGEST_NAME: usize = 255;

/// A rule as its owner writes it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RuleSource {
    /// The owner's name for it, 1 to 255 characters; verdicts name it in their reason.
    pub name: String,
    /// When it matches.
    pub expression: String,
    /// What it asks for.
    pub action: Action,
}

/// A rule that was checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The owner's name for it.
    pub name: String,
    /// When it matches.
    pub expression: Expression,
    /// What it asks for.
    pub action: Action,
}

impl Rule {
    /// Checks a rule's name and expression.
    ///
    /// # Errors
    /// As [`check_name`] and [`Expression::parse`].
    pub fn parse(source: &RuleSource) -> Result<Self> {
        check_name(&source.name)?;
        Ok(Self {
            name: source.name.clone(),
            expression: Expression::parse(&source.expression)?,
            action: source.action,
        })
    }
}

/// Active rules in their order, prepared for evaluation: lists sorted, address ranges parsed.
#[derive(Clone, Debug, Default)]
pub struct RuleSet(Vec<Prepared>);

#[derive(Clone, Debug)]
struct Prepared {
    name: String,
    action: Action,
    test: Test,
}

impl RuleSet {
    /// Prepares rules that were checked before.
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        let prepare =
            |rule: Rule| Prepared { test: Test::of(&rule.expression), name: rule.name, action: rule.action };
        Self(rules.into_iter().map(prepare).collect())
    }

    /// Checks and prepares rules.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` for more than 100 rules, else as [`Rule::parse`], with the `rule`'s place in the list.
    pub fn compile(sources: &[RuleSource]) -> Result<Self> {
        if sources.len() > MOST_RULES {
            let message = format!("a set holds at most {MOST_RULES} rules");
            return Err(Error::new(ErrorKind::LimitExceeded, message));
        }
        let parse = |(place, source)| Rule::parse(source).map_err(|error| error.with("rule", place));
        let rules: Result<Vec<Rule>> = sources.iter().enumerate().map(parse).collect();
        Ok(Self::new(rules?))
    }

    /// The places of all rules that match, in order.
    pub fn matching(&self, facts: &Facts) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().filter(|(_, rule)| rule.test.is_true(facts)).map(|(place, _)| place)
    }

    /// All rules that match, in order, as [`crate::score::resolve`] takes them.
    pub fn matches(&self, facts: &Facts) -> Vec<RuleMatch> {
        self.matching(facts).filter_map(|place| self.at(place)).collect()
    }

    /// The match of the rule at a place; none beyond the last.
    pub fn at(&self, place: usize) -> Option<RuleMatch> {
        self.0.get(place).map(|rule| RuleMatch { name: rule.name.clone(), action: rule.action })
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Checks a rule's name.
///
/// # Errors
/// `INVALID_INPUT` unless it has 1 to 255 characters.
pub fn check_name(name: &str) -> Result<()> {
    if (1..=LONGEST_NAME).contains(&name.chars().count()) {
        return Ok(());
    }
    Err(Error::invalid_input(format!("name must have 1 to {LONGEST_NAME} characters.")).with("path", "name"))
}

/// Input of [`check_rule`].
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CheckRule {
    /// The text of the expression.
    pub expression: String,
}

/// An expression that was found right.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CheckedRule {
    /// The syntax tree: `["AND", ["<", "score", 40], ["NOT", "verified_bot"]]`.
    pub tree: Expression,
    /// The expression in its normal form: one blank between words, no needless parentheses.
    pub normal_form: String,
    /// The fields that are used, in the order of their first use.
    pub fields: Vec<Field>,
}

/// Checks the expression of a rule.
///
/// # Errors
/// `INVALID_INPUT` or `LIMIT_EXCEEDED` with the fault's `position` (in bytes of the text), its `token`, and a `hint`
/// where one is known.
pub fn check_rule(input: CheckRule) -> Result<CheckedRule> {
    let tree = Expression::parse(&input.expression)?;
    Ok(CheckedRule { normal_form: tree.to_string(), fields: tree.fields(), tree })
}

/// Active rules of a project, to be prepared as a [`RuleSet`].
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RuleSetOptions {
    /// The rules in their order (`sort_order`, then id), at most 100.
    pub rules: Vec<RuleSource>,
}

impl RuleSetOptions {
    /// Checks and prepares the rules.
    ///
    /// # Errors
    /// As [`RuleSet::compile`].
    pub fn rule_set(self) -> Result<RuleSet> {
        RuleSet::compile(&self.rules)
    }
}

/// Input of [`evaluate_rules`].
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EvaluateRules {
    /// The active rules in their order (`sort_order`, then id), at most 100.
    pub rules: Vec<RuleSource>,
    /// What is known about the session and the request.
    #[serde(default)]
    pub facts: Facts,
}

/// The rules that match.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RuleMatches {
    /// In the order of the rules; the `rule_matches` of `resolve_action`.
    pub matches: Vec<RuleMatch>,
}

/// Evaluates rules over what is known about a session.
///
/// # Errors
/// As [`RuleSet::compile`].
pub fn evaluate_rules(input: EvaluateRules) -> Result<RuleMatches> {
    let rules = RuleSet::compile(&input.rules)?;
    Ok(RuleMatches { matches: rules.matches(&input.facts) })
}

#[cfg(test)]
mod tests;
