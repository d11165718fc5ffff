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
fn bots_of_no_known_name_are_told_by_words_and_shape() {
    use BotType::{AiAgent, Crawler, Monitoring, SecurityScanner};
    for (text, id, kind) in [
        ("ExampleBot/1.0", "ua.generic_bot", (Crawler, SubType::Other)),
        ("Mozilla/5.0 (compatible; BananaSpider/3)", "ua.generic_bot", (Crawler, SubType::Other)),
        ("Mozilla/5.0 (X11; Linux x86_64) BananaCrawlerV2/1.0", "ua.generic_bot", (Crawler, SubType::Other)),
        (
            "Banana-Scanner/2.1 (+https://example.org/)",
            "ua.generic_bot",
            (SecurityScanner, SubType::Vulnerability),
        ),
        ("BananaUptime/1.0", "ua.generic_bot", (Monitoring, SubType::Uptime)),
        ("BananaAI-Crawler/1.0", "ua.generic_bot", (Crawler, SubType::AiTraining)),
        ("Banana-Assistant/1.0", "ua.program", (AiAgent, SubType::UserFetch)),
        ("banana-import/2.0", "ua.program", (Crawler, SubType::Other)),
        ("Mozilla/5.0 (compatible; Banana/2.0)", "ua.program", (Crawler, SubType::Other)),
        ("Mozilla/5.0 (Windows NT 10.0) Banana/1.2", "ua.program", (Crawler, SubType::Other)),
    ] {
        let seen = of_user_agent(text);
        assert!(seen.is_bot && fusion::has(&seen.evidence, id), "{text}: {:?}", seen.evidence);
        assert_eq!((seen.bot_type, seen.sub_type), (kind.0, Some(kind.1)), "{text}");
    }
}

#[test]
fn what_programs_write_into_a_browsers_form_is_seen() {
    let forms = [
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko; Banana) Chrome/140.0.0.0 Safari/537.36",
        "Mozilla/5.0 (compatible; Banana) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
        "Mozilla/5.0 (banana.example.com; Macintosh) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36",
    ];
    let behind_a_name = format!("Banana, {CHROME}");
    for text in forms.into_iter().chain([behind_a_name.as_str()]) {
        let seen = of_user_agent(text);
        assert!(seen.is_bot && fusion::has(&seen.evidence, "ua.foreign_part"), "{text}: {:?}", seen.evidence);
    }
}

#[test]
fn forms_that_no_browser_has_are_seen() {
    for text in [
        // A later comment, and a name outside every comment.
        "Mozilla/5.0 (Linux; Android 13; X1) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36 (compatible; Banana)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; Banana/1.0",
        // The platform does not come first.
        "Mozilla/5.0 Banana (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Banana; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
        // The comment does not end.
        "Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; Banana",
        // Versions that Chromium and Firefox do not have.
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36",
        "Mozilla/5.0 (X11; Linux x86_64; rv:90.0) Gecko/20100101 Firefox/140.0",
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0",
        // More than the system in the comment of a late Chromium.
        "Mozilla/5.0 (X11; Linux x86_64; Banana) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
        // A name without a version, small letters, a product behind Internet Explorer.
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36; Banana;",
        "mozilla/5.0 (windows nt 10.0; win64; x64) applewebkit/537.36 (khtml, like gecko) chrome/140.0.0.0 safari/537.36",
        "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 6.0) Banana/1.0",
        "Mozilla/5.0 (Windows NT 6.3; WOW64; Trident/7.0; rv:11.0) like Gecko Banana/1.0",
        "Mozilla/5.0 (Windows NT 6.3; WOW64; Trident/7.0; rv:11.0; Banana) like Gecko",
        // A host's name before the engine, a name in the engine's comment or bare behind it, no platform.
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) banana.example.com/about AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko, Banana) Chrome/140.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Banana Chrome/140.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Banana) AppleWebKit/537.36 (KHTML, like Gecko)",
        // A version without a name, a name in the place of a version, a version that is a date.
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 /140.0",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Banana/Split/1.0",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1 Banana/Split/1.0",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Banana/251103.1",
        // More than a browser on Linux, or in a Firefox without old extensions; injected code.
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Banana/1.2",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0 Banana/1.2",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36' OR 1=1",
    ] {
        let seen = of_user_agent(text);
        assert!(seen.is_bot && fusion::has(&seen.evidence, "ua.foreign_part"), "{text}: {:?}", seen.evidence);
    }
    let seen = of_user_agent("banana import/1.0 (compatible; MSIE 5.5; Linux)");
    assert!(seen.is_bot && fusion::has(&seen.evidence, "ua.program"), "{:?}", seen.evidence);
    let seen = of_user_agent("Banana/1.0 (Unknown Operator)");
    assert!(seen.is_bot && fusion::has(&seen.evidence, "ua.program"), "no Opera: {:?}", seen.evidence);
}

