//! Which origins may be shown the token.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use quivive_core::Error as CoreError;
use url::{Origin, Url};

use crate::Result;
use crate::service::is_safe;

/// Origins that asked are forgotten beyond this number; they only have to ask again.
const MOST_ORIGINS: usize = 10_000;

#[derive(Debug)]
pub(crate) struct Origins {
    always: HashSet<Origin>,
    /// `None` when a fixed list was given: then nobody joins by asking.
    asked: Option<Mutex<HashSet<Origin>>>,
}

impl Origins {
    pub(crate) fn new(service: Option<&Url>, listed: Option<&[String]>) -> Result<Self> {
        let mut always: HashSet<_> = service.map(Url::origin).into_iter().collect();
        for text in listed.unwrap_or_default() {
            let url = Url::parse(text).ok().filter(is_safe).ok_or_else(|| {
                CoreError::invalid_input(format!(
                    "token origin `{text}` must be https, or http on a loopback address"
                ))
            })?;
            always.insert(url.origin());
        }
        Ok(Self { always, asked: listed.is_none().then(Mutex::default) })
    }

    pub(crate) fn may_have_token(&self, url: &Url) -> bool {
        if !is_safe(url) {
            return false;
        }
        let origin = url.origin();
        self.always.contains(&origin)
            || self
                .asked
                .as_ref()
                .is_some_and(|asked| asked.lock().unwrap_or_else(PoisonError::into_inner).contains(&origin))
    }

    pub(crate) fn note_that_asked(&self, url: &Url) {
        if let Some(asked) = self.asked.as_ref().filter(|_| is_safe(url)) {
            let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
            if asked.len() >= MOST_ORIGINS {
                asked.clear();
            }
            asked.insert(url.origin());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn only_the_service_and_those_that_asked_may_have_the_token() {
        let origins = Origins::new(Some(&url("https://door.example/api")), None).unwrap();
        assert!(origins.may_have_token(&url("https://door.example/agent-only")));
        for other in ["https://shop.example/", "http://door.example/", "https://door.example:8443/"] {
            assert!(!origins.may_have_token(&url(other)), "{other}");
        }
        origins.note_that_asked(&url("https://shop.example/a"));
        assert!(origins.may_have_token(&url("https://shop.example/b")));
        origins.note_that_asked(&url("http://clear.example/"));
        assert!(!origins.may_have_token(&url("http://clear.example/")));
    }

    #[test]
    fn with_a_list_nobody_joins_by_asking() {
        let listed = ["https://shop.example".to_owned()];
        let origins = Origins::new(None, Some(&listed)).unwrap();
        origins.note_that_asked(&url("https://other.example/"));
        assert!(origins.may_have_token(&url("https://shop.example/")));
        assert!(!origins.may_have_token(&url("https://other.example/")));
        assert!(Origins::new(None, Some(&["http://shop.example".to_owned()])).is_err());
    }
}
