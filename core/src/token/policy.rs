//! What a verifier demands of a token beyond its signature.

use super::claims::{ACCESS_TOKEN_TYPE, Claims, DEFAULT_ISSUER};
use crate::{Error, ErrorKind, Result, Timestamp};

/// What a token must say to be accepted; the default takes access tokens of the issuer `botcha.ai`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifyPolicy {
    /// The audience that the token must name; `None` does not look at it.
    pub audience: Option<String>,
    /// The client address that the token must be bound to; `None` does not look at it.
    pub client_ip: Option<String>,
    /// The issuers accepted; `None` accepts any.
    pub issuers: Option<Vec<String>>,
    /// Seconds by which the issuer's clock may differ from ours.
    pub leeway_seconds: u32,
    /// The token types accepted; `None` accepts any.
    pub types: Option<Vec<String>>,
}

impl Default for VerifyPolicy {
    fn default() -> Self {
        Self {
            audience: None,
            client_ip: None,
            issuers: Some(vec![DEFAULT_ISSUER.to_owned()]),
            leeway_seconds: 0,
            types: Some(vec![ACCESS_TOKEN_TYPE.to_owned()]),
        }
    }
}

impl VerifyPolicy {
    /// Checks claims whose signature has been verified: time, issuer, type, audience, client address.
    ///
    /// A token is valid from the beginning of `nbf` until just before `exp`; one issued more than 60 s in the
    /// future is not valid yet.
    ///
    /// # Errors
    /// `INVALID_TOKEN` without `exp`, `TOKEN_EXPIRED`, `NOT_YET_VALID`, `ISSUER_MISMATCH`,
    /// `TOKEN_TYPE_MISMATCH`, `AUDIENCE_MISMATCH`, `CLIENT_MISMATCH`, in this order.
    pub fn check(&self, claims: &Claims, now: Timestamp) -> Result<()> {
        self.check_time(claims, now)?;
        if !is_listed(self.issuers.as_deref(), claims.iss.as_deref()) {
            return Err(Error::new(ErrorKind::IssuerMismatch, "token is from another issuer"));
        }
        if !is_listed(self.types.as_deref(), claims.token_type.as_deref()) {
            return Err(Error::new(ErrorKind::TokenTypeMismatch, "token is of another type"));
        }
        if let Some(audience) = &self.audience {
            claims.require_audience(audience)?;
        }
        if let Some(address) = &self.client_ip {
            claims.require_client(address)?;
        }
        Ok(())
    }

    fn check_time(&self, claims: &Claims, now: Timestamp) -> Result<()> {
        let leeway = i64::from(self.leeway_seconds) * 1000;
        let Some(end) = claims.exp.map(Timestamp::from_seconds) else {
            return Err(Error::new(ErrorKind::InvalidToken, "token has no end (`exp`)"));
        };
        if now >= end.plus_milliseconds(leeway) {
            let message = format!("token expired at {}", end.to_seconds_text());
            return Err(Error::new(ErrorKind::TokenExpired, message));
        }
        let earliest = now.plus_milliseconds(leeway);
        if let Some(begin) = claims.nbf.map(Timestamp::from_seconds).filter(|begin| *begin > earliest) {
            let message = format!("token is valid from {}", begin.to_seconds_text());
            return Err(Error::new(ErrorKind::NotYetValid, message));
        }
        let latest_issue = earliest.plus_milliseconds(ISSUED_AHEAD_MILLISECONDS);
        if let Some(issued) = claims.iat.map(Timestamp::from_seconds).filter(|issued| *issued > latest_issue)
        {
            let message = format!("token was issued in the future, at {}", issued.to_seconds_text());
            return Err(Error::new(ErrorKind::NotYetValid, message));
        }
        Ok(())
    }
}

/// How far `iat` may lie ahead of our clock, in milliseconds.
const ISSUED_AHEAD_MILLISECONDS: i64 = 60_000;

