//! Plain words for bands, visitors, detections and signals.

use quivive_core::agent::Platform;
use quivive_core::score::detection::{Detection, Effect, Engine};
use quivive_core::score::{Action, Band};
use serde_json::Value;

use crate::app::App;

/// A band for people.
pub(super) fn band(band: Band) -> &'static str {
    match band {
        Band::Definite => "Definitely a bot",
        Band::LikelyAutomated => "Likely automated",
        Band::LikelyHuman => "Likely human",
        Band::Verified => "Verified bot",
        Band::NotComputed => "Not computed yet",
    }
}

/// What an action asks of the site.
pub(super) fn action(action: Action) -> &'static str {
    match action {
        Action::Allow => "serve the request",
        Action::Challenge => "show your challenge",
        Action::Block => "refuse the request",
        Action::Log => "serve the request and note it",
        Action::Delay => "answer slowly, or ask to come back later",
    }
}

/// What sort of visitor a user agent names, true or not.
pub(super) fn visitor(app: &App, user_agent: Option<&str>) -> String {
    let Some(text) = user_agent else { return "No user agent".to_owned() };
    let class = app.detection.class_of_user_agent(text);
    if let Some(agent) = class.agent {
        return agent.info.name.clone();
    }
    if let Some(tool) = class.tool {
        return tool.name.clone();
    }
    if class.has_bot_word {
        return "Self-declared bot".to_owned();
    }
    let browser = match (class.browser.chromium, class.browser.firefox) {
        (Some(version), _) if text.contains("Edg/") => format!("Edge {version}"),
        (Some(version), _) if text.contains("OPR/") => format!("Opera, Chromium {version}"),
        (Some(version), _) => format!("Chrome {version}"),
        (_, Some(version)) => format!("Firefox {version}"),
        _ if class.browser.is_browser && text.contains("Safari/") => "Safari".to_owned(),
        _ if class.browser.is_browser => "Other browser".to_owned(),
        _ => return "Unknown program".to_owned(),
    };
    match class.browser.platform {
        Some(platform) => format!("{browser} on {}", platform_name(platform)),
        None => browser,
    }
}

fn platform_name(platform: Platform) -> &'static str {
    match platform {
        Platform::Android => "Android",
        Platform::ChromeOs => "ChromeOS",
        Platform::Ios => "iOS",
        Platform::Linux => "Linux",
        Platform::MacOs => "macOS",
        Platform::Windows => "Windows",
    }
}

/// What a detection says, what it means, and who else may cause it.
pub(super) fn meaning(id: &str) -> Option<&'static str> {
    EXPLANATIONS.iter().find(|(known, _)| *known == id).map(|(_, text)| *text)
}

/// A detection's phrase as a sentence's beginning; the id itself when it is not known.
pub(super) fn phrase(id: &str) -> String {
    Detection::from_id(id).map_or_else(|| id.to_owned(), |detection| capitalised(detection.phrase()))
}

/// How much a detection weighs, in words.
pub(super) fn effect(detection: Detection) -> String {
    match detection.effect() {
        Effect::Score(score) => format!("sets the score of its engine to {score}"),
        Effect::Start(points) => format!("starts the sum at {points}"),
        Effect::Points(points) => format!("adds {points} points"),
        Effect::Cap(highest) => format!("holds the score at {highest} or below"),
        Effect::Graded => "holds the score down, the lower the surer the learned model is".to_owned(),
        Effect::None if detection.engine() == Engine::Javascript => {
            "is part of a failed probe, which takes 20 points off once and alone never makes a bot".to_owned()
        }
        Effect::None => "explains, without a number of its own".to_owned(),
    }
}

/// An engine's name.
pub(super) fn engine(engine: Engine) -> &'static str {
    match engine {
        Engine::Heuristics => "Request",
        Engine::Javascript => "Script probe",
        Engine::Behavioral => "Behaviour",
    }
}

