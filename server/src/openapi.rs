//! The OpenAPI documents: one per family and one of everything, made from the routes.

mod original;

use std::sync::OnceLock;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::config::Family;
use crate::error::{Error, Result};
use crate::extract::Path;
use crate::{agentshield, botcha, botect, browser, demo, health, mail, rules_dry_run};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Quivive", description = "Tells a site who is at its door: human, bot or agent."),
    tags(
        (name = "botect", description = "Session scoring, Botect-compatible"),
        (name = "botcha", description = "Challenges and tokens, BOTCHA-compatible"),
        (name = "agentshield", description = "Agent detection by request, AgentShield-compatible"),
        (name = "native", description = "For whoever runs the server"),
    ),
)]
struct Base;

/// The documents as they are sent, each made when it is first asked for.
#[derive(Debug, Default)]
pub struct Documents {
    whole: OnceLock<Bytes>,
    agentshield: OnceLock<Bytes>,
    botcha: OnceLock<Bytes>,
    botect: OnceLock<Bytes>,
}

/// The answer with the document of one family, or of everything.
///
/// # Errors
/// `INTERNAL_ERROR` if the document has no JSON form.
pub fn answer(app: &App, family: Option<Family>) -> Result<Response> {
    let kept = match family {
        None => &app.documents.whole,
        Some(Family::Agentshield) => &app.documents.agentshield,
        Some(Family::Botcha) => &app.documents.botcha,
        Some(Family::Botect) => &app.documents.botect,
    };
    let bytes = if let Some(bytes) = kept.get() {
        bytes.clone()
    } else {
        let made = serde_json::to_vec(&document(app, family))
            .map_err(|error| Error::internal("the OpenAPI document has no JSON form").because(error))?;
        kept.get_or_init(|| Bytes::from(made)).clone()
    };
    Ok(([(CONTENT_TYPE, "application/json")], bytes).into_response())
}

/// The document of one family, or of everything.
pub fn document(app: &App, family: Option<Family>) -> OpenApi {
    let routes = match family {
        Some(Family::Agentshield) => agentshield::router(app),
        Some(Family::Botcha) => botcha::router(app),
        Some(Family::Botect) => botect::router(app).merge(browser::collector(app)),
        None => OpenApiRouter::new()
            .merge(botect::router(app))
            .merge(botcha::router(app))
            .merge(agentshield::router(app))
            .merge(health::router(app))
            .merge(router(app))
            .merge(browser::router(app))
            .merge(browser::collector(app))
            .merge(demo::router(app))
            .merge(mail::router(app))
            .merge(rules_dry_run::router(app)),
    };
    let mut document = Base::openapi();
    document.merge(routes.into_openapi());
    if let Some(family) = family {
        let tags = document.tags.get_or_insert_default();
        tags.retain(|tag| tag.name == family.name());
    }
    if family == Some(Family::Botcha) {
        original::dress(&mut document, app);
    }
    let components = document.components.get_or_insert_default();
    for (name, scheme, families) in schemes() {
        if family.is_none_or(|family| families.contains(&family)) {
            components.add_security_scheme(name, scheme);
        }
    }
    document
}

/// Everything that this server serves.
#[utoipa::path(
    get, path = "/-/openapi.json", tag = "native", operation_id = "native_read_openapi",
    responses((status = 200, description = "OpenAPI 3.1 document")),
)]
async fn whole(State(app): State<App>) -> Result<Response> {
    answer(&app, None)
}

/// One family: `botect.json`, `botcha.json` or `agentshield.json`.
#[utoipa::path(
    get, path = "/-/openapi/{family}", tag = "native", operation_id = "native_read_family_openapi",
    params(("family" = String, Path, description = "The family's name and `.json`")),
    responses((status = 200, description = "OpenAPI 3.1 document"), (status = 404, description = "No such family")),
)]
async fn one(State(app): State<App>, Path(family): Path<String>) -> Result<Response> {
    let family = match family.as_str() {
        "agentshield.json" => Family::Agentshield,
        "botcha.json" => Family::Botcha,
        "botect.json" => Family::Botect,
        _ => {
            return Err(Error::not_found("no such family: use botect.json, botcha.json or agentshield.json"));
        }
    };
    answer(&app, Some(family))
}

/// The routes.
pub fn router(_app: &App) -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(whole)).routes(routes!(one))
}

/// The names that `security(…)` of a route may use.
fn schemes() -> Vec<(&'static str, SecurityScheme, &'static [Family])> {
    use Family::{Agentshield, Botcha, Botect};
    let bearer = |format: &str, text: &str| {
        SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .bearer_format(format)
                .description(Some(text))
                .build(),
        )
    };
    let header = |name: &str, text: &str| {
        SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(name, text)))
    };
    vec![
        ("BotchaBearerToken", bearer("JWT", "Access token of a solved challenge"), &[Botcha]),
        (
            "BotchaLandingToken",
            header("X-Botcha-Landing-Token", "Token of a solved landing challenge"),
            &[Botcha],
        ),
        ("BotchaAppSecret", header("X-App-Secret", "Secret of an app, `sk_…`"), &[Botcha]),
        (
            "BotchaSession",
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
                "botcha_session",
                "Dashboard session of an app's owner; also taken as a Bearer token",
            ))),
            &[Botcha],
        ),
        ("account_token", bearer("opaque", "Account API token"), &[Botect]),
        ("site_key", header("X-Botect-Site-Key", "Site key `pk_…`, public"), &[Botect]),
        ("private_key", header("X-Botect-Private-Key", "Private key `sk_…`"), &[Botect]),
        ("api_key", header("X-AgentShield-Key", "API key `as_live_…` or `as_test_…`"), &[Agentshield]),
        ("pixel_id", header("X-Pixel-ID", "Pixel id, public"), &[Agentshield]),
    ]
}
