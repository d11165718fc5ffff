//! The measures of the browser collector as plain number functions: no binding code and no allocation, because
//! this file is sent to every page. Times are milliseconds of the page's clock, places and sizes CSS pixels.
#![expect(unsafe_code, reason = "exported symbols need an unmangled name")]

use std::cell::RefCell;

use quivive_core::motion::{PointerPath, Scroll};

thread_local! {
    static POINTER: RefCell<PointerPath> = RefCell::default();
    static SCROLL: RefCell<Scroll> = RefCell::default();
}

/// Begins a page view: forgets everything.
#[unsafe(no_mangle)]
pub extern "C" fn begin() {
    POINTER.take();
    SCROLL.take();
}

/// Takes a mouse movement.
#[unsafe(no_mangle)]
pub extern "C" fn moved(time: f64, x: f64, y: f64) {
    POINTER.with_borrow_mut(|pointer| pointer.moved(time, x, y));
}

/// The `mouse_entropy` of the page view; not a number below the fewest steps.
#[unsafe(no_mangle)]
pub extern "C" fn mouse_entropy() -> f64 {
    POINTER.with_borrow(PointerPath::naturalness).unwrap_or(f64::NAN)
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
