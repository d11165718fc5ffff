//! The export table: the only way in which a function reaches another language.
//!
//! Each line names a function of this module with one input struct and one output; bindings, declarations and
//! vector runners are all expanded from it.

/// Calls `$generate!` with every operation that other languages can call.
#[macro_export]
macro_rules! for_each_export {
    ($generate:ident) => {
        $generate! {
        }
    };
}
