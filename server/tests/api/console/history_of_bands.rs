//! Bands over time, counted when sessions are scored.

use super::*;

async fn bands(site: &Site) -> Vec<[i64; 5]> {
    let from = Timestamp::from_seconds(START);
    let hours = history::bands(&site.server.app, site.project, from).await.unwrap();
    hours.into_iter().map(|hour| hour.counts).collect()
}

async fn bands_when(site: &Site, wanted: &[[i64; 5]]) {
    let mut last = Vec::new();
    for _ in 0..1_000 {
        last = bands(site).await;
        if last == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the bands stay {last:?}, not {wanted:?}");
}

#[tokio::test]
async fn a_session_counts_once_an_hour_under_the_band_it_ended_in() {
    let site = Site::start().await;
    let token = site.session(&[("js_probe", json!({ "webdriver": false }))]).await;
    site.session(&[("snapshot", human_snapshot())]).await;
    bands_when(&site, &[[0, 0, 2, 0, 0]]).await;

    let moves = json!({ "mouse_moves": 40, "mouse_entropy": 0.0, "click_events": 1 });
    let mut more = batch(Some(&token), &[("snapshot", moves)]);
    more["events"][0]["request_id"] = "e-later".into();
    site.ingest(&more).await;
    bands_when(&site, &[[0, 1, 1, 0, 0]]).await;

    more["events"][0]["request_id"] = "e-still-later".into();
    site.ingest(&more).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(bands(&site).await, [[0, 1, 1, 0, 0]], "a rescore to the same band counts nothing");

    site.server.advance(3_600_000);
    more["events"][0]["request_id"] = "e-next-hour".into();
    site.ingest(&more).await;
    bands_when(&site, &[[0, 1, 1, 0, 0], [0, 1, 0, 0, 0]]).await;
    let from = Timestamp::from_seconds(START);
    let app = &site.server.app;
    assert_eq!(history::new_sessions(app, site.project, from).await.unwrap(), 2, "a session is new once");
    let top = history::top_detections(app, site.project, from, 5).await.unwrap();
    assert_eq!(top, [("pointer.no_variation".to_owned(), 2)], "once an hour");
}

#[tokio::test]
async fn another_project_has_a_history_of_its_own() {
    let site = Site::start().await;
    let tenant = site.other_tenant(true).await;
    site.session(&[("snapshot", human_snapshot())]).await;
    counted(&site, 1).await;
    let from = Timestamp::from_seconds(START);
    let theirs = history::bands(&site.server.app, tenant.project, from).await.unwrap();
    assert!(theirs.iter().all(|hour| hour.counts == [0; 5]));
    assert!(history::arrivals(&site.server.app, tenant.project, None, 10).await.unwrap().is_empty());
}
