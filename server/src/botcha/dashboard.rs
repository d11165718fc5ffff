//! `/dashboard`: what happened in one app, for its owner: six panels that refresh themselves, also readable without
//! scripts, as Markdown and, each panel, as JSON.

pub mod access;
pub mod figures;
mod panels;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::future::join_all;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Uri, header};
use maud::{Markup, html};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::access::Owner;
use self::figures::{Errors, Geo, Overview, Performance, Period, Types, Volume};
use self::panels::{Panel, Shown};
use super::page::{self, Block, Frame, Page};
use super::wire::{ErrorBody, Result};
use crate::app::App;
use crate::error;
use crate::extract::{Origin, query_value};
use crate::pages::{self, Format, preferred_format, prefers_json};

/// How far back to look.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes a parameter that is read leniently")]
pub struct DashboardQuery {
    /// `1h`, `24h`, `7d` or `30d`; anything else is `24h`.
    period: Option<String>,
}

/// That nobody is logged in.
#[derive(ToSchema)]
#[schema(as = BotchaNotLoggedIn)]
#[expect(dead_code, reason = "describes a body that is built as a value")]
pub struct NotLoggedIn {
    /// A sentence.
    error: String,
    /// Where to log in.
    login: String,
}

/// The dashboard of the app whose owner is logged in.
#[utoipa::path(
    get, path = "/dashboard", tag = "botcha", operation_id = "botcha_read_dashboard",
    params(DashboardQuery), security(("BotchaSession" = [])),
    responses(
        (status = 200, description = "The page", content((String = "text/html"), (String = "text/markdown"))),
        (status = 302, description = "To `/login`: nobody is logged in"),
        (status = 401, body = NotLoggedIn, description = "Nobody is logged in, told to a program"),
        (status = 503, description = "`STORAGE_UNAVAILABLE`", content(
            (ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown"),
        )),
    ),
)]
async fn read(
    State(app): State<App>,
    Owner(session): Owner,
    origin: Origin,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response> {
    let period = Period::of(query_value(&uri, "period").as_deref());
    let owned = &session.app;
    // One panel that fails leaves the others readable.
    let panels = Panel::ALL.map(|panel| {
        let app = &app;
        async move {
            let shown = panel.load(app, &owned.id, period).await;
            (panel, shown.inspect_err(error::Error::log).ok())
        }
    });
    let panels = join_all(panels).await;
    let title = "Dashboard".to_owned();
    let from = period.start(app.now()).to_seconds_text();
    let markdown = markdown(&panels);
    let html = html! {
        div class="dashboard-head" {
            p class="crumb" {
                @if let Some(name) = &owned.name { (name) " " }
                code { (owned.id) }
            }
            (period_buttons(period))
        }
        div id="panels" class="panels" {
            p class="fine since" {
                "Since " time datetime=(from) { (panels::moment(&from)) } " UTC. Figures refresh every ten seconds."
            }
            @for (panel, shown) in &panels { (frame(*panel, period, shown.as_ref())) }
        }
    };
    let page = Page {
        title,
        description: "Challenges, answers, speed, errors and countries of your app.".to_owned(),
        blocks: vec![Block::Both {
            html,
            markdown: format!(
                "App `{}`, period {} (since {from}). Others: `/dashboard?period=1h`, `24h`, `7d`, `30d`; \
                 as JSON: `/dashboard/api/overview` and so on.\n\n{markdown}",
                owned.id,
                period.name(),
            ),
        }],
    };
    let frame = Frame {
        path: "/dashboard",
        is_private: true,
        scripts: &["htmx.min.js", "uplot.min.js", "dashboard.js"],
        styles: &["uplot.min.css", "dashboard.css"],
        ..Frame::default()
    };
    Ok(page::respond(&app, &origin, &headers, frame, &page).await?)
}

macro_rules! panel_routes {
    ($($(#[$doc:meta])* $name:ident, $path:literal, $id:literal, $panel:ident, $body:ty;)*) => {
        $(
            $(#[$doc])*
            #[utoipa::path(
                get, path = $path, tag = "botcha", operation_id = $id,
                params(DashboardQuery), security(("BotchaSession" = [])),
                responses(
                    (status = 200, description = "The figures, or a part of the page", content(
                        ($body = "application/json"), (String = "text/html"), (String = "text/markdown"),
                    )),
                    (status = 302, description = "To `/login`: nobody is logged in"),
                    (status = 401, body = NotLoggedIn, description = "Nobody is logged in, told to a program"),
                    (status = 503, description = "`STORAGE_UNAVAILABLE`", content(
                        (ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown"),
                    )),
                ),
            )]
            async fn $name(
                State(app): State<App>,
                Owner(session): Owner,
                origin: Origin,
                parts: Parts,
            ) -> Response {
                let shown = show(&app, &session.app.id, Panel::$panel, &parts).await;
                page::answer(&app, &origin, &parts.headers, shown).await
            }
        )*

        /// The routes.
        pub fn router() -> OpenApiRouter<App> {
            OpenApiRouter::new().routes(routes!(read))$(.routes(routes!($name)))*
        }
    };
}

panel_routes! {
    /// Challenges, answers, success, speed, refusals and faults in numbers.
    overview, "/dashboard/api/overview", "botcha_read_dashboard_overview", Overview, Overview;
    /// What happened when.
    volume, "/dashboard/api/volume", "botcha_read_dashboard_volume", Volume, Volume;
    /// Answers by type of challenge.
    types, "/dashboard/api/types", "botcha_read_dashboard_types", Types, Types;
    /// How long right answers took.
    performance, "/dashboard/api/performance", "botcha_read_dashboard_performance", Performance, Performance;
    /// What went wrong.
    errors, "/dashboard/api/errors", "botcha_read_dashboard_errors", Errors, Errors;
    /// Where callers are.
    geo, "/dashboard/api/geo", "botcha_read_dashboard_geo", Geo, Geo;
}

/// A panel in the form of the caller.
async fn show(app: &App, app_id: &str, panel: Panel, parts: &Parts) -> error::Result<Response> {
    let period = Period::of(query_value(&parts.uri, "period").as_deref());
    let shown = panel.load(app, app_id, period).await?;
    let mut response = if prefers_json(&parts.headers) {
        Json(&shown).into_response()
    } else if preferred_format(&parts.headers) == Format::Markdown {
        pages::markdown(format!("## {}\n\n{}", panel.title(), shown.markdown()))
    } else {
        pages::html(shown.html().into_string())
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Authorization, Cookie"));
    Ok(response)
}

fn period_buttons(period: Period) -> Markup {
    html! {
        nav class="ranges" aria-label="How far back" {
            @for each in Period::ALL {
                a href=(format!("/dashboard?period={}", each.name())) aria-current=[(each == period).then_some("true")] {
                    (each.name())
                }
            }
        }
    }
}

/// A panel with its heading; what is in it comes with the page and is exchanged while somebody looks.
fn frame(panel: Panel, period: Period, shown: Option<&Shown>) -> Markup {
    let name = panel.name();
    let source = format!("/dashboard/api/{name}?period={}", period.name());
    html! {
        section class=(format!("card panel panel-{name}")) aria-labelledby=(format!("{name}-title")) {
            div class="card-head" {
                h2 id=(format!("{name}-title")) { (panel.title()) }
                span class="htmx-indicator fine" aria-hidden="true" { "Refreshing" }
            }
            div class="panel-fault" role="alert" hidden[shown.is_some()] {
                p { "These figures could not be read. This panel tries again by itself." }
                button type="button" class="second small" data-retry { "Try now" }
            }
            div class="panel-body" id=(format!("panel-{name}")) hx-get=(source) hx-trigger="every 10s, refresh"
                hx-swap="innerHTML" hx-indicator="closest .panel" {
                @if let Some(shown) = shown { (shown.html()) }
            }
        }
    }
}

fn markdown(panels: &[(Panel, Option<Shown>)]) -> String {
    let parts = panels.iter().map(|(panel, shown)| {
        let text =
            shown.as_ref().map_or_else(|| "These figures could not be read.\n".to_owned(), Shown::markdown);
        format!("## {}\n\n{text}", panel.title())
    });
    parts.collect::<Vec<_>>().join("\n")
}
