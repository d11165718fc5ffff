//! The signals of a request: their ids, groups, weights and plain reasons.
//!
//! A weight is the probability that a request which shows the signal is automated, given nothing else.

use serde::{Deserialize, Serialize};

use crate::evidence::{Evidence, EvidenceKind};

/// The planes on which a request is observed. Inside a group the strongest signal counts, across groups they
/// combine.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Group {
    /// Signature, ids `sig.…`.
    #[serde(rename = "S")]
    Signature,
    /// User agent, ids `ua.…`.
    #[serde(rename = "U")]
    UserAgent,
    /// Headers, ids `hdr.…`.
    #[serde(rename = "H")]
    Headers,
    /// Network, ids `net.…`.
    #[serde(rename = "N")]
    Network,
    /// TLS, ids `tls.…`.
    #[serde(rename = "T")]
    Tls,
    /// Behaviour, ids `beh.…`.
    #[serde(rename = "B")]
    Behavior,
    /// The script on the page, ids `cl.…`.
    #[serde(rename = "C")]
    Client,
}

impl Group {
    /// The group of an evidence id; `None` for evidence of another area, such as a token.
    pub fn of(id: &str) -> Option<Self> {
        Some(match id.split_once('.')?.0 {
            "sig" => Self::Signature,
            "ua" => Self::UserAgent,
            "hdr" => Self::Headers,
            "net" => Self::Network,
            "tls" => Self::Tls,
            "beh" => Self::Behavior,
            "cl" => Self::Client,
            _ => return None,
        })
    }

    /// The letter that stands for the group.
    pub fn letter(self) -> char {
        match self {
            Self::Signature => 'S',
            Self::UserAgent => 'U',
            Self::Headers => 'H',
            Self::Network => 'N',
            Self::Tls => 'T',
            Self::Behavior => 'B',
            Self::Client => 'C',
        }
    }
}

/// A signal with a fixed weight.
#[derive(Clone, Copy, Debug)]
pub struct Signal {
    /// Stable id, `group.fact`.
    pub id: &'static str,
    /// What sort of observation it is.
    pub kind: EvidenceKind,
    /// Probability of automation; for signals of the catalogue the entry's own confidence takes its place.
    pub weight: f64,
    /// The plain reason.
    pub text: &'static str,
}

impl Signal {
    /// The signal as evidence, seen in `source`.
    pub fn seen_in(&self, source: impl Into<String>) -> Evidence {
        Evidence::new(self.id, self.kind, self.weight, source, self.text)
    }

    /// The signal as evidence with another weight.
    pub fn weighing(&self, weight: f64, source: impl Into<String>) -> Evidence {
        Evidence::new(self.id, self.kind, weight, source, self.text)
    }
}

macro_rules! signals {
    ($($name:ident = $id:literal, $kind:ident, $weight:literal, $text:literal;)*) => {
        /// Every signal, in the order of the groups.
        pub const ALL: &[Signal] = &[$($name,)*];
        $(
            #[doc = $text]
            pub const $name: Signal =
                Signal { id: $id, kind: EvidenceKind::$kind, weight: $weight, text: $text };
        )*
    };
}

