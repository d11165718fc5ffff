//! The behavioral engine: what the visitor did on the pages, as points for what people do and caps for what they
//! cannot do.

use super::{
    Opinion,
    aggregate::{Behavioral, JsDetection},
    detection::Detection,
    motion::{self, Model},
    payload::PointerType,
};
use crate::evidence::Evidence;

/// The opinion on a session's behaviour; abstains when no event told of any.
pub fn evaluate(behavior: &Behavioral, probe: &JsDetection) -> Opinion {
    evaluate_with(behavior, probe, Model::built_in())
}

/// As [`evaluate`], with another table of the learned part.
pub fn evaluate_with(behavior: &Behavioral, probe: &JsDetection, model: &Model) -> Opinion {
    if !behavior.observed {
        return Opinion::default();
    }
    let silence = if has_interacted(behavior) { Vec::new() } else { of_silence(behavior, probe) };
    let is_signature = silence.iter().any(|item| item.id == Detection::NoInteraction.id());
    // Events that scripts made must not speak for a session that silence alone gives away.
    let is_used = has_interacted(behavior) || (motion::is_only_scripted(behavior) && !is_signature);
    let mut evidence = if is_used { of_interaction(behavior, probe, model) } else { silence };
    evidence.extend(motion::text_without_keys(behavior));
    Opinion::of(evidence)
}

fn has_interacted(behavior: &Behavioral) -> bool {
    let counts = [
        behavior.mouse_moves,
        behavior.pointer_moves,
        behavior.scroll_events,
        behavior.click_events,
        behavior.key_events,
    ];
    counts.into_iter().flatten().any(|count| count > 0)
        || behavior.first_input_delay_ms.is_some()
        || behavior.time_to_first_input_ms.is_some()
}

fn of_silence(behavior: &Behavioral, probe: &JsDetection) -> Vec<Evidence> {
    let failed = probe.passed == Some(false);
    if failed && at_least(behavior.total_ms, 5_000) {
        let is_proved = probe.webdriver || probe.headless || probe.headless_ua;
        let signature =
            if is_proved { Detection::HeadlessSignature } else { Detection::ProbableHeadlessSignature };
        vec![signature.evidence("js_probe"), Detection::NoInteraction.evidence("total_ms")]
    } else if at_least(behavior.visible_ms, 30_000) {
        vec![Detection::NoInteractionWhileVisible.evidence("visible_ms")]
    } else {
        Vec::new()
    }
}

fn of_interaction(behavior: &Behavioral, probe: &JsDetection, model: &Model) -> Vec<Evidence> {
    let mut evidence = vec![Detection::Interaction.evidence("snapshot")];
    evidence.extend(human_signs(behavior));
    let unnatural: Vec<Evidence> = unnatural_signs(behavior).chain(motion::signs(behavior, model)).collect();
    let confirms = unnatural.iter().any(is_telling) && probe.passed == Some(false);
    evidence.extend(unnatural);
    evidence.extend(confirms.then(|| Detection::AutomationConfirmed.evidence("js_probe")));
    evidence
}

/// A learned doubt that would not lower a session far by itself confirms nothing.
fn is_telling(evidence: &Evidence) -> bool {
    evidence.weight >= Detection::ClicksWithoutPointer.evidence("").weight
}

fn human_signs(behavior: &Behavioral) -> impl Iterator<Item = Evidence> + use<> {
    let pointer_varies =
        at_least(behavior.mouse_moves, 5) && holds(behavior.mouse_entropy, |entropy| entropy >= 0.05);
    let moves_and_clicks =
        behavior.pointer_moves.unwrap_or(0).saturating_add(behavior.click_events.unwrap_or(0));
    [
        (pointer_varies, Detection::PointerVariation, "mouse_entropy"),
        (
            pointer_varies && holds(behavior.mouse_entropy, |entropy| entropy >= 0.3),
            Detection::NaturalPointer,
            "mouse_entropy",
        ),
        (uses_touch(behavior) && moves_and_clicks >= 1, Detection::Touch, "pointer_types"),
        (
            at_least(behavior.scroll_events, 1)
                && holds(behavior.scroll_velocity, |velocity| velocity > 0.0 && velocity <= 20_000.0),
            Detection::NaturalScroll,
            "scroll_velocity",
        ),
        (at_least(behavior.key_events, 1), Detection::Keys, "key_events"),
        (at_least(behavior.click_events, 1), Detection::Clicks, "click_events"),
        (
            behavior.time_to_first_input_ms.is_some_and(|time| time >= 300),
            Detection::UnhurriedInput,
            "time_to_first_input_ms",
        ),
        (
            behavior.first_input_delay_ms.is_some_and(|delay| (1..=2_000).contains(&delay)),
            Detection::OrdinaryInputDelay,
            "first_input_delay_ms",
        ),
        (at_least(behavior.visibility_changes, 1), Detection::VisibilityChanges, "visibility_changes"),
    ]
    .into_iter()
    .filter(|(seen, ..)| *seen)
    .map(|(_, detection, source)| detection.evidence(source))
}