#[test]
fn near_the_forms_of_programs_browsers_stay_browsers() {
    for text in [
        "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:60.0) Gecko/20100101 Firefox/60.0 SeaMonkey/2.53.18",
        "Mozilla/5.0 (X11; U; Linux i686; en-US; rv:1.8.1.21pre) Gecko/20090101 Firefox/2.0.0.20",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Ubuntu",
        "Mozilla/5.0 (Windows; U; Windows NT 10.0; en-US; Valve Steam Client/default/0; ) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.6478.183 Safari/537.36",
        "Mozilla/5.0 (Linux; Android 13; X1; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/120.0 Mobile Safari/537.36 Example",
        "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; en) Opera 8.50",
        "Mozilla/5.0 (Windows NT 6.3; WOW64; Trident/7.0; .NET4.0E; rv:11.0) like Gecko",
        "Mozilla/5.0 (Windows NT 6.2; ARM; Trident/7.0; Touch; rv:11.0; WPDesktop; Acme 640) like Gecko",
        "Mozilla/5.0 (Windows; U; Windows NT 5.1; en-US) AppleWebKit/527+ (KHTML, like Gecko, Safari/419.3) Arora/0.6",
        "Mozilla/5.0 (Linux; Android 9; Acme) AppleWebKit/537.36 (KHTML, like Gecko) Silk/94.3.10 like Chrome/94.0.4606.126 Safari/537.36",
        "Mozilla/5.0 (PlayStation 4 1.52) AppleWebKit/536.26 (KHTML, like Gecko)",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
        "Mozilla/5.0 (Linux; Android 15; Acme X Build/AQ3A) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/123.0.6312.118 Mobile Safari/537.36 Acme/AcmeBrowser/14.38.0-gn",
        "Mozilla/5.0 (Linux; Android 4.0.4; Acme'Tab10c Build/IMM76D) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/34.0.1847.114 Safari/537.36",
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0 SeaMonkey/2.53.20",
        "Mozilla/5.0 (X11; Linux armv7l) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/88.0.4324.182 Safari/537.36 HbbTV/1.6.1 (+DRM;Acme;) Acme/6.0",
        "Mozilla/5.0 (X11; U; Linux i686; en-US; rv:1.8.1) Gecko/20061024 Firefox/2.0 Banana/0.3",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 15_5) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Banana",
        "Mozilla/5.0 Linux; Android 4.2.2; X1 Build/JDQ39 AppleWebKit/537.36 KHTML, like Gecko Chrome/71.0.3578.99 Mobile Safari/537.36",
    ] {
        let seen = of_user_agent(text);
        assert!(!seen.is_bot, "{text}: {:?}", seen.evidence);
    }
}

