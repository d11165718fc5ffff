//! The facts of a request that guards look at, the same from every framework.

use std::net::IpAddr;

/// What a guard knows about a request.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    method: String,
    path: String,
    route: Option<String>,
    peer: Option<IpAddr>,
    session: Option<String>,
    is_https: bool,
    headers: Vec<(String, String)>,
    /// Names of headers whose values are no visible ASCII.
    unreadable: Vec<String>,
}

impl Facts {
    /// Reads the facts; `path` is the whole path as the visitor asked for it, `peer` the address of the connection,
    /// `session` the session that the site itself knows.
    ///
    /// A header value that is not visible ASCII counts as not sent.
    pub fn read<'a>(
        method: &str,
        path: &str,
        peer: Option<IpAddr>,
        session: Option<String>,
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Self {
        let (mut readable, mut unreadable) = (Vec::new(), Vec::new());
        for (name, value) in headers {
            let name = name.to_ascii_lowercase();
            match std::str::from_utf8(value).ok().filter(|text| text.is_ascii()) {
                Some(value) => readable.push((name, value.to_owned())),
                None => unreadable.push(name),
            }
        }
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            route: None,
            peer: peer.map(|address| address.to_canonical()),
            session,
            is_https: false,
            headers: readable,
            unreadable,
        }
    }

    /// Adds the template of the route that was matched, for example `/orders/{order}`.
    #[must_use]
    pub fn with_route(self, route: Option<String>) -> Self {
        Self { route, ..self }
    }

    /// Says whether the request itself came over HTTPS.
    #[must_use]
    pub fn with_https(self, is_https: bool) -> Self {
        Self { is_https, ..self }
    }

    /// Whether the visitor's request came over HTTPS: itself, or as a trusted proxy says in `X-Forwarded-Proto`.
    pub fn is_https(&self, proxies: &TrustedProxies) -> bool {
        let is_told =
            || self.header("x-forwarded-proto").is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
        self.is_https || (self.peer.is_some_and(|peer| proxies.contains(peer)) && is_told())
    }

    /// The HTTP method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The path without query.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The template of the matched route; the path where it is not known.
    pub fn route(&self) -> &str {
        self.route.as_deref().unwrap_or(&self.path)
    }

    /// The session that the site put into the request.
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// The first header of this lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Whether a header of this lower-case name was sent, be it readable or not.
    pub fn has(&self, name: &str) -> bool {
        self.header(name).is_some() || self.unreadable.iter().any(|known| known == name)
    }

    /// All headers of this lower-case name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All headers by lower-case name, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Every value that cookies of this name have, in order.
    pub fn cookies(&self, name: &str) -> impl Iterator<Item = &str> {
        self.all("cookie").flat_map(|line| line.split(';')).filter_map(move |pair| {
            let (key, value) = pair.trim().split_once('=')?;
            (key == name).then(|| value.trim_matches('"'))
        })
    }

    /// The visitor's address: the peer, or, behind trusted proxies, the last address of `X-Forwarded-For` that is
    /// not one of them.
    pub fn client_ip(&self, proxies: &TrustedProxies) -> Option<IpAddr> {
        let peer = self.peer?;
        if !proxies.contains(peer) {
            return Some(peer);
        }
        let lines: Vec<_> = self.all("x-forwarded-for").collect();
        let mut nearest = peer;
        for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            // Whatever lies behind an unreadable hop was not vouched for by anybody.
            let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
            nearest = address.to_canonical();
            if !proxies.contains(nearest) {
                break;
            }
        }
        Some(nearest)
    }
}

/// Proxies whose `X-Forwarded-For` is believed; by default none.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<(IpAddr, u8)>);

impl TrustedProxies {
    /// Reads addresses and ranges such as `10.0.0.0/8`; `None` when one cannot be read.
    pub fn parse<'a>(ranges: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        ranges.into_iter().map(range).collect::<Option<Vec<_>>>().map(Self)
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|(network, length)| match (network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(*length);
                (network.to_bits() ^ address.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(*length);
                (network.to_bits() ^ address.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            _ => false,
        })
    }
}

