//! The heuristics engine: user agent, headers and network of the session's requests.

use super::{
    Aggregate, Opinion,
    aggregate::{Context, DirectRequest, NO_SCRIPT_MILLISECONDS, NO_SCRIPT_PAGES, Outcome},
    detection::Detection,
};
use crate::{Timestamp, evidence::Evidence};

mod user_agent;

use user_agent::UserAgent;

/// The opinion on a session's requests; without `now` nothing is said about how long ago something was.
pub fn evaluate(session: &Aggregate, now: Option<Timestamp>) -> Opinion {
    let context = &session.context;
    let user_agent = context.user_agent().map(UserAgent::read);
    let mut evidence = Vec::new();
    if let Some(user_agent) = &user_agent {
        evidence.extend(of_user_agent(user_agent, context));
    }
    if let Some(request) = &context.direct {
        evidence.extend(of_direct_request(request, user_agent.as_ref()));
    }
    evidence.extend(of_pages(session, now));
    if context.hosting_network
        && let Some(address) = context.explicit_address()
    {
        evidence.push(Detection::HostingNetwork.evidence(address));
    }
    Opinion::of(evidence)
}

/// A false claim takes the place of the bare claim to be a bot; a proved one is no evidence at all.
fn of_user_agent(user_agent: &UserAgent, context: &Context) -> impl Iterator<Item = Evidence> {
    let said =
        |detection: Detection, token: &Option<String>| token.clone().map(|token| detection.evidence(token));
    let claim = match &context.verification {
        Some(verification) if verification.outcome == Outcome::Yes => None,
        Some(verification) if verification.outcome == Outcome::No && context.explicit_address().is_some() => {
            Some(Detection::FalseClaim.evidence(verification.name.clone()))
        }
        _ => said(Detection::SelfDeclaredBot, &user_agent.self_declared_bot),
    };
    [
        said(Detection::AutomationUserAgent, &user_agent.automation),
        said(Detection::LibraryUserAgent, &user_agent.library),
        claim,
    ]
    .into_iter()
    .flatten()
}

fn of_direct_request(request: &DirectRequest, user_agent: Option<&UserAgent>) -> Option<Evidence> {
    let Some(user_agent) = user_agent else {
        return Some(Detection::NoUserAgent.evidence("user-agent"));
    };
    let is_bare = request.secure && !request.sec_ch_ua && !request.sec_fetch_mode;
    (is_bare && user_agent.chromium.is_some_and(|version| version >= 89))
        .then(|| Detection::HeaderMismatch.evidence("sec-fetch-mode"))
}

