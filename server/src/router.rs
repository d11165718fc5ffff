//! One router out of the families: whose skin a path has, and the layers in one visible list.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::request::Parts;
use http::{HeaderMap, Method, Uri};
use tower::ServiceExt;
use tower_http::decompression::RequestDecompressionLayer;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::config::Family;
use crate::error::Error;
use crate::extract::Origin;
use crate::{
    agentshield, botcha, botect, browser, console, demo, extract, health, mail, openapi, pages,
    rules_dry_run, telemetry,
};

/// Whose error body and headers an answer has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Skin {
    /// AgentShield-compatible.
    Agentshield,
    /// BOTCHA-compatible.
    Botcha,
    /// Botect-compatible.
    Botect,
    /// Our own: problem details.
    Native,
}

/// Prefixes of paths that no route matches; the longest wins, all else is BOTCHA's.
const PREFIXES: &[(&str, Skin)] = &[
    ("/-/", Skin::Native),
    ("/api/v1/", Skin::Agentshield),
    ("/__detect/", Skin::Agentshield),
    ("/user", Skin::Botect),
    ("/v1/user", Skin::Botect),
    ("/v1/account", Skin::Botect),
    ("/v1/events", Skin::Botect),
    ("/v1/projects", Skin::Botect),
    ("/v1/server/", Skin::Botect),
    ("/v1/sdk.", Skin::Botect),
];

impl Skin {
    /// The skin of a path that no route matches.
    pub fn of_path(path: &str) -> Self {
        let matching = PREFIXES.iter().filter(|(prefix, _)| path.starts_with(prefix));
        matching.max_by_key(|(prefix, _)| prefix.len()).map_or(Self::Botcha, |(_, skin)| *skin)
    }

    fn family(self) -> Option<Family> {
        match self {
            Self::Agentshield => Some(Family::Agentshield),
            Self::Botcha => Some(Family::Botcha),
            Self::Botect => Some(Family::Botect),
            Self::Native => None,
        }
    }

    /// An error in the family's form.
    fn render(self, error: Error) -> Response {
        match self {
            Self::Agentshield => agentshield::wire::Failure::from(error).into_response(),
            Self::Botcha => botcha::wire::Failure::from(error).into_response(),
            Self::Botect => botect::wire::Failure::from(error).into_response(),
            Self::Native => error.into_response(),
        }
    }
}

/// The whole service.
pub fn router(app: &App) -> Router {
    let families = [
        (Skin::Botect, botect::router(app).merge(browser::collector(app))),
        (Skin::Botcha, botcha::router(app)),
        (Skin::Agentshield, agentshield::router(app)),
    ];
    let mut service = dress(app, Skin::Native, native(app).split_for_parts().0);
    for (skin, routes) in families {
        if skin.family().is_some_and(|family| app.config.serves(family)) {
            service = service.merge(dress(app, skin, routes.split_for_parts().0));
        }
    }
    if !app.config.serves(Family::Botcha) {
        service = service.merge(dress(app, Skin::Native, botcha::always(app).split_for_parts().0));
    }
    let limit = if app.config.limits.body_bytes == 0 {
        DefaultBodyLimit::disable()
    } else {
        DefaultBodyLimit::max(app.config.limits.body_bytes)
    };
    service
        .fallback_service(unmatched(app))
        .with_state(app.clone())
        .layer(limit)
        .layer(RequestDecompressionLayer::new().pass_through_unaccepted(true))
        .layer(from_fn_with_state(app.clone(), extract::identify_caller))
        .layer(from_fn(telemetry::observe))
}

/// Routes of our own, under `/-/`, and the browser files.
fn native(app: &App) -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(health::router(app))
        .merge(openapi::router(app))
        .merge(browser::router(app))
        .merge(demo::router(app))
        .merge(mail::router(app))
        .merge(console::router(app).into())
        .merge(rules_dry_run::router(app))
}

/// What all routes of a family have around them; inside its own headers come panics, time-outs and 405.
fn dress(app: &App, skin: Skin, routes: Router<App>) -> Router<App> {
    let patience = Duration::from_secs(app.config.request_timeout_seconds);
    let is_lenient = skin == Skin::Botcha && app.config.is_compat();
    let refuse = move |origin: Origin, method: Method, uri: Uri| async move {
        let missing = || not_found(&method, &uri).with("docs", origin.0);
        skin.render(if is_lenient { missing() } else { wrong_method(&method, &uri) })
    };
    let guarded = routes
        .method_not_allowed_fallback(refuse)
        .layer(from_fn(move |request: Request, next: Next| guard(skin, patience, request, next)));
    match skin {
        Skin::Agentshield => guarded.layer(from_fn_with_state(app.clone(), agentshield::skin)),
        Skin::Botcha => guarded.layer(from_fn_with_state(app.clone(), botcha::skin)),
        Skin::Botect => guarded.layer(from_fn_with_state(app.clone(), botect::skin)),
        Skin::Native => guarded,
    }
}

