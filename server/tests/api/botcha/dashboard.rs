//! The dashboard: exact figures of one's own app in every period and form, and what is said when there are none.

use quivive_core::Timestamp;
use quivive_server::botcha::analytics::sink;
use quivive_server::botcha::analytics::{EventType, Happening};
use quivive_server::botcha::apps::RegisteredApp;
use quivive_server::botcha::dashboard::figures::Period;
use quivive_server::botcha::owner;
use serde_json::{Value, json};

use super::analytics::seen;
use crate::botect::faults::Moody;
use crate::support::{Answer, START, Server};

const APP: &str = "app_aaaaaaaaaaaaaaaa";
const OTHER: &str = "app_bbbbbbbbbbbbbbbb";
const PANELS: [&str; 6] = ["overview", "volume", "types", "performance", "errors", "geo"];

/// Makes an app and returns the cookie of its owner's session.
pub async fn owned(server: &Server, id: &str) -> String {
    let app: RegisteredApp = serde_json::from_value(json!({
        "id": id, "name": "Shop", "email": format!("{id}@example.com"), "is_email_verified": true,
        "secret_hash": null, "rate_limit": 100, "created_at": START * 1000, "is_demo": false,
    }))
    .unwrap();
    server.app.storage.insert(&app).await.unwrap();
    session(server, id).await
}

/// The cookie of a new session of an app's owner.
pub async fn session(server: &Server, id: &str) -> String {
    format!("botcha_session={}", owner::begin_session(&server.app, id).await.unwrap())
}

pub fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

async fn read(server: &Server, cookie: &str, path: &str, accept: &str) -> Answer {
    server.call("GET", path, &[("cookie", cookie), ("accept", accept)], "").await
}

async fn panel(server: &Server, cookie: &str, panel: &str, period: &str) -> Value {
    let path = format!("/dashboard/api/{panel}?period={period}");
    let answer = read(server, cookie, &path, "application/json").await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.json);
    answer.json
}

/// A repeatable stream of numbers (Lehmer's generator modulo 2^31 - 1).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0 * 48_271 % 0x7fff_ffff;
        self.0 % bound
    }
}

/// One generated happening as the brute-force count sees it.
struct Fact {
    at: i64,
    event: EventType,
    challenge_type: Option<&'static str>,
    passed: Option<bool>,
    solve: i64,
    response: f64,
    country: &'static str,
}

/// Some thousand happenings of two apps and of none over forty days; returns those of [`APP`].
async fn generate(server: &Server) -> Vec<Fact> {
    const TYPES: [&str; 4] = ["hybrid", "speed", "standard", "reasoning"];
    const COUNTRIES: [&str; 5] = ["DE", "FR", "US", "T1", "unknown"];
    let mut numbers = Numbers(7);
    let mut facts = Vec::new();
    let now = server.app.now().milliseconds();
    for place in 0..6_000_u64 {
        // Most are recent, so that the short periods hold many.
        let back = match place % 4 {
            0 => numbers.below(3_600_000),
            1 => numbers.below(86_400_000),
            2 => numbers.below(7 * 86_400_000),
            _ => numbers.below(40) * 86_400_000 + numbers.below(86_400_000),
        };
        let at = now - i64::try_from(back).unwrap();
        let challenge_type = TYPES[usize::try_from(numbers.below(4)).unwrap()];
        let app = [Some(APP), Some(APP), Some(OTHER), None][usize::try_from(numbers.below(4)).unwrap()];
        let solve = i64::try_from(numbers.below(900)).unwrap();
        let happening = match numbers.below(10) {
            0..3 => Happening::generated(challenge_type, app),
            3..7 => Happening::verified(challenge_type, app, Ok(solve)),
            7 => Happening::verified(challenge_type, app, Err("late")),
            8 => {
                Happening::authenticated("bearer-token", app, if solve % 2 == 0 { Ok(()) } else { Err("no") })
            }
            _ => Happening {
                event: if solve % 3 == 0 { EventType::Error } else { EventType::RateLimitExceeded },
                ..Happening::generated(challenge_type, app)
            },
        };
        let country = COUNTRIES[usize::try_from(numbers.below(5)).unwrap()];
        let response = numbers.below(1000) as f64 / 250.0;
        let mut seen = seen(happening.clone(), Timestamp::from_milliseconds(at));
        seen.country = (country != "unknown").then(|| country.to_owned());
        seen.response_time_ms = response;
        server.app.analytics.note(seen);
        if app == Some(APP) {
            let Happening { event, challenge_type, passed, .. } = happening;
            facts.push(Fact { at, event, challenge_type, passed, solve, response, country });
        }
        if place % 700 == 0 {
            sink::write_waiting(&server.app).await;
        }
    }
    sink::write_waiting(&server.app).await;
    facts
}

