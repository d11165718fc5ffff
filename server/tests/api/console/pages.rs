//! What the pages show, to whom, and what their forms do.

use super::login::{FORMS, PAGES};
use super::*;

async fn other(site: &Site) -> (Tenant, Browser) {
    let tenant = site.other_tenant(true).await;
    let user = directory::api_token(&site.server.app, &tenant.token).await.unwrap().unwrap().user_id;
    let browser = log_in(&site.server, user).await;
    (tenant, browser)
}

#[tokio::test]
async fn another_tenants_project_is_as_good_as_none_on_every_route() {
    let site = Site::start().await;
    let token = site.session(&[("snapshot", human_snapshot())]).await;
    counted(&site, 1).await;
    let (tenant, browser) = other(&site).await;
    let foreign = |path: &str, project: &str| path.replace("{project}", project).replace("sess_1", &token);
    let own = site.project.to_string();
    for path in PAGES.iter().filter(|path| path.contains("{project}")) {
        let found = browser.get(&site.server, &foreign(path, &own)).await;
        for project in ["9999", "-1", "x", "99999999999999999999", "1%2F2"] {
            let missing = browser.get(&site.server, &foreign(path, project)).await;
            assert_eq!((found.status.as_u16(), missing.status.as_u16()), (404, 404), "{path} {project}");
            assert_eq!(found.body, missing.body, "{path} {project}");
        }
    }
    let before = directory::project(&site.server.app, site.project).await.unwrap();
    for path in FORMS.iter().filter(|path| path.contains("{project}")) {
        let fields = "likely_bot_threshold=77&type=private&understood=on";
        let found = browser.post(&site.server, &foreign(path, &own), fields).await;
        let missing = browser.post(&site.server, &foreign(path, "9999"), fields).await;
        assert_eq!((found.status.as_u16(), &found.body), (404, &missing.body), "{path}");
    }
    let after = directory::project(&site.server.app, site.project).await.unwrap();
    assert_eq!(before.scoring.private_key_hash, after.scoring.private_key_hash);

    let projects = text(&browser.get(&site.server, "/-/console").await);
    assert!(projects.contains(&format!("/-/console/projects/{}\"", tenant.project)));
    assert!(!projects.contains(&format!("/-/console/projects/{own}\"")));
    let mixed = format!("/-/console/projects/{}/sessions/{token}", tenant.project);
    assert_eq!(browser.get(&site.server, &mixed).await.status, 404, "a session of another project");
}

#[tokio::test]
async fn every_page_forbids_storing_framing_and_foreign_scripts() {
    let site = Site::start().await;
    let token = site.session(&[("snapshot", human_snapshot())]).await;
    site.scored(&token).await;
    let browser = log_in(&site.server, owner(&site).await).await;
    let own = site.project.to_string();
    let pages = PAGES.iter().map(|path| path.replace("{project}", &own).replace("sess_1", &token));
    let open = ["/-/console/login", "/-/console/login/x", "/-/console/no/such/page"].map(str::to_owned);
    for path in pages.chain(open) {
        let page = browser.get(&site.server, &path).await;
        let wanted = if path.contains("such") { 404 } else { 200 };
        assert_eq!(page.status.as_u16(), wanted, "{path}");
        let policy = page.header("content-security-policy");
        for part in ["default-src 'self'", "script-src 'self' 'wasm-unsafe-eval'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"));
        assert_eq!(page.header("cache-control"), "no-store", "{path}");
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(page.header("x-frame-options"), "DENY", "{path}");
        let page = text(&page);
        for forbidden in [" style=", " onclick=", " onload=", "javascript:", "http://", "<script>"] {
            let page = page.replace("http://127.0.0.1:8080", "");
            assert!(!page.contains(forbidden), "{path} has {forbidden}");
        }
    }
}

