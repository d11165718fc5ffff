//! DNS questions with a deadline, and a circuit breaker in front of a resolver that gives no answers.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as HickoryError, NetError};
use hickory_resolver::proto::rr::{Name, RData, RecordType};

use super::breaker::{Admission, Breaker};

/// Why a question has no answer. "There is no such record" is an answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DnsError {
    /// Nothing came back in time.
    #[error("the resolver did not answer")]
    Unanswered,
    /// The resolver answered with a failure, such as `SERVFAIL`.
    #[error("the resolver answered {0}")]
    Failed(String),
    /// The name is none.
    #[error("not a name")]
    Name,
    /// Nothing is asked for now, because the resolver gave no answers.
    #[error("the resolver gives no answers; it is left alone for a moment")]
    Suspended,
}

/// The version of addresses that is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Family {
    /// `A` records.
    V4,
    /// `AAAA` records.
    V6,
}

impl Family {
    /// The version of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// Whoever answers DNS questions. Names are absolute.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// The addresses of a name, none when it has none.
    async fn addresses(&self, name: &str, family: Family) -> Result<Vec<IpAddr>, DnsError>;

    /// The names that an address points to, none when it has none.
    async fn names(&self, address: IpAddr) -> Result<Vec<String>, DnsError>;

    /// Asks what every working resolver can answer by itself.
    async fn probe(&self) -> Result<(), DnsError>;
}

/// DNS for the rest of the server.
#[derive(Clone)]
pub struct Dns {
    resolver: Arc<dyn Resolver>,
    breaker: Arc<Breaker>,
    timeout: Duration,
}

impl Dns {
    /// Questions to `resolver`, each for at most `timeout`.
    pub fn new(resolver: Arc<dyn Resolver>, timeout: Duration) -> Self {
        Self { resolver, breaker: Arc::new(Breaker::new(MOST_FAILURES, PAUSE)), timeout }
    }

    /// The addresses of a name, none when it has none.
    ///
    /// # Errors
    /// [`DnsError`] when it is not known.
    pub async fn addresses(&self, name: &str, family: Family) -> Result<Vec<IpAddr>, DnsError> {
        self.ask(self.resolver.addresses(name, family)).await
    }

    /// The names that an address points to, none when it has none.
    ///
    /// # Errors
    /// [`DnsError`] when it is not known.
    pub async fn names(&self, address: IpAddr) -> Result<Vec<String>, DnsError> {
        self.ask(self.resolver.names(address)).await
    }

    async fn ask<T>(
        &self,
        question: impl Future<Output = Result<Vec<T>, DnsError>>,
    ) -> Result<Vec<T>, DnsError> {
        let answer = self.ask_if_admitted(question).await;
        let outcome = match &answer {
            Ok(records) if records.is_empty() => "none",
            Ok(_) => "answered",
            Err(DnsError::Unanswered) => "unanswered",
            Err(DnsError::Failed(_) | DnsError::Name) => "failed",
            Err(DnsError::Suspended) => "suspended",
        };
        metrics::counter!("quivive_dns_questions_total", "outcome" => outcome).increment(1);
        answer
    }

    async fn ask_if_admitted<T>(
        &self,
        question: impl Future<Output = Result<Vec<T>, DnsError>>,
    ) -> Result<Vec<T>, DnsError> {
        match self.breaker.admit(Instant::now()) {
            Admission::Pass => {}
            Admission::Refuse => return Err(DnsError::Suspended),
            Admission::Probe => {
                self.probe().await;
                if self.breaker.admit(Instant::now()) != Admission::Pass {
                    return Err(DnsError::Suspended);
                }
            }
        }
        let answer = tokio::time::timeout(self.timeout, question).await.unwrap_or(Err(DnsError::Unanswered));
        if answer.as_ref().err() != Some(&DnsError::Unanswered) {
            self.breaker.succeeded();
        } else if self.breaker.failed() {
            // Whom the questions are about decides how long the answers take. Only the resolver's own silence may
            // suspend everybody's questions.
            self.probe().await;
        }
        answer
    }

    /// Opens or closes the breaker by what a probe gives.
    async fn probe(&self) {
        let answer = tokio::time::timeout(self.timeout, self.resolver.probe()).await;
        let is_silent = matches!(answer, Err(_) | Ok(Err(DnsError::Unanswered)));
        if is_silent {
            tracing::warn!("the DNS resolver gives no answers; nothing is asked for {} s", PAUSE.as_secs());
            self.breaker.open(Instant::now());
        } else {
            self.breaker.succeeded();
        }
        metrics::gauge!("quivive_dns_suspended").set(if is_silent { 1.0 } else { 0.0 });
    }
}

/// The resolver that the configuration names: the system's, or given servers.
pub struct SystemResolver(Result<TokioResolver, NetError>);

