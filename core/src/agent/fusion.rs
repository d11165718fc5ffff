//! From evidence to one confidence: the strongest signal per group, groups combined as independent.
//!
//! `p = 1 - 0.98 (1-g(S)) (1-g(U)) (1-g(H)) (1-g(N)) (1-g(T)) (1-g(B)) (1-g(C))`; 0.98 is one minus the prior
//! of 0.02, so that a well-formed browser request stands at 0.02.

use super::signals::{self, Group};
use crate::evidence::Evidence;

/// The strongest weight of each group.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GroupWeights {
    /// Signature.
    pub signature: f64,
    /// User agent.
    pub user_agent: f64,
    /// Headers.
    pub headers: f64,
    /// Network.
    pub network: f64,
    /// TLS.
    pub tls: f64,
    /// Behaviour.
    pub behavior: f64,
    /// Client.
    pub client: f64,
}

impl GroupWeights {
    /// Takes the maximum per group; natural movement halves headers, network and behaviour.
    pub fn of(evidence: &[Evidence]) -> Self {
        let mut weights = Self::default();
        for item in evidence.iter().filter(|item| item.speaks_for_automation()) {
            let weight = match Group::of(&item.id) {
                Some(Group::Signature) => &mut weights.signature,
                Some(Group::UserAgent) => &mut weights.user_agent,
                Some(Group::Headers) => &mut weights.headers,
                Some(Group::Network) => &mut weights.network,
                Some(Group::Tls) => &mut weights.tls,
                Some(Group::Behavior) => &mut weights.behavior,
                Some(Group::Client) => &mut weights.client,
                None => continue,
            };
            *weight = weight.max(item.weight);
        }
        if has(evidence, signals::CL_HUMAN.id) {
            weights.headers /= 2.0;
            weights.network /= 2.0;
            weights.behavior /= 2.0;
        }
        weights
    }

    /// Headers, TLS, behaviour and client evidence, the strongest of them.
    pub fn conduct(&self) -> f64 {
        self.headers.max(self.tls).max(self.behavior).max(self.client)
    }
}

/// The likelihood of automation, 0 to 1, not rounded; 1 only for a verified signature.
pub fn confidence(evidence: &[Evidence]) -> f64 {
    if has(evidence, signals::SIG_VERIFIED.id) {
        return 1.0;
    }
    let weights = GroupWeights::of(evidence);
    let all = [
        weights.signature,
        weights.user_agent,
        weights.headers,
        weights.network,
        weights.tls,
        weights.behavior,
        weights.client,
    ];
    let human = all.iter().fold(1.0 - PRIOR, |product, weight| product * (1.0 - weight));
    (1.0 - human).min(MAXIMUM)
}

/// Two decimals, half upwards.
pub fn rounded(confidence: f64) -> f64 {
    ((confidence + 1e-9) * 100.0 + 0.5).floor() / 100.0
}

pub(super) fn has(evidence: &[Evidence], id: &str) -> bool {
    evidence.iter().any(|item| item.id == id)
}

const PRIOR: f64 = 0.02;
const MAXIMUM: f64 = 0.99;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::agent::signals::{ALL, Signal};

    fn evidence(chosen: &[Signal]) -> Vec<Evidence> {
        chosen.iter().map(|signal| signal.seen_in("")).collect()
    }

    #[test]
    fn nothing_seen_stands_at_the_prior() {
        assert_eq!(rounded(confidence(&[])), 0.02);
    }

    #[test]
    fn inside_a_group_the_strongest_counts_and_groups_combine() {
        let headers = evidence(&[signals::HDR_NO_ACCEPT, signals::HDR_NO_ACCEPT_LANGUAGE]);
        assert_eq!(rounded(confidence(&headers)), 0.36);
        let both = evidence(&[signals::HDR_NO_ACCEPT_LANGUAGE, signals::NET_HOSTING]);
        assert_eq!(rounded(confidence(&both)), 0.49);
    }

    #[test]
    fn halves_round_upwards() {
        assert_eq!(rounded(0.755), 0.76);
        assert_eq!(rounded(0.9804), 0.98);
        assert_eq!(rounded(1.0), 1.0);
    }

    proptest! {
        #[test]
        fn another_signal_never_lowers_confidence_except_natural_movement(
            chosen in proptest::sample::subsequence(ALL.to_vec(), 0..=ALL.len()),
            added in proptest::sample::select(ALL.to_vec()),
        ) {
            let before = confidence(&evidence(&chosen));
            let mut more = chosen.clone();
            more.push(added);
            let after = confidence(&evidence(&more));
            prop_assert!((0.0..=1.0).contains(&after));
            if added.id == signals::CL_HUMAN.id {
                prop_assert!(after <= before);
            } else {
                prop_assert!(after >= before, "{} lowered {before} to {after}", added.id);
            }
        }
    }
}
