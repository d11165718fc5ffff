//! The pages about single requests: figures, the live list, keys, pixels, webhooks, policy.

use quivive_server::flows::detection::policy as policies;
use quivive_server::tenant::{detection_key, pixel};

use super::*;

mod setup;

const GPTBOT: &str =
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)";

/// An owner at the pages of his project.
struct Owner {
    site: Site,
    browser: Browser,
    base: String,
}

impl Owner {
    async fn start() -> Self {
        let site = Site::start().await;
        let browser = log_in(&site.server, owner(&site).await).await;
        let base = format!("/-/console/projects/{}/detections", site.project);
        Self { site, browser, base }
    }

    async fn get(&self, path: &str) -> Answer {
        self.browser.get(&self.site.server, &format!("{}{path}", self.base)).await
    }

    async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        text(&answer)
    }

    async fn post(&self, path: &str, fields: &str) -> Answer {
        self.browser.post(&self.site.server, &format!("{}{path}", self.base), fields).await
    }

    /// Makes a key and returns it as the page shows it once.
    async fn key(&self, fields: &str) -> String {
        let made = self.post("/keys", fields).await;
        assert_eq!(made.status, 200, "{}", text(&made));
        secret(&made)
    }

    async fn detect(&self, key: &str, user_agent: &str) -> Answer {
        let headers = [("x-agentshield-key", key), ("content-type", "application/json")];
        let body =
            json!({ "userAgent": user_agent, "ip": "198.51.100.9", "url": "/goods?id=1", "method": "GET" });
        self.site.server.call("POST", "/api/v1/detect?include=all", &headers, body.to_string()).await
    }

    /// Waits until a page holds a text.
    async fn wait(&self, path: &str, wanted: &str) -> String {
        for _ in 0..1_000 {
            let page = self.page(path).await;
            if page.contains(wanted) {
                return page;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{path} never holds {wanted}: {}", self.page(path).await);
    }
}

fn secret(answer: &Answer) -> String {
    let page = text(answer);
    page.split("id=\"fresh-secret\">").nth(1).unwrap().split('<').next().unwrap().to_owned()
}

/// What a page says beside a field.
fn fault(answer: &Answer, field: &str) -> String {
    assert_eq!(answer.status, 422, "{}", text(answer));
    let page = text(answer);
    let found = page.split(&format!("id=\"fault-{field}\"><span>")).nth(1);
    let found = found.unwrap_or_else(|| panic!("nothing beside {field}: {page}"));
    found.split("</span></span>").next().unwrap().to_owned()
}

#[tokio::test]
async fn an_empty_project_says_what_to_do_next() {
    let owner = Owner::start().await;
    for (path, wanted) in [
        ("", "api/v1/detect"),
        ("/log", "X-AgentShield-Key"),
        ("/keys", "No key yet"),
        ("/pixels", "No pixel yet"),
        ("/webhooks", "No webhook yet"),
        ("/policy", "No policy was put yet"),
    ] {
        let page = owner.page(path).await;
        assert!(page.contains(wanted), "{path}: {page}");
    }
}

#[tokio::test]
async fn figures_and_the_live_list_follow_what_is_sent() {
    let owner = Owner::start().await;
    let key = owner.key("name=Shop&scope-detect=on").await;
    assert_eq!(owner.detect(&key, GPTBOT).await.status, 200);
    assert_eq!(owner.detect(&key, crate::botect::site::CHROME).await.status, 200);

    let figures = owner.wait("/figures?period=hour", "id=\"figure-all\">2<").await;
    for part in ["GPTBot", "OpenAI", "Training of AI models", "/goods", "1 claimed", "Crawler"] {
        assert!(figures.contains(part), "{part}: {figures}");
    }
    let version =
        figures.split("name=\"seen\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let again = owner.get(&format!("/figures?period=hour&seen={version}")).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (204, 0), "the same figures are not sent again");
    assert_eq!(owner.get("/figures?period=hour&seen=00").await.status, 200);
    assert_eq!(owner.get(&format!("/figures?period=month&seen={version}")).await.status, 200);

    let all = owner.page("/log/live").await;
    assert_eq!(all.matches("<tr>").count(), 3, "{all}");
    for (query, rows) in [
        ("isBot=true", 1),
        ("isBot=false", 1),
        ("botType=crawler", 1),
        ("botType=scraper", 0),
        ("agent=openai-gptbot", 1),
        ("agent=other", 0),
        ("verification=claimed", 1),
        ("verification=spoofed", 0),
    ] {
        let page = owner.page(&format!("/log/live?{query}")).await;
        assert_eq!(page.matches("<td data-label=\"When\"").count(), rows, "{query}: {page}");
    }
}

#[tokio::test]
async fn a_detection_is_explained_to_its_owner_alone() {
    let owner = Owner::start().await;
    let key = owner.key("scope-detect=on").await;
    let answer = owner.detect(&key, GPTBOT).await;
    let id = answer.json["extended"]["detectionId"].as_str().unwrap().to_owned();
    let log = owner.wait("/log", &id).await;
    assert!(log.contains(&format!("/log/{id}\"")));
    let page = owner.page(&format!("/log/{id}")).await;
    for part in [
        "User agent of a known agent",
        "ua.known_agent",
        "OpenAI",
        "Training of AI models",
        "Name in robots.txt",
        "neither proven nor refuted",
        "published ranges",
        "198.51.100.9",
        "/goods",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("id=1"), "queries are not kept");

    assert_eq!(owner.get("/log/det_unknown").await.status, 404);
    let stranger = owner.site.other_tenant(true).await;
    let user = directory::api_token(&owner.site.server.app, &stranger.token).await.unwrap().unwrap().user_id;
    let browser = log_in(&owner.site.server, user).await;
    let mixed = format!("/-/console/projects/{}/detections/log/{id}", stranger.project);
    assert_eq!(browser.get(&owner.site.server, &mixed).await.status, 404, "a detection of another project");
}

#[tokio::test]
async fn what_cannot_be_shown_is_said_beside_its_field() {
    let owner = Owner::start().await;
    assert!(fault(&owner.get("?startDate=2026-13-01").await, "startDate").contains("cannot be read"));
    let long = owner.get("?period=hour&startDate=2000-01-01").await;
    assert!(fault(&long, "startDate").contains("longer period"));
    assert!(fault(&owner.get("/log?verification=maybe").await, "verification").contains("no such value"));
}

#[tokio::test]
async fn a_policy_of_wishes_is_put_and_followed() {
    let owner = Owner::start().await;
    let key = owner.key("scope-detect=on").await;
    let wishes =
        "enabled=on&enforced=on&threshold=90&action=challenge&purpose-training=block&purpose-search=allow";
    let saved = owner.post("/policy", wishes).await;
    assert_eq!(
        (saved.status.as_u16(), saved.header("location").ends_with("/policy?done=saved")),
        (303, true)
    );
    let answer = owner.detect(&key, GPTBOT).await;
    assert_eq!(answer.json["extended"]["policy"]["action"], "block", "{}", answer.json);
    assert_eq!(answer.json["extended"]["policy"]["ruleId"], "purpose-training");

    let page = owner.page("/policy").await;
    assert!(page.contains("<option value=\"block\" selected>"), "{page}");
    let again = owner.post("/policy", "enabled=on&threshold=75&action=log&purpose-search=allow").await;
    assert_eq!(again.status, 303);
    let stored = policies::stored(&owner.site.server.app, owner.site.project).await.unwrap().unwrap();
    let ids: Vec<&str> = stored.policy.rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(ids, ["purpose-search"], "a wish that is taken back leaves no rule");
    assert!(owner.page("/policy").await.contains("only notes what the policy says"));
}

#[tokio::test]
async fn a_wrong_policy_is_refused_at_its_field_and_changes_nothing() {
    let owner = Owner::start().await;
    let wrong = owner.post("/policy", "enabled=on&threshold=much&action=block").await;
    assert!(fault(&wrong, "thresholds-confidenceThreshold").contains("another form"));
    assert!(text(&wrong).contains("value=\"much\""), "what was written is kept");

    for (document, wanted) in [
        ("%7B", "not JSON"),
        ("%5B%5D", "another form"),
        ("%7B%22defaultAction%22%3A%22shout%22%7D", "defaultAction"),
        (
            "%7B%22rules%22%3A%5B%7B%22id%22%3A%22a%22%2C%22action%22%3A%22shout%22%7D%5D%7D",
            "rules[0].action",
        ),
    ] {
        let answer = owner.post("/policy/document", &format!("document={document}")).await;
        assert_eq!(answer.status, 422, "{document}");
        assert!(text(&answer).contains(wanted), "{document}: {}", text(&answer));
    }
    assert_eq!(policies::stored(&owner.site.server.app, owner.site.project).await.unwrap(), None);

    let good = owner.post("/policy/document", "document=%7B%22defaultAction%22%3A%22log%22%7D").await;
    assert_eq!(good.status, 303);
    assert!(owner.page("/policy").await.contains("&quot;defaultAction&quot;: &quot;log&quot;"));
}