fn unnatural_signs(behavior: &Behavioral) -> impl Iterator<Item = Evidence> + use<> {
    let is_without_pointer = !at_least(behavior.mouse_moves, 1)
        && !at_least(behavior.pointer_moves, 1)
        && !at_least(behavior.key_events, 1)
        && behavior.coarse_pointer != Some(1)
        && !uses_touch(behavior);
    [
        (
            at_least(behavior.mouse_moves, 20) && holds(behavior.mouse_entropy, |entropy| entropy < 0.02),
            Detection::NoPointerVariation,
            "mouse_entropy",
        ),
        (
            at_least(behavior.click_events, 1) && is_without_pointer,
            Detection::ClicksWithoutPointer,
            "click_events",
        ),
        (
            behavior.time_to_first_input_ms.is_some_and(|time| time < 50),
            Detection::InstantInput,
            "time_to_first_input_ms",
        ),
        (
            at_least(behavior.scroll_events, 3)
                && holds(behavior.scroll_velocity, |velocity| velocity > 50_000.0),
            Detection::ScrollTooFast,
            "scroll_velocity",
        ),
    ]
    .into_iter()
    .filter(|(seen, ..)| *seen)
    .map(|(_, detection, source)| detection.evidence(source))
}

fn uses_touch(behavior: &Behavioral) -> bool {
    behavior.pointer_types.iter().any(|pointer| matches!(pointer, PointerType::Touch | PointerType::Pen))
}

/// An absent counter counts as 0.
fn at_least(count: Option<u64>, least: u64) -> bool {
    count.unwrap_or(0) >= least
}

