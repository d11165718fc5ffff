//! The routes that are served against the list of those that the three systems have.

use std::collections::BTreeSet;

use crate::support::Server;

const LIST: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/endpoints.csv"));

type Route = (String, String);

/// Names of parameters differ from text to text; their places do not.
fn route(method: &str, path: &str) -> Route {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
    (method.to_uppercase(), parts.collect::<Vec<_>>().join("/"))
}

fn listed(system: &str, state: &str) -> BTreeSet<Route> {
    let rows = LIST.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    let rows = rows.filter(|row| (row[0], row[4]) == (system, state));
    rows.map(|row| route(row[1], row[2])).collect()
}

async fn served(server: &Server, tag: &str) -> BTreeSet<Route> {
    let document = server.get("/-/openapi.json").await.json;
    let mut routes = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation["tags"][0] == tag {
                routes.insert(route(method, path));
            }
        }
    }
    routes
}

#[test]
fn the_list_is_well_formed() {
    let mut seen = BTreeSet::new();
    for line in LIST.lines().skip(1) {
        let row: Vec<&str> = line.split(',').collect();
        assert_eq!(row.len(), 5, "{line}");
        assert!(["AgentShield", "BOTCHA", "Botect"].contains(&row[0]), "{line}");
        assert!(["served", "later"].contains(&row[4]) && !row[3].is_empty(), "{line}");
        assert!(seen.insert(route(row[1], row[2])), "{line} twice");
    }
    assert!(seen.len() > 150);
}

#[tokio::test]
async fn exactly_the_listed_routes_are_served() {
    let server = Server::start().await;
    for (system, tag) in [("BOTCHA", "botcha"), ("Botect", "botect"), ("AgentShield", "agentshield")] {
        let served = served(&server, tag).await;
        let wanted = listed(system, "served");
        let missing: Vec<_> = wanted.difference(&served).collect();
        assert!(missing.is_empty(), "{system}: listed as served, but not in the document: {missing:?}");
        let later = listed(system, "later");
        let early: Vec<_> = later.intersection(&served).collect();
        assert!(early.is_empty(), "{system}: served, but listed as later: {early:?}");
        let unlisted: Vec<_> = served.difference(&wanted).collect();
        assert!(unlisted.is_empty(), "{system}: served, but not in tests/endpoints.csv: {unlisted:?}");
    }
}