fn sorted(values: &Value, name: &str) -> Vec<Value> {
    let mut values = values.as_array().unwrap().clone();
    values.sort_by_key(|value| value[name].as_str().unwrap().to_owned());
    values
}

#[tokio::test]
async fn figures_are_exact_in_every_period() {
    let server = Server::start().await;
    // In the middle of slots, hours and days.
    server.advance(4 * 3_600_000 + 17 * 60_000 + 23_456);
    let cookie = owned(&server, APP).await;
    let all = generate(&server).await;
    for period in Period::ALL {
        let name = period.name();
        let start = period.start(server.app.now()).milliseconds();
        let facts: Vec<&Fact> = all.iter().filter(|fact| fact.at >= start).collect();
        assert!(facts.len() > 500 && facts.len() < all.len(), "{name}: {}", facts.len());
        let count = |is_meant: &dyn Fn(&&&Fact) -> bool| {
            i64::try_from(facts.iter().filter(|fact| is_meant(fact)).count()).unwrap()
        };
        let of = |event: EventType| count(&|fact| fact.event == event);
        let right: Vec<&&Fact> = facts.iter().filter(|fact| fact.passed == Some(true)).collect();
        let mean = |sum: f64, number: usize| sum / number as f64;

        let verifications = of(EventType::ChallengeVerified);
        let rate = (100.0 * right.len() as f64 / verifications as f64).round() as i64;
        let solving: i64 = right.iter().map(|fact| fact.solve).sum();
        assert_eq!(
            panel(&server, &cookie, "overview", name).await,
            json!({
                "period": name,
                "challenges_generated": of(EventType::ChallengeGenerated),
                "verifications": verifications,
                "success_rate": rate,
                "avg_solve_time_ms": mean(solving as f64, right.len()).round() as i64,
                "rate_limits": of(EventType::RateLimitExceeded),
                "errors": of(EventType::Error),
            })
        );

        let (bars, width) = period.bars();
        let buckets: Vec<Value> = (0..bars)
            .map(|bar| {
                let from = start + bar * width;
                let inside = |fact: &&&Fact| fact.at >= from && fact.at < from + width;
                json!({
                    "time": Timestamp::from_milliseconds(from).to_string(),
                    "events": count(&inside),
                    "generated": count(&|fact| inside(fact) && fact.event == EventType::ChallengeGenerated),
                    "verified_ok": count(&|fact| inside(fact) && fact.passed == Some(true)),
                    "verified_fail": count(&|fact| inside(fact) && fact.passed == Some(false)),
                })
            })
            .collect();
        assert_eq!(
            panel(&server, &cookie, "volume", name).await,
            json!({ "period": name, "buckets": buckets })
        );

        let types = panel(&server, &cookie, "types", name).await;
        let mut rows = Vec::new();
        let mut wanted_types = Vec::new();
        for challenge_type in ["hybrid", "reasoning", "speed", "standard"] {
            let passed = |passed: bool| {
                count(&|fact| fact.passed == Some(passed) && fact.challenge_type == Some(challenge_type))
            };
            let (ok, fail) = (passed(true), passed(false));
            wanted_types.push(json!({ "type": challenge_type, "total": ok + fail, "ok": ok, "fail": fail }));
            let of_type: Vec<&&&Fact> =
                right.iter().filter(|fact| fact.challenge_type == Some(challenge_type)).collect();
            let mut times: Vec<i64> = of_type.iter().map(|fact| fact.solve).collect();
            times.sort_unstable();
            let rank = |percent: usize| times[(times.len() * percent).div_ceil(100) - 1];
            let response: f64 = of_type.iter().map(|fact| fact.response).sum();
            rows.push(json!({
                "type": challenge_type,
                "count": ok,
                "avg_ms": mean(times.iter().sum::<i64>() as f64, times.len()).round() as i64,
                "p50_ms": rank(50),
                "p95_ms": rank(95),
                "min_ms": times[0],
                "max_ms": times[times.len() - 1],
                "avg_response_ms": (mean(response, times.len()) * 100.0).round() / 100.0,
            }));
        }
        assert_eq!(sorted(&types["types"], "type"), wanted_types);
        let performance = panel(&server, &cookie, "performance", name).await;
        assert_eq!(sorted(&performance["rows"], "type"), rows);

        let errors = panel(&server, &cookie, "errors", name).await;
        let wanted: Vec<Value> = [EventType::AuthFailure, EventType::Error, EventType::RateLimitExceeded]
            .map(|event| json!({ "type": event.name(), "total": of(event) }))
            .to_vec();
        assert_eq!(sorted(&errors["errors"], "type"), wanted);

        let geo = panel(&server, &cookie, "geo", name).await;
        let wanted: Vec<Value> = ["DE", "FR", "T1", "US", "unknown"]
            .map(|country| json!({ "country": country, "total": count(&|fact| fact.country == country) }))
            .to_vec();
        assert_eq!(sorted(&geo["countries"], "country"), wanted);
        for (figures, list, by) in
            [(&types, "types", "total"), (&errors, "errors", "total"), (&geo, "countries", "total")]
        {
            let totals: Vec<i64> =
                figures[list].as_array().unwrap().iter().map(|entry| entry[by].as_i64().unwrap()).collect();
            assert!(totals.is_sorted_by(|left, right| left >= right), "{list} {totals:?}");
        }
    }
}

