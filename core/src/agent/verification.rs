//! How far a claimed identity is proven, from what the host supplied: signature, feed answers, reverse look-up.

use super::catalogue::Agent;
use super::headers::Headers;
use super::network::is_fresh;
use super::{
    Forgeability, RequestFacts, ReverseDnsAnswer, SignatureStatus, Verification, VerificationMethod,
    VerificationStatus,
};

/// Checks `claimed`, the agent that the user agent names.
pub(super) fn verify(facts: &RequestFacts, headers: &Headers<'_>, claimed: Option<&Agent>) -> Verification {
    let (status, method) = outcome(facts, headers, claimed);
    let signature = facts.signature.as_ref();
    let header = headers.signature_agent.map(|value| origin_of(value).to_owned());
    Verification {
        status,
        method,
        forgeability: forgeability(facts, headers, claimed, status),
        keyid: signature.and_then(|signature| signature.keyid.clone()),
        signature_agent: signature.and_then(|signature| signature.signature_agent.clone()).or(header),
        checked_at: facts.now,
    }
}

/// Whether the answer is a confirmed name in one of the domains.
pub(super) fn is_confirmed_host(answer: &ReverseDnsAnswer, domains: &[String]) -> bool {
    answer
        .name
        .as_deref()
        .filter(|_| answer.forward_confirmed)
        .is_some_and(|name| is_in_domain(name, domains))
}

/// Whether a host's name is one of the domains or lies in one, at a label boundary; domains in lower case.
pub fn is_in_domain(name: &str, domains: &[String]) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    domains.iter().any(|domain| {
        name.strip_suffix(domain.as_str()).is_some_and(|front| front.is_empty() || front.ends_with('.'))
    })
}

/// The first origin of a `Signature-Agent` header, in its dictionary or its older bare form.
pub(super) fn origin_of(header: &str) -> &str {
    header.split('"').nth(1).unwrap_or(header).trim().trim_end_matches('/')
}

fn outcome(
    facts: &RequestFacts,
    headers: &Headers<'_>,
    claimed: Option<&Agent>,
) -> (VerificationStatus, VerificationMethod) {
    match facts.signature.as_ref().map(|signature| signature.status) {
        Some(SignatureStatus::Verified) => {
            return (VerificationStatus::Verified, VerificationMethod::HttpSignature);
        }
        Some(SignatureStatus::Invalid) => {
            return (VerificationStatus::Spoofed, VerificationMethod::HttpSignature);
        }
        Some(SignatureStatus::Unverified) | None => {}
    }
    let Some(agent) = claimed else {
        let claims = headers.signature_agent.is_some() || facts.signature.is_some();
        let status = if claims { VerificationStatus::Claimed } else { VerificationStatus::None };
        return (status, VerificationMethod::None);
    };
    let feeds = by_feeds(facts, agent);
    let names = by_reverse_dns(facts, agent);
    match (feeds, names) {
        (Some(true), _) => (VerificationStatus::Verified, VerificationMethod::IpRange),
        (_, Some(true)) => (VerificationStatus::Verified, VerificationMethod::Fcrdns),
        (Some(false), _) => (VerificationStatus::Spoofed, VerificationMethod::IpRange),
        (_, Some(false)) => (VerificationStatus::Spoofed, VerificationMethod::Fcrdns),
        (None, None) if agent.never_sent => (VerificationStatus::Spoofed, VerificationMethod::None),
        (None, None) => (VerificationStatus::Claimed, VerificationMethod::None),
    }
}

/// Inside one fresh feed is a yes; outside is a no only when every feed of the agent has answered freshly.
fn by_feeds(facts: &RequestFacts, agent: &Agent) -> Option<bool> {
    facts.ip?;
    let feeds = &agent.verify.ip_feeds;
    let fresh = || facts.feeds.iter().filter(|answer| is_fresh(answer, facts.now));
    if fresh().any(|answer| answer.contains && feeds.contains(&answer.feed)) {
        return Some(true);
    }
    let all_answered =
        !feeds.is_empty() && feeds.iter().all(|feed| fresh().any(|answer| answer.feed == *feed));
    all_answered.then_some(false)
}

fn by_reverse_dns(facts: &RequestFacts, agent: &Agent) -> Option<bool> {
    let answer = facts.reverse_dns.as_ref().filter(|_| !agent.verify.rdns.is_empty())?;
    Some(is_confirmed_host(answer, &agent.verify.rdns))
}

fn forgeability(
    facts: &RequestFacts,
    headers: &Headers<'_>,
    claimed: Option<&Agent>,
    status: VerificationStatus,
) -> Forgeability {
    if status == VerificationStatus::Verified {
        return Forgeability::Low;
    }
    let Some(agent) = claimed.filter(|_| status == VerificationStatus::Claimed) else {
        return Forgeability::High;
    };
    let has_fitting_network =
        facts.feeds.iter().any(|answer| answer.contains && agent.verify.ip_feeds.contains(&answer.feed));
    let has_fitting_headers = headers.from.is_some_and(|from| from.contains('@') || from.contains("(at)"))
        || headers.signature_agent.is_some();
    if has_fitting_network || has_fitting_headers { Forgeability::Medium } else { Forgeability::High }
}
