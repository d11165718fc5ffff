//! Families of questions and the choice of three.

use serde::{Deserialize, Serialize};

use super::draw::Draw;
use super::{QUESTIONS, analogy, code, common_sense, logic, math, wordplay};

/// What a question is about.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Category {
    /// A relation carried over to something else.
    Analogy,
    /// What a short program or expression gives.
    Code,
    /// Everyday knowledge: time, money, weights, places.
    CommonSense,
    /// What follows from what is said.
    Logic,
    /// Numbers.
    Math,
    /// Letters and words.
    Wordplay,
}

impl Category {
    /// The category's name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Analogy => "analogy",
            Self::Code => "code",
            Self::CommonSense => "common-sense",
            Self::Logic => "logic",
            Self::Math => "math",
            Self::Wordplay => "wordplay",
        }
    }
}

/// A kind of question with thousands of variants.
pub(super) struct Family {
    /// How its question ids begin.
    pub prefix: &'static str,
    /// What it is about.
    pub category: Category,
    /// Draws a question and computes its answer.
    pub make: fn(&mut Draw) -> Asked,
}

impl Family {
    /// A family of a category.
    pub(super) const fn new(category: Category, prefix: &'static str, make: fn(&mut Draw) -> Asked) -> Self {
        Self { prefix, category, make }
    }
}

/// A question and its one right answer in normal form.
pub(super) type Asked = (String, String);

/// Every family.
pub(super) fn all() -> impl Iterator<Item = &'static Family> + Clone {
    [
        analogy::FAMILIES,
        code::FAMILIES,
        common_sense::FAMILIES,
        logic::FAMILIES,
        math::FAMILIES,
        wordplay::FAMILIES,
    ]
    .into_iter()
    .flatten()
}

/// Two different families of any category, then one of a category that neither of them has.
pub(super) fn select(draw: &mut Draw) -> impl Iterator<Item = &'static Family> + use<> {
    let first = draw.any(all());
    let second = draw.any(all().filter(|family| !is_same(first, family)));
    let has_category = |chosen: Option<&Family>, family: &Family| {
        chosen.is_some_and(|chosen| chosen.category == family.category)
    };
    let third =
        draw.any(all().filter(|family| !has_category(first, family) && !has_category(second, family)));
    let chosen: [_; QUESTIONS] = [first, second, third];
    chosen.into_iter().flatten()
}

fn is_same(chosen: Option<&Family>, family: &Family) -> bool {
    chosen.is_some_and(|chosen| chosen.prefix == family.prefix)
}
