//! Reference server of Quivive: one binary that speaks three API families over one core.
//!
//! [`run`] serves until a signal; [`app`] gives the router of a prepared [`App`], which is what tests call.
#![forbid(unsafe_code)]

pub mod agentshield;
pub mod app;
pub mod audit;
pub mod banner;
pub mod botcha;
pub mod botect;
pub mod browser;
pub mod cli;
pub mod conditional;
pub mod config;
pub mod connections;
pub mod console;
pub mod demo;
pub mod error;
pub mod extract;
pub mod flows;
pub mod health;
pub mod jobs;
pub mod keys;
pub mod limits;
pub mod mail;
pub mod openapi;
pub mod outbound;
pub mod pages;
pub mod router;
pub mod rules_dry_run;
pub mod seed;
pub mod serve;
pub mod storage;
pub mod telemetry;
pub mod tenant;

pub use app::App;
pub use serve::run;

/// The whole service of an application; call it, or serve it.
pub fn app(app: &App) -> axum::Router {
    router::router(app)
}
