//! Handles: compiled once, asked often, so that a call does not carry keys or lists.
