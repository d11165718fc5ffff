//! Every case against every adapter, with real keys, tokens and challenges.
#![cfg(all(feature = "actix", feature = "tower"))]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests fail by panicking")]

/// Each case once in each framework.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod on_tower {
            use super::Tower;
            $(#[tokio::test] async fn $name() { super::$name::<Tower>().await; })*
        }
        mod on_actix {
            use super::Actix;
            $(#[actix_web::test] async fn $name() { super::$name::<Actix>().await; })*
        }
    };
}

mod agents;
mod detection;
mod first_party;
mod frameworks;
mod policy;
mod service;
mod signed;
mod visitors;
