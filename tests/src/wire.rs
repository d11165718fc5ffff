//! Wire transcripts: whole documented conversations, run over HTTP against a real server.

use std::collections::BTreeMap;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method};
use serde::Deserialize;
use serde_json::{Map, Value};

/// One conversation.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transcript {
    /// What it shows.
    pub title: String,
    /// The API family that it belongs to.
    pub family: String,
    /// Requests, solutions and pauses in order.
    pub steps: Vec<Step>,
}

/// One step of a conversation.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Step {
    /// Sends a request, checks the answer and remembers parts of it.
    Exchange {
        /// What is sent.
        request: Box<Request>,
        /// What must come back.
        expect: Box<Expect>,
        /// Names of values to remember, by JSON pointer into the answer's body.
        #[serde(default)]
        capture: BTreeMap<String, String>,
        /// Sends the request again until the answer fits, for at most so many milliseconds.
        #[serde(default)]
        within_ms: u64,
    },
    /// Solves the challenge that stands at a JSON pointer of the last answer.
    Solve {
        /// The pointer.
        solve: String,
        /// The name under which the answers are remembered.
        #[serde(rename = "as")]
        name: String,
    },
}

/// What is sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Header fields.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A JSON body.
    pub body: Option<Value>,
    /// A body as it is, instead of `body`.
    pub text: Option<String>,
}

/// What must come back.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The status code.
    pub status: u16,
    /// Header fields: text or a matcher.
    #[serde(default)]
    pub headers: BTreeMap<String, Value>,
    /// The JSON body with matchers; absent: not looked at.
    pub body: Option<Value>,
}

