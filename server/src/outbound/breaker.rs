//! A circuit breaker: stops asking a resolver that gives no answers, and finds out when it does again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The state of one breaker.
#[derive(Debug)]
pub struct Breaker {
    state: Mutex<State>,
    most_failures: u32,
    pause: Duration,
}

#[derive(Debug)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant },
}

/// What may be done at this moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Admission {
    /// Ask.
    Pass,
    /// One caller finds out whether asking makes sense again; the others are refused meanwhile.
    Probe,
    /// Do not ask.
    Refuse,
}

impl Breaker {
    /// A closed breaker that suspects trouble after so many failures in a row and stays open for `pause`.
    pub fn new(most_failures: u32, pause: Duration) -> Self {
        Self { state: Mutex::new(State::Closed { failures: 0 }), most_failures, pause }
    }

    /// Asks for admission. A probe that is never reported on counts as failed.
    pub fn admit(&self, now: Instant) -> Admission {
        let mut state = self.state();
        match *state {
            State::Closed { .. } => Admission::Pass,
            State::Open { until } if now < until => Admission::Refuse,
            State::Open { .. } => {
                *state = State::Open { until: now + self.pause };
                Admission::Probe
            }
        }
    }

    /// Notes an answer, whatever it says, or a probe that was answered.
    pub fn succeeded(&self) {
        *self.state() = State::Closed { failures: 0 };
    }

    /// Notes a question without an answer; true for the one that makes it too many.
    pub fn failed(&self) -> bool {
        let State::Closed { failures } = &mut *self.state() else { return false };
        *failures += 1;
        let is_too_many = *failures >= self.most_failures;
        if is_too_many {
            *failures = 0;
        }
        is_too_many
    }

    /// Opens it, or keeps it open.
    pub fn open(&self, now: Instant) {
        *self.state() = State::Open { until: now + self.pause };
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_count_only_in_a_row() {
        let breaker = Breaker::new(3, Duration::from_secs(30));
        assert!(!breaker.failed() && !breaker.failed());
        breaker.succeeded();
        assert!(!breaker.failed() && !breaker.failed());
        assert!(breaker.failed());
        assert_eq!(breaker.admit(Instant::now()), Admission::Pass, "suspicion alone does not open");
    }

    #[test]
    fn an_open_breaker_lets_one_probe_through_after_its_pause() {
        let (breaker, start) = (Breaker::new(1, Duration::from_secs(30)), Instant::now());
        breaker.open(start);
        assert_eq!(breaker.admit(start + Duration::from_secs(29)), Admission::Refuse);
        let later = start + Duration::from_secs(30);
        assert_eq!(breaker.admit(later), Admission::Probe);
        assert_eq!(breaker.admit(later), Admission::Refuse, "only one");
        assert_eq!(breaker.admit(later + Duration::from_secs(30)), Admission::Probe, "the first one is lost");
        assert!(!breaker.failed(), "stragglers change nothing");
        breaker.succeeded();
        assert_eq!(breaker.admit(later), Admission::Pass);
    }
}
