//! What the API says against a form, next to the fields that it is about.

use maud::{Markup, html};
use serde_json::{Map, Value};

use crate::agentshield::wire;
use crate::console::failure::Result;
use crate::error::ErrorKind;

/// What is wrong with a form, by the fields of the API.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<(String, String)>);

impl Faults {
    /// The faults of a body that was refused.
    ///
    /// # Errors
    /// Any other failure, as it is.
    pub fn of(failure: wire::Failure) -> Result<Self> {
        let wire::Failure(error) = failure;
        if error.kind() != ErrorKind::Invalid {
            return Err(error.into());
        }
        let details = error.details();
        let all = match details.get("errors").and_then(Value::as_array) {
            Some(several) => several.iter().filter_map(Value::as_object).map(told).collect(),
            None => vec![told(details)],
        };
        Ok(Self(all))
    }

    /// One fault that was found before the API was asked.
    pub fn one(field: &str, message: impl Into<String>) -> Self {
        Self(vec![(field.to_owned(), message.into())])
    }

    /// Every fault with its field.
    pub fn all(&self) -> &[(String, String)] {
        &self.0
    }

    /// Whether a field has a fault, for `aria-invalid`.
    pub fn has(&self, field: &str) -> Option<&'static str> {
        self.of_field(field).next().is_some().then_some("true")
    }

    /// The faults of a field, as a text that the field names with `aria-describedby`.
    pub fn at(&self, field: &str) -> Markup {
        html! {
            span class="field-fault" id=(Self::id(field)) {
                @for message in self.of_field(field) { span { (message) } }
            }
        }
    }

    /// The id of a field's faults.
    pub fn id(field: &str) -> String {
        format!("fault-{}", field.replace('.', "-"))
    }

    /// The faults of what has no field of its own in the form.
    pub fn others(&self, fields: &[&str]) -> Markup {
        let others: Vec<_> =
            self.0.iter().filter(|(at, _)| !fields.iter().any(|field| is_of(at, field))).collect();
        html! {
            @if !others.is_empty() {
                ul class="plain field-fault" role="alert" {
                    @for (at, message) in others {
                        li { @if at != "body" { code { (at) } ": " } (message) }
                    }
                }
            }
        }
    }

    fn of_field(&self, field: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(at, _)| is_of(at, field)).map(|(_, message)| message.as_str())
    }
}

/// Whether a fault's place is a field or an item of it.
fn is_of(at: &str, field: &str) -> bool {
    at.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
}

fn told(details: &Map<String, Value>) -> (String, String) {
    let text = |name: &str| details.get(name).and_then(Value::as_str);
    (text("field").unwrap_or("body").to_owned(), message(details, text("reason").unwrap_or_default()))
}

fn message(details: &Map<String, Value>, reason: &str) -> String {
    let text = |name: &str| details.get(name).and_then(Value::as_str);
    let bound = |name: &str| {
        details.get(name).map(|bound| bound.as_str().map_or_else(|| bound.to_string(), str::to_owned))
    };
    let (least, most) = (bound("min"), bound("max"));
    let ready = text("message").or_else(|| text("advice")).or_else(|| text("rule").map(rule));
    if let Some(ready) = ready {
        return ready.to_owned();
    }
    match (reason, least, most) {
        ("required", _, _) => "Fill this in.".to_owned(),
        ("too_short", _, _) => "Choose or write at least one.".to_owned(),
        ("too_long", _, Some(most)) => format!("Too long: at most {most} characters."),
        ("too_many", _, Some(most)) => format!("Too many: at most {most}."),
        ("out_of_range", Some(least), Some(most)) => format!("This lies between {least} and {most}."),
        ("out_of_range", Some(least), None) => format!("This is after {least}."),
        ("out_of_range", None, Some(most)) => format!("This is at most {most}."),
        ("out_of_range", None, None) => "This is out of range, or has ended already.".to_owned(),
        ("unknown_value", _, _) => "There is no such value.".to_owned(),
        ("type", _, _) => "This has another form than is asked for.".to_owned(),
        ("body_not_json", _, _) => "This is not JSON.".to_owned(),
        ("format", _, _) => "This cannot be read; look at the example.".to_owned(),
        (other, _, _) => format!("This is refused ({other})."),
    }
}

/// Why a webhook's URL is refused.
fn rule(rule: &str) -> &'static str {
    match rule {
        "https" => "The URL has to begin with https://.",
        "no_credentials" => "The URL may not hold a user name or password.",
        "port" => "This server does not send to that port.",
        "public_host" => "The host has to be a public one: not this machine, not the network around it.",
        _ => "This is no complete URL.",
    }
}
