//! Paths of our own.