/// The names that every transcript knows: keys and ids of the demo seed, and a browser's user agent.
///
/// # Panics
/// When the demo seed cannot be read.
pub fn demo_names() -> Map<String, Value> {
    let text = std::fs::read_to_string(crate::root().join("server/seeds/demo.toml")).expect("the demo seed");
    let seed: Value = toml::from_str(&text).expect("TOML");
    let browser = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
    [
        ("site_key", seed["projects"][0]["site_key"].clone()),
        ("private_key", seed["projects"][0]["private_key"].clone()),
        ("account_token", seed["api_tokens"][0]["token"].clone()),
        ("api_key", seed["detection_keys"][0]["key"].clone()),
        ("pixel", seed["pixels"][0]["id"].clone()),
        ("project", seed["projects"][0]["public_id"].clone()),
        ("app_id", seed["apps"][0]["id"].clone()),
        ("app_secret", seed["apps"][0]["secret"].clone()),
        ("browser", browser.into()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
    .collect()
}

/// Runs a conversation against the server at `url`.
///
/// # Errors
/// The number of the step and what differs there.
pub async fn run(url: &str, transcript: &Transcript) -> Result<(), String> {
    let client = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| error.to_string())?;
    let mut names = demo_names();
    let mut last = Value::Null;
    for (index, step) in transcript.steps.iter().enumerate() {
        let result = match step {
            Step::Solve { solve, name } => solution(&last, solve).map(|answers| {
                names.insert(name.clone(), answers);
            }),
            Step::Exchange { request, expect, capture, within_ms } => {
                exchange_within(&client, url, request, expect, &names, *within_ms).await.and_then(|body| {
                    for (name, pointer) in capture {
                        let value = body.pointer(pointer).ok_or_else(|| format!("nothing at {pointer}"))?;
                        names.insert(name.clone(), value.clone());
                    }
                    last = body;
                    Ok(())
                })
            }
        };
        result.map_err(|error| format!("step {}: {error}", index + 1))?;
    }
    Ok(())
}

async fn exchange_within(
    client: &Client,
    url: &str,
    request: &Request,
    expect: &Expect,
    names: &Map<String, Value>,
    within_ms: u64,
) -> Result<Value, String> {
    let end = tokio::time::Instant::now() + std::time::Duration::from_millis(within_ms);
    loop {
        match exchange(client, url, request, expect, names).await {
            Err(_) if tokio::time::Instant::now() < end => {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            result => return result,
        }
    }
}

async fn exchange(
    client: &Client,
    url: &str,
    request: &Request,
    expect: &Expect,
    names: &Map<String, Value>,
) -> Result<Value, String> {
    let method = Method::from_bytes(request.method.as_bytes()).map_err(|error| error.to_string())?;
    let mut call = client.request(method, format!("{url}{}", text_with_names(&request.path, names)));
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let name = HeaderName::try_from(name).map_err(|error| error.to_string())?;
        let value =
            HeaderValue::try_from(text_with_names(value, names)).map_err(|error| error.to_string())?;
        headers.insert(name, value);
    }
    call = call.headers(headers);
    if let Some(body) = &request.body {
        call = call.json(&with_names(body, names));
    } else if let Some(text) = &request.text {
        call = call.body(text.clone());
    }
    let answer = call.send().await.map_err(|error| error.to_string())?;
    let status = answer.status().as_u16();
    let answered = answer.headers().clone();
    let text = answer.text().await.map_err(|error| error.to_string())?;
    let body: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
    if status != expect.status {
        return Err(format!("status {status} is not {}: {body}", expect.status));
    }
    for (name, wanted) in &expect.headers {
        let found = answered.get(name).and_then(|value| value.to_str().ok()).map_or(Value::Null, Value::from);
        matches(&found, &with_names(wanted, names), name).map_err(|error| format!("header {error}"))?;
    }
    if let Some(wanted) = &expect.body {
        matches(&body, &with_names(wanted, names), "").map_err(|error| format!("{error}\nbody: {body:#}"))?;
    }
    Ok(body)
}

fn solution(last: &Value, pointer: &str) -> Result<Value, String> {
    let challenge = last.pointer(pointer).ok_or_else(|| format!("nothing at {pointer}"))?;
    let problems =
        challenge.get("problems").and_then(Value::as_array).ok_or("the challenge has no problems")?;
    let numbers: Vec<u64> =
        problems.iter().filter_map(|problem| problem.get("num").unwrap_or(problem).as_u64()).collect();
    Ok(numbers.into_iter().map(first_eight).collect())
}

/// The answer of a speed problem, computed apart from the code under test.
fn first_eight(number: u64) -> Value {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(number.to_string());
    digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

fn with_names(value: &Value, names: &Map<String, Value>) -> Value {
    match value {
        Value::String(text) => {
            let whole = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
            whole
                .and_then(|name| names.get(name))
                .cloned()
                .unwrap_or_else(|| text_with_names(text, names).into())
        }
        Value::Array(items) => items.iter().map(|item| with_names(item, names)).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| (key.clone(), with_names(value, names)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

fn text_with_names(text: &str, names: &Map<String, Value>) -> String {
    names.iter().fold(text.to_owned(), |text, (name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text.replace(&format!("${{{name}}}"), &value)
    })
}

fn matches(actual: &Value, wanted: &Value, path: &str) -> Result<(), String> {
    let refuse = || Err(format!("{path}: {actual} is not {wanted}"));
    match (actual, wanted) {
        (_, Value::String(matcher)) if matcher.starts_with('$') => {
            if fits(actual, matcher) {
                Ok(())
            } else {
                refuse()
            }
        }
        (Value::Object(left), Value::Object(right)) => {
            let is_open = right.get("...") == Some(&Value::Bool(true));
            if let Some(surplus) = left.keys().find(|key| !is_open && !right.contains_key(*key)) {
                return Err(format!("{path}/{surplus}: not expected"));
            }
            right.iter().filter(|(key, _)| *key != "...").try_for_each(|(key, wanted)| match left.get(key) {
                Some(actual) => matches(actual, wanted, &format!("{path}/{key}")),
                None => Err(format!("{path}/{key}: missing")),
            })
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => left
            .iter()
            .zip(right)
            .enumerate()
            .try_for_each(|(index, (actual, wanted))| matches(actual, wanted, &format!("{path}/{index}"))),
        _ if actual == wanted => Ok(()),
        _ => refuse(),
    }
}

fn fits(actual: &Value, matcher: &str) -> bool {
    let text = actual.as_str();
    let is_timestamp = |text: &str| quivive_core::Timestamp::parse_utc(text).is_some();
    let is_jwt = |text: &str| text.split('.').count() == 3 && text.len() > 60;
    match matcher {
        "$any" => true,
        "$string" => text.is_some(),
        "$integer" => actual.is_i64() || actual.is_u64(),
        "$array" => actual.is_array(),
        "$object" => actual.is_object(),
        "$timestamp" => text.is_some_and(is_timestamp),
        "$jwt" => text.is_some_and(is_jwt),
        _ => {
            let prefix = matcher.strip_prefix("$id(").and_then(|rest| rest.strip_suffix(')'));
            prefix.is_some_and(|prefix| {
                text.is_some_and(|text| text.starts_with(prefix) && text.len() > prefix.len())
            })
        }
    }
}
