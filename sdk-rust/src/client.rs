//! The client: fetches pages and meets what their guards ask for.

use std::sync::Arc;
use std::time::Duration;

use quivive_core::Error as CoreError;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{IntoUrl, Method, Request, Response, StatusCode, redirect};

use crate::agentshield::AgentShield;
use crate::botcha::Botcha;
use crate::botect::Botect;
use crate::inline::{self, Met};
use crate::origins::Origins;
use crate::service::Service;
use crate::token::Keeper;
use crate::{Error, Result};

const USER_AGENT: &str = concat!("quivive-rust/", env!("CARGO_PKG_VERSION"));

/// A client of Quivive and of the sites that it guards; clones share connections and token.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) service: Option<Service>,
    pub(crate) app_id: Option<String>,
    pub(crate) audience: Option<String>,
    /// For pages: follows redirects.
    pages: reqwest::Client,
    /// For the service: never follows redirects.
    pub(crate) direct: reqwest::Client,
    /// For look-ups inside somebody's request: as `direct`, with short timeouts.
    pub(crate) inline: reqwest::Client,
    pub(crate) detect_timeout: Duration,
    pub(crate) keeper: Keeper,
    origins: Origins,
}

impl Client {
    /// A client with the service of the environment variable `QUIVIVE_URL`, if that is set.
    ///
    /// # Errors
    /// `INVALID_INPUT` for a service URL that cannot be used, `CONNECTION_FAILED` when TLS cannot be set up.
    pub fn new() -> Result<Self> {
        Self::builder().build()
    }

    /// Options before the first call.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Fetches a page, see [`Client::fetch`].
    ///
    /// # Errors
    /// As [`Client::fetch`].
    pub async fn get(&self, url: impl IntoUrl) -> Result<Response> {
        let url = url.into_url().map_err(|_| CoreError::invalid_input("URL cannot be read"))?;
        self.fetch(Request::new(Method::GET, url)).await
    }

    /// Sends a request; when a guard asks for it, solves its challenge or shows a token, and sends it once more.
    ///
    /// The answer is the last one that came, whatever its status. A token is shown to the service's own origin, to
    /// the origins of [`ClientBuilder::token_origins`] or, without that option, to those that asked for one; never
    /// in clear text over a network, and never when the request has an `Authorization` header of its own. A request
    /// whose body is a stream is sent once only.
    ///
    /// # Errors
    /// `CONNECTION_FAILED` when there is no answer.
    pub async fn fetch(&self, request: Request) -> Result<Response> {
        let Some(spare) = request.try_clone() else { return self.send(request, None).await };
        let own_token = spare.headers().contains_key(AUTHORIZATION);
        let token = if own_token { None } else { self.token_for(&spare).await };
        let mut response = self.send(request, token.as_deref()).await?;

        if !own_token && self.asks_for_token(&spare, &response) {
            if let Some(again) = spare.try_clone()
                && let Ok(token) = self.fresh_token(token).await
            {
                response = self.send(again, Some(&token)).await?;
            } else {
                return Ok(response);
            }
        }
        match inline::meet(spare.url(), response).await? {
            Met::Solved(headers) => self.send(self.with_answer(spare, headers)?, None).await,
            Met::Nothing(response) => Ok(response),
        }
    }

    /// The BOTCHA-compatible calls: tokens of this agent.
    pub fn botcha(&self) -> Botcha {
        Botcha::new(self.clone())
    }

    /// The Botect-compatible calls of a site's back end, with its private key (`sk_…`).
    pub fn botect(&self, private_key: impl Into<String>) -> Botect {
        Botect::new(self.clone(), private_key.into())
    }

    /// The AgentShield-compatible calls, with an API key (`as_live_…`).
    pub fn agentshield(&self, key: impl Into<String>) -> AgentShield {
        AgentShield::new(self.clone(), key.into())
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }

    pub(crate) fn service(&self) -> Result<&Service> {
        self.inner.service.as_ref().ok_or_else(|| {
            CoreError::invalid_input("no service URL: set `QUIVIVE_URL` or `ClientBuilder::url`").into()
        })
    }

    async fn send(&self, mut request: Request, token: Option<&str>) -> Result<Response> {
        if let Some(token) = token {
            request.headers_mut().insert(AUTHORIZATION, bearer(token)?);
        }
        Ok(self.inner.pages.execute(request).await?)
    }

    /// The token to show unasked: one is held already and the origin may have it.
    async fn token_for(&self, request: &Request) -> Option<String> {
        if self.inner.origins.may_have_token(request.url()) && self.inner.keeper.holds_any().await {
            self.botcha().token().await.ok()
        } else {
            None
        }
    }

    async fn fresh_token(&self, refused: Option<String>) -> Result<String> {
        match refused {
            Some(refused) => self.botcha().replace(&refused).await,
            None => self.botcha().token().await,
        }
    }