#[test]
fn what_a_bot_does_is_said_by_its_own_words_before_its_address() {
    use BotType::{Automation, Crawler, SecurityScanner};
    for (text, kind) in [
        ("BananaBot/1.0 (+https://example.org/search/about)", (Crawler, SubType::SearchEngine)),
        ("Banana-SEO-Bot/1.0 (+https://example.org/search/about)", (Crawler, SubType::Seo)),
        ("BananaSecurityBot/1.0", (SecurityScanner, SubType::Vulnerability)),
        ("Banana scraper/1.0", (Crawler, SubType::Other)),
        ("banana php/1.0", (Automation, SubType::HttpLibrary)),
        ("BananaBot/1.0 (php)", (Crawler, SubType::Other)),
        // Who names itself a bot is no library, whatever it is made with; a driven browser stays one.
        ("BananaBot/1.0 python-requests/2.32", (Crawler, SubType::Other)),
        ("python-requests/2.32", (Automation, SubType::HttpLibrary)),
        ("BananaBot/1.0 HeadlessChrome/140.0", (Automation, SubType::HeadlessBrowser)),
    ] {
        let seen = of_user_agent(text);
        assert_eq!((seen.bot_type, seen.sub_type), (kind.0, Some(kind.1)), "{text}");
    }
}

#[test]
fn an_unknown_product_behind_a_desktop_browser_is_evidence_but_no_verdict() {
    let seen = of_user_agent(&format!("{CHROME} Banana/1.2"));
    assert!(!seen.is_bot && fusion::has(&seen.evidence, "ua.unknown_product"));
    for known in ["Edg/140.0.0.0", "OPR/120.0", "Banana/140.0.0.0", "BananaBrowser/2.0", "(Banana)"] {
        assert_eq!(of_user_agent(&format!("{CHROME} {known}")).evidence, [], "{known}");
    }
}

#[test]
fn devices_apps_and_old_browsers_are_no_bots() {
    for text in [
        "Mozilla/5.0 (Linux; Android 12; ScanBot T9 Build/SP1A) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 13; X1; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/120.0 Mobile Safari/537.36 DocScanner/3.1",
        "Dalvik/2.1.0 (Linux; U; Android 11; Robot X Build/RP1A)",
        "Mozilla/4.08 [en] (Win98; I)",
        "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; TNJB; .NET CLR 1.1.4322)",
        "ExampleApp/3.2 (iPhone; iOS 18.1; Scale/3.00)",
        "ExampleApp/3.2 CFNetwork/1568.200.51 Darwin/24.1.0",
        "Acme-X100/1.0 Profile/MIDP-2.0 Configuration/CLDC-1.1",
        "ExampleTv/1.0 HbbTV/1.5.1 (;Acme;;;;)",
        "UCWEB/2.0 (MIDP-2.0; U; Adr 4.4.2; en-US; Bot_5) U2/1.0.0 UCBrowser/10.7 U2/1.0.0 Mobile",
    ] {
        let seen = of_user_agent(text);
        assert!(!seen.is_bot, "{text}: {:?}", seen.evidence);
    }
}

#[test]
fn only_the_first_two_kilobytes_of_a_user_agent_are_read() {
    let long = format!("{CHROME}{}", " x".repeat(32_768));
    let seen = of_user_agent(&long);
    assert!(fusion::has(&seen.evidence, "ua.malformed") && !fusion::has(&seen.evidence, "ua.generic_bot"));
    let hidden = of_user_agent(&format!("{long} GPTBot/1.2"));
    assert_eq!(hidden.agent, None);
}

#[test]
fn two_hundred_headers_are_read() {
    let mut headers: std::collections::BTreeMap<String, String> =
        (0..200).map(|number| (format!("x-{number}"), "1".to_owned())).collect();
    headers.insert("X-OpenAI-Assistant".to_owned(), "1".to_owned());
    let facts = RequestFacts { headers: Some(headers), ..RequestFacts::default() };
    assert!(fusion::has(&default_classifier().classify(&facts).evidence, "hdr.ai_header"));
}

