//! Who the caller of the control plane is.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::AccountToken;
use super::wire::{ErrorBody, Result};
use crate::app::App;

/// The user that a token acts for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotectUser)]
pub struct User {
    /// The user's id.
    id: i64,
    /// The user's name.
    name: String,
    /// The user's address.
    email: String,
    /// When the user was made, UTC.
    created_at: String,
}

/// The account that a token is bound to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotectAccount)]
pub struct Account {
    /// The account's id.
    id: i64,
    /// The account's name.
    name: String,
    /// Short name for addresses.
    slug: String,
    /// Belongs to one person rather than to a team.
    is_personal: bool,
    /// The user's place in the account, for example `owner` or `member`.
    role: Option<String>,
}

/// Read the user of the token.
#[utoipa::path(
    get, path = "/user", tag = "botect", operation_id = "botect_read_user",
    security(("account_token" = [])),
    responses((status = 200, body = User), (status = 401, body = ErrorBody)),
)]
async fn user(token: AccountToken) -> Json<User> {
    let user = token.user;
    Json(User {
        id: user.id,
        name: user.name,
        email: user.email,
        created_at: user.created_at.to_seconds_text(),
    })
}

/// Read the user of the token, under the version prefix.
#[utoipa::path(
    get, path = "/v1/user", tag = "botect", operation_id = "botect_read_versioned_user",
    security(("account_token" = [])),
    responses((status = 200, body = User), (status = 401, body = ErrorBody)),
)]
async fn versioned_user(token: AccountToken) -> Json<User> {
    user(token).await
}

/// Read the account of the token.
#[utoipa::path(
    get, path = "/v1/account", tag = "botect", operation_id = "botect_read_account",
    security(("account_token" = [])),
    responses((status = 200, body = Account), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody)),
)]
async fn account(State(app): State<App>, token: AccountToken) -> Result<Json<Account>> {
    let (account, membership) = token.account(&app).await?;
    Ok(Json(Account {
        id: account.id,
        name: account.name,
        slug: account.slug,
        is_personal: account.is_personal,
        role: membership.role,
    }))
}

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(user)).routes(routes!(versioned_user)).routes(routes!(account))
}