fn of_pages(session: &Aggregate, now: Option<Timestamp>) -> impl Iterator<Item = Evidence> {
    let hits = &session.context.page_hits;
    let bare = hits.bare_headers.then(|| Detection::BarePageRequest.evidence("header_names"));
    let first_is_old = match (hits.first_at, now) {
        (Some(first), Some(now)) => now.milliseconds_since(first) > NO_SCRIPT_MILLISECONDS,
        _ => false,
    };
    let no_script = (hits.count >= NO_SCRIPT_PAGES && session.browser_events == 0 && first_is_old)
        .then(|| Detection::NoScript.evidence("page_hits"));
    bare.into_iter().chain(no_script)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::{
        aggregate::{PageHits, Verification},
        detection,
    };

    const CHROME: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";

    const GOOGLEBOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

    fn request(user_agent: &str) -> DirectRequest {
        DirectRequest {
            user_agent: Some(user_agent.to_owned()),
            address: Some("203.0.113.7".to_owned()),
            secure: true,
            sec_ch_ua: true,
            sec_fetch_mode: true,
        }
    }

    fn session(direct: Option<DirectRequest>) -> Aggregate {
        Aggregate { context: Context { direct, ..Context::default() }, ..Aggregate::default() }
    }

    fn opinion(session: &Aggregate) -> (Option<u8>, Vec<u32>) {
        let opinion = evaluate(session, Some(Timestamp::from_seconds(1_000)));
        (opinion.score, detection::numbers(&opinion.evidence))
    }

    fn verification(outcome: Outcome) -> Option<Verification> {
        Some(Verification { name: "Googlebot".to_owned(), category: "Search".to_owned(), outcome })
    }

    #[test]
    fn ordinary_browsers_and_unknown_visitors_get_no_opinion() {
        assert_eq!(opinion(&session(None)), (None, vec![]));
        for text in [
            CHROME,
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
            "Mozilla/5.0 (Linux; Android 10; CUBOT NOTE 20) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36",
        ] {
            assert_eq!(opinion(&session(Some(request(text)))), (None, vec![]), "{text}");
        }
    }

    #[test]
    fn user_agents_of_tools_are_named() {
        for (text, score, ids) in [
            (CHROME.replace("Chrome/", "HeadlessChrome/").as_str(), 1, vec![16_777_217]),
            ("Mozilla/5.0 PhantomJS/2.1", 1, vec![16_777_217]),
            ("curl/8.5.0", 5, vec![16_777_218]),
            ("Python-Requests/2.32", 5, vec![16_777_218]),
            ("got (https://github.com/sindresorhus/got)", 5, vec![16_777_218]),
            ("Scrapy/2.11 (+https://scrapy.org)", 5, vec![16_777_218]),
            (GOOGLEBOT, 5, vec![16_777_224]),
            ("SomeSpider", 5, vec![16_777_224]),
            ("my-scraper 1.0 playwright", 1, vec![16_777_217, 16_777_224]),
        ] {
            assert_eq!(opinion(&session(Some(request(text)))), (Some(score), ids), "{text}");
        }
    }

    #[test]
    fn a_false_claim_replaces_the_bare_claim() {
        let with = |outcome| {
            let mut session = session(Some(request(GOOGLEBOT)));
            session.context.verification = verification(outcome);
            session
        };
        assert_eq!(opinion(&with(Outcome::No)), (Some(1), vec![16_777_219]));
        assert_eq!(opinion(&with(Outcome::Unknown)), (Some(5), vec![16_777_224]));
        assert_eq!(opinion(&with(Outcome::Yes)), (None, vec![]));
    }

    #[test]
    fn an_inferred_address_disproves_nothing() {
        let mut session = session(Some(DirectRequest { address: None, ..request(GOOGLEBOT) }));
        session.context.inferred_address = Some("203.0.113.7".to_owned());
        session.context.verification = verification(Outcome::No);
        session.context.hosting_network = true;
        assert_eq!(opinion(&session), (Some(5), vec![16_777_224]));
        session.context.observed_address = Some("203.0.113.7".to_owned());
        assert_eq!(opinion(&session), (Some(1), vec![16_777_219, 16_777_223]));
    }

    #[test]
    fn a_refused_verification_without_user_agent_is_no_claim() {
        let mut session = session(None);
        session.context.observed_address = Some("203.0.113.7".to_owned());
        session.context.verification = verification(Outcome::No);
        assert_eq!(opinion(&session), (None, vec![]));
    }

    #[test]
    fn a_missing_user_agent_counts_only_when_the_request_was_seen() {
        for user_agent in [None, Some(String::new()), Some("  ".to_owned())] {
            let direct = DirectRequest { user_agent, ..request("") };
            assert_eq!(opinion(&session(Some(direct))), (Some(35), vec![16_777_220]));
        }
    }

    #[test]
    fn new_chromium_sends_its_headers_over_https() {
        let bare = DirectRequest { sec_ch_ua: false, sec_fetch_mode: false, ..request(CHROME) };
        assert_eq!(opinion(&session(Some(bare.clone()))), (Some(25), vec![16_777_221]));
        for fine in [
            DirectRequest { secure: false, ..bare.clone() },
            DirectRequest { sec_ch_ua: true, ..bare.clone() },
            DirectRequest { sec_fetch_mode: true, ..bare.clone() },
            DirectRequest { user_agent: Some(CHROME.replace("131", "88")), ..bare.clone() },
            DirectRequest {
                user_agent: Some("Mozilla/5.0 (X11) Gecko/20100101 Firefox/130.0".to_owned()),
                ..bare.clone()
            },
        ] {
            assert_eq!(opinion(&session(Some(fine.clone()))), (None, vec![]), "{fine:?}");
        }
        let oldest = DirectRequest { user_agent: Some(CHROME.replace("131", "89")), ..bare };
        assert_eq!(opinion(&session(Some(oldest))), (Some(25), vec![16_777_221]));
    }

    #[test]
    fn pages_without_any_script_need_three_hits_and_a_minute() {
        let with = |count, first_at, browser_events| {
            let mut session = session(None);
            session.browser_events = browser_events;
            session.context.page_hits = PageHits {
                count,
                first_at: Some(Timestamp::from_milliseconds(first_at)),
                bare_headers: false,
            };
            session
        };
        assert_eq!(opinion(&with(3, 939_999, 0)), (Some(25), vec![16_777_225]));
        assert_eq!(opinion(&with(3, 940_000, 0)), (None, vec![]));
        assert_eq!(opinion(&with(2, 0, 0)), (None, vec![]));
        assert_eq!(opinion(&with(3, 0, 1)), (None, vec![]));
        assert_eq!(evaluate(&with(3, 0, 0), None), Opinion::default());
    }

    #[test]
    fn bare_page_requests_are_named() {
        let mut session = session(None);
        session.context.page_hits.bare_headers = true;
        assert_eq!(opinion(&session), (Some(20), vec![16_777_222]));
    }
}
