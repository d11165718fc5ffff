//! The script engine: tells of the probe in the page. It has no score of its own; a failed probe alone never puts
//! a session into a bot band.

use super::{Opinion, aggregate::JsDetection, detection::Detection};

/// What the probe saw; empty unless the probe failed, because single tells also occur in people's browsers.
pub fn evaluate(probe: &JsDetection) -> Opinion {
    if probe.passed != Some(false) {
        return Opinion::default();
    }
    let tells = [
        (probe.webdriver, Detection::Webdriver, "webdriver"),
        (probe.headless, Detection::Headless, "headless"),
        (probe.headless_ua, Detection::HeadlessUserAgent, "headless_ua"),
        (probe.zero_viewport, Detection::ZeroViewport, "zero_viewport"),
        (probe.missing_plugins, Detection::MissingPlugins, "missing_plugins"),
        (probe.navigator_anomaly, Detection::NavigatorAnomaly, "navigator_anomaly"),
        (probe.reported_failure, Detection::ProbeFailed, "js_passed"),
    ];
    Opinion::of(
        tells
            .into_iter()
            .filter(|(seen, ..)| *seen)
            .map(|(_, detection, source)| detection.evidence(source))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::detection;

    #[test]
    fn tells_beside_a_passed_probe_are_no_evidence() {
        let probe = JsDetection {
            passed: Some(true),
            navigator_anomaly: true,
            missing_plugins: true,
            ..JsDetection::default()
        };
        assert_eq!(evaluate(&probe), Opinion::default());
    }

    #[test]
    fn a_failed_probe_names_every_tell_without_a_score() {
        let probe = JsDetection {
            passed: Some(false),
            webdriver: true,
            headless: true,
            headless_ua: true,
            zero_viewport: true,
            missing_plugins: true,
            navigator_anomaly: true,
            reported_failure: true,
        };
        let opinion = evaluate(&probe);
        assert_eq!(opinion.score, None);
        assert_eq!(detection::numbers(&opinion.evidence), (33_554_433..=33_554_439).collect::<Vec<_>>());
    }
}