#[tokio::test]
async fn percentiles_of_very_many_answers_are_from_the_newest_and_the_panel_says_so() {
    let server = Server::start().await;
    let cookie = owned(&server, APP).await;
    // Each in a batch of its own would take long; different reasons keep rows apart.
    for place in 0..10_500_i64 {
        let mut happening = Happening::verified("speed", Some(APP), Ok(if place < 500 { 9_000 } else { 40 }));
        happening.reason = Some(place.to_string());
        server
            .app
            .analytics
            .note(seen(happening, Timestamp::from_milliseconds(START * 1000 - 20_000 + place)));
    }
    sink::write_waiting(&server.app).await;
    let row = &panel(&server, &cookie, "performance", "1h").await["rows"][0];
    assert_eq!((&row["count"], &row["p95_ms"], &row["max_ms"]), (&json!(10_500), &json!(40), &json!(40)));
    assert_eq!(row["avg_ms"], 467, "the mean is of all");
    let page = text(&read(&server, &cookie, "/dashboard/api/performance?period=1h", "text/html").await);
    assert!(page.contains("from the newest 10000 of 10500 answers"), "{page}");
}

#[tokio::test]
async fn without_data_panels_say_so() {
    let server = Server::start().await;
    let cookie = owned(&server, APP).await;
    let nothing = json!({ "period": "24h", "challenges_generated": 0, "verifications": 0, "success_rate": null,
        "avg_solve_time_ms": null, "rate_limits": 0, "errors": 0 });
    assert_eq!(panel(&server, &cookie, "overview", "").await, nothing);
    for (name, list) in
        [("types", "types"), ("performance", "rows"), ("errors", "errors"), ("geo", "countries")]
    {
        assert_eq!(panel(&server, &cookie, name, "7d").await, json!({ "period": "7d", list: [] }));
    }
    assert_eq!(panel(&server, &cookie, "volume", "30d").await["buckets"].as_array().unwrap().len(), 30);
    let page = text(&read(&server, &cookie, "/dashboard", "text/html").await);
    assert!(page.contains("<dt>Success Rate</dt><dd>–</dd>"), "{page}");
    assert!(page.matches("No data yet").count() >= 4 && page.contains("None: nothing was refused"), "{page}");
}

#[tokio::test]
async fn an_unknown_period_is_a_day() {
    let server = Server::start().await;
    let cookie = owned(&server, APP).await;
    for period in ["", "1y", "%00", "24h", "7D"] {
        assert_eq!(panel(&server, &cookie, "volume", period).await["period"], "24h", "{period}");
    }
    let answer = read(&server, &cookie, "/dashboard/api/volume", "application/json").await;
    assert_eq!(answer.json["buckets"].as_array().unwrap().len(), 24);
}

