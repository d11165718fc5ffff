//! What a site's server tells about its visitors: logins, pages that it delivered, events that it forwards.

use std::time::Duration;

use quivive_core::Error as CoreError;
use quivive_core::first_party::{EventsReport, PageHitReport};
use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde::{Deserialize, Serialize};

use super::{Botect, is_session_token};
use crate::Result;
use crate::service::{call, request};

/// Time for a whole delivery.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(5);

/// That a visitor is logged in.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Login {
    /// When it was first said, UTC, to the second.
    pub asserted_at: String,
}

/// What became of a report.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Receipt {
    /// The session that was used.
    pub session_token: String,
    /// What is new.
    pub accepted: u64,
    /// What was known from before.
    pub duplicates: u64,
    /// Whether the account has used up its month; everything counts all the same.
    #[serde(default)]
    pub over_quota: bool,
}

impl Botect {
    /// Says that the visitor of a session authenticated in the site's application; no name is sent.
    ///
    /// # Errors
    /// `INVALID_INPUT` for a session token or private key that cannot be one, `UNKNOWN_SESSION` while the session's
    /// first batch is still on its way, otherwise as the service answers. Worth repeating: [`crate::Error::is_passing`]
    /// and `UNKNOWN_SESSION`.
    pub async fn logged_in(&self, session: &str) -> Result<Login> {
        if !is_session_token(session) {
            return Err(CoreError::invalid_input("session token must be 1 to 128 of A-Z a-z 0-9 _ -").into());
        }
        let url = self.client.service()?.endpoint(&["v1", "sessions", session, "logged-in"]);
        let assertion = request(&self.client.inner().direct, Method::POST, url)
            .header(AUTHORIZATION, self.bearer()?)
            .timeout(DELIVERY_TIMEOUT);
        call(assertion).await
    }

    /// Reports a page that the site's server delivered; `idempotency_key` (1 to 128 of `A-Z a-z 0-9 _ -`) is the same
    /// when the report is repeated.
    ///
    /// # Errors
    /// As the service answers; worth repeating if [`crate::Error::is_passing`].
    pub async fn page_hit(&self, report: &PageHitReport, idempotency_key: &str) -> Result<Receipt> {
        self.report("page-hits", report, idempotency_key).await
    }

    /// Forwards events of a visitor's browser; `idempotency_key` as with [`Botect::page_hit`].
    ///
    /// # Errors
    /// As the service answers; worth repeating if [`crate::Error::is_passing`].
    pub async fn forward_events(&self, report: &EventsReport, idempotency_key: &str) -> Result<Receipt> {
        self.report("events", report, idempotency_key).await
    }

    async fn report(&self, kind: &str, report: &impl Serialize, idempotency_key: &str) -> Result<Receipt> {
        if !is_session_token(idempotency_key) {
            return Err(
                CoreError::invalid_input("idempotency key must be 1 to 128 of A-Z a-z 0-9 _ -").into()
            );
        }
        let url = self.client.service()?.endpoint(&["v1", "server", kind]);
        let delivery = request(&self.client.inner().direct, Method::POST, url)
            .header(AUTHORIZATION, self.bearer()?)
            .header("Idempotency-Key", idempotency_key)
            .timeout(DELIVERY_TIMEOUT)
            .json(report);
        call(delivery).await
    }
}

#[cfg(test)]
mod tests {
    use quivive_core::Timestamp;
    use quivive_core::first_party::{PageMethod, SCHEMA_VERSION};

    use super::*;
    use crate::Client;

    /// Nobody listens on port 1: what is refused here was never sent.
    fn site() -> Botect {
        Client::builder().url("http://127.0.0.1:1").build().unwrap().botect("sk_site")
    }

    fn hit() -> PageHitReport {
        PageHitReport {
            schema_version: SCHEMA_VERSION,
            page_id: "ab".repeat(16),
            session_token: "sess_1".to_owned(),
            occurred_at: Timestamp::from_seconds(1_771_156_800),
            method: PageMethod::Get,
            path_hash: "ab".repeat(32),
            header_names: Vec::new(),
            languages: Vec::new(),
            had_session_cookie: false,
            duration_ms: 0,
            ja4: None,
            observed: None,
            logged_in: None,
        }
    }

    #[tokio::test]
    async fn what_cannot_be_right_is_not_sent() {
        for session in ["", "a/b", "..", &"a".repeat(129)] {
            assert_eq!(site().logged_in(session).await.unwrap_err().code(), "INVALID_INPUT", "{session}");
        }
        for key in ["", "a b", &"a".repeat(129)] {
            assert_eq!(site().page_hit(&hit(), key).await.unwrap_err().code(), "INVALID_INPUT", "{key}");
        }
        let wrong = Client::builder().url("http://127.0.0.1:1").build().unwrap().botect("pk_site");
        assert_eq!(wrong.page_hit(&hit(), "key").await.unwrap_err().code(), "INVALID_INPUT");
    }

    #[tokio::test]
    async fn a_service_that_is_away_is_worth_another_try() {
        let error = site().page_hit(&hit(), "key").await.unwrap_err();
        assert!(error.is_passing() && error.code() == "CONNECTION_FAILED");
        assert!(site().logged_in("sess_1").await.unwrap_err().is_passing());
    }
}
