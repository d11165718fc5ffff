//! Quivive.
