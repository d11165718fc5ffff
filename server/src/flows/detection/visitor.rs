//! Keys that tell visitors of one day apart without following them any longer.

use std::net::IpAddr;

use quivive_core::Timestamp;
use quivive_core::crypto::hmac_sha256;
use quivive_core::encoding;
use serde::{Deserialize, Serialize};

use super::Observed;
use super::row::user_agent;
use crate::app::App;
use crate::storage::{self, Record};

/// The secret of one UTC day, kept for two.
#[derive(Debug, Deserialize, Serialize)]
struct DailySecret {
    day: i64,
    secret: String,
    expires_at: Timestamp,
}

impl Record for DailySecret {
    const KIND: &'static str = "visitor_secret";
    fn id(&self) -> String {
        self.day.to_string()
    }
    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

/// Makes visitor keys; holds the secret of the day.
#[derive(Default)]
pub struct Visitors {
    current: Option<(i64, String)>,
}

impl Visitors {
    /// The first 128 bits of HMAC-SHA-256, keyed with the day's secret, over network, user agent and session id.
    ///
    /// # Errors
    /// When the secret cannot be had from storage.
    pub async fn key(&mut self, app: &App, observed: &Observed) -> storage::Result<String> {
        let day = observed.facts.now.seconds().div_euclid(86_400);
        let secret = match &self.current {
            Some((current, secret)) if *current == day => secret,
            _ => &self.current.insert((day, secret(app, day).await?)).1,
        };
        let message = [
            observed.facts.ip.map(network).unwrap_or_default().as_str(),
            user_agent(&observed.facts).unwrap_or_default(),
            observed.session_id.as_deref().unwrap_or_default(),
        ]
        .join("\0");
        let tag = hmac_sha256(secret.as_bytes(), message.as_bytes());
        Ok(encoding::hex(tag.first_chunk::<16>().map_or(&[], |half| half.as_slice())))
    }
}

/// The secret of the day; whoever is first makes it.
async fn secret(app: &App, day: i64) -> storage::Result<String> {
    let made = DailySecret {
        day,
        secret: encoding::hex(&app.random_bytes::<32>()),
        expires_at: app.now().plus_milliseconds(2 * 86_400_000),
    };
    match app.storage.insert(&made).await {
        Ok(()) => Ok(made.secret),
        Err(storage::Error::Conflict) => {
            let found = app.storage.get::<DailySecret>(&made.id()).await?;
            Ok(found.map_or(made.secret, |found| found.value.secret))
        }
        Err(error) => Err(error),
    }
}

/// The network that an address lies in: 24 bits of IPv4, 48 of IPv6.
fn network(ip: IpAddr) -> String {
    let bits = |ip: &IpAddr| if ip.is_ipv4() { 24 } else { 48 };
    let ip = ip.to_canonical();
    ipnet::IpNet::new(ip, bits(&ip)).map_or_else(|_| ip.to_string(), |network| network.trunc().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_share_a_network() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("203.0.113.7"), "203.0.113.0/24");
        assert_eq!(of("::ffff:203.0.113.9"), of("203.0.113.7"));
        assert_eq!(of("2001:db8:1:2::3"), "2001:db8:1::/48");
    }
}
