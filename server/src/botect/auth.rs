//! Who is calling: one extractor for each kind of credential.
//!
//! Order of checks: credential (401), subscription (402), ownership (403), existence (404), state (409),
//! body (413, 415, 422).

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::http::HeaderMap;
use axum::http::request::Parts;

use super::wire::{self, Failure};
use crate::app::App;
use crate::error::{Error, ErrorKind};
use crate::extract::{bearer, header_text};
use crate::tenant::{Account, ApiToken, Membership, Project, Site, User, directory};

/// A caller with an account API token.
pub struct AccountToken {
    token: ApiToken,
    /// The user that the token acts for.
    pub user: User,
}

impl AccountToken {
    /// The account that the token is bound to, and the user's place in it.
    ///
    /// # Errors
    /// `FORBIDDEN` when the binding is broken; never another account instead.
    pub async fn account(&self, app: &App) -> wire::Result<(Account, Membership)> {
        let broken = || Failure::forbidden("The token is not bound to an accessible account.");
        let account = match directory::account(app, self.token.account_id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(broken()),
            other => other?,
        };
        let membership = directory::membership(app, account.id, self.user.id).await?;
        Ok((account, membership.ok_or_else(broken)?))
    }
}

impl FromRequestParts<App> for AccountToken {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> wire::Result<Self> {
        let secret = bearer(&parts.headers).ok_or_else(Failure::unauthenticated)?;
        let token = directory::api_token(app, secret).await?.ok_or_else(Failure::unauthenticated)?;
        match directory::user(app, token.user_id).await {
            Ok(user) => Ok(Self { token, user }),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Failure::unauthenticated()),
            Err(error) => Err(error.into()),
        }
    }
}

/// A caller with an account API token, and the project of the path, which the account owns.
pub struct OwnedProject(pub Project);

impl FromRequestParts<App> for OwnedProject {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> wire::Result<Self> {
        let token = AccountToken::from_request_parts(parts, app).await?;
        let (account, _) = token.account(app).await?;
        let Path(ProjectPath { project }) =
            Path::from_request_parts(parts, app).await.map_err(|_| missing_project())?;
        let id: i64 = project.parse().map_err(|_| missing_project())?;
        match directory::project(app, id).await {
            Ok(project) if project.account_id == account.id => Ok(Self(project)),
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            // A project of another account and no project at all look the same.
            _ => Err(Failure::forbidden("This project belongs to another account.")),
        }
    }
}

#[derive(serde::Deserialize)]
struct ProjectPath {
    project: String,
}

fn missing_project() -> Failure {
    Failure(Error::not_found("A project is named by an integer."))
}

/// A customer's server with the private key of a project that scores, under an active subscription.
///
/// Its proof is part of a read's budget of time, so this is called by the handler and not an extractor.
#[derive(Debug)]
pub struct PrivateKey(pub Arc<Site>);

impl PrivateKey {
    /// Proves the key of the headers.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` for a missing or unknown key, `NO_ACTIVE_SUBSCRIPTION`.
    pub async fn prove(app: &App, headers: &HeaderMap) -> wire::Result<Self> {
        let key = private_key(headers).ok_or_else(Failure::unauthenticated)?;
        let site = app.callers.by_private_key(app, key).await?.ok_or_else(Failure::unauthenticated)?;
        if !site.account.is_subscribed {
            return Err(Failure::no_subscription());
        }
        Ok(Self(site))
    }
}

/// A page with the site key of a project that scores, under an active subscription.
///
/// The key may come in the body, so this is called by the handler and not an extractor.
#[derive(Debug)]
pub struct SiteKey(pub Arc<Site>);

impl SiteKey {
    /// Proves the key.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` for a missing or unknown key, `NO_ACTIVE_SUBSCRIPTION`.
    pub async fn prove(app: &App, key: Option<&str>) -> wire::Result<Self> {
        let key = key.filter(|key| key.starts_with("pk_")).ok_or_else(Failure::unauthenticated)?;
        let site = app.callers.by_site_key(app, key).await?.ok_or_else(Failure::unauthenticated)?;
        if !site.account.is_subscribed {
            return Err(Failure::no_subscription());
        }
        Ok(Self(site))
    }
}

/// The site key of the header `X-Botect-Site-Key`; a blank one is missing.
pub fn site_key(headers: &HeaderMap) -> Option<&str> {
    header_text(headers, "x-botect-site-key")
}

fn private_key(headers: &HeaderMap) -> Option<&str> {
    let is_private = |key: &&str| key.starts_with("sk_");
    bearer(headers)
        .filter(is_private)
        .or_else(|| header_text(headers, "x-botect-private-key").filter(is_private))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| ((*name).parse().unwrap(), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn bearer_wins_when_it_is_a_private_key() {
        let both = headers(&[("authorization", "bearer  sk_one "), ("x-botect-private-key", "sk_two")]);
        assert_eq!(private_key(&both), Some("sk_one"));
        let other = headers(&[("authorization", "Bearer account"), ("x-botect-private-key", " sk_two ")]);
        assert_eq!(private_key(&other), Some("sk_two"));
    }

    #[test]
    fn blank_and_foreign_credentials_are_missing() {
        for pairs in [
            vec![],
            vec![("authorization", "Bearer ")],
            vec![("authorization", "Basic sk_one")],
            vec![("authorization", "Bearer pk_one")],
            vec![("x-botect-private-key", "  ")],
            vec![("x-botect-private-key", "pk_one")],
        ] {
            assert_eq!(private_key(&headers(&pairs)), None, "{pairs:?}");
        }
    }
}