#[test]
fn headers_that_no_browser_sends_so_are_evidence() {
    let browser = [
        ("Accept", "text/html"),
        ("Accept-Language", "en"),
        ("Accept-Encoding", "gzip"),
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-CH-UA", "\"Chromium\";v=\"140\""),
        ("User-Agent", CHROME),
    ];
    let seen = |changed: &[(&str, &str)], order: &[&str]| {
        let mut headers = header_map(&browser).unwrap();
        for (name, value) in changed {
            headers.remove(*name);
            if !value.is_empty() {
                headers.insert((*name).to_owned(), (*value).to_owned());
            }
        }
        let order: Vec<String> = order.iter().map(|name| (*name).to_owned()).collect();
        default_classifier().classify(&RequestFacts {
            headers: Some(headers),
            header_order: (!order.is_empty()).then_some(order),
            ..RequestFacts::default()
        })
    };
    let usual = ["Host", "User-Agent", "Accept", "Accept-Encoding", "Accept-Language"];
    assert_eq!(seen(&[], &usual).evidence, []);
    assert_eq!(seen(&[], &usual.map(str::to_ascii_lowercase).each_ref().map(String::as_str)).evidence, []);
    let bare = [("Accept-Language", ""), ("Sec-Fetch-Mode", ""), ("Sec-CH-UA", "")];
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);
    let cases: [Case<'_>; 5] = [
        ("hdr.order", &[], &["User-Agent", "Accept-Language", "Accept"]),
        ("hdr.letter_case", &[], &["User-Agent", "accept"]),
        ("hdr.any_language", &[("Accept-Language", "*")], &[]),
        ("hdr.http2_settings", &[("HTTP2-Settings", "AAEAAQAAAAIAAAAA")], &[]),
        ("hdr.no_modern", &bare, &[]),
    ];
    for (id, changed, order) in cases {
        let seen = seen(changed, order);
        assert!(seen.is_bot && fusion::has(&seen.evidence, id), "{id}: {:?}", seen.evidence);
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
fn what_a_name_stands_for_is_what_its_operator_says() {
    use BotType::{Automation, Crawler, Monitoring, Scraper, SecurityScanner};
    for (text, kind) in [
        // Other people's crawlers and requests.
        ("larbin_2.6.3 someone@example.org", (Scraper, SubType::Framework)),
        ("SFDC-Callout/60.0", (Automation, SubType::HttpLibrary)),
        // Tests in a driven browser.
        ("Mozilla/5.0 (X11; Linux x86_64) Ghost Inspector", (Automation, SubType::HeadlessBrowser)),
        // A service is more than the browser that it drives.
        ("phantomas/2.0 (PhantomJS/2.1)", (Monitoring, SubType::Synthetic)),
        ("Mozilla/5.0 PhantomJS/2.1 Siteimprove", (Monitoring, SubType::Validator)),
        ("SecurityHeaders", (SecurityScanner, SubType::Vulnerability)),
        ("LCC (+http://example.org/)", (Crawler, SubType::Academic)),
        // Compatible with Googlebot is not Googlebot.
        ("SentiBot www.sentibot.eu (compatible with Googlebot)", (Crawler, SubType::AiTraining)),
    ] {
        let seen = of_user_agent(text);
        assert_eq!((seen.bot_type, seen.sub_type), (kind.0, Some(kind.1)), "{text}");
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

#[test]
fn the_short_question_has_the_answer_of_the_whole_classification() {
    let classifier = default_classifier();
    let listed = include_str!("../../benches/data/user_agents.txt").lines();
    let catalogued = classifier.agents().iter().flat_map(|agent| &agent.tokens).map(String::as_str);
    let (mut bots, mut people) = (0, 0);
    for text in listed.chain(catalogued).chain(["", " ", "-", "Mozilla/5.0"]) {
        let is_bot = of_user_agent(text).is_bot;
        assert_eq!(classifier.is_bot(text), is_bot, "{text}");
        *(if is_bot { &mut bots } else { &mut people }) += 1;
    }
    assert!(bots > 900 && people > 20, "{bots} {people}");
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
        prop_assert_eq!(default_classifier().is_bot(&text), seen.is_bot);
    }
}
