//! What the forms of the account page do: the same as the routes for programs do.

use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use serde_json::{Map, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::show;
use super::view::Told;
use crate::app::App;
use crate::audit::{self, Actor};
use crate::botcha::agents::{self, Agent, ownership, registry};
use crate::botcha::apps::{self, RegistrationPolicy};
use crate::botcha::dashboard::NotLoggedIn;
use crate::botcha::dashboard::access::Owner;
use crate::botcha::form::Fields;
use crate::botcha::login::{redirect, redirect_with};
use crate::botcha::owner::{self, Proof, Session};
use crate::botcha::page;
use crate::botcha::pairing;
use crate::botcha::wire::ErrorBody;
use crate::error::{Error, Result};
use crate::extract::{Origin, Path};

/// Who may register agents.
#[derive(ToSchema)]
#[schema(as = BotchaPolicyForm)]
#[expect(dead_code, reason = "describes a form that is read field by field")]
struct PolicyForm {
    /// `open` or `paired`.
    #[schema(pattern = "^(open|paired)$")]
    registration_policy: String,
}

/// Replace the app's secret. Other sessions, login and pairing codes and agents' refresh tokens end with it.
#[utoipa::path(
    post, path = "/account/rotate-secret", tag = "botcha", operation_id = "botcha_rotate_secret_by_form",
    security(("BotchaSession" = [])),
    responses(
        (status = 200, description = "The account with what was made, shown this once", content(
            (String = "text/html"), (String = "text/markdown"),
        )),
        (status = 302, description = "To `/login`: nobody is logged in"),
        (status = 401, body = NotLoggedIn, description = "Nobody is logged in, told to a program"),
        (status = 403, description = "`FOREIGN_FORM`: not sent by a page of this server", content(
            (ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown"),
        )),
        (status = 404, description = "`App not found`: it is gone", content(
            (ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown"),
        )),
        (status = 503, description = "`STORAGE_UNAVAILABLE`", content(
            (ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown"),
        )),
    ),
)]
async fn rotate_secret(
    State(app): State<App>,
    Owner(session): Owner,
    origin: Origin,
    parts: Parts,
) -> Response {
    let answer = async {
        let proof = Proof { app: session.app.clone(), actor: actor(&session) };
        let replaced = apps::replace_secret(&app, &proof).await;
        let (secret, _) = replaced.map_err(|failure| failure.error)?;
        show(&app, &session, &origin, &parts.headers, Some(Told::Secret(secret))).await
    };
    page::answer(&app, &origin, &parts.headers, answer.await).await
}

/// Make a pairing code for an agent.
#[utoipa::path(
    post, path = "/account/pair", tag = "botcha", operation_id = "botcha_make_pair_code_by_form",
    security(("BotchaSession" = [])),
    responses(
        (status = 200, description = "The account with what was made, shown this once", content(
            (String = "text/html"), (String = "text/markdown"),
        )),
        (status = 302, description = "To `/login`: nobody is logged in"),
        (status = 401, body = NotLoggedIn, description = "Nobody is logged in, told to a program"),
        (status = 403, description = "`FOREIGN_FORM`: not sent by a page of this server; `EMAIL_NOT_VERIFIED`", content(
            (ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown"),
        )),
        (status = 404, description = "`App not found`: it is gone", content(
            (ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown"),
        )),
        (status = 503, description = "`STORAGE_UNAVAILABLE`", content(
            (ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown"),
        )),
    ),
)]
async fn pair(State(app): State<App>, Owner(session): Owner, origin: Origin, parts: Parts) -> Response {
    let answer = async {
        let proof = verified(&app, &parts, &session).await?;
        let code = pairing::make_code(&app, &proof).await.map_err(|failure| failure.error)?;
        show(&app, &session, &origin, &parts.headers, Some(Told::PairCode(code))).await
    };
    page::answer(&app, &origin, &parts.headers, answer.await).await
}

/// Change who may register agents.
#[utoipa::path(
    post, path = "/account/policy", tag = "botcha", operation_id = "botcha_change_policy_by_form",
    request_body(content(
        (PolicyForm = "application/x-www-form-urlencoded"), (PolicyForm = "multipart/form-data"),
    )),
    security(("BotchaSession" = [])),
    responses(
        (status = 302, description = "Back to the account; to `/login` if nobody is logged in"),
        (status = 401, body = NotLoggedIn, description = "Nobody is logged in, told to a program"),
        (status = 400, description = "`INVALID_VALUE`: neither `open` nor `paired`; the form cannot be read", content(
            (ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown"),
        )),
        (status = 403, description = "`FOREIGN_FORM`: not sent by a page of this server; `EMAIL_NOT_VERIFIED`", content(
            (ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown"),
        )),
        (status = 404, description = "`App not found`: it is gone", content(
            (ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown"),
        )),
        (status = 413, description = "`PAYLOAD_TOO_LARGE`", content(
            (ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown"),
        )),
        (status = 503, description = "`STORAGE_UNAVAILABLE`", content(
            (ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown"),
        )),
    ),
)]
async fn policy(
    State(app): State<App>,
    Owner(session): Owner,
    origin: Origin,
    parts: Parts,
    request: Request,
) -> Response {
    let answer = async {
        let proof = verified(&app, &parts, &session).await?;
        let policy = chosen(request).await?;
        let changed = apps::change_settings(&app, &proof, Some(policy), None).await;
        changed.map_err(|failure| failure.error)?;
        Ok(redirect("/account?done=policy"))
    };
    page::answer(&app, &origin, &parts.headers, answer.await).await
}

/// Confirm an agent that registered without a proof of the owner.
#[utoipa::path(
    post, path = "/account/agents/{id}/confirm", tag = "botcha", operation_id = "botcha_confirm_agent",
    params(("id" = String, Path, description = "The agent's id")),
    security(("BotchaSession" = [])),
    responses(
        (status = 302, description = "Back to the account; to `/login` if nobody is logged in"),
        (status = 401, body = NotLoggedIn, description = "Nobody is logged in, told to a program"),
        (status = 403, description = "`FOREIGN_FORM`: not sent by a page of this server", content(
            (ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown"),
        )),
        (status = 404, description = "`AGENT_NOT_FOUND`: no agent of this app", content(
            (ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown"),
        )),
        (status = 503, description = "`STORAGE_UNAVAILABLE`", content(
            (ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown"),
        )),
    ),
)]
async fn confirm_agent(
    State(app): State<App>,
    Owner(session): Owner,
    origin: Origin,
    id: Result<Path<String>>,
    parts: Parts,
) -> Response {
    let answer = async {
        let agent = own_agent(&app, &session, id).await?;
        ownership::confirm(&app, &agent, &actor(&session)).await?.ok_or_else(registry::not_found)?;
        Ok(redirect("/account?done=confirmed#agents"))
    };
    page::answer(&app, &origin, &parts.headers, answer.await).await
}

/// Delete an agent with everything that it could log in with.
#[utoipa::path(
    post, path = "/account/agents/{id}/delete", tag = "botcha", operation_id = "botcha_delete_agent_by_form",
    params(("id" = String, Path, description = "The agent's id")),
    security(("BotchaSession" = [])),
    responses(
        (status = 302, description = "Back to the account; to `/login` if nobody is logged in"),
        (status = 401, body = NotLoggedIn, description = "Nobody is logged in, told to a program"),
        (status = 403, description = "`FOREIGN_FORM`: not sent by a page of this server", content(
            (ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown"),
        )),
        (status = 404, description = "`AGENT_NOT_FOUND`: no agent of this app", content(
            (ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown"),
        )),
        (status = 503, description = "`STORAGE_UNAVAILABLE`", content(
            (ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown"),
        )),
    ),
)]
async fn delete_agent(
    State(app): State<App>,
    Owner(session): Owner,
    origin: Origin,
    id: Result<Path<String>>,
    parts: Parts,
) -> Response {
    let answer = async {
        let agent = own_agent(&app, &session, id).await?;
        ownership::delete(&app, &agent, &actor(&session)).await?;
        Ok(redirect("/account?done=deleted#agents"))
    };
    page::answer(&app, &origin, &parts.headers, answer.await).await
}

/// End all sessions of the app's owner, this one included.
#[utoipa::path(
    post, path = "/account/sessions/end", tag = "botcha", operation_id = "botcha_end_sessions",
    security(("BotchaSession" = [])),
    responses(
        (status = 302, description = "To `/login`"),
        (status = 401, body = NotLoggedIn, description = "Nobody is logged in, told to a program"),
        (status = 403, description = "`FOREIGN_FORM`: not sent by a page of this server", content(
            (ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown"),
        )),
        (status = 503, description = "`STORAGE_UNAVAILABLE`", content(
            (ErrorBody = "application/json"), (String = "text/html"), (String = "text/markdown"),
        )),
    ),
)]
async fn end_sessions(
    State(app): State<App>,
    Owner(session): Owner,
    origin: Origin,
    parts: Parts,
) -> Response {
    let answer = async {
        owner::end_sessions(&app, &session.app.id, None).await?;
        audit::record(&app, &session.app.id, &actor(&session), "sessions.ended", json!({})).await?;
        Ok(redirect_with("/login", owner::no_session_cookie(&origin)?))
    };
    page::answer(&app, &origin, &parts.headers, answer.await).await
}

/// The routes.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(rotate_secret))
        .routes(routes!(pair))
        .routes(routes!(policy))
        .routes(routes!(confirm_agent))
        .routes(routes!(delete_agent))
        .routes(routes!(end_sessions))
}

/// The session's proof, if the app's address is verified.
async fn verified(app: &App, parts: &Parts, session: &Session) -> Result<Proof> {
    let proof = apps::prove_verified(app, parts, &Map::new(), &session.app.id).await;
    proof.map_err(|failure| failure.error)
}

async fn chosen(request: Request) -> Result<RegistrationPolicy> {
    match Fields::read(request).await?.text("registration_policy") {
        "open" => Ok(RegistrationPolicy::Open),
        "paired" => Ok(RegistrationPolicy::Paired),
        _ => Err(Error::invalid("registration_policy must be open or paired").with_code("INVALID_VALUE")),
    }
}

/// The agent of a path; another app's is as good as none.
async fn own_agent(app: &App, session: &Session, id: Result<Path<String>>) -> Result<Agent> {
    let Path(id) = id?;
    let found = agents::find(app, &id).await?.filter(|agent| agent.app_id == session.app.id);
    found.ok_or_else(registry::not_found)
}

fn actor(session: &Session) -> Actor {
    Actor::Session(session.id.clone())
}
