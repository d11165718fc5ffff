//! The facts that all three forms of the page show.

use std::sync::OnceLock;

use http::HeaderMap;
use quivive_core::token::Claims;
use utoipa::openapi::path::{Operation, PathItem};

use crate::app::App;
use crate::botcha::auth::{self, BEARER_TYPES, Refusal, Wanted};
use crate::config::Family;
use crate::demo::{self, Demo};
use crate::error::Result;
use crate::{extract, openapi};

/// The facts of one answer.
pub(super) struct Home {
    /// Scheme and host of this server.
    pub base: String,
    /// What this service is called.
    pub name: String,
    /// The version of the BOTCHA-compatible API.
    pub api_version: String,
    /// Claims of the caller's token, if it holds.
    pub identity: Option<Claims>,
    /// The app that anybody may use for trying out.
    pub demo_app_id: String,
    /// The demo project, if there is one.
    pub demo: Option<Demo>,
    /// Challenges per hour and address; 0 is without limit.
    pub challenges_per_hour: u64,
    /// Whether unverified callers get the short forms of the original.
    pub is_short: bool,
    /// Every endpoint, by family.
    pub endpoints: Vec<Endpoint>,
}

/// One endpoint of the OpenAPI document.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// The family, in the words of a heading.
    pub family: &'static str,
    /// `GET`, …
    pub method: &'static str,
    /// The path with its parameters in braces.
    pub path: String,
    /// One sentence.
    pub summary: String,
}

impl Home {
    /// Collects the facts.
    ///
    /// # Errors
    /// If storage does not answer.
    pub(super) async fn load(app: &App, base: String, headers: &HeaderMap) -> Result<Self> {
        let identity = identify(app, headers).await?;
        Ok(Self {
            base,
            name: app.config.service_name.clone(),
            api_version: app.config.botcha.version.clone(),
            is_short: app.config.is_compat() && identity.is_none(),
            identity,
            demo_app_id: app.config.botcha.internal_app_id.clone(),
            demo: demo::find(app).await?,
            challenges_per_hour: u64::from(app.config.limits.challenges_per_hour),
            endpoints: endpoints(app),
        })
    }

    /// `verified` for callers with a token that holds.
    pub(super) fn status(&self) -> &'static str {
        if self.identity.is_some() { "verified" } else { "unverified" }
    }

    /// What the service does, in one sentence.
    pub(super) fn tagline(&self) -> String {
        format!(
            "{} tells a site who is at its door: a person, a bot, or an agent that can prove what it is.",
            self.name
        )
    }

    /// The nine steps of an agent, from the first request to the last.
    pub(super) fn onboarding(&self) -> [String; 9] {
        let base = &self.base;
        [
            format!("GET {base}/v1/token gives an id and five numbers. The clock starts now."),
            "Hash each number: SHA-256 of its decimal digits, the first 8 hexadecimal digits.".to_owned(),
            format!(
                "POST {base}/v1/token/verify with {{\"id\", \"answers\": [five strings]}}, all in one request."
            ),
            "Keep `access_token` until `expires_in` seconds have passed.".to_owned(),
            "Send it as `Authorization: Bearer <access_token>` to sites that ask who you are.".to_owned(),
            format!("Try it here: GET {base}/agent-only."),
            format!(
                "Near its end, POST {base}/v1/token/refresh with {{\"refresh_token\"}} instead of a new challenge."
            ),
            format!(
                "Sites check it offline with {base}/.well-known/jwks: signature, `iss`, `exp`, `type`, and `aud` if set."
            ),
            "Keep tokens out of chats and logs; when you are done, POST /v1/token/revoke.".to_owned(),
        ]
    }
}

/// The claims of the caller's token; a token that does not hold is as good as none.
async fn identify(app: &App, headers: &HeaderMap) -> Result<Option<Claims>> {
    let Some(token) = extract::bearer(headers) else { return Ok(None) };
    let wanted = Wanted { types: BEARER_TYPES, ..Wanted::default() };
    match auth::verify(app, token, &wanted).await {
        Ok(claims) => Ok(Some(claims)),
        Err(Refusal::Token(_)) => Ok(None),
        Err(Refusal::Fault(error)) => Err(error),
    }
}

/// The endpoints of the families that are served; read once, since the routes do not change.
fn endpoints(app: &App) -> Vec<Endpoint> {
    static ENDPOINTS: OnceLock<Vec<(Family, Endpoint)>> = OnceLock::new();
    let all = ENDPOINTS.get_or_init(|| {
        let families = [
            (Family::Botcha, "Challenges and tokens"),
            (Family::Botect, "Session scoring"),
            (Family::Agentshield, "Agent detection"),
        ];
        families.into_iter().flat_map(|(family, title)| of_family(app, family, title)).collect()
    });
    all.iter()
        .filter(|(family, _)| app.config.serves(*family))
        .map(|(_, endpoint)| endpoint.clone())
        .collect()
}

fn of_family(app: &App, family: Family, title: &'static str) -> Vec<(Family, Endpoint)> {
    let paths = openapi::document(app, Some(family)).paths.paths;
    let endpoints = paths.iter().flat_map(|(path, item)| {
        methods(item).map(move |(method, operation)| {
            let summary = operation.summary.clone().unwrap_or_default();
            (family, Endpoint { family: title, method, path: path.clone(), summary })
        })
    });
    endpoints.collect()
}

fn methods(item: &PathItem) -> impl Iterator<Item = (&'static str, &Operation)> {
    let all = [
        ("GET", &item.get),
        ("POST", &item.post),
        ("PUT", &item.put),
        ("PATCH", &item.patch),
        ("DELETE", &item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}
