//! Address ranges, and evidence from what the host knows about an address.
//!
//! Lists and feeds are input: core holds none.
//!
//! ```
//! use quivive_core::agent::IpSet;
//! let ranges = IpSet::parse(["192.0.2.0/24", "2001:db8::/32"]).unwrap();
//! assert!(ranges.contains("192.0.2.7".parse().unwrap()));
//! assert!(ranges.contains("::ffff:192.0.2.7".parse().unwrap()));
//! assert!(!ranges.contains("198.51.100.1".parse().unwrap()));
//! ```

use std::net::IpAddr;

use super::signals;
use super::{FeedAnswer, NetworkFacts, RequestFacts};
use crate::evidence::Evidence;
use crate::{Error, Result, Timestamp};

/// A set of address ranges with look-up in logarithmic time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IpSet {
    v4: Vec<(u128, u128)>,
    v6: Vec<(u128, u128)>,
}

impl IpSet {
    /// Reads addresses and ranges in CIDR notation; bits behind the prefix are ignored.
    ///
    /// # Errors
    /// `INVALID_INPUT` naming the range that cannot be read.
    pub fn parse<T: AsRef<str>>(ranges: impl IntoIterator<Item = T>) -> Result<Self> {
        let mut set = Self::default();
        for text in ranges {
            let text = text.as_ref();
            let (is_v4, range) = range_of(text)
                .ok_or_else(|| Error::invalid_input(format!("{text:?} is not an address range")))?;
            if is_v4 { set.v4.push(range) } else { set.v6.push(range) }
        }
        set.v4 = merged(set.v4);
        set.v6 = merged(set.v6);
        Ok(set)
    }

    /// Whether an address lies in one of the ranges; an IPv4-mapped address counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (ranges, number) = match address.to_canonical() {
            IpAddr::V4(address) => (&self.v4, u128::from(u32::from(address))),
            IpAddr::V6(address) => (&self.v6, u128::from(address)),
        };
        let behind = ranges.partition_point(|(first, _)| *first <= number);
        behind.checked_sub(1).and_then(|place| ranges.get(place)).is_some_and(|(_, last)| number <= *last)
    }

    /// Whether there is no range.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}

/// Whether a feed is young enough to prove or refute.
pub(super) fn is_fresh(answer: &FeedAnswer, now: Timestamp) -> bool {
    now <= fresh_until(answer.as_of, answer.bundled)
}

/// The last moment at which a list of this date is young enough.
pub(super) fn fresh_until(as_of: Timestamp, bundled: bool) -> Timestamp {
    let days = if bundled { BUNDLED_DAYS } else { FETCHED_DAYS };
    as_of.plus_milliseconds(days * MILLISECONDS_PER_DAY)
}

/// What lists and confirmed names say about the address.
pub(super) fn evidence(facts: &RequestFacts, crawler_host: Option<&str>, found: &mut Vec<Evidence>) {
    if facts.ip.is_some()
        && let Some(feed) = facts.feeds.iter().find(|answer| answer.contains && is_fresh(answer, facts.now))
    {
        found.push(signals::NET_VENDOR_RANGE.seen_in(&*feed.feed));
    }
    if let Some(host) = crawler_host {
        found.push(signals::NET_RDNS_CRAWLER.seen_in(host));
    }
    let Some(NetworkFacts { hosting, blocklist, tor, vpn }) = &facts.network else { return };
    for (member, signal) in [
        (blocklist, signals::NET_BLOCKLIST),
        (hosting, signals::NET_HOSTING),
        (tor, signals::NET_TOR),
        (vpn, signals::NET_VPN),
    ] {
        if *member == Some(true) {
            found.push(signal.seen_in("ip"));
        }
    }
}

/// Whether it is an IPv4 range, and its first and last address.
fn range_of(text: &str) -> Option<(bool, (u128, u128))> {
    let (address, prefix) = match text.trim().split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text.trim(), None),
    };
    let (is_v4, width, number) = match address.parse().ok()? {
        IpAddr::V4(address) => (true, 32, u128::from(u32::from(address))),
        IpAddr::V6(address) => (false, 128, u128::from(address)),
    };
    let prefix = match prefix {
        Some(prefix) if !prefix.starts_with('+') => {
            prefix.parse::<u32>().ok().filter(|prefix| *prefix <= width)?
        }
        Some(_) => return None,
        None => width,
    };
    let host_bits = u128::MAX.checked_shr(128 - (width - prefix)).unwrap_or(0);
    let (first, last) = (number & !host_bits, number | host_bits);
    // A range of IPv4-mapped addresses is the IPv4 range.
    let is_mapped = !is_v4 && prefix >= 96 && first >> 32 == 0xffff;
    let low = u128::from(u32::MAX);
    Some(if is_mapped { (true, (first & low, last & low)) } else { (is_v4, (first, last)) })
}

fn merged(mut ranges: Vec<(u128, u128)>) -> Vec<(u128, u128)> {
    ranges.sort_unstable();
    let mut result: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match result.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => result.push((first, last)),
        }
    }
    result
}

const FETCHED_DAYS: i64 = 7;
const BUNDLED_DAYS: i64 = 30;
const MILLISECONDS_PER_DAY: i64 = 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(set: &IpSet, address: &str) -> bool {
        set.contains(address.parse().unwrap())
    }

    #[test]
    fn edges_of_ranges() {
        let set =
            IpSet::parse(["10.0.0.0/8", "192.0.2.4/30", "203.0.113.9", "2001:db8::/33", "::1/128"]).unwrap();
        for inside in ["10.0.0.0", "10.255.255.255", "192.0.2.7", "203.0.113.9", "2001:db8:7fff::1", "::1"] {
            assert!(holds(&set, inside), "{inside}");
        }
        for outside in
            ["9.255.255.255", "11.0.0.0", "192.0.2.8", "203.0.113.8", "2001:db8:8000::", "::2", "0.0.0.1"]
        {
            assert!(!holds(&set, outside), "{outside}");
        }
    }

    #[test]
    fn whole_families_and_mapped_ranges() {
        assert!(holds(&IpSet::parse(["0.0.0.0/0"]).unwrap(), "255.255.255.255"));
        assert!(!holds(&IpSet::parse(["0.0.0.0/0"]).unwrap(), "2001:db8::1"));
        assert!(holds(&IpSet::parse(["::/0"]).unwrap(), "ffff::1"));
        let mapped = IpSet::parse(["::ffff:192.0.2.0/120"]).unwrap();
        assert!(
            holds(&mapped, "192.0.2.9") && holds(&mapped, "::ffff:192.0.2.9") && !holds(&mapped, "192.0.3.0")
        );
    }

    #[test]
    fn overlapping_ranges_are_merged() {
        let set = IpSet::parse(["10.0.0.0/8", "10.1.0.0/16", "11.0.0.0/8"]).unwrap();
        assert_eq!(set.v4.len(), 1);
        assert!(holds(&set, "10.200.0.1"));
    }

    #[test]
    fn unreadable_ranges_are_refused() {
        for text in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/-1", "x"]
        {
            assert!(IpSet::parse([text]).is_err(), "{text}");
        }
    }
}