impl SystemResolver {
    /// Asks `servers`, or without any those of the operating system.
    pub fn new(servers: &[SocketAddr], timeout: Duration) -> Self {
        let builder = if servers.is_empty() {
            TokioResolver::builder_tokio()
        } else {
            let servers = servers.iter().map(name_server).collect();
            let config = ResolverConfig::from_name_servers(servers);
            Ok(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()))
        };
        let resolver = builder.and_then(|mut builder| {
            set_options(builder.options_mut(), timeout);
            builder.build()
        });
        if let Err(error) = &resolver {
            tracing::warn!(%error, "there is no DNS resolver; set `outbound.dns_servers`");
        }
        Self(resolver)
    }

    async fn look_up<T>(
        &self,
        name: Name,
        kind: RecordType,
        wanted: impl Fn(&RData) -> Option<T>,
    ) -> Result<Vec<T>, DnsError> {
        let resolver = self.0.as_ref().map_err(|_| DnsError::Unanswered)?;
        match resolver.lookup(name, kind).await {
            Ok(lookup) => Ok(lookup.answers().iter().filter_map(|record| wanted(&record.data)).collect()),
            Err(error) if error.is_no_records_found() => Ok(Vec::new()),
            Err(NetError::Dns(HickoryError::ResponseCode(code))) => Err(DnsError::Failed(code.to_string())),
            Err(NetError::Proto(error)) => Err(DnsError::Failed(error.to_string())),
            Err(_) => Err(DnsError::Unanswered),
        }
    }
}

#[async_trait]
impl Resolver for SystemResolver {
    async fn addresses(&self, name: &str, family: Family) -> Result<Vec<IpAddr>, DnsError> {
        let mut name = Name::from_utf8(name).map_err(|_| DnsError::Name)?;
        // Otherwise the system's search domains would be tried as well.
        name.set_fqdn(true);
        let kind = match family {
            Family::V4 => RecordType::A,
            Family::V6 => RecordType::AAAA,
        };
        self.look_up(name, kind, RData::ip_addr).await
    }

    async fn names(&self, address: IpAddr) -> Result<Vec<String>, DnsError> {
        let name = |data: &RData| match data {
            RData::PTR(name) => Some(name.to_ascii()),
            _ => None,
        };
        self.look_up(Name::from(address.to_canonical()), RecordType::PTR, name).await
    }

    async fn probe(&self) -> Result<(), DnsError> {
        self.look_up(Name::root(), RecordType::NS, |_| Some(())).await.map(|_| ())
    }
}

fn name_server(server: &SocketAddr) -> NameServerConfig {
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut connections {
        connection.port = server.port();
    }
    NameServerConfig::new(server.ip(), true, connections)
}

fn set_options(options: &mut ResolverOpts, timeout: Duration) {
    options.timeout = timeout / 2;
    options.attempts = 1;
    // Names of this machine's own file prove nothing about the world, and lead inside.
    options.use_hosts_file = ResolveHosts::Never;
    options.positive_max_ttl = Some(LONGEST_CACHED);
    options.negative_max_ttl = Some(LONGEST_CACHED);
}

const MOST_FAILURES: u32 = 5;
const PAUSE: Duration = Duration::from_secs(30);
const LONGEST_CACHED: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    /// Answers nothing about addresses; about itself as told.
    #[derive(Default)]
    struct Silent {
        is_alive: AtomicBool,
        asked: AtomicUsize,
    }

    #[async_trait]
    impl Resolver for Silent {
        async fn addresses(&self, _: &str, _: Family) -> Result<Vec<IpAddr>, DnsError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            std::future::pending().await
        }

        async fn names(&self, _: IpAddr) -> Result<Vec<String>, DnsError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            Ok(vec!["crawl.example.".to_owned()])
        }

        async fn probe(&self) -> Result<(), DnsError> {
            if self.is_alive.load(Ordering::SeqCst) { Ok(()) } else { Err(DnsError::Unanswered) }
        }
    }

    async fn ask(dns: &Dns) -> DnsError {
        dns.addresses("crawl.example.", Family::V4).await.unwrap_err()
    }

    #[tokio::test]
    async fn a_silent_resolver_is_left_alone_after_five_questions() {
        let resolver = Arc::new(Silent::default());
        let dns = Dns::new(resolver.clone(), Duration::from_millis(5));
        for _ in 0..MOST_FAILURES {
            assert_eq!(ask(&dns).await, DnsError::Unanswered);
        }
        assert_eq!(ask(&dns).await, DnsError::Suspended);
        assert_eq!(resolver.asked.load(Ordering::SeqCst), 5);
    }

    #[tokio::test]
    async fn silence_about_some_names_does_not_suspend_a_resolver_that_is_alive() {
        let resolver = Arc::new(Silent::default());
        resolver.is_alive.store(true, Ordering::SeqCst);
        let dns = Dns::new(resolver.clone(), Duration::from_millis(5));
        for _ in 0..4 * MOST_FAILURES {
            assert_eq!(ask(&dns).await, DnsError::Unanswered);
        }
        assert!(dns.names(IpAddr::from([192, 0, 2, 1])).await.is_ok());
    }
}
