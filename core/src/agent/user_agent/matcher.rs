//! A rule set, compiled, and the way from a user agent to what it says.

use super::finder::Finder;
use super::patterns::{PHRASES, Pattern, Vocabulary, patterns_of};
use super::seen::Seen;
use super::shape::Form;
use super::{Tool, UserAgentClass};
use crate::agent::SubType;
use crate::agent::catalogue::{Agent, RuleSet};
use crate::{Error, Result};

/// A rule set's tokens, words and marks, compiled.
#[derive(Debug)]
pub(in crate::agent) struct Matcher {
    patterns: Finder<Pattern>,
    vocabulary: Vocabulary,
}

impl Matcher {
    /// Compiles the patterns; also returns the tools, to which matches refer by place.
    ///
    /// # Errors
    /// `INVALID_INPUT` for more than 32 kinds of words, or more tokens and words than an automaton can hold.
    pub fn new(rules: &mut RuleSet) -> Result<(Self, Vec<Tool>)> {
        let words = &rules.words;
        if words.kinds.len() > MAXIMUM_KINDS {
            return Err(Error::invalid_input(format!("more than {MAXIMUM_KINDS} kinds of words")));
        }
        let tools = rules
            .tools
            .iter()
            .map(|entry| Tool {
                name: entry.name.clone(),
                sub_type: entry.sub_type,
                confidence: entry.confidence,
                without_browser: entry.without_browser,
            })
            .collect();
        let kinds: Vec<_> = words.kinds.iter().map(|kind| (kind.bot_type, kind.sub_type)).collect();
        let general_kind =
            kinds.iter().position(|(_, sub_type)| *sub_type == SubType::Other).unwrap_or(kinds.len());
        let patterns = Finder::new(&patterns_of(rules), &PHRASES)?;
        let browsers = std::mem::take(&mut rules.browsers);
        Ok((Self { patterns, vocabulary: Vocabulary { kinds, general_kind, browsers } }, tools))
    }

    /// Says what a user agent is; looks at its first 2,048 bytes.
    pub fn class_of<'a>(
        &self,
        user_agent: &str,
        agents: &'a [Agent],
        tools: &'a [Tool],
    ) -> UserAgentClass<'a> {
        let all = user_agent.trim_ascii().as_bytes();
        let text = all.get(..LOOKED_AT).unwrap_or(all);
        let mut seen = Seen::new(text, Form::of(text));
        self.patterns.find(text, |pattern, place| seen.add(pattern, place, agents));
        let is_unreadable = all.len() > LOOKED_AT || seen.form.has_control;
        seen.into_class(&self.vocabulary, agents, tools, is_unreadable)
    }
}

const LOOKED_AT: usize = 2048;
const MAXIMUM_KINDS: usize = 32;
