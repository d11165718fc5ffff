//! From events to one session: a small state that takes events one by one and never needs to read them again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::payload::{Event, EventKind, Payload, PointerType, parse_event_values};
use crate::{Result, Timestamp, score::VerifiedBot};

mod page_view;

use page_view::{PageView, Totals};

/// Open page views of server ingest that are kept apart; older ones are added up and closed.
const MOST_OPEN_PAGES: usize = 32;

/// A session's state between batches. It serialises to a small JSON object and takes events in arrival order.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Session {
    page_views: u32,
    browser_events: u64,
    behavior_seen: bool,
    closed: Totals,
    /// The open page view of events that came straight from the browser.
    direct: Option<PageView>,
    /// Open page views of events that the customer's server forwarded, oldest first.
    pages: Vec<(String, PageView)>,
    probed: bool,
    probe: JsDetection,
    context: Context,
}

impl Session {
    /// Takes one event that came straight from the browser; a `page` event begins a new page view.
    pub fn apply(&mut self, event: &Event) {
        self.note(event);
        if event.kind == EventKind::Page
            && let Some(ended) = self.direct.take()
        {
            self.closed.add(&ended);
        }
        let next = self.page_views;
        let view = self.direct.get_or_insert_with(|| PageView::new(next));
        view.apply(&event.payload);
        self.page_views = next.max(view.sequence().saturating_add(1));
    }

    /// Takes one event that the customer's server forwarded for the page view `page_id`.
    pub fn apply_to_page(&mut self, page_id: &str, event: &Event) {
        self.note(event);
        if let Some((_, view)) = self.pages.iter_mut().find(|(id, _)| id == page_id) {
            view.apply(&event.payload);
            return;
        }
        if self.pages.len() >= MOST_OPEN_PAGES {
            let (_, ended) = self.pages.remove(0);
            self.closed.add(&ended);
        }
        let mut view = PageView::new(self.page_views);
        self.page_views = self.page_views.saturating_add(1);
        view.apply(&event.payload);
        self.pages.push((page_id.to_owned(), view));
    }

    /// Notes the request by which a batch came straight from the browser; the last one counts.
    pub fn observe_request(&mut self, request: DirectRequest) {
        self.context.direct = Some(request);
    }

    /// Notes a page that the customer's server delivered.
    pub fn observe_page_hit(&mut self, hit: &PageHit) {
        self.context.page_hits.add(hit);
    }

    /// Notes the visitor's address as the customer's server reported it; `inferred` from headers that nobody
    /// vouched for.
    pub fn observe_address(&mut self, address: String, inferred: bool) {
        let place =
            if inferred { &mut self.context.inferred_address } else { &mut self.context.observed_address };
        *place = Some(address);
    }

    /// Notes what looking up the claimed bot gave; none when no bot is claimed.
    pub fn observe_verification(&mut self, verification: Option<Verification>) {
        self.context.verification = verification;
    }

    /// Notes whether the visitor's explicit address is in the operator's list of hosting networks.
    pub fn observe_hosting_network(&mut self, is_hosting: bool) {
        self.context.hosting_network = is_hosting;
    }

    /// What is known about the requests of this session.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The signals of the whole session.
    pub fn aggregate(&self) -> Aggregate {
        let mut totals = self.closed.clone();
        for view in self.direct.iter().chain(self.pages.iter().map(|(_, view)| view)) {
            totals.add(view);
        }
        Aggregate {
            browser_events: self.browser_events,
            behavioral: totals.behavioral(self.behavior_seen),
            js_detection: self.js_detection(),
            context: self.context.clone(),
        }
    }

    fn note(&mut self, event: &Event) {
        self.browser_events = self.browser_events.saturating_add(1);
        self.behavior_seen |= event.kind.tells_behavior();
        if event.kind == EventKind::JsProbe || event.payload.has_probe_flag() {
            self.probed = true;
            self.probe.add(&event.payload);
        }
    }

