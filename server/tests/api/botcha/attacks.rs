//! Attacks that the original system lets through, carried out; each must fail here.

mod challenges;
mod login;
mod agents;
mod dashboard;