#[tokio::test]
async fn each_caller_gets_its_form() {
    let server = Server::start().await;
    let cookie = owned(&server, APP).await;
    server.app.analytics.note(seen(Happening::verified("speed", Some(APP), Ok(40)), server.app.now()));
    sink::write_waiting(&server.app).await;
    for name in PANELS {
        let path = format!("/dashboard/api/{name}");
        let fragment = server
            .call("GET", &path, &[("cookie", &cookie), ("hx-request", "true"), ("accept", "*/*")], "")
            .await;
        assert_eq!(
            (fragment.status.as_u16(), fragment.header("content-type")),
            (200, "text/html; charset=UTF-8")
        );
        assert!(!text(&fragment).contains("<html"), "a part of a page");
        let markdown = read(&server, &cookie, &path, "text/markdown").await;
        assert_eq!(markdown.header("content-type"), "text/markdown; charset=utf-8");
        assert!(text(&markdown).starts_with("## "), "{name}");
        assert_ne!(markdown.header("x-markdown-tokens"), "");
        let json = read(&server, &cookie, &path, "application/json, text/html;q=0.5").await;
        assert_eq!(json.json["period"], "24h");
        for answer in [&fragment, &markdown, &json] {
            assert_eq!(answer.header("cache-control"), "no-store", "{name}");
            assert!(answer.header("vary").contains("Cookie"), "{name}");
        }
    }
    let page = read(&server, &cookie, "/dashboard?period=7d", "text/html").await;
    assert_eq!(page.status, 200);
    let html = text(&page);
    assert!(
        html.contains(APP)
            && html.contains("<link rel=\"alternate\" type=\"text/markdown\" href=\"/dashboard\">")
    );
    for name in PANELS {
        assert!(html.contains(&format!("hx-get=\"/dashboard/api/{name}?period=7d\"")), "{name}");
    }
    assert!(html.contains("href=\"/dashboard?period=7d\" aria-current=\"true\""));
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'self'") && !policy.contains("unsafe-inline"), "{policy}");
    assert!(!html.contains(" style=\"") && !html.contains(" onclick") && !html.contains("http://cdn"));
    let markdown = read(&server, &cookie, "/dashboard", "text/markdown").await;
    assert_eq!(markdown.header("content-type"), "text/markdown; charset=utf-8");
    let markdown = text(&markdown);
    assert!(markdown.contains("| Verifications | 1 |"), "{markdown}");
    assert!(markdown.len() * 2 < html.len());
}

#[tokio::test]
async fn whoever_is_not_logged_in_is_sent_to_the_login_or_told_so() {
    let server = Server::start().await;
    owned(&server, APP).await;
    let paths = PANELS.map(|name| format!("/dashboard/api/{name}"));
    for path in paths.iter().map(String::as_str).chain(["/dashboard", "/account"]) {
        let browser = server.call("GET", path, &[("accept", "text/html")], "").await;
        assert_eq!((browser.status.as_u16(), browser.header("location")), (302, "/login"), "{path}");
        for headers in [("accept", "application/json"), ("hx-request", "true")] {
            let answer = server.call("GET", path, &[headers], "").await;
            assert_eq!(answer.status, 401, "{path}");
            assert_eq!(answer.json, json!({ "error": "Authentication required", "login": "/login" }));
            assert_eq!(answer.header("set-cookie"), "");
            let stale = [headers, ("cookie", "botcha_session=a.b.c")];
            let answer = server.call("GET", path, &stale, "").await;
            assert_eq!(answer.json, json!({ "error": "Session expired", "login": "/login" }));
            assert!(answer.header("set-cookie").starts_with("botcha_session=; Max-Age=0"), "{path}");
            assert_eq!(answer.header("hx-redirect"), "/login");
        }
        let stale = server.call("GET", path, &[("cookie", "botcha_session=a.b.c")], "").await;
        assert_eq!(stale.status, 302);
        assert!(stale.header("set-cookie").starts_with("botcha_session=; Max-Age=0"), "{path}");
    }
}

