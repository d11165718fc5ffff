//! Which addresses are out on the public internet.

use std::net::IpAddr;
use std::sync::LazyLock;

use ipnet::IpNet;
use quivive_core::agent::IpSet;

/// Where requests may go: to public addresses, and to those that the operator names.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// Networks that are permitted although they are not public.
    pub allowed: Vec<IpNet>,
}

impl Guard {
    /// Whether a request may go to the address; an IPv4-mapped address counts as IPv4.
    pub fn permits(&self, address: IpAddr) -> bool {
        is_public(address) || self.allowed.iter().any(|network| network.contains(&address.to_canonical()))
    }
}

/// Whether the address is globally reachable unicast by the special-purpose address registries of IANA (RFC 6890).
/// Of IPv6 that is only `2000::/3`, without the blocks that carry other addresses inside.
pub fn is_public(address: IpAddr) -> bool {
    let address = address.to_canonical();
    (address.is_ipv4() || GLOBAL_UNICAST.contains(address)) && !SPECIAL.contains(address)
}

/// Whether the address belongs to this machine or to the network around it, so that nobody outside has it.
pub fn is_local(address: IpAddr) -> bool {
    LOCAL.contains(address)
}

static GLOBAL_UNICAST: LazyLock<IpSet> = LazyLock::new(|| set(&["2000::/3"]));

static LOCAL: LazyLock<IpSet> = LazyLock::new(|| {
    set(&[
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::/127",
        "fc00::/7",
        "fe80::/10",
    ])
});

static SPECIAL: LazyLock<IpSet> = LazyLock::new(|| {
    set(&[
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
        // Protocol assignments, among them Teredo; documentation; 6to4; documentation.
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    ])
});

#[expect(clippy::expect_used, reason = "the tables of this file are read by every test")]
fn set(ranges: &[&str]) -> IpSet {
    IpSet::parse(ranges).expect("the table is valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn public_addresses_are_public() {
        for text in
            ["1.1.1.1", "66.249.66.1", "100.128.0.1", "172.32.0.1", "2001:4860:4801:10::1", "2a02:6b8::1"]
        {
            assert!(is_public(address(text)), "{text}");
        }
    }

    #[test]
    fn special_addresses_are_not() {
        for text in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "198.19.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address(text)), "{text}");
        }
    }

    #[test]
    fn local_addresses_are_those_of_one_network() {
        for text in ["127.0.0.1", "10.0.0.1", "::1", "::", "fd00::1", "fe80::1", "::ffff:192.168.0.1"] {
            assert!(is_local(address(text)), "{text}");
        }
        for text in ["203.0.113.7", "66.249.66.1", "2001:db8::1", "224.0.0.1"] {
            assert!(!is_local(address(text)), "{text}");
        }
    }

    #[test]
    fn operators_may_permit_single_networks() {
        let guard = Guard { allowed: vec!["127.0.0.1/32".parse().unwrap()] };
        assert!(guard.permits(address("127.0.0.1")) && guard.permits(address("::ffff:127.0.0.1")));
        assert!(!guard.permits(address("127.0.0.2")) && !guard.permits(address("::1")));
        assert!(guard.permits(address("1.1.1.1")));
    }
}