    /// The server decides whether the probe passed; a reported pass is not believed.
    fn js_detection(&self) -> JsDetection {
        let probe = &self.probe;
        let failed = probe.webdriver || probe.headless || probe.headless_ua || probe.reported_failure;
        JsDetection { passed: self.probed.then_some(!failed), ..probe.clone() }
    }
}

/// The signals of one session, the input of the three engines.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Aggregate {
    /// How many events came from the browser.
    pub browser_events: u64,
    /// Interaction with the pages.
    pub behavioral: Behavioral,
    /// The script probe.
    pub js_detection: JsDetection,
    /// The requests.
    pub context: Context,
}

/// Interaction with the pages of a session; null is "not observed".
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Behavioral {
    /// Whether any event told of behaviour (`snapshot`, `mouse`, `scroll`, `visibility`, `first_input`).
    pub observed: bool,
    /// Naturalness of the pointer's path, 0 to 1; people tend to have high values.
    pub mouse_entropy: Option<f64>,
    /// Pixels per second while scrolling.
    pub scroll_velocity: Option<f64>,
    /// How often the page was hidden or shown.
    pub visibility_changes: Option<u64>,
    /// Delay between the first input and its handling, in milliseconds.
    pub first_input_delay_ms: Option<u32>,
    /// From navigation to the first input, in milliseconds.
    pub time_to_first_input_ms: Option<u32>,
    /// Time on the pages, in milliseconds.
    pub total_ms: Option<u64>,
    /// The part of it in view, in milliseconds.
    pub visible_ms: Option<u64>,
    /// Sampled mouse movements.
    pub mouse_moves: Option<u64>,
    /// Sampled pointer movements.
    pub pointer_moves: Option<u64>,
    /// Scroll events.
    pub scroll_events: Option<u64>,
    /// Clicks.
    pub click_events: Option<u64>,
    /// Keys pressed; which ones is never known.
    pub key_events: Option<u64>,
    /// Deepest place scrolled to, in percent of the page.
    pub scroll_max_depth_pct: Option<u32>,
    /// Touch points that the device has.
    pub max_touch_points: Option<u32>,
    /// 1 when the main pointer is a finger.
    pub coarse_pointer: Option<u32>,
    /// The pointers that were used.
    pub pointer_types: Vec<PointerType>,
    /// Features of movement: those of pointer and delivery from the page view with most movements, those of typing
    /// from the one with most keys; empty when no snapshot of this version had any.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub motion: BTreeMap<String, f64>,
}

/// The script probe: tells seen by any probe of the session.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct JsDetection {
    /// Null without a probe; false when a tell proves automation or the probe reported failure.
    pub passed: Option<bool>,
    /// `navigator.webdriver`.
    pub webdriver: bool,
    /// A browser without a window.
    pub headless: bool,
    /// A user agent that names a headless browser.
    pub headless_ua: bool,
    /// Visible, but without area.
    pub zero_viewport: bool,
    /// A desktop Chromium without plugins.
    pub missing_plugins: bool,
    /// Navigator values that do not fit each other.
    pub navigator_anomaly: bool,
    /// The probe itself reported `js_passed` false.
    pub reported_failure: bool,
}

impl JsDetection {
    fn add(&mut self, payload: &Payload) {
        self.webdriver |= payload.webdriver == Some(true);
        self.headless |= payload.headless == Some(true);
        self.headless_ua |= payload.headless_ua == Some(true);
        self.zero_viewport |= payload.zero_viewport == Some(true);
        self.missing_plugins |= payload.missing_plugins == Some(true);
        self.navigator_anomaly |= payload.navigator_anomaly == Some(true);
        self.reported_failure |= payload.js_passed == Some(false);
    }
}

/// What is known about the requests of a session.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Context {
    /// The last request that came straight from the browser.
    pub direct: Option<DirectRequest>,
    /// The visitor's address as the customer's server saw it.
    pub observed_address: Option<String>,
    /// The visitor's address as guessed from headers that nobody vouched for.
    pub inferred_address: Option<String>,
    /// Pages that the customer's server delivered.
    pub page_hits: PageHits,
    /// Whether the explicit address is in the operator's list of hosting networks.
    pub hosting_network: bool,
    /// What looking up the claimed bot gave.
    pub verification: Option<Verification>,
}