/// An absent measure satisfies no test.
fn holds(measure: Option<f64>, test: impl Fn(f64) -> bool) -> bool {
    measure.is_some_and(test)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(behavior: &Behavioral) -> Option<u8> {
        evaluate(behavior, &JsDetection::default()).score
    }

    fn interacting() -> Behavioral {
        Behavioral { observed: true, time_to_first_input_ms: Some(100), ..Behavioral::default() }
    }

    #[test]
    fn every_sign_of_a_person_adds_its_points() {
        let base = interacting();
        assert_eq!(score(&base), Some(50));
        let with = |change: &dyn Fn(&mut Behavioral)| {
            let mut behavior = interacting();
            change(&mut behavior);
            score(&behavior)
        };
        let pointer = |moves, entropy| {
            with(&|behavior| {
                behavior.mouse_moves = Some(moves);
                behavior.mouse_entropy = entropy;
            })
        };
        assert_eq!(pointer(4, Some(0.9)), Some(50));
        assert_eq!(pointer(5, None), Some(50));
        assert_eq!(pointer(5, Some(0.049_999)), Some(50));
        assert_eq!(pointer(5, Some(0.05)), Some(70));
        assert_eq!(pointer(5, Some(0.299_999)), Some(70));
        assert_eq!(pointer(5, Some(0.3)), Some(75));
        for (pointer, expected) in
            [(PointerType::Touch, 75), (PointerType::Pen, 75), (PointerType::Mouse, 55)]
        {
            let result = with(&|behavior| {
                behavior.pointer_types = vec![pointer];
                behavior.click_events = Some(1);
                behavior.pointer_moves = Some(1);
            });
            assert_eq!(result, Some(expected), "{pointer:?}");
        }
        assert_eq!(with(&|behavior| behavior.pointer_types = vec![PointerType::Touch]), Some(50));
        let scroll = |velocity| {
            with(&|behavior| {
                behavior.scroll_events = Some(1);
                behavior.scroll_velocity = velocity;
            })
        };
        for (velocity, expected) in
            [(None, 50), (Some(0.0), 50), (Some(0.001), 60), (Some(20_000.0), 60), (Some(20_000.1), 50)]
        {
            assert_eq!(scroll(velocity), Some(expected), "{velocity:?}");
        }
        assert_eq!(with(&|behavior| behavior.key_events = Some(1)), Some(60));
        assert_eq!(with(&|behavior| behavior.time_to_first_input_ms = Some(299)), Some(50));
        assert_eq!(with(&|behavior| behavior.time_to_first_input_ms = Some(300)), Some(55));
        for (delay, expected) in [(0, 50), (1, 54), (2_000, 54), (2_001, 50)] {
            assert_eq!(
                with(&|behavior| behavior.first_input_delay_ms = Some(delay)),
                Some(expected),
                "{delay}"
            );
        }
        assert_eq!(with(&|behavior| behavior.visibility_changes = Some(1)), Some(52));
    }

    #[test]
    fn what_people_cannot_do_caps_the_sum() {
        let human = Behavioral {
            key_events: Some(9),
            click_events: Some(1),
            pointer_types: vec![PointerType::Pen],
            pointer_moves: Some(9),
            ..interacting()
        };
        let capped = |change: &dyn Fn(&mut Behavioral)| {
            let mut behavior = human.clone();
            change(&mut behavior);
            let opinion = evaluate(&behavior, &JsDetection::default());
            let failed = evaluate(&behavior, &JsDetection { passed: Some(false), ..JsDetection::default() });
            (opinion.score.unwrap(), failed.score.unwrap())
        };
        let entropy = |moves, entropy: f64| {
            capped(&move |behavior| {
                behavior.mouse_moves = Some(moves);
                behavior.mouse_entropy = Some(entropy);
            })
        };
        assert_eq!(capped(&|_| {}), (85, 85));
        assert_eq!(entropy(20, 0.02), (85, 85));
        assert_eq!(entropy(19, 0.0), (85, 85));
        assert_eq!(entropy(20, 0.019), (15, 5));
        assert_eq!(capped(&|behavior| behavior.time_to_first_input_ms = Some(50)), (85, 85));
        assert_eq!(capped(&|behavior| behavior.time_to_first_input_ms = Some(49)), (35, 5));
        let scroll = |events, velocity| {
            capped(&move |behavior| {
                behavior.scroll_events = Some(events);
                behavior.scroll_velocity = Some(velocity);
            })
        };
        assert_eq!(scroll(2, 90_000.0), (85, 85));
        assert_eq!(scroll(3, 50_000.0), (85, 85));
        assert_eq!(scroll(3, 50_000.5), (28, 5));
    }

    #[test]
    fn clicks_need_some_way_to_have_come_about() {
        let click = Behavioral { click_events: Some(1), ..interacting() };
        assert_eq!(score(&click), Some(35));
        for other in [
            Behavioral { mouse_moves: Some(1), ..click.clone() },
            Behavioral { pointer_moves: Some(1), ..click.clone() },
            Behavioral { key_events: Some(1), ..click.clone() },
            Behavioral { coarse_pointer: Some(1), ..click.clone() },
            Behavioral { pointer_types: vec![PointerType::Touch], ..click.clone() },
        ] {
            assert!(score(&other).unwrap() >= 55, "{other:?}");
        }
        assert_eq!(score(&Behavioral { pointer_types: vec![PointerType::Mouse], ..click }), Some(35));
    }

    #[test]
    fn silence_speaks_only_after_a_while() {
        let silent = |total, visible, probe: &JsDetection| {
            let behavior = Behavioral {
                observed: true,
                total_ms: Some(total),
                visible_ms: Some(visible),
                mouse_moves: Some(0),
                ..Behavioral::default()
            };
            evaluate(&behavior, probe).score
        };
        let none = JsDetection::default();
        let failed = JsDetection { passed: Some(false), reported_failure: true, ..JsDetection::default() };
        let proved = JsDetection { headless: true, ..failed.clone() };
        assert_eq!(silent(90_000, 29_999, &none), None);
        assert_eq!(silent(90_000, 30_000, &none), Some(40));
        assert_eq!(silent(4_999, 4_999, &proved), None);
        assert_eq!(silent(5_000, 0, &failed), Some(5));
        assert_eq!(silent(5_000, 0, &proved), Some(1));
        assert_eq!(silent(4_999, 30_000, &proved), Some(40));
    }

    #[test]
    fn nothing_observed_is_no_opinion() {
        let behavior = Behavioral { observed: false, ..interacting() };
        assert_eq!(evaluate(&behavior, &JsDetection::default()), Opinion::default());
    }

    #[test]
    fn the_sum_ends_at_99() {
        let busy = Behavioral {
            mouse_moves: Some(90),
            mouse_entropy: Some(0.9),
            pointer_moves: Some(90),
            pointer_types: vec![PointerType::Mouse, PointerType::Touch],
            scroll_events: Some(3),
            scroll_velocity: Some(800.0),
            key_events: Some(9),
            click_events: Some(2),
            first_input_delay_ms: Some(3),
            visibility_changes: Some(2),
            ..interacting()
        };
        assert_eq!(score(&busy), Some(99));
    }

    #[test]
    fn the_published_sample_scores_87() {
        let sample = Behavioral {
            observed: true,
            mouse_moves: Some(24),
            mouse_entropy: Some(0.18),
            scroll_events: Some(2),
            scroll_velocity: Some(400.0),
            click_events: Some(1),
            visibility_changes: Some(1),
            ..Behavioral::default()
        };
        assert_eq!(score(&sample), Some(87));
    }
}
