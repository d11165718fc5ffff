//! What the server knows about an address: published ranges, hosting and blocked networks, confirmed names.

use std::net::IpAddr;

use ipnet::IpNet;
use quivive_core::agent::{IpSet, NetworkFacts, RequestFacts};

use super::row;
use crate::app::App;
use crate::config::Config;
use crate::flows::scoring::verified::{self, Named};

/// Networks that the operator of this server named.
pub struct Networks {
    hosting: IpSet,
    blocked: IpSet,
}

impl Networks {
    /// By the settings `botect.hosting_networks` and `agentshield.blocked_networks`.
    pub fn new(config: &Config) -> Self {
        Self {
            hosting: set(&config.botect.hosting_networks),
            blocked: set(&config.agentshield.blocked_networks),
        }
    }

    fn facts(&self, address: IpAddr) -> NetworkFacts {
        let holds = |set: &IpSet| (!set.is_empty()).then(|| set.contains(address));
        NetworkFacts {
            hosting: holds(&self.hosting),
            blocklist: holds(&self.blocked),
            ..NetworkFacts::default()
        }
    }
}

/// Adds to the facts what is known about their address. Never waits: a name that is not known yet is looked up beside,
/// and until then nothing refutes the claim.
pub fn complete(app: &App, facts: &mut RequestFacts) {
    let Some(address) = facts.ip else { return };
    let user_agent = row::user_agent(facts).unwrap_or_default();
    let claimed = app.detection.class_of_user_agent(user_agent).agent;
    let named = match claimed {
        Some(agent) => verified::name_of(app, Some(&agent.info.id), address),
        None if user_agent.is_empty() => verified::name_of(app, None, address),
        None => Named::NotAsked,
    };
    let refuting = claimed.map_or(&[][..], |agent| agent.verify.ip_feeds.as_slice());
    let refuting = if matches!(named, Named::Open) { &[] } else { refuting };
    let feeds = app.scoring.verified.ranges.answers(address, refuting);
    facts.feeds = feeds;
    facts.network = Some(app.detection.networks.facts(address));
    facts.reverse_dns = match named {
        Named::Known(answer) => Some(answer),
        Named::NotAsked | Named::Open => None,
    };
}

fn set(networks: &[IpNet]) -> IpSet {
    // What is a network here is one there as well.
    IpSet::parse(networks.iter().map(IpNet::to_string)).unwrap_or_default()
}