impl Context {
    /// The visitor's user agent, if one was sent.
    pub fn user_agent(&self) -> Option<&str> {
        self.direct.as_ref()?.user_agent.as_deref().map(str::trim).filter(|text| !text.is_empty())
    }

    /// The visitor's best known address: reported, else of the connection, else inferred.
    pub fn address(&self) -> Option<&str> {
        self.explicit_address().or(self.inferred_address.as_deref())
    }

    /// The visitor's address unless it is only inferred; only this may prove or disprove an identity.
    pub fn explicit_address(&self) -> Option<&str> {
        self.observed_address.as_deref().or_else(|| self.direct.as_ref()?.address.as_deref())
    }

    /// The bot that the visitor was proved to be.
    pub fn verified_bot(&self) -> Option<VerifiedBot> {
        let verification = self.verification.as_ref()?;
        (verification.outcome == Outcome::Yes)
            .then(|| VerifiedBot { name: verification.name.clone(), category: verification.category.clone() })
    }
}

/// A request that brought a batch straight from the browser.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct DirectRequest {
    /// The `User-Agent` header.
    pub user_agent: Option<String>,
    /// The address of the connection, behind trusted proxies.
    pub address: Option<String>,
    /// Whether it came over HTTPS.
    pub secure: bool,
    /// Whether `Sec-CH-UA` was sent.
    pub sec_ch_ua: bool,
    /// Whether `Sec-Fetch-Mode` was sent.
    pub sec_fetch_mode: bool,
}

/// One page that the customer's server delivered.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PageHit {
    /// When.
    pub occurred_at: Timestamp,
    /// Lower-case names of the request's headers; empty when they were not reported.
    #[serde(default)]
    pub header_names: Vec<String>,
}

/// All pages that the customer's server delivered in a session.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PageHits {
    /// How many.
    pub count: u32,
    /// When the first one was.
    pub first_at: Option<Timestamp>,
    /// Whether one lacked two or more headers that every browser sends.
    pub bare_headers: bool,
}

impl PageHits {
    fn add(&mut self, hit: &PageHit) {
        const ORDINARY: [&str; 4] = ["accept", "accept-encoding", "accept-language", "user-agent"];
        let lacking =
            ORDINARY.iter().filter(|name| !hit.header_names.iter().any(|header| header == *name)).count();
        self.count = self.count.saturating_add(1);
        self.first_at = Some(self.first_at.map_or(hit.occurred_at, |first| first.min(hit.occurred_at)));
        self.bare_headers |= !hit.header_names.is_empty() && lacking >= 2;
    }
}

/// What looking up a claimed bot gave.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "BotVerification"))]
#[serde(deny_unknown_fields)]
pub struct Verification {
    /// The bot's name, for example `Googlebot`.
    pub name: String,
    /// Its category, for example `Search`.
    pub category: String,
    /// The answer.
    pub outcome: Outcome,
}

/// The answer of a verification.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The address belongs to the bot.
    Yes,
    /// The address does not belong to the bot.
    No,
    /// No data, or the look-up failed or took too long.
    Unknown,
}

/// Input of [`aggregate_session`].
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AggregateSession {
    /// Browser events as in a batch, in arrival order.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<Event>"))]
    pub events: Vec<serde_json::Value>,
    /// What is known about the requests.
    #[serde(default)]
    pub context: Context,
    /// Pages that the customer's server delivered; added to those of the context.
    #[serde(default)]
    pub page_hits: Vec<PageHit>,
}

/// Aggregates a session's events to the signals that `score_session` takes.
///
/// # Errors
/// `INVALID_INPUT` with the path of the first offending value.
pub fn aggregate_session(input: AggregateSession) -> Result<Aggregate> {
    let mut session = Session { context: input.context, ..Session::default() };
    for event in parse_event_values(&input.events)? {
        session.apply(&event);
    }
    for hit in &input.page_hits {
        session.observe_page_hit(hit);
    }
    Ok(session.aggregate())
}

#[cfg(test)]
mod tests;
