//! What a caller wants to be told besides the documented members.

use serde_json::{Map, Value};

use super::query::Query;

/// The members of `include`.
#[derive(Clone, Debug)]
pub struct Include(Vec<&'static str>);

impl Include {
    /// Reads the parameter.
    pub fn read(query: &mut Query<'_>) -> Self {
        Self(query.choices("include", &MEMBERS))
    }

    /// The object `extended` with those of the members that are asked for; nothing when none is asked for at all.
    pub fn extended(&self, members: &[(&'static str, &dyn Fn() -> Value)]) -> Option<Map<String, Value>> {
        let wants = |member: &'static str| self.0.contains(&member) || self.0.contains(&"all");
        let wanted = members.iter().filter(|(member, _)| wants(*member));
        let extended = wanted.map(|(member, value)| ((*member).to_owned(), value())).collect();
        (!self.0.is_empty()).then_some(extended)
    }
}

const MEMBERS: [&str; 8] =
    ["agent", "verification", "signals", "policy", "class", "timing", "settings", "all"];
