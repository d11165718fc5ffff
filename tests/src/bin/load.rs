//! A bounded load run against a server on loopback; prints one JSON line with throughput and latencies.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

const BATCH: usize = 20;
const BROWSER: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";

/// Drives one scenario with a fixed number of connections for a bounded time.
#[derive(Clone, Debug, Parser)]
struct Arguments {
    /// What each connection does over and over.
    scenario: Scenario,
    /// The server, `http://ADDRESS`; loopback only.
    #[arg(long, env = "QUIVIVE_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Seconds to run, at most 900.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=900))]
    seconds: u64,
    /// End after so many operations over all connections; 0: when the time is over.
    #[arg(long, default_value_t = 0)]
    operations: u64,
    /// Connections, at most 1000.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=1000))]
    connections: u64,
    /// Operations started per second over all connections; 0: each as soon as the former has ended.
    #[arg(long, default_value_t = 0)]
    rate: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Scenario {
    /// Classify one request.
    Detect,
    /// A batch of twenty events.
    Ingest,
    /// Challenge, solution, token: two requests.
    Token,
    /// Validate one token.
    Validate,
    /// Read one session's verdict.
    Verdict,
    /// A new visitor: one event, then the verdict of his session, which stays behind.
    Visitor,
}

#[derive(Default)]
struct Tally {
    errors: u64,
    first_error: Option<String>,
}

impl Tally {
    fn add(&mut self, error: &Failure) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| error.to_string());
    }
}