signals! {
    SIG_VERIFIED = "sig.verified", Signature, 1.0, "message signature holds";
    SIG_INVALID = "sig.invalid", Signature, 0.95, "message signature fails, has expired or covers too little";
    SIG_UNVERIFIABLE = "sig.unverifiable", Signature, 0.90, "message signature cannot be checked";

    UA_KNOWN_AGENT = "ua.known_agent", List, 0.95, "user agent of a known agent";
    UA_HTTP_LIBRARY = "ua.http_library", List, 0.95, "user agent of an HTTP library";
    UA_CLI = "ua.cli", List, 0.95, "user agent of a command-line tool";
    UA_HEADLESS = "ua.headless", List, 0.95, "user agent of a driven browser";
    UA_FRAMEWORK = "ua.framework", List, 0.95, "user agent of a scraping framework";
    UA_GENERIC_BOT = "ua.generic_bot", Signal, 0.85, "user agent with a bot word or a contact address";
    UA_PROGRAM = "ua.program", Signal, 0.80, "user agent without anything of a browser or device";
    UA_FOREIGN_PART = "ua.foreign_part", Signal, 0.60, "browser user agent with a program's name or host in it";
    UA_UNKNOWN_PRODUCT = "ua.unknown_product", Signal, 0.45, "desktop browser user agent with an unknown product";
    UA_MISSING = "ua.missing", Signal, 0.70, "no user agent";
    UA_MALFORMED = "ua.malformed", Signal, 0.55, "user agent is malformed";
    UA_STALE_BROWSER = "ua.stale_browser", Signal, 0.15, "browser version is long out of date";

    HDR_AI_HEADER = "hdr.ai_header", Signal, 0.85, "header that AI tools and bots send";
    HDR_BROWSER_BARE = "hdr.browser_bare", Signal, 0.75, "browser user agent without any Accept header";
    HDR_HTTP2_SETTINGS = "hdr.http2_settings", Signal, 0.70, "offer of HTTP/2 without encryption, which no browser makes";
    HDR_NO_MODERN = "hdr.no_modern", Signal, 0.60,
        "Chromium user agent without fetch metadata, client hints and Accept-Language";
    HDR_ORDER = "hdr.order", Signal, 0.55, "headers in an order that no browser has";
    HDR_LETTER_CASE = "hdr.letter_case", Signal, 0.55, "header names in mixed letter case";
    HDR_ANY_LANGUAGE = "hdr.any_language", Signal, 0.55, "browser user agent that accepts any language";
    HDR_PLATFORM_MISMATCH = "hdr.platform_mismatch", Signal, 0.60, "platform hint and user agent disagree";
    HDR_CH_MISMATCH = "hdr.ch_mismatch", Signal, 0.60, "browser hint and user agent disagree";
    HDR_NO_FETCH_METADATA = "hdr.no_fetch_metadata", Signal, 0.45,
        "Chromium user agent without fetch metadata and client hints";
    HDR_NO_ACCEPT_LANGUAGE = "hdr.no_accept_language", Signal, 0.35, "browser user agent without Accept-Language";
    HDR_ACCEPT_STAR_NAVIGATION = "hdr.accept_star_navigation", Signal, 0.35, "browser user agent that accepts anything for a page";
    HDR_NO_ACCEPT = "hdr.no_accept", Signal, 0.30, "browser user agent without Accept";
    HDR_NO_ACCEPT_ENCODING = "hdr.no_accept_encoding", Signal, 0.25, "browser user agent without Accept-Encoding";

    NET_VENDOR_RANGE = "net.vendor_range", Range, 0.90, "address in a published agent or crawler range";
    NET_RDNS_CRAWLER = "net.rdns_crawler", Range, 0.95, "confirmed host name in a crawler's domain";
    NET_BLOCKLIST = "net.blocklist", List, 0.60, "address on an abuse list";
    NET_HOSTING = "net.hosting", Range, 0.20, "address in a hosting range";
    NET_TOR = "net.tor", List, 0.15, "address of a Tor exit";
    NET_VPN = "net.vpn", List, 0.05, "address of a VPN exit";

    TLS_UA_MISMATCH = "tls.ua_mismatch", Signal, 0.85, "browser user agent with the TLS handshake of another program";
    TLS_TOOL = "tls.tool", Signal, 0.80, "TLS handshake of a known tool";

    BEH_HONEYPOT = "beh.honeypot", Signal, 0.90, "trap path was asked for";
    BEH_SUSTAINED = "beh.sustained", Signal, 0.75, "over 60 requests per minute for three minutes";
    BEH_BURST = "beh.burst", Signal, 0.60, "burst of requests";
    BEH_ROBOTS_FIRST = "beh.robots_first", Signal, 0.50, "session began with robots.txt or a sitemap";
    BEH_SEQUENTIAL = "beh.sequential", Signal, 0.40, "requests step through numbered pages";
    BEH_SESSION_CARRY = "beh.session_carry", Signal, 0.90, "same visitor was a bot before";

    CL_WEBDRIVER = "cl.webdriver", Signal, 0.95, "browser is driven by WebDriver";
    CL_HEADLESS = "cl.headless", Signal, 0.80, "several artefacts of a headless browser";
    CL_NO_INTERACTION = "cl.no_interaction", Signal, 0.15, "visible page without any interaction";
    CL_HUMAN = "cl.human", Signal, -0.50, "natural pointer or keyboard movement";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_signal_has_its_own_id_and_a_group() {
        let ids: HashSet<_> = ALL.iter().map(|signal| signal.id).collect();
        assert_eq!(ids.len(), ALL.len());
        assert!(ALL.iter().all(|signal| Group::of(signal.id).is_some()));
        assert_eq!(Group::of("token.verified"), None);
        assert_eq!(Group::of("ua.cli").map(Group::letter), Some('U'));
    }
}
