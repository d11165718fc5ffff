//! The measures of the browser collector as plain number functions: no binding code and no allocation, because
//! this file is sent to every page. Times are milliseconds of the page's clock, places and sizes CSS pixels.
#![expect(unsafe_code, reason = "exported symbols need an unmangled name")]

use std::cell::RefCell;

use quivive_core::motion::{FEATURE_NAMES, FEATURES, MOTION_VERSION, Motion, Scroll};

thread_local! {
    static MOTION: RefCell<Motion> = RefCell::default();
    static SCROLL: RefCell<Scroll> = RefCell::default();
    static VALUES: RefCell<[f64; FEATURES.len()]> = const { RefCell::new([0.0; FEATURES.len()]) };
}

/// Begins a page view: forgets everything.
#[unsafe(no_mangle)]
pub extern "C" fn begin() {
    MOTION.take();
    SCROLL.take();
}

/// Takes a mouse movement.
#[unsafe(no_mangle)]
pub extern "C" fn moved(time: f64, x: f64, y: f64) {
    MOTION.with_borrow_mut(|motion| motion.moved(time, x, y));
}

/// Takes a button that went down.
#[unsafe(no_mangle)]
pub extern "C" fn pressed(time: f64, x: f64, y: f64) {
    MOTION.with_borrow_mut(|motion| motion.pressed(time, x, y));
}

/// Takes a button that went up.
#[unsafe(no_mangle)]
pub extern "C" fn released(time: f64, x: f64, y: f64) {
    MOTION.with_borrow_mut(|motion| motion.released(time, x, y));
}

/// Takes a click that no button made.
#[unsafe(no_mangle)]
pub extern "C" fn clicked(time: f64, x: f64, y: f64) {
    MOTION.with_borrow_mut(|motion| motion.clicked(time, x, y));
}

/// Takes a turn of the wheel.
#[unsafe(no_mangle)]
pub extern "C" fn wheeled() {
    MOTION.with_borrow_mut(Motion::wheeled);
}

/// Notes that the pointer and keys were out of sight.
#[unsafe(no_mangle)]
pub extern "C" fn gap() {
    MOTION.with_borrow_mut(Motion::gap);
}

/// Takes a key that went down, by its number in order of first appearance.
#[unsafe(no_mangle)]
pub extern "C" fn key_down(time: f64, slot: u32) {
    MOTION.with_borrow_mut(|motion| motion.key_down(time, slot));
}

/// Takes a key that went up.
#[unsafe(no_mangle)]
pub extern "C" fn key_up(time: f64, slot: u32) {
    MOTION.with_borrow_mut(|motion| motion.key_up(time, slot));
}

/// Takes a change of a field's text; `is_trusted` 0 or 1.
#[unsafe(no_mangle)]
pub extern "C" fn input(time: f64, is_trusted: u32) {
    MOTION.with_borrow_mut(|motion| motion.input(time, is_trusted != 0));
}

/// Takes an event of button or key that a script made.
#[unsafe(no_mangle)]
pub extern "C" fn untrusted() {
    MOTION.with_borrow_mut(Motion::untrusted);
}

/// Takes a movement that a script made.
#[unsafe(no_mangle)]
pub extern "C" fn untrusted_move() {
    MOTION.with_borrow_mut(Motion::untrusted_move);
}

/// The `mouse_entropy` of the page view; not a number when too little was seen.
#[unsafe(no_mangle)]
pub extern "C" fn mouse_entropy() -> f64 {
    MOTION.with_borrow(Motion::naturalness).unwrap_or(f64::NAN)
}

/// The `motion_version` of the features.
#[unsafe(no_mangle)]
pub extern "C" fn motion_version() -> u32 {
    MOTION_VERSION
}

/// Computes the features and gives the address of `motion_count` numbers of 64 bits; what too little was seen for is
/// not a number.
#[unsafe(no_mangle)]
pub extern "C" fn motion_values() -> *const f64 {
    let values = MOTION.with_borrow(Motion::values);
    VALUES.with_borrow_mut(|kept| {
        *kept = values;
        kept.as_ptr()
    })
}

/// How many features there are.
#[unsafe(no_mangle)]
pub extern "C" fn motion_count() -> usize {
    FEATURES.len()
}

/// The address of the features' keys in their order, a blank after each.
#[unsafe(no_mangle)]
pub extern "C" fn motion_names() -> *const u8 {
    FEATURE_NAMES.as_ptr()
}

/// How many bytes the keys have.
#[unsafe(no_mangle)]
pub extern "C" fn motion_names_length() -> usize {
    FEATURE_NAMES.len()
}

/// Notes where the page stands without counting the way there.
#[unsafe(no_mangle)]
pub extern "C" fn placed(position: f64, viewport_height: f64, document_height: f64) {
    SCROLL.with_borrow_mut(|scroll| scroll.placed(position, viewport_height, document_height));
}

/// Takes a scroll event.
#[unsafe(no_mangle)]
pub extern "C" fn scrolled(time: f64, position: f64, viewport_height: f64, document_height: f64) {
    SCROLL.with_borrow_mut(|scroll| scroll.scrolled(time, position, viewport_height, document_height));
}

/// The `scroll_velocity` of the page view; not a number before the first scroll event.
#[unsafe(no_mangle)]
pub extern "C" fn scroll_velocity() -> f64 {
    SCROLL.with_borrow(Scroll::velocity).map_or(f64::NAN, f64::from)
}
