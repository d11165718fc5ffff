//! Attacks that the original system lets through, carried out; each must fail here.

mod agents;
mod apps;
mod challenges;
mod dashboard;
mod discovery;
mod limits;
mod login;
