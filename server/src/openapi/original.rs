//! What clients that were generated from the original's document look for in that of the BOTCHA-compatible family:
//! its names of operations, `x-sdk`, one server, the schema `Agent`.

use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::PathItem;
use utoipa::openapi::{Contact, OpenApi, Server};

use crate::app::App;

/// A registered agent.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what routes answer with as a value")]
struct Agent {
    /// `agent_` and 16 hexadecimal digits.
    agent_id: String,
    /// The app that it belongs to.
    app_id: String,
    /// What it calls itself.
    name: String,
    /// Who runs it, as it says.
    operator: Option<String>,
    /// Its version, as it says.
    version: Option<String>,
    /// When it was registered, ISO 8601.
    created_at: String,
    /// Whether the app's owner registered or confirmed it.
    owner_verified: Option<bool>,
}

/// Puts the original's names into the document of the family.
pub(super) fn dress(document: &mut OpenApi, app: &App) {
    let config = &app.config;
    let info = &mut document.info;
    info.title.clone_from(&config.service_name);
    info.version.clone_from(&config.botcha.version);
    let mut contact = Contact::new();
    contact.name = Some(config.service_name.clone());
    contact.url = Some(env!("CARGO_PKG_REPOSITORY").to_owned());
    info.contact = Some(contact);
    let packages = json!({
        "npm": "quivive",
        "python": "quivive",
        "rust": "quivive",
        "verify_npm": "quivive",
        "verify_python": "quivive",
    });
    info.extensions = Some(Extensions::builder().add("x-sdk", packages).build());
    // Without a configured address the server is where the document came from.
    document.servers = Some(vec![Server::new(config.public_url.as_deref().unwrap_or("/"))]);
    let schemas = &mut document.components.get_or_insert_default().schemas;
    schemas.entry("Agent".to_owned()).or_insert_with(<Agent as utoipa::PartialSchema>::schema);
    for (path, item) in &mut document.paths.paths {
        rename(path, item);
    }
}

fn rename(path: &str, item: &mut PathItem) {
    for (method, operation) in [
        ("GET", &mut item.get),
        ("POST", &mut item.post),
        ("PUT", &mut item.put),
        ("DELETE", &mut item.delete),
    ] {
        let named = NAMES.iter().find(|(at, other, _)| *at == method && *other == path);
        if let (Some(operation), Some((_, _, name))) = (operation, named) {
            operation.operation_id = Some((*name).to_owned());
        }
    }
}

const NAMES: &[(&str, &str, &str)] = &[
    ("GET", "/", "getRootInfo"),
    ("GET", "/health", "getHealth"),
    ("GET", "/v1/challenges", "getV1Challenge"),
    ("POST", "/v1/challenges/{id}/verify", "verifyV1Challenge"),
    ("GET", "/v1/token", "getTokenChallenge"),
    ("POST", "/v1/token/verify", "verifyTokenChallenge"),
    ("POST", "/v1/token/refresh", "refreshToken"),
    ("POST", "/v1/token/revoke", "revokeToken"),
    ("POST", "/v1/token/validate", "validateToken"),
    ("GET", "/v1/hybrid", "getHybridChallenge"),
    ("POST", "/v1/hybrid", "verifyHybridChallenge"),
    ("GET", "/v1/reasoning", "getReasoningChallenge"),
    ("POST", "/v1/reasoning", "verifyReasoningChallenge"),
    ("GET", "/api/challenge", "getChallenge"),
    ("POST", "/api/challenge", "verifyChallenge"),
    ("GET", "/api/speed-challenge", "getSpeedChallenge"),
    ("POST", "/api/speed-challenge", "verifySpeedChallenge"),
    ("POST", "/api/verify-landing", "verifyLandingChallenge"),
    ("GET", "/agent-only", "getAgentOnly"),
    ("POST", "/v1/apps", "createApp"),
    ("GET", "/v1/apps/{id}", "getApp"),
    ("POST", "/v1/apps/{id}/verify-email", "verifyEmail"),
    ("POST", "/v1/apps/{id}/resend-verification", "resendVerification"),
    ("POST", "/v1/apps/{id}/rotate-secret", "rotateSecret"),
    ("POST", "/v1/auth/recover", "recoverAccount"),
    ("POST", "/v1/auth/dashboard", "dashboardAuthChallenge"),
    ("POST", "/v1/auth/dashboard/verify", "dashboardAuthVerify"),
    ("POST", "/v1/auth/device-code", "deviceCodeChallenge"),
    ("POST", "/v1/auth/device-code/verify", "deviceCodeVerify"),
    ("POST", "/v1/agents/register", "registerAgent"),
    ("GET", "/v1/agents/{id}", "getAgent"),
    ("GET", "/v1/agents", "listAgents"),
    ("GET", "/.well-known/jwks", "getJWKS"),
    ("GET", "/v1/keys", "getKeys"),
    ("GET", "/v1/keys/{id}", "getKeyById"),
];
