//! How far a long input is read, on standard error, where a person looks at it.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use crate::cli::style::number;

/// The line that shows the progress.
pub(super) struct Progress {
    started: Instant,
    shown: Option<Instant>,
    is_shown: bool,
}

impl Progress {
    /// Nothing is shown yet, and nothing at all where nobody looks.
    pub fn new() -> Self {
        Self { started: Instant::now(), shown: None, is_shown: stderr().is_terminal() }
    }

    /// Shows the count, now and then.
    pub fn tick(&mut self, lines: u64) {
        if !self.is_shown || !lines.is_multiple_of(LINES_BETWEEN) {
            return;
        }
        let now = Instant::now();
        if now.duration_since(self.shown.unwrap_or(self.started)) < PAUSE {
            return;
        }
        self.shown = Some(now);
        let milliseconds = now.duration_since(self.started).as_millis().max(1);
        let rate = u64::try_from(u128::from(lines) * 1000 / milliseconds).unwrap_or(u64::MAX);
        let _ = write!(stderr().lock(), "\r\u{1b}[K{} lines, {} per second", number(lines), number(rate));
    }

    /// Takes the line away.
    pub fn clear(&self) {
        if self.shown.is_some() {
            let _ = write!(stderr().lock(), "\r\u{1b}[K");
        }
    }
}

const LINES_BETWEEN: u64 = 4_096;
const PAUSE: Duration = Duration::from_millis(500);