/// A signal's name and its value with its unit; one without a name of its own is shown under its key.
pub(super) fn signal(key: &str, value: &Value) -> (String, String) {
    let known = SIGNALS.iter().find(|(known, _, _)| *known == key);
    let name = known.map_or_else(|| key.to_owned(), |(_, name, _)| (*name).to_owned());
    let shown = match value {
        Value::Null => "not observed".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items
            .iter()
            .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
            .collect::<Vec<_>>()
            .join(", "),
        Value::Number(number) => match number.as_f64() {
            Some(float) if float.abs() >= 100.0 => format!("{float:.0}"),
            Some(float) if !number.is_u64() && !number.is_i64() => format!("{float:.3}"),
            _ => number.to_string(),
        },
        Value::Object(_) => value.to_string(),
    };
    let unit = known.map_or("", |(_, _, unit)| unit);
    (name, if value.is_null() || unit.is_empty() { shown } else { format!("{shown} {unit}") })
}

/// The first letter in upper case.
pub(super) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

const SIGNALS: &[(&str, &str, &str)] = &[
    ("observed", "Behaviour was reported", ""),
    ("mouse_entropy", "Naturalness of the pointer's path (0 to 1)", ""),
    ("scroll_velocity", "Scroll speed", "px/s"),
    ("visibility_changes", "Tab left or seen again", "times"),
    ("first_input_delay_ms", "Delay of the first input", "ms"),
    ("time_to_first_input_ms", "First input after", "ms"),
    ("total_ms", "Time on the pages", "ms"),
    ("visible_ms", "Of it in view", "ms"),
    ("mouse_moves", "Mouse moves", ""),
    ("pointer_moves", "Pointer moves", ""),
    ("scroll_events", "Scroll steps", ""),
    ("click_events", "Clicks and taps", ""),
    ("key_events", "Keys", ""),
    ("scroll_max_depth_pct", "Deepest place scrolled to", "%"),
    ("max_touch_points", "Touch points of the device", ""),
    ("coarse_pointer", "Main pointer is a finger (1: yes)", ""),
    ("pointer_types", "Pointers used", ""),
    ("passed", "Probe passed", ""),
    ("webdriver", "Remote control reported", ""),
    ("headless", "Browser without a window", ""),
    ("headless_ua", "Headless user agent in script", ""),
    ("zero_viewport", "Viewport without area", ""),
    ("missing_plugins", "No plugins", ""),
    ("navigator_anomaly", "Navigator values do not fit", ""),
    ("reported_failure", "Probe reported a failure", ""),
];

