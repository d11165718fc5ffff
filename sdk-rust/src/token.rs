//! The agent token that a client holds: obtained once, kept until near its end, renewed by one caller at a time.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::Result;

/// A token with less life than this is renewed before use.
const NEAR_END: Duration = Duration::from_secs(60);
/// What a service that states no life time means, in seconds.
const DEFAULT_LIFE: u64 = 3600;
/// No stated life time is believed beyond this, in seconds.
const LONGEST_LIFE: u64 = 86_400;

/// What the service answers when it issues or refreshes a token.
#[derive(serde::Deserialize)]
pub(crate) struct Issued {
    access_token: Option<String>,
    /// What older services call `access_token`.
    token: Option<String>,
    refresh_token: Option<String>,
    expires_in: Option<u64>,
    refresh_expires_in: Option<u64>,
}

/// The way to new tokens; the client implements it by calls to the service.
pub(crate) trait Source: Sync {
    /// Solves a challenge for a token.
    fn obtain(&self) -> impl Future<Output = Result<Issued>> + Send;
    /// Trades a refresh token for a new access token.
    fn refresh(&self, refresh_token: &str) -> impl Future<Output = Result<Issued>> + Send;
}

/// One token, shared by every clone of a client.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    held: Mutex<Held>,
}

impl Keeper {
    /// The held token when it has life left, else a new one. Concurrent callers wait for one renewal.
    pub(crate) async fn token(&self, source: &impl Source) -> Result<String> {
        let mut held = self.held.lock().await;
        match held.fresh_access() {
            Some(token) => Ok(token),
            None => held.renew(source).await,
        }
    }

    /// A token other than `refused`, which a guard did not accept.
    pub(crate) async fn replace(&self, refused: &str, source: &impl Source) -> Result<String> {
        let mut held = self.held.lock().await;
        match held.fresh_access() {
            Some(token) if token != refused => Ok(token),
            _ => held.renew(source).await,
        }
    }

    /// Renews even when the held token has life left.
    pub(crate) async fn renew(&self, source: &impl Source) -> Result<String> {
        self.held.lock().await.renew(source).await
    }

    /// Keeps a token that was issued on another way.
    pub(crate) async fn accept(&self, issued: Issued) -> Result<String> {
        self.held.lock().await.keep(issued)
    }

    /// Whether any token was ever obtained and not forgotten.
    pub(crate) async fn holds_any(&self) -> bool {
        self.held.lock().await.access.is_some()
    }

    pub(crate) async fn forget(&self) {
        *self.held.lock().await = Held::default();
    }
}

#[derive(Default)]
struct Held {
    access: Option<Lasting>,
    refresh: Option<Lasting>,
}

impl std::fmt::Debug for Held {
    /// Tokens are secrets and stay out of logs.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Held").field("access", &self.access.is_some()).finish_non_exhaustive()
    }
}

struct Lasting {
    token: String,
    ends: Instant,
}

impl Lasting {
    fn new(token: String, seconds: Option<u64>) -> Self {
        let life = Duration::from_secs(seconds.unwrap_or(DEFAULT_LIFE).min(LONGEST_LIFE));
        Self { token, ends: Instant::now() + life }
    }

    fn life_left(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }
}

impl Held {
    fn fresh_access(&self) -> Option<String> {
        self.access.as_ref().filter(|held| held.life_left() > NEAR_END).map(|held| held.token.clone())
    }

    async fn renew(&mut self, source: &impl Source) -> Result<String> {
        let refresh =
            self.refresh.as_ref().filter(|held| !held.life_left().is_zero()).map(|held| held.token.clone());
        if let Some(refresh) = refresh {
            match source.refresh(&refresh).await {
                Ok(issued) => return self.keep(issued),
                Err(_) => self.refresh = None,
            }
        }
        self.keep(source.obtain().await?)
    }

    fn keep(&mut self, issued: Issued) -> Result<String> {
        let Some(access) = issued.access_token.or(issued.token) else {
            return Err(crate::Error::malformed(200));
        };
        self.access = Some(Lasting::new(access.clone(), issued.expires_in));
        if let Some(refresh) = issued.refresh_token {
            self.refresh = Some(Lasting::new(refresh, issued.refresh_expires_in));
        }
        Ok(access)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Counting {
        life: u64,
        obtained: AtomicUsize,
        refreshed: AtomicUsize,
    }

    impl Counting {
        fn issue(&self, kind: &str, count: &AtomicUsize) -> Issued {
            let number = count.fetch_add(1, Ordering::SeqCst);
            Issued {
                access_token: Some(format!("{kind}{number}")),
                token: None,
                refresh_token: Some("refresh".to_owned()),
                expires_in: Some(self.life),
                refresh_expires_in: None,
            }
        }
    }

    impl Source for Counting {
        async fn obtain(&self) -> Result<Issued> {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok(self.issue("obtained", &self.obtained))
        }

        async fn refresh(&self, _: &str) -> Result<Issued> {
            Ok(self.issue("refreshed", &self.refreshed))
        }
    }

    #[tokio::test]
    async fn concurrent_callers_share_one_renewal() {
        let (keeper, source) = (Keeper::default(), Counting { life: 3600, ..Counting::default() });
        let (left, right) = tokio::join!(keeper.token(&source), keeper.token(&source));
        assert_eq!(left.unwrap(), right.unwrap());
        assert_eq!(source.obtained.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn token_near_its_end_is_refreshed() {
        for (life, second) in [(59, "refreshed0"), (120, "obtained0")] {
            let (keeper, source) = (Keeper::default(), Counting { life, ..Counting::default() });
            keeper.token(&source).await.unwrap();
            assert_eq!(keeper.token(&source).await.unwrap(), second, "life of {life} s");
        }
    }

    #[tokio::test]
    async fn refused_token_is_replaced_once() {
        let (keeper, source) = (Keeper::default(), Counting { life: 3600, ..Counting::default() });
        let first = keeper.token(&source).await.unwrap();
        let (left, right) = tokio::join!(keeper.replace(&first, &source), keeper.replace(&first, &source));
        assert_eq!((left.unwrap(), right.unwrap()), ("refreshed0".to_owned(), "refreshed0".to_owned()));
    }
}