    fn asks_for_token(&self, request: &Request, response: &Response) -> bool {
        let url = request.url();
        // An answer after a redirect comes from elsewhere; a second try would lose the token on the way there.
        let is_own_answer = response.url().origin() == url.origin();
        if response.status() != StatusCode::UNAUTHORIZED || !is_own_answer || self.inner.service.is_none() {
            return false;
        }
        let is_bearer = response
            .headers()
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|part| starts_with_bearer(part.trim_start())));
        if is_bearer {
            self.inner.origins.note_that_asked(url);
        }
        self.inner.origins.may_have_token(url)
    }

    fn with_answer(&self, mut request: Request, headers: Vec<(HeaderName, HeaderValue)>) -> Result<Request> {
        request.headers_mut().extend(headers);
        if let Some(app_id) = &self.inner.app_id {
            request.headers_mut().insert("x-botcha-app-id", header_value(app_id, "app id")?);
        }
        Ok(request)
    }
}

fn starts_with_bearer(part: &str) -> bool {
    let scheme = part.split_ascii_whitespace().next().unwrap_or_default();
    scheme.eq_ignore_ascii_case("bearer")
}

fn bearer(token: &str) -> Result<HeaderValue> {
    let mut value = header_value(&format!("Bearer {token}"), "token")?;
    value.set_sensitive(true);
    Ok(value)
}

fn header_value(text: &str, what: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|_| {
        CoreError::invalid_input(format!("{what} holds characters that no header can hold")).into()
    })
}

/// Options of a [`Client`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientBuilder {
    url: Option<String>,
    app_id: Option<String>,
    audience: Option<String>,
    user_agent: String,
    connect_timeout: Duration,
    timeout: Duration,
    verdict_connect_timeout: Duration,
    verdict_timeout: Duration,
    detect_timeout: Duration,
    token_origins: Option<Vec<String>>,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            url: None,
            app_id: None,
            audience: None,
            user_agent: USER_AGENT.to_owned(),
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            verdict_connect_timeout: Duration::from_millis(200),
            verdict_timeout: Duration::from_secs(1),
            detect_timeout: Duration::from_millis(250),
            token_origins: None,
        }
    }
}

impl ClientBuilder {
    /// Where the service is; by default the environment variable `QUIVIVE_URL`, else nowhere: challenges inside
    /// refusals are still solved, but there are no tokens.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// The app whose tokens are asked for.
    pub fn app_id(mut self, app_id: impl Into<String>) -> Self {
        self.app_id = Some(app_id.into());
        self
    }

    /// The audience for which tokens are asked, usually the guarded site's origin.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// The `User-Agent` of every request; by default `quivive-rust/<version>`.
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// Time to connect for pages and tokens; by default 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Time for a whole answer for pages and tokens; by default 30 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Times for a verdict look-up: to connect and in all; by default 200 ms and 1 s.
    pub fn verdict_timeouts(mut self, connect: Duration, total: Duration) -> Self {
        self.verdict_connect_timeout = connect;
        self.verdict_timeout = total;
        self
    }

    /// Time for a detection call in all; by default 250 ms.
    pub fn detect_timeout(mut self, timeout: Duration) -> Self {
        self.detect_timeout = timeout;
        self
    }

    /// The only origins, besides the service's own, that are shown a token, for example `https://shop.example`.
    pub fn token_origins<I: IntoIterator<Item = S>, S: Into<String>>(mut self, origins: I) -> Self {
        self.token_origins = Some(origins.into_iter().map(Into::into).collect());
        self
    }

    /// Makes the client.
    ///
    /// # Errors
    /// `INVALID_INPUT` for an option that cannot be used, `CONNECTION_FAILED` when TLS cannot be set up.
    pub fn build(self) -> Result<Client> {
        let url = self.url.or_else(|| std::env::var("QUIVIVE_URL").ok().filter(|url| !url.trim().is_empty()));
        let service = url.as_deref().map(Service::new).transpose()?;
        let origins = Origins::new(service.as_ref().map(Service::base), self.token_origins.as_deref())?;
        let user_agent = header_value(&self.user_agent, "user agent")?;
        let http = |redirects: redirect::Policy, connect: Duration, total: Duration| {
            reqwest::Client::builder()
                .user_agent(user_agent.clone())
                .redirect(redirects)
                .connect_timeout(connect)
                .timeout(total)
                .build()
                .map_err(|error| Error::Connection {
                    message: "HTTP client cannot be set up".to_owned(),
                    source: Some(error),
                })
        };
        let inner = Inner {
            service,
            app_id: self.app_id,
            audience: self.audience,
            pages: http(redirect::Policy::limited(10), self.connect_timeout, self.timeout)?,
            direct: http(redirect::Policy::none(), self.connect_timeout, self.timeout)?,
            inline: http(redirect::Policy::none(), self.verdict_connect_timeout, self.verdict_timeout)?,
            detect_timeout: self.detect_timeout,
            keeper: Keeper::default(),
            origins,
        };
        Ok(Client { inner: Arc::new(inner) })
    }
}
