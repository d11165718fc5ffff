//! Plans: the built-in ones, and those of the operator's own making.

use std::str::FromStr;

use crate::error::{Error, Result};
use crate::tenant::Plan;

/// What is changed of a plan; what is not named stays as the plan has it.
#[derive(clap::Args, Clone, Default)]
pub(super) struct Limits {
    /// Accepted events in one UTC calendar month, or `unlimited`; more are accepted and flagged.
    #[arg(long)]
    monthly_events: Option<Limit>,
    /// Whether the owner may make rules.
    #[arg(long, value_parser = clap::builder::BoolishValueParser::new())]
    custom_rules: Option<bool>,
    /// Detection requests in one second, or `unlimited`.
    #[arg(long)]
    requests_per_second: Option<Limit>,
    /// Detection requests in one UTC day, or `unlimited`.
    #[arg(long)]
    requests_per_day: Option<Limit>,
}

/// A number, or no limit.
#[derive(Clone, Copy)]
struct Limit(Option<i64>);

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.parse() {
            Ok(number) if number >= 0 => Ok(Self(Some(number))),
            _ if text == "unlimited" => Ok(Self(None)),
            _ => Err("use a number from 0 or `unlimited`".to_owned()),
        }
    }
}

impl Limits {
    /// The plan of this name with these limits; a name of the operator's own needs some, or an account that has it.
    pub fn plan(&self, name: &str, present: Option<&Plan>) -> Result<Plan> {
        let known = Plan::named(name).or_else(|| present.filter(|plan| plan.name == name).cloned());
        if known.is_none() && self.is_empty() {
            return Err(Error::invalid(format!(
                "no plan `{name}`: use free, pro or enterprise, or give its limits (--monthly-events, --custom-rules)"
            )));
        }
        let mut plan = known.unwrap_or_else(|| Plan { name: name.to_owned(), ..Plan::default() });
        let set = |place: &mut Option<i64>, limit: Option<Limit>| {
            if let Some(Limit(limit)) = limit {
                *place = limit;
            }
        };
        set(&mut plan.monthly_event_quota, self.monthly_events);
        set(&mut plan.requests_per_second, self.requests_per_second);
        set(&mut plan.requests_per_day, self.requests_per_day);
        plan.custom_rules = self.custom_rules.unwrap_or(plan.custom_rules);
        Ok(plan)
    }

    fn is_empty(&self) -> bool {
        let limits = [self.monthly_events, self.requests_per_second, self.requests_per_day];
        limits.iter().all(Option::is_none) && self.custom_rules.is_none()
    }
}

/// A plan in a few words.
pub(super) fn describe(plan: &Plan) -> String {
    let events = plan.monthly_event_quota.map_or_else(|| "unlimited".to_owned(), |quota| quota.to_string());
    let rules = if plan.custom_rules { "with rules" } else { "without rules" };
    format!("{} ({events} events a month, {rules})", plan.name)
}
