//! First input, visibility and the page's name.

use super::rounded;

const DAY_MS: u32 = 86_400_000;

/// The first pointerdown, keydown or touchstart of a page view.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct FirstInput {
    taken: Option<(u32, u32)>,
}

impl FirstInput {
    /// Takes an input; all but the first are ignored. Times are since navigation start.
    pub fn came(&mut self, event_time: f64, handling_began: f64) {
        if self.taken.is_none() && event_time.is_finite() && handling_began.is_finite() {
            let delay = rounded(handling_began - event_time, DAY_MS).max(1);
            self.taken = Some((delay, rounded(event_time, DAY_MS)));
        }
    }

    /// Milliseconds between the input and its handling, at least 1; none without input.
    pub fn delay_ms(&self) -> Option<u32> {
        self.taken.map(|(delay, _)| delay)
    }

    /// Milliseconds from navigation start to the input; none without input.
    pub fn time_ms(&self) -> Option<u32> {
        self.taken.map(|(_, time)| time)
    }
}

/// How long a page was in view and how often that changed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Visibility {
    changes: u32,
    earlier_ms: f64,
    visible_since: Option<f64>,
}

impl Visibility {
    /// Notes whether the page is in view at its begin.
    pub fn began(&mut self, time: f64, is_visible: bool) {
        *self = Self { visible_since: is_visible.then_some(time), ..Self::default() };
    }

    /// Takes a change of visibility.
    pub fn changed(&mut self, time: f64, is_visible: bool) {
        self.changes = self.changes.saturating_add(1).min(10_000);
        self.earlier_ms += self.visible_since.map_or(0.0, |since| (time - since).max(0.0));
        self.visible_since = is_visible.then_some(time);
    }

    /// How often the page was hidden or shown, at most 10,000.
    pub fn changes(&self) -> u32 {
        self.changes
    }

    /// Milliseconds in view until now.
    pub fn visible_ms(&self, now: f64) -> u32 {
        rounded(self.earlier_ms + self.visible_since.map_or(0.0, |since| (now - since).max(0.0)), DAY_MS)
    }
}

/// 64-bit FNV-1a over a path without its query; written as 16 hexadecimal digits it is the `page_path_hash`.
pub fn page_path_hash(path: &[u8]) -> u64 {
    path.iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_input_counts() {
        let mut input = FirstInput::default();
        assert_eq!((input.delay_ms(), input.time_ms()), (None, None));
        input.came(2100.4, 2104.2);
        input.came(10.0, 900.0);
        assert_eq!((input.delay_ms(), input.time_ms()), (Some(4), Some(2100)));
    }

    #[test]
    fn a_delay_is_at_least_one() {
        let mut input = FirstInput::default();
        input.came(50.0, 49.0);
        assert_eq!((input.delay_ms(), input.time_ms()), (Some(1), Some(50)));
    }

    #[test]
    fn visible_time_leaves_hidden_time_out() {
        let mut visibility = Visibility::default();
        visibility.began(0.0, true);
        assert_eq!(visibility.visible_ms(500.0), 500);
        visibility.changed(1000.0, false);
        assert_eq!((visibility.visible_ms(9000.0), visibility.changes()), (1000, 1));
        visibility.changed(9000.0, true);
        assert_eq!((visibility.visible_ms(9250.4), visibility.changes()), (1250, 2));
    }

    #[test]
    fn hashes_are_the_published_ones() {
        assert_eq!(page_path_hash(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(page_path_hash(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(page_path_hash(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
