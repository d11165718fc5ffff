//! The browser collector's measures: streams of plain numbers in, plain numbers out, constant memory.
//!
//! Coordinates go in and never come out: they are turned into counts at once. Times are milliseconds of one
//! monotonic clock. Everything here is small on purpose, because it is sent to every page.
//!
//! ```
//! use quivive_core::motion::PointerPath;
//! let mut path = PointerPath::default();
//! for step in 0..40_u32 {
//!     path.moved(f64::from(step) * 25.0, f64::from(step) * 10.0, 7.0);
//! }
//! assert_eq!((path.moves(), path.naturalness()), (40, Some(0.0)));
//! ```

mod log2;
mod pointer;
mod scroll;

pub use self::{pointer::PointerPath, scroll::Scroll};

/// Movements closer than this to the last one taken are not looked at, in milliseconds.
pub const SAMPLE_INTERVAL_MS: f64 = 20.0;
