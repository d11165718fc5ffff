//! The botcha family.