fn range(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = match text.trim().split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u8>().ok()?)),
        None => (text.trim(), None),
    };
    let address: IpAddr = address.parse().ok()?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let length = length.unwrap_or(longest);
    (length <= longest).then_some((address, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(peer: &str, forwarded: &[&str]) -> Facts {
        let headers = forwarded.iter().map(|line| ("X-Forwarded-For", line.as_bytes()));
        Facts::read("GET", "/", Some(peer.parse().unwrap()), None, headers)
    }

    #[test]
    fn forwarded_addresses_are_believed_from_trusted_proxies_only() {
        let proxies = TrustedProxies::parse(["10.0.0.0/8", "2001:db8::1"]).unwrap();
        for (peer, forwarded, expected) in [
            ("192.0.2.9", vec!["198.51.100.1"], "192.0.2.9"),
            ("10.1.2.3", vec!["198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.1.2.3", vec!["198.51.100.1"], "198.51.100.1"),
            ("10.1.2.3", vec!["203.0.113.5, 198.51.100.1, 10.9.9.9"], "198.51.100.1"),
            ("10.1.2.3", vec!["203.0.113.5", "198.51.100.1"], "198.51.100.1"),
            ("10.1.2.3", vec!["198.51.100.1, unknown"], "10.1.2.3"),
            ("10.1.2.3", vec![], "10.1.2.3"),
            ("2001:db8::1", vec!["2001:db8::7"], "2001:db8::7"),
        ] {
            assert_eq!(
                facts(peer, &forwarded).client_ip(&proxies),
                Some(expected.parse().unwrap()),
                "{peer}"
            );
        }
        assert_eq!(
            facts("10.1.2.3", &["198.51.100.1"]).client_ip(&TrustedProxies::default()),
            "10.1.2.3".parse().ok()
        );
    }

    #[test]
    fn the_scheme_is_believed_from_trusted_proxies_only() {
        let proxies = TrustedProxies::parse(["10.0.0.0/8"]).unwrap();
        let of = |peer: &str, scheme: &str| {
            let headers = [("x-forwarded-proto", scheme.as_bytes())];
            Facts::read("GET", "/", peer.parse().ok(), None, headers.into_iter())
        };
        assert!(of("10.0.0.1", "https").is_https(&proxies));
        assert!(!of("10.0.0.1", "http").is_https(&proxies));
        assert!(!of("192.0.2.1", "https").is_https(&proxies));
        assert!(of("192.0.2.1", "http").with_https(true).is_https(&proxies));
    }

    #[test]
    fn an_unreadable_header_is_there_without_a_value() {
        let facts = Facts::read("GET", "/", None, None, [("X-Odd", &b"\xff"[..])].into_iter());
        assert!(facts.has("x-odd") && facts.header("x-odd").is_none() && !facts.has("x-other"));
    }

    #[test]
    fn unreadable_ranges_are_refused() {
        for text in ["10.0.0.0/33", "10.0.0/8", "", "proxy", "::1/129", "10.0.0.0/-1"] {
            assert!(TrustedProxies::parse([text]).is_none(), "{text}");
        }
        let everyone = TrustedProxies::parse(["0.0.0.0/0"]).unwrap();
        assert!(everyone.contains("203.0.113.5".parse().unwrap()));
    }

    #[test]
    fn cookies_are_found_over_all_lines() {
        let lines = [("cookie", "a=1; botect_session=x".as_bytes()), ("Cookie", b"b=2; a=\"3\"")];
        let facts = Facts::read("GET", "/", None, None, lines.into_iter());
        assert_eq!(facts.cookies("a").collect::<Vec<_>>(), ["1", "3"]);
        assert_eq!(facts.cookies("botect_session").next(), Some("x"));
        assert_eq!(facts.cookies("session").next(), None);
    }
}
