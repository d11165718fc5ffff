//! What the OpenAPI documents say about every endpoint, for pages and files that list them.

use std::sync::OnceLock;

use serde_json::Value;

use crate::app::App;
use crate::config::Family;
use crate::openapi;

/// One endpoint.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The family that it belongs to.
    pub family: Family,
    /// `GET`, …
    pub method: String,
    /// The path with its parameters in braces.
    pub path: String,
    /// One sentence.
    pub summary: String,
    /// Parameters of path, query and headers: name, place and meaning.
    pub parameters: Vec<Parameter>,
    /// Members of the JSON body; an optional one ends with `?`.
    pub body: Vec<String>,
    /// Names of what proves the caller; any one of them is enough.
    pub credentials: Vec<String>,
    /// The statuses that it answers.
    pub statuses: Vec<String>,
}

/// A parameter of an endpoint.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// `query`, `path` or `header`.
    pub place: String,
    /// What it means.
    pub meaning: String,
}

/// What endpoints are about.
#[derive(Debug, Eq, PartialEq)]
pub struct Subject {
    /// The name in JSON.
    pub key: &'static str,
    /// The name in headings.
    pub title: &'static str,
    prefixes: &'static [&'static str],
}

impl Operation {
    /// What it is about; the first subject with a fitting prefix.
    pub fn subject(&self) -> &'static Subject {
        match self.family {
            Family::Botect => &SCORING,
            Family::Agentshield => &DETECTION,
            Family::Botcha => {
                let fits = |subject: &&Subject| subject.prefixes.iter().any(|start| self.is_below(start));
                SUBJECTS.iter().find(fits).unwrap_or(&OTHERS)
            }
        }
    }

    /// The name by which links reach it on `/docs`.
    pub fn anchor(&self) -> String {
        crate::pages::document::anchor(&format!("{} {}", self.method, self.path))
    }

    fn is_below(&self, start: &str) -> bool {
        let rest = self.path.strip_prefix(start);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// The endpoints of the families that are served, by subject in the order of the pages.
pub fn operations(app: &App) -> Vec<&'static Operation> {
    static ALL: OnceLock<Vec<Operation>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let families = [Family::Botcha, Family::Botect, Family::Agentshield];
        let mut all: Vec<Operation> = families.into_iter().flat_map(|family| read(app, family)).collect();
        all.sort_by_key(|operation| position(operation.subject()));
        all
    });
    all.iter().filter(|operation| app.config.serves(operation.family)).collect()
}

/// Endpoints that stand one after the other and have the same subject.
pub fn by_subject<'a>(operations: &'a [&'a Operation]) -> impl Iterator<Item = &'a [&'a Operation]> {
    operations.chunk_by(|left, right| left.subject() == right.subject())
}

fn position(subject: &Subject) -> usize {
    let order = SUBJECTS.iter().chain([&OTHERS, &SCORING, &DETECTION]);
    order.take_while(|other| *other != subject).count()
}

fn read(app: &App, family: Family) -> Vec<Operation> {
    // A document that has no JSON form is answered with an error at its own route.
    let document = serde_json::to_value(openapi::document(app, Some(family))).unwrap_or_default();
    let mut operations = Vec::new();
    for (path, item) in document.get("paths").and_then(Value::as_object).into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            if METHODS.contains(&method.as_str()) {
                operations.push(describe(&document, family, path, method, operation));
            }
        }
    }
    operations
}

