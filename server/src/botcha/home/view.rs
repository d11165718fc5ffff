//! The facts that all three forms of the page show.

use http::HeaderMap;
use quivive_core::token::Claims;

use crate::app::App;
use crate::botcha::auth::{self, BEARER_TYPES, Refusal, Wanted};
use crate::botcha::catalogue::{self, Operation};
use crate::demo::{self, Demo};
use crate::error::Result;
use crate::extract;

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
    /// Whether everybody gets everything, as in the `secure` profile.
    pub is_whole: bool,
    /// Whether the caller gets the original's short form for unverified ones.
    pub is_short: bool,
    /// Every endpoint that is served, by subject.
    pub endpoints: Vec<&'static Operation>,
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
            is_whole: !app.config.is_compat(),
            is_short: app.config.is_compat() && identity.is_none(),
            identity,
            demo_app_id: app.config.botcha.internal_app_id.clone(),
            demo: demo::find(app).await?,
            challenges_per_hour: u64::from(app.config.limits.challenges_per_hour),
            endpoints: catalogue::operations(app),
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

    /// Whether this server has a path.
    pub(super) fn has(&self, path: &str) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint.path == path)
    }

    /// The two requests that prove a caller to be a program.
    pub(super) fn first_steps(&self) -> [String; 2] {
        let (base, demo) = (&self.base, &self.demo_app_id);
        [
            format!("GET {base}/v1/challenges?app_id={demo}"),
            format!(
                "POST {base}/v1/challenges/{{id}}/verify with {{\"type\": \"hybrid\", \"speed_answers\": [\"...\"], \
                 \"reasoning_answers\": {{\"question-id\": \"answer\"}} }}"
            ),
        ]
    }

    /// What goes wrong most often.
    pub(super) fn critical(&self) -> [&'static str; 3] {
        [
            "The clock starts when the challenge is issued: ask for one only when you are ready to answer.",
            "Compute the hashes and answer the questions by your own reasoning; each challenge takes one answer.",
            "Send what belongs together in one request, without a person in between.",
        ]
    }

    /// Why an app, and how it is named.
    pub(super) fn registration(&self) -> [&'static str; 2] {
        [
            "Challenges and tokens need no registration unless the gate of this server is closed. An app of your own \
             has its own limits, agents and figures.",
            "As `app_id` in the query or body, or in the header `X-App-Id`.",
        ]
    }

    /// The nine steps from a new app to an agent that is known.
    pub(super) fn onboarding(&self) -> [String; 9] {
        let base = &self.base;
        [
            format!(
                "Ask your human for an e-mail address and POST {base}/v1/apps with {{\"email\"}}. The answer holds \
                 `app_id`, which is public, and `app_secret`, which is shown this once: keep it in a secret store."
            ),
            format!(
                "A code of six digits goes to that address. POST {base}/v1/apps/{{app_id}}/verify-email with {{\"code\"}}, \
                 or let your human type it at the address in the mail."
            ),
            format!(
                "Make a key pair where the agent runs, and keep the private half there. POST \
                 {base}/v1/agents/register with {{\"name\", \"operator\", \"app_id\"}}: the answer is your `agent_id`."
            ),
            format!(
                "GET {base}/v1/token?app_id={{app_id}} gives an id and five numbers. The clock starts now."
            ),
            format!(
                "POST {base}/v1/token/verify with {{\"id\", \"answers\"}}: of each number the first 8 hexadecimal digits \
                 of the SHA-256 of its decimal digits."
            ),
            format!(
                "Send `Authorization: Bearer <access_token>` to sites that ask who you are; try it at GET \
                 {base}/agent-only. Near its end POST {base}/v1/token/refresh with {{\"refresh_token\"}}."
            ),
            format!(
                "Give your human the `human_link` of the token, or a device code from POST {base}/v1/auth/device-code: \
                 with it they open the dashboard themselves. Secrets never go through a conversation."
            ),
            format!(
                "In the next session prove that you are the same agent: sign the nonce of POST {base}/v1/agents/auth, or \
                 have your human approve the device at {base}/device (POST {base}/v1/oauth/device)."
            ),
            format!(
                "Sites check tokens offline with {base}/.well-known/jwks. When you are done, POST \
                 {base}/v1/token/revoke."
            ),
        ]
    }

    /// How many challenges an address may ask for.
    pub(super) fn free_challenges(&self) -> String {
        match self.challenges_per_hour {
            0 => "without limit".to_owned(),
            count => format!("{count} challenges/hour/IP"),
        }
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
