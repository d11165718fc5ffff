//! The form of a webhook, and how it becomes a body of the API.

use maud::{Markup, html};
use serde_json::{Map, Value, json};

use crate::console::access::{Form, Owned};
use crate::console::detections::faults::Faults;
use crate::console::layout;
use crate::flows::webhooks::{Hook, Payload};

/// What the form holds.
pub(super) struct Draft {
    url: String,
    events: Vec<String>,
    who: String,
    min_confidence: String,
    is_full: bool,
    bots_per_minute: String,
    is_enabled: bool,
    /// A filter of types that was set through the API, and is kept.
    types: Option<Value>,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            url: String::new(),
            events: vec!["detection.created".to_owned()],
            who: "bots".to_owned(),
            min_confidence: String::new(),
            is_full: false,
            bots_per_minute: String::new(),
            is_enabled: true,
            types: None,
        }
    }
}

impl Draft {
    /// The form as a webhook fills it.
    pub fn of(hook: &Hook) -> Self {
        let who = match hook.filter.is_bot {
            Some(true) => "bots",
            Some(false) => "others",
            None => "all",
        };
        let least = hook.filter.min_confidence.map(|least| (least * 10_000.0).round() / 100.0);
        Self {
            url: hook.url.clone(),
            events: hook.events.clone(),
            who: who.to_owned(),
            min_confidence: least.map(|least| least.to_string()).unwrap_or_default(),
            is_full: hook.payload == Payload::Full,
            bots_per_minute: hook.bots_per_minute.map(|most| most.to_string()).unwrap_or_default(),
            is_enabled: hook.is_enabled,
            types: hook.filter.bot_type.as_ref().map(|types| json!(types)),
        }
    }

    /// The form as it was sent.
    pub fn read(form: &Form) -> Self {
        let events = EVENTS.iter().map(|(event, _)| *event);
        Self {
            url: form.text("url").trim().to_owned(),
            events: events
                .filter(|event| form.is_ticked(&format!("event-{event}")))
                .map(str::to_owned)
                .collect(),
            who: form.text("who").to_owned(),
            min_confidence: form.text("minConfidence").trim().to_owned(),
            is_full: form.is_ticked("full"),
            bots_per_minute: form.text("botsPerMinute").trim().to_owned(),
            is_enabled: form.is_ticked("enabled"),
            types: serde_json::from_str(form.text("types")).ok(),
        }
    }

    /// As the API takes it. What cannot be read as a number is sent as it is, and refused there.
    pub fn body(&self) -> Map<String, Value> {
        let least = self.min_confidence.parse::<f64>();
        let most = self.bots_per_minute.parse::<u64>();
        let mut filter = Map::new();
        if self.who != "all" {
            filter.insert("isBot".to_owned(), json!(self.who == "bots"));
        }
        if let Some(types) = &self.types {
            filter.insert("botType".to_owned(), types.clone());
        }
        if !self.min_confidence.is_empty() {
            let least = least.map_or_else(|_| json!(self.min_confidence), |least| json!(least / 100.0));
            filter.insert("minConfidence".to_owned(), least);
        }
        let most = match most {
            _ if self.bots_per_minute.is_empty() => Value::Null,
            Ok(most) => json!(most),
            Err(_) => json!(self.bots_per_minute),
        };
        Map::from_iter([
            ("url".to_owned(), json!(self.url)),
            ("events".to_owned(), json!(self.events)),
            ("filter".to_owned(), Value::Object(filter)),
            ("payload".to_owned(), json!(if self.is_full { "full" } else { "minimal" })),
            ("botsPerMinute".to_owned(), most),
            ("enabled".to_owned(), json!(self.is_enabled)),
        ])
    }
}

/// The form.
pub(super) fn editor(owned: &Owned, action: &str, draft: &Draft, faults: &Faults, button: &str) -> Markup {
    let is_wanted = |event: &str| draft.events.iter().any(|wanted| wanted == event);
    html! {
        form method="post" action=(action) class="rule-form" {
            (layout::mark(&owned.owner))
            (faults.others(&["url", "events", "filter.minConfidence", "botsPerMinute"]))
            label { "URL of your receiver"
                input type="text" name="url" id="webhook-url" inputmode="url" required value=(draft.url) placeholder="https://example.com/hooks/quivive" autocomplete="off" aria-invalid=[faults.has("url")] aria-describedby=(Faults::id("url"));
                (faults.at("url"))
            }
            fieldset {
                legend { "What it is told" }
                div class="ticks" {
                    @for (event, words) in EVENTS {
                        label class="tick" { input type="checkbox" name=(format!("event-{event}")) checked[is_wanted(event)]; span { (words) " " code { (event) } } }
                    }
                }
                (faults.at("events"))
            }
            @if let Some(types) = &draft.types {
                input type="hidden" name="types" value=(types.to_string());
                p class="fine" { "Only of the types " code { (types.to_string()) } ", as set through the API." }
            }
            div class="fields" {
                label { "Detections of"
                    select name="who" {
                        @for (name, words) in [("bots", "bots"), ("others", "people and others"), ("all", "everybody")] {
                            option value=(name) selected[name == draft.who] { (words) }
                        }
                    }
                }
                label { "From this confidence on, percent"
                    input type="text" name="minConfidence" inputmode="decimal" value=(draft.min_confidence) placeholder="0" aria-invalid=[faults.has("filter.minConfidence")] aria-describedby=(Faults::id("filter.minConfidence"));
                    (faults.at("filter.minConfidence"))
                }
                label { "Bots a minute that are too many"
                    input type="text" name="botsPerMinute" inputmode="numeric" value=(draft.bots_per_minute) placeholder="the server's figure" aria-invalid=[faults.has("botsPerMinute")] aria-describedby=(Faults::id("botsPerMinute"));
                    (faults.at("botsPerMinute"))
                }
            }
            div class="ticks" {
                label class="tick" { input type="checkbox" name="full" checked[draft.is_full]; span { "Tell everything about a detection, not only its four main facts" } }
                label class="tick" { input type="checkbox" name="enabled" checked[draft.is_enabled]; span { "Switched on" } }
            }
            p class="buttons" { button type="submit" { (button) } }
        }
    }
}

const EVENTS: [(&str, &str); 7] = [
    ("detection.created", "A detection"),
    ("detection.blocked", "A refusal by the policy"),
    ("agent.first_seen", "An agent that never came before"),
    ("agent.spoofed", "A false identity"),
    ("threshold.exceeded", "Too many bots in a minute"),
    ("ratelimit.exceeded", "The day's requests are used up"),
    ("webhook.test", "A test"),
];
