//! The visitor's address, as far as the site's server knows it.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use quivive_core::Error as CoreError;
use quivive_core::first_party::{AddressSource, ObservedAddress, is_public_address};

use crate::facts::{Facts, TrustedProxies};
use crate::known::now;

type Resolve = dyn Fn(&Facts) -> Option<IpAddr> + Send + Sync;

/// Where the visitor's address is read. Addresses that are not public are never reported.
#[derive(Clone, Default)]
pub enum VisitorAddress {
    /// That of the connection (behind trusted proxies, the one that they tell); if it is not public, the first public
    /// one in the headers that proxies commonly set, marked as a guess.
    #[default]
    Auto,
    /// That of the connection, behind trusted proxies the one that they tell.
    Request,
    /// A header that the site's own proxy always sets; see [`VisitorAddress::header`].
    Header(String),
    /// The site's own way; see [`VisitorAddress::custom`].
    Custom(Arc<Resolve>),
}

impl VisitorAddress {
    /// The header that Cloudflare sets.
    pub fn cloudflare() -> Self {
        Self::Header("cf-connecting-ip".to_owned())
    }

    /// A header that the site's own proxy always sets; its value up to the first comma counts.
    ///
    /// # Errors
    /// `INVALID_INPUT` unless the name is 1 to 64 letters, digits and hyphens.
    pub fn header(name: &str) -> quivive_core::Result<Self> {
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if !(1..=64).contains(&name.len()) || !name.bytes().all(is_fine) {
            return Err(CoreError::invalid_input("header name must be 1 to 64 letters, digits and hyphens"));
        }
        Ok(Self::Header(name.to_ascii_lowercase()))
    }

    /// The site's own way.
    pub fn custom(resolve: impl Fn(&Facts) -> Option<IpAddr> + Send + Sync + 'static) -> Self {
        Self::Custom(Arc::new(resolve))
    }
}

impl std::fmt::Debug for VisitorAddress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => formatter.write_str("Auto"),
            Self::Request => formatter.write_str("Request"),
            Self::Header(name) => formatter.debug_tuple("Header").field(name).finish(),
            Self::Custom(_) => formatter.write_str("Custom"),
        }
    }
}

/// Reads addresses of visitors.
#[derive(Clone, Default)]
pub(super) struct Visitor {
    pub mode: VisitorAddress,
    pub proxies: TrustedProxies,
    warned_on: Arc<AtomicI64>,
}

impl Visitor {
    pub fn observe(&self, facts: &Facts) -> Option<ObservedAddress> {
        let of_request = || public(facts.client_ip(&self.proxies)?);
        let found = |ip, source, inferred| ObservedAddress { ip, source, inferred };
        match &self.mode {
            VisitorAddress::Auto => of_request()
                .map(|ip| found(ip, AddressSource::Request, false))
                .or_else(|| self.guess(facts).map(|ip| found(ip, AddressSource::Header, true))),
            VisitorAddress::Request => of_request().map(|ip| found(ip, AddressSource::Request, false)),
            VisitorAddress::Header(name) => {
                of_header(facts, name).map(|ip| found(ip, AddressSource::Header, false))
            }
            VisitorAddress::Custom(resolve) => {
                resolve(facts).and_then(public).map(|ip| found(ip, AddressSource::Resolver, false))
            }
        }
    }

    fn guess(&self, facts: &Facts) -> Option<IpAddr> {
        let (name, address) =
            COMMON_HEADERS.into_iter().find_map(|name| Some((name, of_header(facts, name)?)))?;
        let today = now().seconds().div_euclid(86_400);
        if self.warned_on.swap(today, Ordering::Relaxed) != today {
            tracing::warn!(
                header = name,
                "addresses of visitors are guessed from a header: set VisitorAddress or trusted proxies"
            );
        }
        Some(address)
    }
}

fn of_header(facts: &Facts, name: &str) -> Option<IpAddr> {
    let first = facts.header(name)?.split(',').next()?;
    public(first.trim().parse().ok()?)
}

fn public(address: IpAddr) -> Option<IpAddr> {
    let address = address.to_canonical();
    is_public_address(address).then_some(address)
}

/// What proxies commonly set, the most specific first.
const COMMON_HEADERS: [&str; 6] = [
    "cf-connecting-ip",
    "true-client-ip",
    "fastly-client-ip",
    "fly-client-ip",
    "x-real-ip",
    "x-forwarded-for",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(peer: &str, headers: &[(&str, &str)]) -> Facts {
        let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        Facts::read("GET", "/", peer.parse().ok(), None, headers)
    }

    fn observe(mode: VisitorAddress, facts: &Facts) -> Option<(String, AddressSource, bool)> {
        let seen = Visitor { mode, ..Visitor::default() }.observe(facts)?;
        Some((seen.ip.to_string(), seen.source, seen.inferred))
    }

    #[test]
    fn auto_takes_the_connection_and_guesses_only_when_that_is_private() {
        let headers = [("X-Forwarded-For", "10.0.0.1, 203.0.113.9"), ("X-Real-IP", "2001:DB8::7")];
        let auto = |peer, headers: &[(&str, &str)]| observe(VisitorAddress::Auto, &facts(peer, headers));
        assert_eq!(
            auto("198.51.100.7", &headers),
            Some(("198.51.100.7".to_owned(), AddressSource::Request, false))
        );
        assert_eq!(auto("10.0.0.9", &headers), Some(("2001:db8::7".to_owned(), AddressSource::Header, true)));
        // The part before the first comma counts, and it is private.
        assert_eq!(auto("10.0.0.9", &headers[..1]), None);
        assert_eq!(
            auto("127.0.0.1", &[("CF-Connecting-IP", "::ffff:203.0.113.9")]).unwrap().0,
            "203.0.113.9"
        );
        for value in ["", "unknown", "192.168.1.1", "fd00::1"] {
            assert_eq!(auto("127.0.0.1", &[("CF-Connecting-IP", value)]), None, "{value}");
        }
    }

    #[test]
    fn each_mode_reads_its_own_place_only() {
        let both = [("CF-Connecting-IP", "203.0.113.9"), ("X-Mine", "203.0.113.8, 203.0.113.7")];
        let seen = |mode| observe(mode, &facts("198.51.100.7", &both)).map(|(ip, source, _)| (ip, source));
        assert_eq!(
            seen(VisitorAddress::cloudflare()),
            Some(("203.0.113.9".to_owned(), AddressSource::Header))
        );
        let mine = VisitorAddress::header("X-Mine").unwrap();
        assert_eq!(seen(mine), Some(("203.0.113.8".to_owned(), AddressSource::Header)));
        assert_eq!(seen(VisitorAddress::header("x-other").unwrap()), None);
        let resolve = VisitorAddress::custom(|_| "203.0.113.1".parse().ok());
        assert_eq!(seen(resolve), Some(("203.0.113.1".to_owned(), AddressSource::Resolver)));
        assert_eq!(seen(VisitorAddress::custom(|_| "10.0.0.1".parse().ok())), None);
        assert_eq!(observe(VisitorAddress::Request, &facts("10.0.0.1", &both)), None);
        for name in ["", "x header", "x_header", &"a".repeat(65)] {
            assert!(VisitorAddress::header(name).is_err(), "{name}");
        }
    }
}
