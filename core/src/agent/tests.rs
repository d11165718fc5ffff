//! Properties of classification, and traps that other systems fell into.

use proptest::prelude::*;

use super::*;
use crate::Timestamp;

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                      Chrome/140.0.0.0 Safari/537.36";
const GOOGLEBOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
const NOW: Timestamp = Timestamp::from_seconds(1_771_156_800);

fn of_user_agent(user_agent: &str) -> Classification {
    default_classifier().classify(&RequestFacts {
        user_agent: Some(user_agent.to_owned()),
        now: NOW,
        ..RequestFacts::default()
    })
}

fn header_map(pairs: &[(&str, &str)]) -> Option<std::collections::BTreeMap<String, String>> {
    Some(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

/// Facts on every plane, all of them speaking for automation.
fn everything(user_agent: &str) -> RequestFacts {
    RequestFacts {
        user_agent: Some(user_agent.to_owned()),
        ip: Some("192.0.2.7".parse().unwrap()),
        headers: header_map(&[
            ("user-agent", user_agent),
            ("sec-ch-ua-platform", "\"Linux\""),
            ("signature-agent", "\"https://agent.example\""),
        ]),
        url: Some("https://shop.example/".to_owned()),
        tls: Some(TlsFingerprints {
            ja3: None,
            ja4: Some("t13d190900_9dc949149365_97f8aa674fd9".to_owned()),
        }),
        client: Some(ClientFacts { webdriver: Some(true), ..ClientFacts::default() }),
        feeds: vec![FeedAnswer {
            feed: "google-common-crawlers".to_owned(),
            contains: true,
            as_of: NOW,
            bundled: false,
        }],
        reverse_dns: Some(ReverseDnsAnswer {
            name: Some("host.example".to_owned()),
            forward_confirmed: true,
        }),
        network: Some(NetworkFacts { blocklist: Some(true), ..NetworkFacts::default() }),
        behavior: Some(BehaviorFacts { honeypot: true, ..BehaviorFacts::default() }),
        now: NOW,
        ..RequestFacts::default()
    }
}

#[test]
fn no_subset_of_absent_planes_raises_confidence() {
    let remove: [fn(&mut RequestFacts); 9] = [
        |facts| {
            facts.user_agent = None;
            facts.headers = None;
        },
        |facts| facts.headers = None,
        |facts| facts.ip = None,
        |facts| facts.url = None,
        |facts| facts.tls = None,
        |facts| facts.client = None,
        |facts| facts.feeds.clear(),
        |facts| facts.network = None,
        |facts| facts.behavior = None,
    ];
    for user_agent in [CHROME, GOOGLEBOT, "curl/8.5.0", "", "x"] {
        let confidence = |absent: u32| {
            let mut facts = everything(user_agent);
            remove
                .iter()
                .enumerate()
                .filter(|(place, _)| absent >> place & 1 == 1)
                .for_each(|(_, cut)| cut(&mut facts));
            default_classifier().classify(&facts).confidence
        };
        for absent in 0..1 << remove.len() {
            let before = confidence(absent);
            for place in 0..remove.len() {
                let after = confidence(absent | 1 << place);
                assert!(
                    after <= before,
                    "{user_agent}: absent {absent:b}, then {place}: {before} to {after}"
                );
            }
        }
    }
}

#[test]
fn a_browser_user_agent_alone_is_neither_bot_nor_proven_person() {
    let seen = of_user_agent(CHROME);
    assert_eq!((seen.is_bot, seen.bot_type, seen.evidence.len()), (false, BotType::Unknown, 0));
}

#[test]
fn trap_signature_labels_other_than_sig1_are_seen() {
    for label in ["sig1", "my-label", "*a"] {
        let seen = default_classifier().classify(&RequestFacts {
            user_agent: Some(CHROME.to_owned()),
            headers: header_map(&[(
                "Signature-Input",
                &format!("{label}=(\"@authority\");created=1;keyid=\"k\""),
            )]),
            ..RequestFacts::default()
        });
        assert!(fusion::has(&seen.evidence, signals::SIG_UNVERIFIABLE.id), "{label}");
    }
}

#[test]
fn trap_ordinary_words_and_company_names_are_no_bots() {
    for product in [
        "Agent/1",
        "PayPal/8.1",
        "Transformers/1",
        "OpenAI/1.2",
        "Gemini/2",
        "Copilot/3",
        "Walmart/22.1",
        "Robota/1",
        "Bottle/2",
        "Spiderman/3",
        "Monitored/1",
        "Discovery/2",
        "Java",
        "Bing/29.1",
    ] {
        let text = format!("{CHROME} {product}");
        assert!(!of_user_agent(&text).is_bot, "{text}");
    }
}

#[test]
fn trap_hosting_space_is_weak_evidence() {
    let seen = default_classifier().classify(&RequestFacts {
        ip: Some("192.0.2.1".parse().unwrap()),
        network: Some(NetworkFacts { hosting: Some(true), ..NetworkFacts::default() }),
        ..RequestFacts::default()
    });
    assert!(!seen.is_bot && !seen.ip_bot);
    assert_eq!(seen.confidence, 0.22);
}

#[test]
fn trap_nothing_sent_is_a_bot_and_not_a_person() {
    let seen =
        default_classifier().classify(&RequestFacts { headers: header_map(&[]), ..RequestFacts::default() });
    assert_eq!((seen.is_bot, seen.bot_type), (true, BotType::UnknownBot));
}

#[test]
fn trap_a_crawler_name_from_any_address_proves_nothing() {
    let mut facts = RequestFacts {
        user_agent: Some(GOOGLEBOT.to_owned()),
        ip: Some("203.0.113.7".parse().unwrap()),
        now: NOW,
        ..RequestFacts::default()
    };
    assert_eq!(default_classifier().classify(&facts).verification.status, VerificationStatus::Claimed);
    facts.reverse_dns = Some(ReverseDnsAnswer { name: None, forward_confirmed: false });
    let seen = default_classifier().classify(&facts);
    assert_eq!(
        (seen.verification.status, seen.risk_level),
        (VerificationStatus::Spoofed, RiskLevel::Critical)
    );
}

#[test]
fn user_agent_classes_for_other_engines() {
    let classifier = default_classifier();
    let of = |text: &'static str| classifier.class_of_user_agent(text);
    assert!(
        of("Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/140.0.0.0 Safari/537.36").is_automation_browser()
    );
    assert!(of("python-httpx/0.27").is_http_library() && !of("python-httpx/0.27").is_self_declared_bot());
    assert!(of("Some Crawler 1.0").is_self_declared_bot());
    assert!(!of("Hotel/7.1 CFNetwork/1494.0.7 Darwin/23.4.0").is_http_library());
    assert!(of(CHROME).is_browser());
    assert_eq!(of(CHROME).browser.chromium, Some(140));
    assert_eq!(of(CHROME).browser.platform, Some(Platform::Windows));
    let googlebot = of(GOOGLEBOT).agent.unwrap();
    assert_eq!((googlebot.info.category.as_str(), googlebot.verify.rdns.len()), ("Search", 2));
}

#[test]
fn text_browsers_and_telephones_are_browsers() {
    for text in [
        "Lynx/2.9.0 libwww-FM/2.14",
        "Links (2.29; Linux 6.1.0 x86_64; GNU C 12.2; text)",
        "Opera/9.80 (J2ME/MIDP; Opera Mini/7.1; U; en) Presto/2.8.119 Version/11.10",
        "Mozilla/5.0 (Linux; Android 13; CUBOT P80) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    ] {
        assert!(default_classifier().class_of_user_agent(text).is_browser(), "{text}");
    }
}

#[test]
fn the_catalogue_is_sound() {
    let classifier = default_classifier();
    let mut ids = std::collections::HashSet::new();
    for agent in classifier.agents() {
        assert!(ids.insert(&agent.info.id), "{} twice", agent.info.id);
        assert!((0.5..1.0).contains(&agent.confidence), "{}", agent.info.id);
        for feed in &agent.verify.ip_feeds {
            assert!(classifier.feeds().iter().any(|known| known.name == *feed), "{feed}");
        }
        for domain in &agent.verify.rdns {
            assert!(!domain.contains("googleusercontent"), "{domain}: rented hosts prove nothing");
        }
    }
    assert!(Timestamp::parse_utc(&format!("{}T00:00:00Z", classifier.date())).is_some());
    for must in
        ["openai-gptbot", "anthropic-claudebot", "google-googlebot", "microsoft-bingbot", "uptimerobot"]
    {
        assert!(ids.contains(&must.to_owned()), "{must}");
    }
}

#[test]
fn unreadable_rule_sets_are_refused() {
    assert!(Classifier::from_rules("{}").is_err());
    assert!(Classifier::from_rules(&" ".repeat(2 * 1024 * 1024)).is_err());
}

#[test]
fn scores_of_confidences() {
    for (confidence, score) in [(0.02, 97), (0.5, 50), (0.95, 6), (0.99, 2), (1.0, 1), (0.0, 99)] {
        assert_eq!(score_of_confidence(confidence), score);
    }
}

proptest! {
    #[test]
    fn any_user_agent_and_header_is_classified(user_agent in ".{0,300}", name in ".{0,80}", value in ".{0,80}") {
        let seen = default_classifier().classify(&RequestFacts {
            user_agent: Some(user_agent),
            headers: Some([(name, value)].into()),
            ..RequestFacts::default()
        });
        prop_assert!((0.0..=0.99).contains(&seen.confidence));
        prop_assert_eq!(seen.is_bot, !matches!(seen.bot_type, BotType::Human | BotType::Unknown));
    }

    #[test]
    fn scraps_of_user_agents_are_classified(parts in proptest::collection::vec(
        prop_oneof![
            Just("Mozilla/5.0 "), Just("("), Just(")"), Just("Android 9"), Just("GPTBot"), Just("/1.0"), Just("+http://"),
            Just("bot"), Just("Chrome/"), Just("99999999999"), Just("é"), Just("@"), Just("a.b"), Just(" "), Just("cubot"),
        ],
        0..40,
    )) {
        let text: String = parts.concat();
        let seen = of_user_agent(&text);
        prop_assert!(seen.confidence <= 0.99);
    }
}