#[tokio::test]
async fn a_session_appears_with_band_score_and_reason() {
    let site = Site::start().await;
    let browser = log_in(&site.server, owner(&site).await).await;
    let path = format!("/-/console/projects/{}", site.project);
    assert!(text(&browser.get(&site.server, &path).await).contains("No sessions yet"));
    let human = site.session(&[("snapshot", human_snapshot())]).await;
    let moves = json!({ "mouse_moves": 40, "mouse_entropy": 0.0, "click_events": 1 });
    let bot = site.session(&[("snapshot", moves)]).await;
    counted(&site, 2).await;
    let page = text(&browser.get(&site.server, &path).await);
    assert!(page.contains(&human) && page.contains(&bot));
    assert!(page.contains("Pointer path has no natural variation."), "{page}");
    assert!(page.contains("Chrome 140 on Linux"));
    assert!(page.contains("<b>96</b>") && page.contains("<b>15</b>"));

    let live = format!("{path}/live");
    let list = text(&browser.get(&site.server, &live).await);
    let seen = list.split("name=\"seen\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let again = browser.get(&site.server, &format!("{live}?seen={seen}")).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (204, 0), "nothing new is not sent again");
    let other = browser.get(&site.server, &format!("{live}?seen=0")).await;
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn a_session_is_explained_in_full() {
    let site = Site::start().await;
    let events = [
        ("js_probe", json!({ "webdriver": true })),
        ("snapshot", json!({ "mouse_moves": 40, "mouse_entropy": 0.0, "click_events": 1 })),
    ];
    let token = site.session(&events).await;
    site.scored(&token).await;
    let browser = log_in(&site.server, owner(&site).await).await;
    let path = format!("/-/console/projects/{}/sessions/{token}", site.project);
    let page = text(&browser.get(&site.server, &path).await);
    for part in [
        "Browser reports automation control",
        "under remote control, as Selenium and Playwright do it",
        "50331649",
        "holds the score at 15 or below",
        "Naturalness of the pointer",
        "Remote control reported",
        "With the threshold at 5",
        "not observed",
    ] {
        assert!(page.contains(part), "no {part} in {page}");
    }
    let blocks = quivive_server::flows::scoring::audit::list_blocks(&site.server.app, site.project, 10).await;
    assert!(blocks.unwrap().is_empty(), "looking is no verdict");
    for unknown in ["sess_none", "%3Cscript%3E", &"a".repeat(200)] {
        let path = format!("/-/console/projects/{}/sessions/{unknown}", site.project);
        assert_eq!(browser.get(&site.server, &path).await.status, 404, "{unknown}");
    }
}

#[tokio::test]
async fn what_visitors_send_is_never_markup() {
    let site = Site::start().await;
    let evil = "<script>alert(1)</script>\"'>&";
    let answer =
        site.ingest_with(&[("user-agent", evil)], &batch(None, &[("snapshot", human_snapshot())])).await;
    let token = answer.json["session_token"].as_str().unwrap().to_owned();
    site.scored(&token).await;
    counted(&site, 1).await;
    let browser = log_in(&site.server, owner(&site).await).await;
    for page in ["", "/sessions", &format!("/sessions/{token}")] {
        let page =
            text(&browser.get(&site.server, &format!("/-/console/projects/{}{page}", site.project)).await);
        assert!(!page.contains("<script>alert"), "{page}");
    }
    let page =
        browser.get(&site.server, &format!("/-/console/projects/{}/sessions/{token}", site.project)).await;
    assert!(text(&page).contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

#[tokio::test]
async fn the_threshold_tells_what_it_would_change_before_it_is_saved() {
    let site = Site::start().await;
    let screen_reader =
        json!({ "click_events": 1, "time_to_first_input_ms": 4000, "first_input_delay_ms": 4 });
    let near = site.session(&[("snapshot", screen_reader)]).await;
    site.session(&[("snapshot", human_snapshot())]).await;
    site.scored(&near).await;
    counted(&site, 2).await;
    let browser = log_in(&site.server, owner(&site).await).await;
    let base = format!("/-/console/projects/{}/settings", site.project);
    let preview = text(&browser.get(&site.server, &format!("{base}/preview?likely_bot_threshold=40")).await);
    assert!(
        preview.contains("Of the last 2 sessions, <b>1</b> would be in a bot band; now they are 0."),
        "{preview}"
    );
    assert!(preview.contains("+1 into a bot band") && preview.contains("−0 out of a bot band"));
    assert!(preview.contains(&near));
    let same = text(&browser.get(&site.server, &format!("{base}/preview?likely_bot_threshold=30")).await);
    assert!(same.contains("<b>0</b> are in a bot band."), "{same}");
    for wrong in ["", "0", "100", "40.5", "x", "-1"] {
        let answer = browser.get(&site.server, &format!("{base}/preview?likely_bot_threshold={wrong}")).await;
        assert_eq!(answer.status, 422, "{wrong}");
        let answer = browser.post(&site.server, &base, &format!("likely_bot_threshold={wrong}")).await;
        assert_eq!(answer.status, 422, "{wrong}");
    }
    assert_eq!(site.verdict(&near, "").await.json["verdict"], "likely_human");

    let before = directory::project(&site.server.app, site.project).await.unwrap().scoring;
    let saved = browser.post(&site.server, &base, "likely_bot_threshold=40&challenge_likely=on").await;
    assert_eq!((saved.status.as_u16(), saved.header("location")), (303, &*format!("{base}?saved=1")));
    let after = directory::project(&site.server.app, site.project).await.unwrap().scoring;
    assert_eq!(after.generation, before.generation + 1);
    assert_eq!(after.settings.likely_bot_threshold.get(), 40);
    let toggles = after.settings.bot_settings;
    assert!(
        toggles.challenge_likely
            && !toggles.allow_verified
            && !toggles.protect_static
            && !toggles.block_definite
    );
    let verdict = site.verdict(&near, "").await.json;
    assert_eq!((&verdict["verdict"], &verdict["action"]), (&"likely_automated".into(), &"challenge".into()));
}

#[tokio::test]
async fn a_key_is_shown_once_and_the_old_one_is_refused() {
    let site = Site::start().await;
    let token = site.session(&[("snapshot", human_snapshot())]).await;
    site.scored(&token).await;
    let browser = log_in(&site.server, owner(&site).await).await;
    let base = format!("/-/console/projects/{}/keys", site.project);
    let page = text(&browser.get(&site.server, &base).await);
    assert!(page.contains(crate::botect::site::SITE_KEY) && !page.contains(crate::botect::site::PRIVATE_KEY));
    for wrong in ["type=private", "understood=on", "type=other&understood=on"] {
        assert_eq!(browser.post(&site.server, &format!("{base}/rotate"), wrong).await.status, 422, "{wrong}");
    }
    assert_eq!(site.verdict(&token, "").await.status, 200);
    let fresh = browser.post(&site.server, &format!("{base}/rotate"), "type=private&understood=on").await;
    let fresh = text(&fresh);
    let key = fresh.split("id=\"fresh-key\">").nth(1).unwrap().split('<').next().unwrap();
    assert!(key.starts_with("sk_") && key.len() == 46, "{key}");
    assert_eq!(site.verdict(&token, "").await.status, 401);
    let headers = [("authorization", &*format!("Bearer {key}"))];
    let path = format!("/v1/sessions/{token}/verdict");
    assert_eq!(site.server.call("GET", &path, &headers, Body::empty()).await.status, 200);
    assert!(!text(&browser.get(&site.server, &base).await).contains(key), "shown once");

    directory::disable_scoring(&site.server.app, site.project).await.unwrap();
    assert!(text(&browser.get(&site.server, &base).await).contains("Turn scoring on"));
    assert_eq!(
        browser.post(&site.server, &format!("{base}/rotate"), "type=site&understood=on").await.status,
        409
    );
    assert_eq!(browser.post(&site.server, &format!("{base}/enable"), "").await.status, 200);
    assert!(directory::project(&site.server.app, site.project).await.unwrap().scoring.is_enabled);
}

#[tokio::test]
async fn a_block_is_listed_with_its_reason() {
    let site = Site::start().await;
    let browser = log_in(&site.server, owner(&site).await).await;
    let path = format!("/-/console/projects/{}/blocks", site.project);
    assert!(text(&browser.get(&site.server, &path).await).contains("Nothing was blocked"));
    site.settings(&json!({ "block_definite": true })).await;
    let answer = site
        .ingest_with(
            &[("user-agent", "HeadlessChrome/140.0")],
            &batch(None, &[("snapshot", human_snapshot())]),
        )
        .await;
    let token = answer.json["session_token"].as_str().unwrap().to_owned();
    let verdict = site.verdict_when(&token, "?path=/checkout", |verdict| verdict["action"] == "block").await;
    assert_eq!(verdict["score"], 1);
    for _ in 0..1_000 {
        let page = text(&browser.get(&site.server, &path).await);
        if page.contains(&token) {
            assert!(page.contains("/checkout") && page.contains("Automation browser user agent."));
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the block is not listed");
}

#[tokio::test]
async fn older_sessions_are_on_further_pages() {
    let site = Site::start().await;
    for _ in 0..55 {
        site.session(&[("snapshot", human_snapshot())]).await;
        site.server.advance(1);
    }
    counted(&site, 55).await;
    let browser = log_in(&site.server, owner(&site).await).await;
    let base = format!("/-/console/projects/{}/sessions", site.project);
    let first = text(&browser.get(&site.server, &base).await);
    assert_eq!(first.matches("id=\"session-").count(), 50);
    let next =
        first.split("href=\"").find(|part| part.contains("?after=")).unwrap().split('"').next().unwrap();
    let second = text(&browser.get(&site.server, next).await);
    assert_eq!(second.matches("id=\"session-").count(), 5);
    assert!(!second.contains("Older sessions"));
    assert_eq!(browser.get(&site.server, &format!("{base}?after=nonsense")).await.status, 200);
}