/// Paths without a route: 404 in the skin of their prefix, with that family's headers.
fn unmatched(app: &App) -> Router {
    let of = |skin: Skin| {
        let fallback = move |State(app): State<App>, origin: Origin, parts: Parts| async move {
            if skin != Skin::Botcha {
                return skin.render(not_found(&parts.method, &parts.uri));
            }
            // Where the gate asks for an app, it stands before what does not exist as well.
            if let Err(refusal) = botcha::gate::enter_unmatched(&app, &parts).await {
                return refusal.into_response();
            }
            if is_page(&parts.method, &parts.headers) {
                // The path stays out of it: whoever made the link would write on our page.
                let error = Error::not_found("There is no page at this address");
                return botcha::page::failure(&app, &origin, &parts.headers, error).await;
            }
            skin.render(not_found(&parts.method, &parts.uri).with("docs", origin.0))
        };
        let routes = Router::new().fallback(fallback);
        dress(app, skin, routes).with_state(app.clone())
    };
    let (agentshield, botcha, botect, native) =
        (of(Skin::Agentshield), of(Skin::Botcha), of(Skin::Botect), of(Skin::Native));
    Router::new()
        .fallback(move |State(app): State<App>, request: Request| async move {
            let skin = Skin::of_path(request.uri().path());
            let is_served = skin.family().is_none_or(|family| app.config.serves(family));
            let service = match skin {
                Skin::Agentshield if is_served => agentshield,
                Skin::Botcha if is_served => botcha,
                Skin::Botect if is_served => botect,
                _ => native,
            };
            service.oneshot(request).await.into_response()
        })
        .with_state(app.clone())
}

fn not_found(method: &Method, uri: &Uri) -> Error {
    Error::not_found(format!("Route {method} {} not found", uri.path()))
}

fn wrong_method(method: &Method, uri: &Uri) -> Error {
    Error::method_not_allowed(format!("Method {method} is not allowed on {}", uri.path()))
}

/// Whether somebody looks for a page, rather than a program for a route.
fn is_page(method: &Method, headers: &HeaderMap) -> bool {
    matches!(*method, Method::GET | Method::HEAD) && pages::prefers_page(headers)
}

/// No panic and no endless request reaches the caller as anything but an error of the family, or what the family
/// answers instead.
async fn guard(skin: Skin, patience: Duration, request: Request, next: Next) -> Response {
    let stand_in = match skin {
        Skin::Botect => botect::stand_in(request.method(), request.uri().path()),
        _ => None,
    };
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    let error = match tokio::time::timeout(patience, answer).await {
        Ok(Ok(response)) => return response,
        Ok(Err(_)) => Error::internal("a handler panicked"),
        Err(_) => Error::unavailable("the request took too long"),
    };
    match stand_in {
        Some(answer) => {
            error.log();
            answer()
        }
        None => skin.render(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_decides_about_the_skin() {
        for (path, skin) in [
            ("/", Skin::Botcha),
            ("/-/nothing", Skin::Native),
            ("/-", Skin::Botcha),
            ("/api/v1/nothing", Skin::Agentshield),
            ("/api/v2", Skin::Botcha),
            ("/__detect/x", Skin::Agentshield),
            ("/user", Skin::Botect),
            ("/v1/user/1", Skin::Botect),
            ("/v1/account", Skin::Botect),
            ("/v1/projects/1", Skin::Botect),
            ("/v1/server/x", Skin::Botect),
            ("/v1/sdk.map", Skin::Botect),
            ("/v1/sessions/x", Skin::Botcha),
            ("/v1/token/nothing", Skin::Botcha),
        ] {
            assert_eq!(Skin::of_path(path), skin, "{path}");
        }
    }

    #[tokio::test]
    async fn verdicts_and_batches_never_see_a_fault() {
        use axum::body::Body;
        use axum::routing::get;
        let panics = async || -> &'static str { panic!("a secret of the inside") };
        let is_late = async || tokio::time::sleep(Duration::from_secs(5)).await;
        for route in [get(panics).post(panics), get(is_late).post(is_late)] {
            let service = Router::new()
                .route("/v1/sessions/{session}/verdict", route.clone())
                .route("/v1/events", route.clone())
                .layer(from_fn(|request: Request, next: Next| {
                    guard(Skin::Botect, Duration::from_millis(50), request, next)
                }));
            let call = async |method: &str, path: &str| {
                let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
                let response = service.clone().oneshot(request).await.unwrap();
                let status = response.status().as_u16();
                let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
                (status, serde_json::from_slice::<serde_json::Value>(&body).unwrap_or_default())
            };
            let (status, body) = call("GET", "/v1/sessions/sess_1/verdict").await;
            assert_eq!(
                (status, &body["action"], &body["verdict"]),
                (200, &"allow".into(), &"not_computed".into())
            );
            assert_eq!(call("POST", "/v1/events").await, (204, serde_json::Value::Null));
            assert_eq!(call("POST", "/v1/sessions/sess_1/verdict").await.0, 500);
            assert_eq!(call("GET", "/v1/events").await.0, 500);
        }
    }

    #[tokio::test]
    async fn panics_and_time_outs_become_errors_of_the_family() {
        use axum::body::Body;
        use axum::routing::get;
        use http::StatusCode;
        for (skin, member) in [
            (Skin::Agentshield, "/error/code"),
            (Skin::Botcha, "/error"),
            (Skin::Botect, "/code"),
            (Skin::Native, "/code"),
        ] {
            let patience = Duration::from_millis(50);
            let service = Router::new()
                .route("/panic", get(async || -> &'static str { panic!("a secret of the inside") }))
                .route("/late", get(async || tokio::time::sleep(Duration::from_secs(5)).await))
                .layer(from_fn(move |request: Request, next: Next| guard(skin, patience, request, next)));
            let call = async |path: &str| {
                let request = Request::builder().uri(path).body(Body::empty()).unwrap();
                let response = service.clone().oneshot(request).await.unwrap();
                let status = response.status();
                let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
                assert!(!String::from_utf8_lossy(&body).contains("secret"));
                (status, serde_json::from_slice::<serde_json::Value>(&body).unwrap())
            };
            let (status, body) = call("/panic").await;
            assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{skin:?}");
            assert_eq!(body.pointer(member).unwrap(), "INTERNAL_ERROR", "{skin:?}");
            assert!(call("/late").await.0.is_server_error(), "{skin:?}");
        }
    }
}
