//! Logs, request ids and metrics.

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing::Instrument;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::Subscriber;
use uuid::Uuid;

use crate::config::{ConfigError, LogConfig, LogFormat};

/// The header that names a request in logs and answers.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Starts the log; a second call in one process changes nothing.
///
/// # Errors
/// A message that names `log.level` if its directives cannot be read.
pub fn start_log(config: &LogConfig) -> Result<(), ConfigError> {
    let filter = EnvFilter::try_new(&config.level)
        .map_err(|error| ConfigError(format!("`log.level` cannot be read: {error}")))?;
    let is_terminal = std::io::stderr().is_terminal();
    let is_json = match config.format {
        LogFormat::Auto => !is_terminal,
        LogFormat::Json => true,
        LogFormat::Text => false,
    };
    let builder =
        Subscriber::builder().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(is_terminal);
    // Whoever set a subscriber before (a test, an embedding program) keeps it.
    let _ = if is_json {
        tracing::subscriber::set_global_default(
            builder.json().flatten_event(true).with_current_span(true).finish(),
        )
    } else {
        tracing::subscriber::set_global_default(builder.with_target(false).finish())
    };
    Ok(())
}

/// Layer, outermost: gives each request an id and a span, counts and times it. Queries, headers and bodies stay
/// out of the log, because they carry secrets.
pub async fn observe(mut request: Request, next: Next) -> Response {
    let id = request.headers().get(REQUEST_ID).filter(|value| is_acceptable(value.as_bytes())).cloned();
    let id = id.unwrap_or_else(new_id);
    request.extensions_mut().insert(RequestId(id.clone()));
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let method = request.method().clone();
    let started = Instant::now();
    let span = tracing::info_span!(
        "request",
        id = id.to_str().unwrap_or_default(),
        %method,
        path = route.as_deref().unwrap_or("(unmatched)"),
    );
    let mut response = next.run(request).instrument(span.clone()).await;
    let elapsed = started.elapsed();
    let status = response.status().as_u16();
    span.in_scope(|| tracing::debug!(status, milliseconds = elapsed.as_secs_f64() * 1000.0, "answered"));
    let labels = [
        ("method", known_method(&method)),
        ("route", route.map_or("(unmatched)".into(), metrics::SharedString::from)),
        ("status", metrics::SharedString::from(status.to_string())),
    ];
    metrics::counter!("quivive_requests_total", &labels).increment(1);
    metrics::histogram!("quivive_request_seconds", "route" => labels[1].1.clone())
        .record(elapsed.as_secs_f64());
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The id of the request, for bodies that show it.
#[derive(Clone, Debug)]
pub struct RequestId(pub HeaderValue);

/// All metrics in the text format of Prometheus.
pub fn metrics_text() -> String {
    recorder().map(PrometheusHandle::render).unwrap_or_default()
}

/// Starts counting; without this call metrics cost next to nothing and are empty. Whoever starts it also runs
/// [`fold_metrics`] from time to time.
pub fn start_metrics() {
    RECORDER.get_or_init(|| {
        PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), BUCKETS)
            .ok()?
            .install_recorder()
            .ok()
    });
}

/// Whether metrics are counted.
pub fn counts_metrics() -> bool {
    recorder().is_some()
}

/// Adds the single durations that were recorded to their histograms; until then each takes memory.
pub fn fold_metrics() {
    if let Some(recorder) = recorder() {
        recorder.run_upkeep();
    }
}

fn recorder() -> Option<&'static PrometheusHandle> {
    RECORDER.get()?.as_ref()
}

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
const BUCKETS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Methods are the caller's text; only those that routes know become a label.
fn known_method(method: &http::Method) -> metrics::SharedString {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "(other)",
    }
    .into()
}

fn is_acceptable(id: &[u8]) -> bool {
    (1..=128).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

fn new_id() -> HeaderValue {
    HeaderValue::from_str(&Uuid::now_v7().to_string()).unwrap_or(HeaderValue::from_static("unknown"))
}
