//! The script of a pixel, with the pixel's settings in it.

use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::is_absolute_url;
use super::cors;
use super::pixel::{OUTCOME, Outcome};
use super::sender::Sender;
use super::wire::{ErrorBody, Failure, Fault, Result};
use crate::app::App;
use crate::browser;
use crate::error::Error;
use crate::extract::query_value;
use crate::tenant::pixel::{PixelHolder, PixelSettings};

use super::pixels::{BATCH_SIZE, FLUSH_INTERVAL, SESSION_TIMEOUT};

/// The path.
pub const PATH: &str = "/api/v1/pixel.js";

/// The script of a pixel, for a page to load.
///
/// It reports page views in batches, and other events with `quivivePixel.track(name, metadata)`. The parameters after
/// `id` stand over the pixel's settings. `X-AgentShield-Pixel` says `ok`, or `inactive` for a pixel that takes no events:
/// its script does nothing, so that a page which calls it does not break, and tells none of the settings.
#[utoipa::path(
    get, path = "/api/v1/pixel.js", tag = "agentshield", operation_id = "agentshield_read_pixel_script",
    params(
        ("id" = Option<String>, Query, description = "The pixel; also `project_id`"),
        ("project_id" = Option<String>, Query, description = "Another name of `id`"),
        ("api_endpoint" = Option<String>, Query, description =
            "Where events are sent, up to and with /api/v1; else the server that the script comes from"),
        ("batch_size" = Option<u32>, Query, description = "Events that are collected, 1 to 100"),
        ("flush_interval" = Option<u32>, Query, description = "Milliseconds between batches, 100 to 60000"),
        ("session_timeout" = Option<u32>, Query, description =
            "Milliseconds without an event after which a session ends, 60000 to 86400000"),
        ("respect_dnt" = Option<bool>, Query, description = "Whether visitors who ask for it are left alone"),
        ("enable_fingerprinting" = Option<bool>, Query, description = "Whether the browser is described"),
        ("debug" = Option<bool>, Query, description = "Whether the console tells what is done"),
    ),
    responses(
        (status = 200, content_type = "text/javascript", body = String),
        (status = 304, description = "The browser has it"),
        (status = 400, body = ErrorBody), (status = 404, body = ErrorBody), (status = 429, body = ErrorBody),
        (status = 500, body = ErrorBody),
    ),
)]
async fn read(sender: Result<Sender>, parts: Parts) -> Result<Response> {
    let sender = match sender {
        Ok(Sender::Visitor(holder)) => holder,
        Err(failure) if failure.0.status().is_server_error() => return Err(failure),
        _ => return Err(Failure::not_found("pixel")),
    };
    let script = script(&sender, &parts)?;
    let mut file = script.clone().into_response();
    let headers = file.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let mut response = browser::for_every_site(file, script.as_bytes(), &parts.headers);
    let outcome = if sender.is_active() { Outcome::Ok } else { Outcome::Inactive };
    response.headers_mut().insert(OUTCOME, HeaderValue::from_static(outcome.text()));
    Ok(response)
}

/// Ask whether a page may load the script.
#[utoipa::path(
    options, path = "/api/v1/pixel.js", tag = "agentshield", operation_id = "agentshield_preflight_pixel_script",
    params(("id" = Option<String>, Query, description = "The pixel")),
    responses((status = 204, description = "The methods that pages may use"), (status = 429, body = ErrorBody)),
)]
async fn preflight() -> Response {
    cors::preflight("GET, HEAD, OPTIONS")
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(read, preflight))
}

/// What the script is told.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    pixel_id: &'a str,
    endpoint: Option<String>,
    enabled: bool,
    skip_paths: &'a [String],
    batch_size: u32,
    flush_interval: u32,
    session_timeout: u32,
    respect_do_not_track: bool,
    enable_fingerprinting: bool,
    debug: bool,
}

fn script(holder: &PixelHolder, parts: &Parts) -> Result<String> {
    let untold = PixelSettings { enabled: false, ..PixelSettings::default() };
    let settings = if holder.is_active() { &holder.pixel.settings } else { &untold };
    let mut faults = Vec::new();
    let mut number = |name: &str, own: u32, (least, most): (u32, u32)| {
        let Some(text) = query_value(&parts.uri, name) else { return own };
        match text.parse() {
            Ok(number) if (least..=most).contains(&number) => number,
            Ok(_) => {
                faults.push(Fault::new(name, "out_of_range").with("min", least).with("max", most));
                own
            }
            Err(_) => {
                faults.push(Fault::new(name, "type"));
                own
            }
        }
    };
    let batch_size = number("batch_size", settings.batch_size, BATCH_SIZE);
    let flush_interval = number("flush_interval", settings.flush_interval, FLUSH_INTERVAL);
    let session_timeout = number("session_timeout", settings.session_timeout, SESSION_TIMEOUT);
    let mut truth = |name: &str, own: bool| match query_value(&parts.uri, name).as_deref() {
        None => own,
        Some("true" | "1") => true,
        Some("false" | "0") => false,
        Some(_) => {
            faults.push(Fault::new(name, "type"));
            own
        }
    };
    let respect_do_not_track = truth("respect_dnt", settings.respect_do_not_track);
    let enable_fingerprinting = truth("enable_fingerprinting", settings.enable_fingerprinting);
    let debug = truth("debug", settings.debug);
    let endpoint = query_value(&parts.uri, "api_endpoint").filter(|url| !url.is_empty());
    if endpoint.as_ref().is_some_and(|url| url.len() > 2_048 || !is_absolute_url(url)) {
        faults.push(Fault::new("api_endpoint", "format"));
    }
    if !faults.is_empty() {
        return Err(Failure::invalid(&faults));
    }
    let told = json!(Told {
        pixel_id: &holder.pixel.id,
        endpoint,
        enabled: settings.enabled,
        skip_paths: &settings.skip_paths,
        batch_size,
        flush_interval,
        session_timeout,
        respect_do_not_track,
        enable_fingerprinting,
        debug,
    });
    let program = SCRIPT.trim_end().strip_suffix("(SETTINGS);");
    let program = program.ok_or_else(|| Error::internal("the pixel's script takes no settings"))?;
    Ok(format!("{program}({told});\n"))
}

const SCRIPT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/pixel/pixel.js"));
