//! The Rust client, before a service that listens.

use std::net::SocketAddr;
use std::time::Duration;

use quivive::agentshield::{AgentShield, AnalyticsQuery, DetectionQuery, ProjectQuery, TrackedEvent, Visit};
use quivive_server::jobs;
use tokio::net::TcpListener;

use super::site::{KEY, Site};

const CURL: &str = "curl/8.5.0";

async fn served(site: &Site) -> AgentShield {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let service = quivive_server::app(&site.server.app).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    let patient = Duration::from_secs(10);
    let client = quivive::Client::builder().url(url).detect_timeout(patient).build().unwrap();
    client.agentshield(KEY)
}

#[tokio::test]
async fn the_rust_client_speaks_every_call() {
    let site = Site::start().await;
    jobs::start(&site.server.app);
    let (_, blog) = site.further_project("Blog").await;
    let shop = site.project_id().await;
    let shield = served(&site).await;

    let visit = Visit {
        user_agent: Some(CURL.to_owned()),
        url: Some("https://example.org/a".to_owned()),
        ..Visit::default()
    };
    assert_eq!(shield.detect(&visit).await.unwrap().bot_type, "automation");
    assert!(shield.clone().for_project(&blog).detect(&visit).await.unwrap().is_bot);

    let click = TrackedEvent {
        event: "click".to_owned(),
        url: "https://example.org/a".to_owned(),
        ..TrackedEvent::default()
    };
    let own = TrackedEvent { id: Some("order-7".to_owned()), ..click.clone() };
    let first = shield.event(&own).await.unwrap();
    assert_eq!(shield.event(&own).await.unwrap(), first, "stored once");
    assert_ne!(
        shield.event(&click).await.unwrap(),
        shield.event(&click).await.unwrap(),
        "events of their own"
    );
    let wrong = TrackedEvent { event: "no name".to_owned(), ..click.clone() };
    let batch = shield.batch(&[click, wrong.clone()]).await.unwrap();
    assert_eq!((batch.received, batch.accepted, batch.rejected), (2, 1, 1));
    assert_eq!((batch.errors[0].index, &*batch.errors[0].code), (1, "INVALID_REQUEST"));
    assert_eq!(shield.batch(&[wrong]).await.unwrap_err().code(), "INVALID_REQUEST");

    let projects = shield.projects();
    let query = ProjectQuery { limit: Some(1), search: Some("BLOG".to_owned()), ..ProjectQuery::default() };
    let page = projects.list(&query).await.unwrap();
    assert_eq!((page.projects[0].id.as_str(), page.pagination.total), (&*blog, 1));
    assert_eq!(projects.list(&ProjectQuery::default()).await.unwrap().projects.len(), 2);
    let query = DetectionQuery {
        bot_type: vec!["automation".to_owned(), "crawler".to_owned()],
        is_bot: Some(true),
        min_confidence: Some(0.5),
        source: Some("api".to_owned()),
        ..DetectionQuery::default()
    };
    // Rows of detections are written beside the requests.
    let mut page = projects.detections(&shop, &query).await.unwrap();
    for _ in 0..1_000 {
        if page.pagination.total > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        page = projects.detections(&shop, &query).await.unwrap();
    }
    assert_eq!((page.detections.len(), page.detections[0].user_agent.as_str()), (1, CURL));
    assert_eq!(projects.get(&shop).await.unwrap().stats.total_detections, 1);
    let figures = projects.analytics(&shop, &AnalyticsQuery::default()).await.unwrap();
    assert_eq!((&*figures.period, figures.summary.unwrap().total_detections), ("day", Some(1)));
    assert_eq!(figures.bot_types.unwrap()["automation"], 1);
    assert_eq!(figures.time_series.unwrap().iter().filter_map(|bucket| bucket.bots).sum::<u64>(), 1);
    let policy = shield.policy(&shop).unwrap();
    let fetched = policy.fetch(None).await.unwrap().unwrap();
    assert_eq!(fetched.document["enabled"], false);
    assert_eq!(policy.fetch(fetched.tag.as_deref()).await.unwrap(), None, "known by its tag");
    for error in [
        shield.policy("proj_unknown").unwrap().fetch(None).await.unwrap_err(),
        projects.get("proj_unknown").await.unwrap_err(),
        projects.analytics("proj_unknown", &AnalyticsQuery::default()).await.unwrap_err(),
        shield.clone().for_project("proj_unknown").detect(&visit).await.unwrap_err(),
    ] {
        assert_eq!(error.code(), "NOT_FOUND");
    }
}
