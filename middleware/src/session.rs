//! Which session a request belongs to: told by the site, in the signed cookie, or in the collector's cookie.

pub use quivive_core::first_party::{COLLECTOR_COOKIE, SIGNED_COOKIE, SessionCookie};

use crate::facts::Facts;
use quivive::botect::is_session_token;

/// The session token of a request; put it into the request's extensions to tell the guard yourself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Session(pub String);

/// The session of a request, if any; the most trustworthy source comes first.
pub(crate) fn find(facts: &Facts, cookie: Option<&SessionCookie>) -> Option<String> {
    let told = facts.session().filter(|session| is_session_token(session));
    let signed =
        || cookie.and_then(|cookie| facts.cookies(SIGNED_COOKIE).find_map(|value| cookie.read(value)));
    let collected = || facts.cookies(COLLECTOR_COOKIE).find(|session| is_session_token(session));
    told.or_else(signed).or_else(collected).map(str::to_owned)
}
