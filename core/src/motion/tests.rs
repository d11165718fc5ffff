use proptest::prelude::*;

use super::*;

/// Uneven strokes between presses, shifted by a distance.
fn session(shift: f64) -> Motion {
    let mut motion = Motion::default();
    let (mut time, mut x, mut y) = (0.0, 300.0 + shift, 200.0 + shift);
    for stroke in 0..5_u32 {
        for step in 0..30_u32 {
            let swing = f64::from(step * (30 - step)) / 20.0;
            let side = if stroke % 2 == 0 { 1.0 } else { -1.0 };
            time += 16.0;
            x += side * swing.round();
            y += f64::from((step * 7 + stroke) % 3) - 1.0;
            motion.moved(time, x, y);
        }
        time += 350.0;
        motion.pressed(time, x, y);
        motion.released(time + 90.0, x, y);
        time += 300.0;
    }
    motion
}

fn feature(motion: &Motion, name: &str) -> Option<f64> {
    motion.features().find(|(key, _)| *key == name).map(|(_, value)| value)
}

#[test]
fn the_state_is_small_and_constant() {
    assert!(size_of::<Motion>() <= 4096, "{}", size_of::<Motion>());
}

#[test]
fn features_fit_the_wire() {
    assert!(FEATURES.len() <= crate::score::payload::MOST_MOTION_FEATURES);
    assert_eq!(FEATURE_NAMES.split_whitespace().collect::<Vec<_>>(), FEATURES);
    for name in FEATURES {
        assert!(name.len() <= crate::score::payload::MOST_MOTION_KEY_BYTES, "{name}");
    }
}

#[test]
fn places_cannot_be_read_from_features() {
    assert_eq!(session(0.0).features().collect::<Vec<_>>(), session(4_321.0).features().collect::<Vec<_>>());
    assert_eq!(session(0.0).naturalness(), session(4_321.0).naturalness());
}

#[test]
fn features_read_twice_are_the_same() {
    let mut motion = session(0.0);
    let before = motion.values();
    assert_eq!(motion.values().map(f64::to_bits), before.map(f64::to_bits));
    motion.moved(1e6, 0.0, 0.0);
    assert_eq!(feature(&motion, "motion_moves"), Some(151.0));
}

#[test]
fn steps_along_an_axis_are_counted_by_their_length() {
    let mut motion = Motion::default();
    for step in 0..40_u32 {
        motion.moved(f64::from(step) * 16.0, f64::from(step) * 5.0, f64::from(step % 2) * 2.0);
    }
    assert_eq!(feature(&motion, "motion_axis_long"), Some(0.0));
    for step in 40..80_u32 {
        motion.moved(f64::from(step) * 16.0, f64::from(step) * 5.0, 2.0);
    }
    assert_eq!(feature(&motion, "motion_axis_long"), Some(rounded(40.0 / 79.0)));
    assert_eq!(feature(&motion, "motion_axis_short"), None);
}

#[test]
fn a_rest_a_press_and_a_gap_end_a_stroke() {
    let strokes = |cut: &dyn Fn(&mut Motion, f64)| {
        let mut motion = Motion::default();
        for part in 0..2_u32 {
            for step in 0..20_u32 {
                let time = f64::from(part * 20 + step) * 20.0;
                motion.moved(time, f64::from(part * 20 + step) * 8.0, 0.0);
            }
            cut(&mut motion, f64::from(part * 20 + 19) * 20.0);
        }
        motion.strokes.count()
    };
    assert_eq!(strokes(&|_, _| {}), 0.0);
    assert_eq!(strokes(&|motion, time| motion.pressed(time, 0.0, 0.0)), 2.0);
    assert_eq!(strokes(&|motion, _| motion.gap()), 2.0);
    assert_eq!(strokes(&|motion, _| motion.wheeled()), 2.0);
    assert_eq!(strokes(&|motion, time| motion.moved(time + 201.0, 0.0, 0.0)), 2.0);
}

#[test]
fn nothing_is_said_of_what_was_not_seen() {
    let known: Vec<_> = Motion::default().features().filter(|(_, value)| *value != 0.0).collect();
    assert_eq!((known, Motion::default().naturalness()), (Vec::new(), None));
    let mut few = Motion::default();
    for step in 0..8_u32 {
        few.moved(f64::from(step) * 16.0, f64::from(step), 0.0);
    }
    assert_eq!(few.naturalness(), None);
    few.moved(128.0, 8.0, 0.0);
    assert!(few.naturalness().is_some());
}

#[test]
fn a_held_key_is_one_stroke() {
    let mut motion = Motion::default();
    for repeat in 0..30_u32 {
        motion.key_down(f64::from(repeat) * 33.0, 4);
    }
    motion.key_up(1_000.0, 4);
    motion.key_up(1_001.0, 9);
    assert_eq!(feature(&motion, "motion_keys"), Some(1.0));
}

#[test]
fn more_keys_than_fingers_do_no_harm() {
    let mut motion = Motion::default();
    for slot in 0..100 {
        motion.key_down(f64::from(slot), slot);
    }
    for slot in 0..100 {
        motion.key_up(200.0 + f64::from(slot), slot);
    }
    assert_eq!(feature(&motion, "motion_keys"), Some(100.0));
}

proptest! {
    #[test]
    fn any_stream_gives_finite_numbers(
        events in prop::collection::vec((0..10_u8, any::<f64>(), any::<f64>(), any::<f64>(), 0..5_u32), 0..200),
        calm in prop::collection::vec((0..10_u8, 0.0..60.0, -900.0..900.0, -900.0..900.0, 0..5_u32), 0..200),
    ) {
        let mut motion = Motion::default();
        let mut now = 0.0;
        let calm = calm.into_iter().map(|(kind, ms, x, y, slot)| {
            now += ms;
            (kind, now, f64::round(x), f64::round(y), slot)
        });
        for (kind, time, x, y, slot) in events.into_iter().chain(calm) {
            match kind {
                0..=4 => motion.moved(time, x, y),
                5 => motion.pressed(time, x, y),
                6 => motion.released(time, x, y),
                7 => motion.key_down(time, slot),
                8 => motion.key_up(time, slot),
                _ => motion.gap(),
            }
        }
        for (name, value) in FEATURES.into_iter().zip(motion.values()) {
            prop_assert!(!value.is_infinite(), "{}", name);
            prop_assert!(value.is_nan() || (rounded(value) - value).abs() <= value.abs() * 1e-9, "{}", name);
        }
        prop_assert!(motion.naturalness().is_none_or(|value| (0.0..=1.0).contains(&value)));
    }
}
