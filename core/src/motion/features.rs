//! The table of features: names and values in one order.

use super::Motion;

/// What the features mean; another number is another meaning.
pub const MOTION_VERSION: u32 = 1;

macro_rules! features {
    ($motion:ident; $($name:literal = $value:expr;)*) => {
        /// The keys of the features on the wire, in the order of [`Motion::values`].
        pub const FEATURES: [&str; [$($name),*].len()] = [$(concat!("motion_", $name)),*];

        /// All names with a blank after each, for callers that take one text.
        pub const FEATURE_NAMES: &str = concat!($("motion_", $name, " "),*);

        pub(super) fn values($motion: &Motion) -> [f64; FEATURES.len()] {
            [$($value),*]
        }
    };
}

features! { motion;
    "moves" = motion.moves;
    "presses" = motion.presses.count;
    "untrusted" = motion.untrusted;
    "untrusted_moves" = motion.untrusted_moves;
    "keys" = motion.keys.count;
    "inputs" = motion.keys.inputs;
    "leap" = motion.leap.mean(2.0);

    "axis_short" = motion.steps.axis_short.of(8.0);
    "axis_long" = motion.steps.axis_long.of(8.0);
    "axis_over_near" = motion.steps.axis_over_near.of(8.0);
    "diagonal_over_near" = motion.steps.diagonal_over_near.of(8.0);
    "unit" = motion.steps.unit.of(8.0);
    "same_heading" = motion.steps.same_heading.of(8.0);
    "equal_short" = motion.steps.equal_short.of(8.0);
    "back" = motion.steps.back.of(8.0);
    "back_short" = motion.steps.back_short.of(8.0);
    "turn" = motion.steps.turn.of(8.0);
    "same_turn" = motion.steps.same_turn.of(8.0);
    "turn_memory" = motion.steps.turn_memory.of(8.0);
    "change" = motion.steps.change.of(8.0);
    "change_fast" = motion.steps.change_fast.of(8.0);
    "change_of_change" = motion.steps.change_of_change.of(8.0);
    "change_memory_slow" = motion.steps.change_memory_slow.of(8.0);

    "pace_growth" = motion.pace.growth.deviation(8.0);
    "pace_even" = motion.pace.even.of(8.0);
    "pace_uneven" = motion.pace.uneven.of(8.0);
    "pace_memory" = motion.pace.memory.correlation(8.0);
    "pace_memory_two" = motion.pace.memory_two.correlation(8.0);
    "pace_growth_memory" = motion.pace.growth_memory.correlation(8.0);
    "pace_low" = motion.pace.speeds.quantile(0.5, 8) - motion.pace.speeds.quantile(0.1, 8);
    "pace_high" = motion.pace.speeds.quantile(0.9, 8) - motion.pace.speeds.quantile(0.5, 8);
    "pace_turn" = motion.pace.turn.mean(8.0);
    "pace_same_turn" = motion.pace.same_turn.of(8.0);
    "pace_turn_memory" = motion.pace.turn_memory.correlation(8.0);
    "pace_bend" = motion.pace.bend_and_speed.correlation(8.0);

    "detour" = motion.strokes.detour.mean(1.0);
    "detour_spread" = motion.strokes.detour.deviation(3.0);
    "area" = motion.strokes.area.mean(1.0);
    "centre_spread" = motion.strokes.centre.deviation(3.0);
    "width" = motion.strokes.width.mean(1.0);
    "lean_spread" = motion.strokes.lean.deviation(3.0);
    "peak_place_spread" = motion.strokes.peak_place.deviation(3.0);
    "peaks" = motion.strokes.peaks.mean(1.0);
    "single_peak" = motion.strokes.single_peak.of(2.0);
    "begin_speed" = motion.strokes.begin_speed.mean(1.0);
    "begin_speed_spread" = motion.strokes.begin_speed.deviation(3.0);
    "end_speed" = motion.strokes.end_speed.mean(1.0);
    "peak_over_mean" = motion.strokes.peak_over_mean.mean(1.0);
    "smallest" = motion.strokes.smallest.mean(1.0);
    "smallest_spread" = motion.strokes.smallest.deviation(3.0);

    "arrival" = motion.presses.arrival.mean(2.0);
    "arrival_spread" = motion.presses.arrival.deviation(3.0);
    "leave_spread" = motion.presses.leave.deviation(3.0);
    "approach" = motion.presses.approach_path.mean(2.0);
    "approach_spread" = motion.presses.approach_path.deviation(3.0);

    "key_hold" = motion.keys.hold.mean(4.0);
    "key_hold_spread" = motion.keys.hold.deviation(4.0);
    "key_short_hold" = motion.keys.short_hold.of(4.0);
    "key_hold_change" = motion.keys.hold_change.mean(4.0);
    "key_flight" = motion.keys.flight.mean(4.0);
    "key_flight_spread" = motion.keys.flight.deviation(4.0);
    "key_short_flight" = motion.keys.short_flight.of(4.0);
    "key_flight_change" = motion.keys.flight_change.mean(4.0);
    "key_overlap" = motion.keys.overlap.of(4.0);
}
