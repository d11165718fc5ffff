//! Keys that tell visitors of one day apart without following them any longer, and bots for as long as they come.

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

/// Whom a detection saw.
#[derive(Clone, Debug, Default)]
pub struct Visitor {
    /// The first 128 bits of HMAC-SHA-256, keyed with the day's secret, over network, user agent and session id;
    /// lower-case hexadecimal.
    pub key: String,
    /// A bot's identity as 64 bits of a keyed hash: of its catalogue id if that is verified, of the id and the
    /// network if it is only claimed, else of the visitor's key.
    pub bot: Option<u64>,
    /// A number that depends on the detection's id alone, even over 64 bits: who is in a sample.
    pub lot: u64,
    /// The address as a keyed hash that changes every day.
    pub hashed_ip: Option<String>,
}

/// Makes visitors' keys; holds the secret of the day.
#[derive(Default)]
pub struct Visitors {
    current: Option<(i64, String)>,
}

impl Visitors {
    /// Whom a detection saw.
    ///
    /// # Errors
    /// When the secret cannot be had from storage.
    pub async fn identify(&mut self, app: &App, observed: &Observed) -> storage::Result<Visitor> {
        let day = observed.facts.now.seconds().div_euclid(86_400);
        let secret = match &self.current {
            Some((current, secret)) if *current == day => secret,
            _ => &self.current.insert((day, secret(app, day).await?)).1,
        };
        let network = observed.facts.ip.map(network).unwrap_or_default();
        let user_agent = user_agent(&observed.facts).unwrap_or_default();
        let session = observed.session_id.as_deref().unwrap_or_default();
        let tag = hmac_sha256(secret.as_bytes(), [&*network, user_agent, session].join("\0").as_bytes());
        let key = encoding::hex(tag.first_chunk::<16>().map_or(&[], |half| half.as_slice()));
        let classification = &observed.classification;
        let agent = classification.agent.as_ref().map(|agent| agent.id.as_str());
        let identity = match agent {
            Some(agent) if classification.is_verified() => ["agent", agent, ""].join("\0"),
            Some(agent) => ["agent", agent, &network].join("\0"),
            None => ["visitor", &key].join("\0"),
        };
        let hash = |text: &str| number(hmac_sha256(&app.detection.identity_key(app), text.as_bytes()));
        let hashed_ip = |ip: IpAddr| {
            let tag = hmac_sha256(secret.as_bytes(), format!("address\0{}", ip.to_canonical()).as_bytes());
            encoding::hex(tag.first_chunk::<8>().map_or(&[], |part| part.as_slice()))
        };
        Ok(Visitor {
            bot: classification.is_bot.then(|| hash(&identity)),
            lot: hash(&observed.id),
            hashed_ip: observed.facts.ip.map(hashed_ip),
            key,
        })
    }
}

/// The network that an address lies in: 24 bits of IPv4, 48 of IPv6.
pub(super) fn network(ip: IpAddr) -> String {
    let bits = |ip: &IpAddr| if ip.is_ipv4() { 24 } else { 48 };
    let ip = ip.to_canonical();
    ipnet::IpNet::new(ip, bits(&ip)).map_or_else(|_| ip.to_string(), |network| network.trunc().to_string())
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

fn number(tag: [u8; 32]) -> u64 {
    tag.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
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