const EXPLANATIONS: &[(&str, &str)] = &[
    (
        "ua.headless",
        "The User-Agent header names a tool that drives browsers without a person: HeadlessChrome, Selenium, Playwright and the like. People do not have such a name; your own tests may.",
    ),
    (
        "ua.http_library",
        "The User-Agent header names an HTTP library or a command-line client such as curl or python-requests. No browser calls itself so.",
    ),
    (
        "ua.false_claim",
        "The visitor calls itself a well-known bot, but its address does not belong to that bot's operator. It borrows a name that many sites let pass.",
    ),
    (
        "ua.missing",
        "The request came without any User-Agent header. Every browser sends one; some privacy tools take it away.",
    ),
    (
        "hdr.no_fetch_metadata",
        "The User-Agent header names a new Chromium, but two headers that it always sends over HTTPS are missing. Some other program uses its name.",
    ),
    (
        "page.bare_headers",
        "A page was requested without at least two of the headers that every browser sends. That is how simple programs ask for pages.",
    ),
    (
        "net.hosting",
        "The address belongs to a hosting provider that you listed. Programs run there; so do some company networks and VPNs.",
    ),
    (
        "ua.generic_bot",
        "The User-Agent header says that this is a bot, crawler or spider, and the claim was not proved. It tells you openly what it is.",
    ),
    (
        "page.no_script",
        "Several pages were requested within a minute and the collector's script ran in none. People who block scripts look the same, so alone this never makes a bot.",
    ),
    (
        "js.webdriver",
        "The browser itself says that it is under remote control, as Selenium and Playwright do it. Some accessibility and test tools do so as well.",
    ),
    ("js.headless", "The script found traits of a browser without a window."),
    ("js.headless_user_agent", "The user agent that the script sees names a headless browser."),
    (
        "js.zero_viewport",
        "The page counts as visible but its window has no area, which no person can look at.",
    ),
    (
        "js.missing_plugins",
        "A desktop Chromium has no plugins at all. A weak sign: privacy settings do this too.",
    ),
    (
        "js.navigator_anomaly",
        "Language, platform and user agent do not fit each other. A weak sign: unusual but honest settings do this too.",
    ),
    ("js.probe_failed", "The script's own check of the browser reported a failure."),
    (
        "automation.headless_signature",
        "An automation tell was proved and nobody did anything on the page for at least five seconds. Together that is a program that reads pages.",
    ),
    (
        "automation.probable_signature",
        "The script probe failed and nobody did anything on the page for at least five seconds.",
    ),
    (
        "pointer.no_variation",
        "The pointer moved often, and always alike: straight, even, without the small errors of a hand.",
    ),
    (
        "pointer.clicks_without_movement",
        "Something was clicked without any pointer travelling there, key or touch. Programs do that; screen readers and some assistive tools do too, so it stays above the usual threshold.",
    ),
    ("interaction.none", "Nobody moved, scrolled, clicked or typed. It counts only beside a failed probe."),
    (
        "interaction.none_while_visible",
        "The page was in view for half a minute and nobody moved, scrolled, clicked or typed. People who only read or have gone away look the same, so it stays above the usual threshold.",
    ),
    (
        "input.instant",
        "The first input came sooner than a person can react to a page. People who click while a page still loads do this too, so it stays above the usual threshold.",
    ),
    ("scroll.too_fast", "The page scrolled at a speed that no hand reaches."),
    (
        "automation.confirmed",
        "The script probe failed and the interaction is unnatural as well: two independent signs of the same thing.",
    ),
    (
        "interaction.below_threshold",
        "Nothing special was seen. Only your project's high threshold puts this session among the bots.",
    ),
    (
        "pointer.like_a_tool",
        "A model that was trained on recordings of people and of automation tools takes this pointer for a tool's: how its speed rises and falls, how it turns, how it corrects itself before a click. Only numbers about the movement left the page, never a place on it.",
    ),
    (
        "keys.like_a_tool",
        "The same kind of model takes the rhythm of the keys for a tool's. Which keys were pressed is never known.",
    ),
    (
        "pointer.scripted",
        "Nearly all movement of the pointer was made by a script in the page, not by a device. Browsers mark such events.",
    ),
    (
        "input.scripted",
        "A script clicked and no device did anything. Some pages click for their visitors, so it stays above the usual threshold.",
    ),
    (
        "pointer.leaps_to_click",
        "The pointer was at each target without having travelled there. Remote control does that; so do some aids for people, so it stays above the usual threshold.",
    ),
    (
        "input.without_keys",
        "Text appeared in a field without keys. Tools fill fields like that, and so does autofill: it explains, and changes no score.",
    ),
    ("interaction.recorded", "The page was used in some way, which is where the sum of points starts."),
    ("pointer.variation", "The pointer's path varies, as it does when a hand moves it."),
    ("pointer.natural", "The pointer's path varies as much as a hand's usually does."),
    ("touch.used", "A finger or a pen was used."),
    ("scroll.natural", "The page was scrolled at the speed of a hand."),
    ("keys.used", "Keys were pressed; which ones is never known."),
    ("clicks.used", "Something was clicked or tapped."),
    ("input.unhurried", "The first input left enough time to see the page."),
    ("input.ordinary_delay", "The browser handled the first input with an ordinary small delay."),
    ("visibility.changed", "The visitor went to another tab or window and came back."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_detection_is_explained_in_plain_words() {
        for detection in Detection::ALL {
            assert!(meaning(detection.id()).is_some(), "{} has no words", detection.id());
        }
        for (id, text) in EXPLANATIONS {
            assert!(Detection::from_id(id).is_some(), "{id} is no detection");
            assert!(text.ends_with('.'), "{text}");
        }
    }

    #[test]
    fn signals_are_shown_with_their_units() {
        assert_eq!(signal("scroll_velocity", &387.0.into()).1, "387 px/s");
        assert_eq!(signal("mouse_moves", &Value::Null).1, "not observed");
        assert_eq!(
            signal("motion_hesitations", &3.into()),
            ("motion_hesitations".to_owned(), "3".to_owned())
        );
        assert_eq!(signal("pointer_types", &serde_json::json!(["mouse", "pen"])).1, "mouse, pen");
    }
}
