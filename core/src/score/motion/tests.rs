use super::*;
use crate::{
    motion::Motion,
    score::{
        Threshold,
        aggregate::{Behavioral, JsDetection},
        behavioral, detection,
    },
};

fn features(motion: &Motion) -> BTreeMap<String, f64> {
    motion.features().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Straight, even steps from target to target, a click at each.
fn straight_lines() -> Motion {
    let mut motion = Motion::default();
    let (mut time, mut x, mut y) = (0.0, 500.0, 300.0);
    for target in 0..6 {
        let (dx, dy) = if target % 2 == 0 { (9.0, 4.0) } else { (-9.0, -4.0) };
        for _ in 0..40 {
            (time, x, y) = (time + 16.0, x + dx, y + dy);
            motion.moved(time, x, y);
        }
        time += 400.0;
        motion.pressed(time, x, y);
        motion.released(time + 1.0, x, y);
    }
    motion
}

fn opinion(motion: &Motion, moves: u64) -> (Option<u8>, Vec<u32>) {
    let behavior = Behavioral {
        observed: true,
        mouse_moves: Some(moves),
        mouse_entropy: Some(0.8),
        click_events: Some(6),
        motion: features(motion),
        ..Behavioral::default()
    };
    let opinion = behavioral::evaluate(&behavior, &JsDetection::default());
    (opinion.score, detection::numbers(&opinion.evidence))
}

#[test]
fn the_built_in_table_is_whole() {
    assert!(Model::parse(include_str!("../../../data/motion.json")).is_ok());
}

#[test]
fn broken_tables_are_refused() {
    let table = |trees: &str, thresholds: &str| {
        let part = format!(
            r#"{{"features":["motion_unit"],"thresholds":{thresholds},"likelihood":[[0,0.5]],"caps":[[0,50]],"trees":{trees}}}"#
        );
        Model::parse(&format!(r#"{{"motion_version":1,"pointer":{part},"keys":{part}}}"#)).map(drop)
    };
    assert!(table("[[0,0,-1,5,-1,7]]", "[[0.5]]").is_ok());
    for trees in
        ["[[0,0,-1,5]]", "[[0,2,-1,5,-1,7]]", "[[1,0,-1,5,-1,7]]", "[[0,0,-1,5,-1,7,-1,7]]", "[[-1]]", "[[]]"]
    {
        assert_eq!(table(trees, "[[0.5]]").unwrap_err().kind().code(), "INVALID_INPUT", "{trees}");
    }
    assert!(table("[]", "[]").is_err());
    let deep = format!("[[{}-1,1]]", "0,0,-1,1,".repeat(70));
    assert!(table(&deep, "[[0.5]]").is_err());
    assert!(Model::parse("{").is_err());
}

#[test]
fn straight_even_lines_are_a_tools() {
    let motion = straight_lines();
    let likelihood = Model::built_in().pointer(&features(&motion)).unwrap();
    assert!(likelihood > 0.95, "{likelihood}");
    let (score, ids) = opinion(&motion, 240);
    assert!(score.unwrap() < Threshold::DEFAULT.get(), "{score:?}");
    assert!(ids.contains(&50_331_700), "{ids:?}");
    assert!(motion.naturalness().unwrap() < 0.02);
}

#[test]
fn absent_features_change_nothing() {
    assert_eq!(opinion(&Motion::default(), 240), (Some(80), Vec::new()));
    let none = BTreeMap::new();
    assert_eq!((Model::built_in().pointer(&none), Model::built_in().keys(&none)), (None, None));
}

#[test]
fn few_movements_are_not_held_against_anyone() {
    let mut motion = Motion::default();
    for step in 0..19_u32 {
        motion.moved(f64::from(step) * 16.0, f64::from(step) * 9.0, 7.0);
    }
    assert_eq!(opinion(&motion, 19).0, Some(80));
    motion.moved(304.0, 171.0, 7.0);
    assert!(opinion(&motion, 20).0.unwrap() < 50);
}

#[test]
fn events_made_by_a_script_are_told() {
    let mut motion = Motion::default();
    for _ in 0..5 {
        motion.untrusted();
    }
    let silent = Behavioral { observed: true, motion: features(&motion), ..Behavioral::default() };
    let told = |behavior: &Behavioral| {
        let opinion = behavioral::evaluate(behavior, &JsDetection::default());
        (opinion.score, detection::numbers(&opinion.evidence))
    };
    assert_eq!(told(&silent), (Some(35), vec![50_331_702]));
    let driven = JsDetection { passed: Some(false), webdriver: true, ..JsDetection::default() };
    let read = Behavioral { total_ms: Some(8_000), visible_ms: Some(8_000), ..silent.clone() };
    let without_script = Behavioral { motion: BTreeMap::new(), ..read.clone() };
    for behavior in [read, without_script] {
        // What scripts did never speaks for a visitor.
        assert_eq!(behavioral::evaluate(&behavior, &driven).score, Some(1));
    }
    motion.moved(0.0, 1.0, 1.0);
    let touched = Behavioral { motion: features(&motion), mouse_moves: Some(1), ..silent.clone() };
    assert_eq!(told(&touched), (Some(50), Vec::new()));
    for _ in 0..20 {
        motion.untrusted_move();
    }
    let path = Behavioral { motion: features(&motion), ..touched };
    assert_eq!(told(&path), (Some(15), vec![50_331_702]));
    assert_eq!(Model::built_in().pointer(&path.motion), Some(0.99));
}

#[test]
fn leaps_from_click_to_click_are_a_warning() {
    let mut motion = Motion::default();
    for click in 0..8_u32 {
        let (time, place) = (f64::from(click) * 500.0, f64::from(click) * 90.0);
        motion.moved(time, place, 50.0);
        motion.pressed(time + 1.0, place, 50.0);
        motion.released(time + 2.0, place, 50.0);
    }
    assert_eq!(opinion(&motion, 8), (Some(35), vec![50_331_703]));
    // Clicking again and again in one place is what people do.
    let mut patient = Motion::default();
    patient.moved(0.0, 10.0, 10.0);
    for click in 1..9_u32 {
        patient.pressed(f64::from(click) * 500.0, 10.0, 10.0);
        patient.released(f64::from(click) * 500.0 + 80.0, 10.0, 10.0);
    }
    assert_eq!(opinion(&patient, 8), (Some(80), Vec::new()));
}

#[test]
fn text_without_keys_is_told_and_weighs_nothing() {
    let mut motion = Motion::default();
    motion.input(10.0, true);
    let behavior = Behavioral { observed: true, motion: features(&motion), ..Behavioral::default() };
    let opinion = behavioral::evaluate(&behavior, &JsDetection::default());
    assert_eq!((opinion.score, detection::numbers(&opinion.evidence)), (None, vec![50_331_704]));
    let typed = Behavioral { key_events: Some(3), ..behavior };
    assert!(detection::numbers(&behavioral::evaluate(&typed, &JsDetection::default()).evidence).is_empty());
}

#[test]
fn even_typing_is_a_tools() {
    let mut motion = Motion::default();
    for key in 0..20_u32 {
        motion.key_down(f64::from(key) * 50.0, key);
        motion.key_up(f64::from(key) * 50.0 + 1.0, key);
    }
    assert!(Model::built_in().keys(&features(&motion)).unwrap() > 0.9);
    let behavior = Behavioral {
        observed: true,
        key_events: Some(20),
        motion: features(&motion),
        ..Behavioral::default()
    };
    let opinion = behavioral::evaluate(&behavior, &JsDetection::default());
    assert!(opinion.score.unwrap() < 30);
    assert_eq!(detection::numbers(&opinion.evidence), [50_331_701]);
}

#[test]
fn other_versions_and_foreign_keys_are_refused() {
    let ask = |version, key: &str| {
        score_motion(ScoreMotion { motion: BTreeMap::from([(key.to_owned(), 1.0)]), motion_version: version })
    };
    assert!(ask(MOTION_VERSION, "motion_anything").is_ok());
    assert!(ask(MOTION_VERSION + 1, "motion_moves").is_err());
    assert!(ask(MOTION_VERSION, "mouse_entropy").is_err());
}