fn is_listed(accepted: Option<&[String]>, text: Option<&str>) -> bool {
    accepted.is_none_or(|accepted| text.is_some_and(|text| accepted.iter().any(|one| one == text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_771_156_800);

    fn claims() -> Claims {
        Claims::access("challenge", 47, "id", NOW, 3600)
    }

    fn code(policy: &VerifyPolicy, claims: &Claims, now: Timestamp) -> &'static str {
        policy.check(claims, now).err().map_or("ok", |error| error.kind().code())
    }

    #[test]
    fn end_is_exclusive_to_the_millisecond() {
        let policy = VerifyPolicy::default();
        let end = NOW.plus_milliseconds(3_600_000);
        assert_eq!(code(&policy, &claims(), end.plus_milliseconds(-1)), "ok");
        assert_eq!(code(&policy, &claims(), end), "TOKEN_EXPIRED");
        let lenient = VerifyPolicy { leeway_seconds: 5, ..policy };
        assert_eq!(code(&lenient, &claims(), end.plus_milliseconds(4_999)), "ok");
        assert_eq!(code(&lenient, &claims(), end.plus_milliseconds(5_000)), "TOKEN_EXPIRED");
    }

    #[test]
    fn beginning_is_inclusive_to_the_millisecond() {
        let policy = VerifyPolicy::default();
        let later = Claims { nbf: Some(NOW.seconds() + 10), ..claims() };
        assert_eq!(code(&policy, &later, NOW.plus_milliseconds(9_999)), "NOT_YET_VALID");
        assert_eq!(code(&policy, &later, NOW.plus_milliseconds(10_000)), "ok");
        let lenient = VerifyPolicy { leeway_seconds: 10, ..policy };
        assert_eq!(code(&lenient, &later, NOW), "ok");
    }

    #[test]
    fn issue_may_lie_a_minute_ahead() {
        let policy = VerifyPolicy::default();
        let ahead = |seconds: i64| Claims { iat: Some(NOW.seconds() + seconds), ..claims() };
        assert_eq!(code(&policy, &ahead(60), NOW), "ok");
        assert_eq!(code(&policy, &ahead(61), NOW), "NOT_YET_VALID");
        assert_eq!(code(&policy, &Claims { iat: None, ..claims() }, NOW), "ok");
    }

    #[test]
    fn extreme_times_do_not_overflow() {
        let policy = VerifyPolicy { leeway_seconds: u32::MAX, ..VerifyPolicy::default() };
        for seconds in [i64::MIN, -(1 << 53), 0, 1 << 53, i64::MAX] {
            let extreme = Claims { exp: Some(seconds), iat: Some(seconds), nbf: Some(seconds), ..claims() };
            for now in [i64::MIN, 0, i64::MAX] {
                let _ = policy.check(&extreme, Timestamp::from_milliseconds(now));
            }
        }
    }

    #[test]
    fn each_demand_has_its_code() {
        let policy = VerifyPolicy::default();
        assert_eq!(code(&policy, &Claims { exp: None, ..claims() }, NOW), "INVALID_TOKEN");
        for iss in [None, Some("botcha.ai.example".to_owned()), Some(String::new())] {
            assert_eq!(code(&policy, &Claims { iss, ..claims() }, NOW), "ISSUER_MISMATCH");
        }
        for token_type in [None, Some("botcha-refresh".to_owned())] {
            assert_eq!(code(&policy, &Claims { token_type, ..claims() }, NOW), "TOKEN_TYPE_MISMATCH");
        }
        let bound =
            VerifyPolicy { audience: Some("shop".into()), client_ip: Some("192.0.2.1".into()), ..policy };
        assert_eq!(code(&bound, &claims(), NOW), "AUDIENCE_MISMATCH");
        assert_eq!(code(&bound, &Claims { aud: Some("shop".into()), ..claims() }, NOW), "CLIENT_MISMATCH");
    }

    #[test]
    fn lists_can_be_widened_or_emptied() {
        let other = Claims { iss: None, token_type: Some("botcha-refresh".into()), ..claims() };
        let any = VerifyPolicy { issuers: None, types: None, ..VerifyPolicy::default() };
        assert_eq!(code(&any, &other, NOW), "ok");
        let none = VerifyPolicy { types: Some(vec![]), ..VerifyPolicy::default() };
        assert_eq!(code(&none, &claims(), NOW), "TOKEN_TYPE_MISMATCH");
    }
}
