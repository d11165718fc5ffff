//! Rhythm of typing. Keys are told apart only while they are down, by the order in which they first appeared.

use super::statistics::{Share, Spread, log2};

/// Keys that may be down at the same time.
const MOST_DOWN: usize = 8;

/// A longer pause is thinking, not typing.
const LONGEST_FLIGHT_MS: f64 = 3_000.0;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Keys {
    down: [Option<(u32, f64)>; MOST_DOWN],
    last_down: Option<f64>,
    last_flight: Option<f64>,
    last_hold: Option<f64>,
    pub(super) count: f64,
    pub(super) inputs: f64,
    pub(super) hold: Spread,
    pub(super) short_hold: Share,
    pub(super) flight: Spread,
    pub(super) short_flight: Share,
    pub(super) flight_change: Spread,
    pub(super) hold_change: Spread,
    pub(super) overlap: Share,
}

impl Keys {
    pub(super) fn down(&mut self, time: f64, slot: u32) {
        // A repeat of a key that is held is no stroke.
        if self.down.iter().flatten().any(|(known, _)| *known == slot) {
            return;
        }
        self.count += 1.0;
        self.overlap.add(self.down.iter().any(Option::is_some));
        if let Some(last) = self.last_down.filter(|last| time - last < LONGEST_FLIGHT_MS) {
            let flight = (time - last).max(0.0);
            self.short_flight.add(flight < 8.0);
            let flight = log2(flight + 8.0);
            self.flight.add(flight);
            if let Some(last) = self.last_flight {
                self.flight_change.add((flight - last).abs());
            }
            self.last_flight = Some(flight);
        }
        self.last_down = Some(time);
        if let Some(free) = self.down.iter_mut().find(|place| place.is_none()) {
            *free = Some((slot, time));
        }
    }

    pub(super) fn up(&mut self, time: f64, slot: u32) {
        let Some(place) = self.down.iter_mut().find(|place| place.is_some_and(|(known, _)| known == slot))
        else {
            return;
        };
        let Some((_, since)) = place.take() else { return };
        let hold = (time - since).max(0.0);
        self.short_hold.add(hold < 8.0);
        let hold = log2(hold + 8.0);
        self.hold.add(hold);
        if let Some(last) = self.last_hold {
            self.hold_change.add((hold - last).abs());
        }
        self.last_hold = Some(hold);
    }

    /// What was down may have been released unseen.
    pub(super) fn cut(&mut self) {
        (self.down, self.last_down, self.last_flight) = ([None; MOST_DOWN], None, None);
    }
}
