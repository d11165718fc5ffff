//! The payload keys, their ranges and the aliases of the vocabulary's first edition.

use serde_json::value::RawValue;

use super::{
    EventKind, MOST_MOTION_FEATURES, MOST_MOTION_KEY_BYTES, Payload,
    read::{self, Object, Place},
};
use crate::Result;

const DAY_MS: u32 = 86_400_000;

const MOTION_PREFIX: &str = "motion_";

/// Aliases of the first edition, each in one sort of event only.
const ALIASES: [(EventKind, &str, &str); 8] = [
    (EventKind::Mouse, "entropy", "mouse_entropy"),
    (EventKind::Mouse, "samples", "mouse_moves"),
    (EventKind::Scroll, "velocity", "scroll_velocity"),
    (EventKind::Scroll, "events", "scroll_events"),
    (EventKind::Scroll, "depth_pct", "scroll_max_depth_pct"),
    (EventKind::Visibility, "changes", "visibility_changes"),
    (EventKind::FirstInput, "delay_ms", "first_input_delay_ms"),
    (EventKind::JsProbe, "passed", "js_passed"),
];

/// Reads a payload of an event of this kind.
pub(super) fn read(fields: Object<'_>, kind: EventKind, place: &Place) -> Result<Payload> {
    for (_, alias, canonical) in ALIASES.iter().filter(|(of, ..)| *of == kind) {
        if fields.contains(alias) && fields.contains(canonical) {
            return Err(place.key(alias).error(&format!("and {canonical} are the same value")));
        }
    }
    let mut payload = Payload::default();
    for (key, value) in fields.into_fields() {
        let alias = ALIASES.iter().find(|(of, alias, _)| *of == kind && *alias == key);
        let canonical = alias.map_or(key.as_str(), |(_, _, canonical)| canonical);
        set(&mut payload, &key, canonical, value, kind, place)?;
    }
    Ok(payload)
}

fn set(
    payload: &mut Payload,
    key: &str,
    canonical: &str,
    value: &RawValue,
    kind: EventKind,
    parent: &Place,
) -> Result<()> {
    let place = &parent.key(&key.chars().take(64).collect::<String>());
    let integer = |most| read::integer(value, most, place);
    let boolean = || read::boolean(value, place);
    match canonical {
        "mouse_entropy" => payload.mouse_entropy = read::number(value, 1, place)?,
        "scroll_velocity" => payload.scroll_velocity = read::number(value, 1_000_000, place)?,
        "visibility_changes" => payload.visibility_changes = integer(10_000)?,
        "first_input_delay_ms" => payload.first_input_delay_ms = integer(DAY_MS)?,
        "time_to_first_input_ms" => payload.time_to_first_input_ms = integer(DAY_MS)?,
        "total_ms" => payload.total_ms = integer(DAY_MS)?,
        "visible_ms" => payload.visible_ms = integer(DAY_MS)?,
        "mouse_moves" => payload.mouse_moves = integer(1_000_000)?,
        "pointer_moves" => payload.pointer_moves = integer(1_000_000)?,
        "scroll_events" => payload.scroll_events = integer(1_000_000)?,
        "click_events" => payload.click_events = integer(100_000)?,
        "key_events" => payload.key_events = integer(100_000)?,
        "scroll_max_depth_pct" => payload.scroll_max_depth_pct = integer(100)?,
        "max_touch_points" => payload.max_touch_points = integer(100)?,
        "coarse_pointer" => payload.coarse_pointer = integer(1)?,
        "js_passed" => payload.js_passed = boolean()?,
        "webdriver" => payload.webdriver = boolean()?,
        "headless" => payload.headless = boolean()?,
        "headless_ua" => payload.headless_ua = boolean()?,
        "zero_viewport" => payload.zero_viewport = boolean()?,
        "missing_plugins" => payload.missing_plugins = boolean()?,
        "navigator_anomaly" => payload.navigator_anomaly = boolean()?,
        "collector_version" => {
            let rule = "must be three numbers of one to three digits with dots between, or null";
            payload.collector_version = read::text_or_null(value, place, rule, is_version)?;
        }
        "page_path_hash" => {
            let rule = "must be 1 to 32 lower-case hexadecimal digits or null";
            payload.page_path_hash = read::text_or_null(value, place, rule, is_path_hash)?;
        }
        "page_path_shape" => {
            let rule = "must be at most 64 bytes, a slash and then A-Z a-z 0-9 / . _ { } -, or null";
            read::text_or_null(value, place, rule, is_path_shape)?;
        }
        "pointer_types" => {
            payload.pointer_types =
                read::list(value, 3, place, "must hold at most three of mouse, touch, pen")?;
        }
        "languages" => {
            let rule = "must hold at most ten language tags";
            let languages: Vec<String> = read::list(value, 10, place, rule)?;
            if !languages.iter().all(|tag| is_language_tag(tag)) {
                return Err(place.error(rule));
            }
            payload.languages = languages;
        }
        "plugins" => drop(read::list::<()>(value, 0, place, "must be an empty array")?),
        "motion_version" if kind == EventKind::Snapshot => payload.motion_version = integer(1_000_000)?,
        key if kind == EventKind::Snapshot && is_motion_key(key) => {
            if let Some(number) = read::finite(value, place)? {
                payload.motion.insert(key.to_owned(), number);
            }
            if payload.motion.len() > MOST_MOTION_FEATURES {
                return Err(parent.error("must hold at most 64 motion_ numbers"));
            }
        }
        key => return Err(read::unknown(parent, key)),
    }
    Ok(())
}

fn is_version(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    parts.len() == 3
        && parts
            .iter()
            .all(|part| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_path_hash(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_path_shape(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with('/')
        && text.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'{' | b'}' | b'-')
        })
}

fn is_language_tag(text: &str) -> bool {
    let mut parts = text.split('-');
    let is_language = parts.next().is_some_and(|part| {
        (2..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphabetic())
    });
    let rest: Vec<&str> = parts.collect();
    is_language
        && rest.len() <= 2
        && rest.iter().all(|part| {
            (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

fn is_motion_key(key: &str) -> bool {
    key.len() <= MOST_MOTION_KEY_BYTES
        && key.strip_prefix(MOTION_PREFIX).is_some_and(|name| {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        })
}