fn describe(document: &Value, family: Family, path: &str, method: &str, operation: &Value) -> Operation {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    let items = |name: &str| operation.get(name).and_then(Value::as_array).into_iter().flatten();
    let names = |value: &Value| -> Vec<String> {
        value.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
    };
    Operation {
        family,
        method: method.to_ascii_uppercase(),
        path: path.to_owned(),
        // A first paragraph of several lines is still one sentence or two.
        summary: text(operation, "summary").split_whitespace().collect::<Vec<_>>().join(" "),
        parameters: items("parameters")
            .map(|parameter| Parameter {
                name: text(parameter, "name"),
                place: text(parameter, "in"),
                meaning: text(parameter, "description"),
            })
            .collect(),
        body: operation
            .pointer("/requestBody/content/application~1json/schema")
            .map(|schema| members(document, schema))
            .unwrap_or_default(),
        credentials: items("security").flat_map(names).collect(),
        statuses: operation.get("responses").map(names).unwrap_or_default(),
    }
}

/// The members of an object, through one reference.
fn members(document: &Value, schema: &Value) -> Vec<String> {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
    let schema = target.and_then(|target| document.pointer(target)).unwrap_or(schema);
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    properties
        .map(|(name, _)| if required.contains(&name.as_str()) { name.clone() } else { format!("{name}?") })
        .collect()
}

const METHODS: &[&str] = &["get", "post", "put", "patch", "delete"];

/// The subjects of this family, in the order of the pages.
const SUBJECTS: &[Subject] = &[
    Subject {
        key: "challenges",
        title: "Challenges",
        prefixes: &[
            "/v1/challenges",
            "/v1/challenge",
            "/v1/reasoning",
            "/v1/hybrid",
            "/api/challenge",
            "/api/speed-challenge",
            "/api/reasoning-challenge",
            "/api/hybrid-challenge",
            "/api/verify-landing",
        ],
    },
    Subject { key: "tokens", title: "Tokens", prefixes: &["/v1/token"] },
    Subject { key: "protected", title: "Guarded routes", prefixes: &["/agent-only"] },
    Subject { key: "apps", title: "Apps", prefixes: &["/v1/apps"] },
    Subject { key: "recovery", title: "Recovery", prefixes: &["/v1/auth/recover"] },
    Subject { key: "agents", title: "Agents", prefixes: &["/v1/agents", "/v1/oauth", "/device"] },
    Subject {
        key: "dashboard",
        title: "Dashboard & Auth",
        prefixes: &["/v1/auth", "/dashboard", "/login", "/account", "/gate", "/go", "/verified"],
    },
    Subject { key: "badges", title: "Badges", prefixes: &["/badge", "/api/badge"] },
    Subject {
        key: "discovery",
        title: "Discovery & Keys",
        prefixes: &[
            "/",
            "/.well-known",
            "/v1/keys",
            "/health",
            "/openapi.json",
            "/robots.txt",
            "/ai.txt",
            "/sitemap.xml",
            "/og.png",
            "/docs",
            "/whitepaper",
            "/showcase",
        ],
    },
];

const OTHERS: Subject = Subject { key: "others", title: "Others", prefixes: &[] };
const SCORING: Subject = Subject { key: "session_scoring", title: "Session scoring", prefixes: &[] };
const DETECTION: Subject = Subject { key: "agent_detection", title: "Agent detection", prefixes: &[] };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_their_subject() {
        for (path, key) in [
            ("/v1/challenges/{id}/verify", "challenges"),
            ("/v1/challenge/stream", "challenges"),
            ("/api/challenge", "challenges"),
            ("/v1/token", "tokens"),
            ("/v1/tokens", "others"),
            ("/v1/auth/recover", "recovery"),
            ("/v1/auth/device-code", "dashboard"),
            ("/v1/agents/auth", "agents"),
            ("/v1/oauth/device", "agents"),
            ("/go/{code}", "dashboard"),
            ("/.well-known/jwks", "discovery"),
            ("/", "discovery"),
            ("/nothing", "others"),
        ] {
            let operation = Operation {
                family: Family::Botcha,
                method: "GET".to_owned(),
                path: path.to_owned(),
                summary: String::new(),
                parameters: Vec::new(),
                body: Vec::new(),
                credentials: Vec::new(),
                statuses: Vec::new(),
            };
            assert_eq!(operation.subject().key, key, "{path}");
        }
    }
}
