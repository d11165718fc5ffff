//! Time to judge a recording, and memory of a page view.

use std::hint::black_box;
use std::time::Instant;

use quivive_core::score::motion::Model;

use super::STATE_BYTES;
use super::metrics::quantile;
use super::report::Cost;
use crate::traces::Trace;

/// Events of a timed recording.
pub const EVENTS: usize = 500;

/// Each recording is judged so often; the fastest counts, because anything slower was another program's doing.
const REPEATS: usize = 5;

/// The first 500 events of every recording that has so many.
pub fn timed(traces: &[Trace]) -> Vec<Trace> {
    traces
        .iter()
        .filter(|trace| trace.t.len() >= EVENTS)
        .map(|trace| {
            let mut cut = trace.clone();
            cut.t.truncate(EVENTS);
            cut.x.truncate(EVENTS);
            cut.y.truncate(EVENTS);
            cut.e.truncate(EVENTS);
            cut
        })
        .collect()
}

/// The cost of following the events, computing the features and judging them; none without long recordings.
pub fn measure(traces: &[Trace], model: &Model) -> Option<Cost> {
    let timed = timed(traces);
    let milliseconds = timed.iter().map(|trace| {
        let times = (0..REPEATS).map(|_| {
            let begun = Instant::now();
            let features =
                trace.motion(None).features().map(|(name, value)| (name.to_owned(), value)).collect();
            black_box(model.pointer(&features));
            begun.elapsed().as_secs_f64() * 1000.0
        });
        times.fold(f64::INFINITY, f64::min)
    });
    summary(milliseconds.collect())
}

/// The cost from each recording's time in milliseconds.
pub fn summary(mut milliseconds: Vec<f64>) -> Option<Cost> {
    let median_ms = quantile(&mut milliseconds, 0.5)?;
    Some(Cost {
        median_ms,
        p99_ms: quantile(&mut milliseconds, 0.99)?,
        event_us: median_ms * 1000.0 / EVENTS as f64,
        state_bytes: STATE_BYTES,
        traces: milliseconds.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_recordings_are_timed_and_cut() {
        let long = |events: usize| Trace {
            t: vec![0.0; events],
            x: vec![0.0; events],
            y: vec![0.0; events],
            e: "m".repeat(events),
            ..Trace::default()
        };
        let timed = timed(&[long(EVENTS - 1), long(EVENTS + 7)]);
        assert_eq!(timed.iter().map(|trace| trace.e.len()).collect::<Vec<_>>(), [EVENTS]);
    }

    #[test]
    fn the_cost_of_an_event_is_a_share_of_the_median() {
        let cost = summary(vec![0.1, 0.3, 0.2]).unwrap();
        assert_eq!((cost.median_ms, cost.traces), (0.2, 3));
        assert!((cost.event_us - 0.4).abs() < 1e-12);
        assert!(summary(Vec::new()).is_none());
    }
}