#[tokio::test]
async fn a_session_ends_after_an_hour_and_opens_as_a_bearer_token_too() {
    let server = Server::start().await;
    let cookie = owned(&server, APP).await;
    let bearer = format!("Bearer {}", cookie.split_once('=').unwrap().1);
    for headers in [("cookie", cookie.as_str()), ("authorization", bearer.as_str())] {
        assert_eq!(server.call("GET", "/dashboard", &[headers], "").await.status, 200);
    }
    server.advance(3_600_000 - 1_000);
    assert_eq!(server.call("GET", "/dashboard", &[("cookie", &cookie)], "").await.status, 200);
    server.advance(1_001);
    assert_eq!(server.call("GET", "/dashboard", &[("cookie", &cookie)], "").await.status, 302);
    assert_eq!(server.call("GET", "/dashboard", &[("authorization", &bearer)], "").await.status, 302);
}

#[tokio::test]
async fn without_storage_panels_are_503_and_the_page_stays_readable() {
    let database = Moody::new();
    let server = Server::on(database.clone(), |_| {}).await;
    let cookie = owned(&server, APP).await;
    database.has_no_events(true);
    for name in PANELS {
        let path = format!("/dashboard/api/{name}");
        let answer = read(&server, &cookie, &path, "application/json").await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json["error"]),
            (503, &json!("STORAGE_UNAVAILABLE")),
            "{name}"
        );
        let fragment = server.call("GET", &path, &[("cookie", &cookie), ("hx-request", "true")], "").await;
        assert_eq!(fragment.status, 503);
    }
    let page = read(&server, &cookie, "/dashboard", "text/html").await;
    assert_eq!(page.status, 200, "the frame of the page is there, each panel says what is missing");
    assert_eq!(text(&page).matches("<div class=\"panel-fault\" role=\"alert\">").count(), 6);
    let markdown = text(&read(&server, &cookie, "/dashboard", "text/markdown").await);
    assert_eq!(markdown.matches("could not be read").count(), 6);
    database.has_no_events(false);
    database.is_down(true);
    for path in ["/dashboard", "/dashboard/api/geo", "/account"] {
        let answer = read(&server, &cookie, path, "application/json").await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json["error"]),
            (503, &json!("STORAGE_UNAVAILABLE")),
            "{path}"
        );
        let page = read(&server, &cookie, path, "text/html").await;
        assert_eq!((page.status.as_u16(), page.header("content-type")), (503, "text/html; charset=UTF-8"));
        assert!(text(&page).contains("STORAGE_UNAVAILABLE"), "{path}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_405() {
    let server = Server::start().await;
    for path in ["/dashboard", "/dashboard/api/overview", "/account"] {
        assert_eq!(server.call("DELETE", path, &[], "").await.status, 405, "{path}");
    }
}

#[tokio::test]
async fn zz_dump() {
    let Ok(folder) = std::env::var("DUMP_PAGES") else { return };
    let server = Server::start().await;
    server.advance(4 * 3_600_000 + 17 * 60_000 + 23_456);
    let cookie = owned(&server, APP).await;
    let write =
        |name: &str, answer: &Answer| std::fs::write(format!("{folder}/{name}.html"), &answer.body).unwrap();
    write("empty", &read(&server, &cookie, "/dashboard", "text/html").await);
    for (place, name) in
        ["Shopping helper", "An agent with a name that is as long as names of agents come, and then some"]
            .iter()
            .enumerate()
    {
        let agent: quivive_server::botcha::agents::Agent = serde_json::from_value(json!({
            "id": format!("agent_{place:016}"), "app_id": APP, "name": name, "operator": "Ada", "version": "2.1",
            "created_at": START * 1000, "is_owner_verified": place == 0,
        }))
        .unwrap();
        server.app.storage.insert(&agent).await.unwrap();
    }
    generate(&server).await;
    for period in ["1h", "24h", "7d", "30d"] {
        write(period, &read(&server, &cookie, &format!("/dashboard?period={period}"), "text/html").await);
    }
    let headers = [("cookie", cookie.as_str()), ("accept", "text/html"), ("x-requested-with", "x")];
    write("secret", &server.call("POST", "/account/rotate-secret", &headers, "").await);
    write("account", &read(&server, &cookie, "/account?done=confirmed", "text/html").await);
    std::fs::write(
        format!("{folder}/account.md"),
        &read(&server, &cookie, "/account", "text/markdown").await.body,
    )
    .unwrap();
    std::fs::write(
        format!("{folder}/dashboard.md"),
        &read(&server, &cookie, "/dashboard", "text/markdown").await.body,
    )
    .unwrap();
}
