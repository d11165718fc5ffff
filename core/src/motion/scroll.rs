//! Scrolling: speed inside bursts and depth.

/// A longer pause ends a burst, in milliseconds.
const LONGEST_GAP_MS: f64 = 150.0;

/// What a burst lasts at least, in milliseconds: one frame.
const SHORTEST_BURST_MS: f64 = 16.0;

/// The measures of scrolling on one page view.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scroll {
    events: u32,
    depth_pct: u32,
    position: f64,
    distance: f64,
    ended_bursts_ms: f64,
    /// First and last event of the burst.
    burst: Option<(f64, f64)>,
}

impl Scroll {
    /// Notes where the page stands without an event: at its begin, or when its size changed.
    pub fn placed(&mut self, position: f64, viewport_height: f64, document_height: f64) {
        if position.is_finite() {
            self.position = position;
            self.look(viewport_height, document_height);
        }
    }

    /// Takes a scroll event: the page's new position and the heights of viewport and document in pixels.
    pub fn scrolled(&mut self, time: f64, position: f64, viewport_height: f64, document_height: f64) {
        if !(time.is_finite() && position.is_finite()) {
            return;
        }
        self.burst = match self.burst {
            Some((begin, last)) if time - last <= LONGEST_GAP_MS => Some((begin, time.max(last))),
            burst => {
                self.ended_bursts_ms += burst.map_or(0.0, lasted);
                Some((time, time))
            }
        };
        self.events = self.events.saturating_add(1);
        self.distance += (position - self.position).abs();
        self.placed(position, viewport_height, document_height);
    }

    /// How many scroll events came.
    pub fn events(&self) -> u32 {
        self.events
    }

    /// Pixels per second inside bursts, whole, at most 1,000,000; none without an event.
    pub fn velocity(&self) -> Option<u32> {
        let time = self.ended_bursts_ms + lasted(self.burst?);
        Some(rounded(self.distance / time * 1000.0, 1_000_000))
    }

    /// The deepest place seen, in whole percent of the document.
    pub fn max_depth_pct(&self) -> u32 {
        self.depth_pct
    }

    fn look(&mut self, viewport_height: f64, document_height: f64) {
        if document_height > 0.0 {
            let bottom = self.position + viewport_height;
            self.depth_pct = self.depth_pct.max(rounded(bottom / document_height * 100.0, 100));
        }
    }
}

fn lasted((begin, last): (f64, f64)) -> f64 {
    (last - begin).max(SHORTEST_BURST_MS)
}

/// A number rounded half up to a whole one from 0 to `most`; 0 for what is no number.
fn rounded(number: f64, most: u32) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, as is wanted")]
    let whole = (number + 0.5) as u32;
    whole.min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn velocity_counts_time_in_bursts_only() {
        let mut scroll = Scroll::default();
        assert_eq!(scroll.velocity(), None);
        for (time, position) in [(0.0, 20.0), (50.0, 60.0), (100.0, 100.0)] {
            scroll.scrolled(time, position, 800.0, 4000.0);
        }
        assert_eq!((scroll.events(), scroll.velocity()), (3, Some(1000)));
        scroll.scrolled(9_000.0, 50.0, 800.0, 4000.0);
        scroll.scrolled(9_100.0, 0.0, 800.0, 4000.0);
        assert_eq!((scroll.events(), scroll.velocity()), (5, Some(1000)));
    }

    #[test]
    fn a_single_event_lasts_a_frame() {
        let mut scroll = Scroll::default();
        scroll.placed(500.0, 800.0, 4000.0);
        scroll.scrolled(10.0, 532.0, 800.0, 4000.0);
        assert_eq!(scroll.velocity(), Some(2000));
    }

    #[test]
    fn a_pause_of_just_150_ms_stays_in_the_burst() {
        let mut scroll = Scroll::default();
        scroll.scrolled(0.0, 0.0, 800.0, 4000.0);
        scroll.scrolled(150.0, 150.0, 800.0, 4000.0);
        assert_eq!(scroll.velocity(), Some(1000));
        scroll.scrolled(301.0, 166.0, 800.0, 4000.0);
        assert_eq!(scroll.velocity(), Some(1000));
    }

    #[test]
    fn depth_is_the_deepest_bottom() {
        let mut scroll = Scroll::default();
        scroll.placed(0.0, 800.0, 4000.0);
        assert_eq!(scroll.max_depth_pct(), 20);
        scroll.scrolled(0.0, 1640.0, 800.0, 4000.0);
        scroll.scrolled(50.0, 0.0, 800.0, 4000.0);
        assert_eq!(scroll.max_depth_pct(), 61);
        scroll.scrolled(100.0, 9e9, 800.0, 4000.0);
        assert_eq!(scroll.max_depth_pct(), 100);
    }

    #[test]
    fn unreal_numbers_do_no_harm() {
        let mut scroll = Scroll::default();
        for (time, position) in [(f64::NAN, 1.0), (0.0, f64::INFINITY), (f64::INFINITY, 0.0)] {
            scroll.scrolled(time, position, f64::NAN, f64::NAN);
        }
        assert_eq!(scroll, Scroll::default());
        scroll.scrolled(50.0, 1e300, 0.0, 0.0);
        scroll.scrolled(10.0, -1e300, f64::NAN, 10.0);
        assert_eq!((scroll.velocity(), scroll.max_depth_pct()), (Some(1_000_000), 0));
    }
}
