//! Which addresses can be a visitor's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether the address can be that of a visitor from the Internet.
///
/// Private (RFC 1918), shared (RFC 6598), loopback, link-local, unique-local (RFC 4193), multicast, reserved and
/// unspecified ones cannot; ranges for documentation count as public.
pub fn is_public_address(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let is_shared = first == 100 && (64..128).contains(&second);
    let is_reserved = first == 0 || first >= 240;
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || is_shared
        || is_reserved)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, ..] = address.segments();
    let is_unique_local = first & 0xfe00 == 0xfc00;
    let is_link_local = first & 0xffc0 == 0xfe80;
    let is_special = address.is_unspecified() || address.is_loopback() || address.is_multicast();
    !(is_unique_local || is_link_local || is_special)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_and_of_documents_are_public() {
        for (text, expected) in [
            ("203.0.113.7", true),
            ("198.51.100.1", true),
            ("8.8.8.8", true),
            ("100.63.255.255", true),
            ("100.64.0.1", false),
            ("100.128.0.1", true),
            ("10.0.0.1", false),
            ("172.16.0.1", false),
            ("172.32.0.1", true),
            ("192.168.1.1", false),
            ("127.0.0.1", false),
            ("169.254.1.1", false),
            ("0.0.0.0", false),
            ("0.1.2.3", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("2001:db8::1", true),
            ("2606:4700::1", true),
            ("::", false),
            ("::1", false),
            ("fe80::1", false),
            ("fd00::1", false),
            ("ff02::1", false),
            ("::ffff:10.0.0.1", false),
            ("::ffff:203.0.113.7", true),
        ] {
            assert_eq!(is_public_address(text.parse().unwrap()), expected, "{text}");
        }
    }
}