type Connection = SendRequest<Full<Bytes>>;
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments = Arc::new(Arguments::parse());
    let address: SocketAddr =
        arguments.url.strip_prefix("http://").ok_or("the URL must begin with http://")?.parse()?;
    if !address.ip().is_loopback() {
        return Err("only loopback addresses are driven".into());
    }
    let target = Arc::new(Target::prepare(address).await?);
    let histogram = Arc::new(Mutex::new(Histogram::<u64>::new_with_max(60_000_000, 3)?));
    let tally = Arc::new(Mutex::new(Tally::default()));
    let memory_before = server_memory();
    let begun = Instant::now();
    let tasks: Vec<_> = (0..arguments.connections)
        .map(|index| {
            tokio::spawn(drive(
                index,
                begun,
                arguments.clone(),
                target.clone(),
                histogram.clone(),
                tally.clone(),
            ))
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let histogram = histogram.lock().map_err(|_| "poisoned")?;
    let tally = tally.lock().map_err(|_| "poisoned")?;
    let count = histogram.len();
    println!(
        "{}",
        json!({
            "scenario": format!("{:?}", arguments.scenario).to_lowercase(), "operations": count, "errors": tally.errors,
            "first_error": tally.first_error, "seconds": seconds, "per_second": count as f64 / seconds,
            "p50_ms": histogram.value_at_quantile(0.5) as f64 / 1000.0,
            "p99_ms": histogram.value_at_quantile(0.99) as f64 / 1000.0,
            "server_mib_before": memory_before, "server_mib_after": server_memory(),
        })
    );
    Ok(())
}

async fn drive(
    index: u64,
    begun: Instant,
    arguments: Arc<Arguments>,
    target: Arc<Target>,
    histogram: Arc<Mutex<Histogram<u64>>>,
    tally: Arc<Mutex<Tally>>,
) -> Result<(), Failure> {
    let end = begun + Duration::from_secs(arguments.seconds);
    let mut connection = connect(target.address).await?;
    let mut state = State { session: Value::Null, token: None, count: 0, index };
    let pause = (arguments.rate > 0)
        .then(|| Duration::from_secs_f64(arguments.connections as f64 / arguments.rate as f64));
    let mut due = begun + pause.unwrap_or_default().mul_f64(index as f64 / arguments.connections as f64);
    let share = match arguments.operations {
        0 => u64::MAX,
        operations => operations.div_ceil(arguments.connections),
    };
    while Instant::now() < end && state.count < share {
        if let Some(pause) = pause {
            tokio::time::sleep_until(due.into()).await;
            // Latency counts from when the operation was due, so that a slow server cannot hide waiting.
            due += pause;
        }
        let started = pause.map_or_else(Instant::now, |pause| due - pause);
        match operate(&mut connection, arguments.scenario, &target, &mut state).await {
            Ok(()) => {
                let elapsed = started.elapsed().as_micros() as u64;
                histogram.lock().map_err(|_| "poisoned")?.saturating_record(elapsed);
            }
            Err(error) => {
                tally.lock().map_err(|_| "poisoned")?.add(&error);
                if connection.is_closed() {
                    connection = connect(target.address).await?;
                }
            }
        }
    }
    Ok(())
}

/// The server, the demo seed's keys, and a session that is scored.
struct Target {
    address: SocketAddr,
    site_key: String,
    private_key: String,
    api_key: String,
    session: String,
}

impl Target {
    async fn prepare(address: SocketAddr) -> Result<Self, Failure> {
        let names = quivive_tests::wire::demo_names();
        let name = |key: &str| names[key].as_str().unwrap_or_default().to_owned();
        let mut target = Self {
            address,
            site_key: name("site_key"),
            private_key: name("private_key"),
            api_key: name("api_key"),
            session: String::new(),
        };
        let mut connection = connect(address).await?;
        let answer = post_events(&mut connection, &target, &Value::Null, "prepared", BATCH).await?;
        target.session = answer["session_token"].as_str().unwrap_or_default().to_owned();
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(target)
    }
}

struct State {
    session: Value,
    token: Option<String>,
    count: u64,
    index: u64,
}

async fn operate(
    connection: &mut Connection,
    scenario: Scenario,
    target: &Target,
    state: &mut State,
) -> Result<(), Failure> {
    state.count += 1;
    match scenario {
        Scenario::Detect => {
            let body = json!({ "userAgent": "GPTBot/1.2", "ip": "203.0.113.7", "url": "https://example.com/", "headers": {
                "accept": "*/*", "accept-encoding": "gzip", "user-agent": "GPTBot/1.2", "host": "example.com" } });
            let headers = [("x-agentshield-key", target.api_key.as_str())];
            send(connection, Method::POST, "/api/v1/detect", &headers, Some(body), StatusCode::OK).await?;
        }
        Scenario::Ingest => {
            let name = format!("{}-{}", state.index, state.count);
            let answer = post_events(connection, target, &state.session, &name, BATCH).await?;
            // A new session every fifty batches, as visitors come and go.
            state.session =
                if state.count.is_multiple_of(50) { Value::Null } else { answer["session_token"].clone() };
        }
        Scenario::Token => {
            state.token = Some(token(connection).await?);
        }
        Scenario::Validate => {
            if state.token.is_none() {
                state.token = Some(token(connection).await?);
            }
            let body = json!({ "token": state.token });
            let answer =
                send(connection, Method::POST, "/v1/token/validate", &[], Some(body), StatusCode::OK).await?;
            if answer["valid"] != true {
                return Err(answer.to_string().into());
            }
        }
        Scenario::Verdict => read_verdict(connection, target, &target.session).await?,
        Scenario::Visitor => {
            let name = format!("{}-{}", state.index, state.count);
            let answer = post_events(connection, target, &Value::Null, &name, 1).await?;
            let session = answer["session_token"].as_str().ok_or("no session")?;
            read_verdict(connection, target, session).await?;
        }
    }
    Ok(())
}

async fn read_verdict(connection: &mut Connection, target: &Target, session: &str) -> Result<(), Failure> {
    let path = format!("/v1/sessions/{session}/verdict");
    let bearer = format!("Bearer {}", target.private_key);
    send(connection, Method::GET, &path, &[("authorization", &bearer)], None, StatusCode::OK).await?;
    Ok(())
}

async fn post_events(
    connection: &mut Connection,
    target: &Target,
    session: &Value,
    name: &str,
    count: usize,
) -> Result<Value, Failure> {
    let events: Vec<Value> = (0..count)
        .map(|event| {
            json!({ "request_id": format!("{name}-{event}"), "type": "mouse",
                "received_at": "2026-10-02T08:15:03.400Z", "payload": { "entropy": 0.41, "samples": 57 } })
        })
        .collect();
    let body = json!({ "session_token": session, "events": events });
    let headers = [("x-botect-site-key", target.site_key.as_str()), ("user-agent", BROWSER)];
    send(connection, Method::POST, "/v1/events", &headers, Some(body), StatusCode::ACCEPTED).await
}

async fn token(connection: &mut Connection) -> Result<String, Failure> {
    let answer = send(connection, Method::GET, "/v1/token", &[], None, StatusCode::OK).await?;
    let challenge = &answer["challenge"];
    let numbers: Vec<u64> = challenge["problems"]
        .as_array()
        .ok_or("no problems")?
        .iter()
        .filter_map(|problem| problem["num"].as_u64())
        .collect();
    let body = json!({ "id": challenge["id"], "answers": quivive_core::challenge::solve_speed(&numbers) });
    let answer = send(connection, Method::POST, "/v1/token/verify", &[], Some(body), StatusCode::OK).await?;
    Ok(answer["access_token"].as_str().ok_or("no token")?.to_owned())
}

async fn connect(address: SocketAddr) -> Result<Connection, Failure> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn send(
    connection: &mut Connection,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<Value>,
    expected: StatusCode,
) -> Result<Value, Failure> {
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = match body {
        Some(body) => {
            request = request.header("content-type", "application/json");
            Bytes::from(serde_json::to_vec(&body)?)
        }
        None => Bytes::new(),
    };
    connection.ready().await?;
    let answer = connection.send_request(request.body(Full::new(body))?).await?;
    let status = answer.status();
    let bytes = answer.into_body().collect().await?.to_bytes();
    if status != expected {
        return Err(format!("{path}: {status}: {}", String::from_utf8_lossy(&bytes)).into());
    }
    Ok(serde_json::from_slice(&bytes)?)
}

/// The resident memory of the server in MiB, where the process that started it tells its id.
fn server_memory() -> Option<f64> {
    let process = std::env::var("QUIVIVE_SERVER_PROCESS").ok()?;
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = resident.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes / 1024.0)
}
