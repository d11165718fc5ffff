//! The way out, attacked: with a real DNS server and real HTTP and HTTPS servers on local addresses.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;
use quivive_server::config::{Config, OutboundConfig, Profile};
use quivive_server::flows::scoring::verified::ranges;
use quivive_server::outbound::{DnsError, Fetched, Get, GetError, Outbound, UrlError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::dns::{DnsServer, Reply, data};
use crate::support::Server;

/// Settings that permit 127.0.0.1 and nothing else that is private.
fn settings(dns: &DnsServer) -> OutboundConfig {
    let mut config = Config::defaults(Profile::Secure).unwrap().outbound;
    config.dns_servers = vec![dns.address];
    config.dns_timeout_ms = 500;
    config.allow_private = vec!["127.0.0.1/32".parse().unwrap()];
    config.allow_http = true;
    config
}

fn get(url: &str) -> Get<'_> {
    Get { url, etag: None, limit: 1_000, timeout: Duration::from_secs(5) }
}

fn forbidden(host: &str) -> GetError {
    GetError::Forbidden(host.to_owned())
}

/// A server that gives one answer to everybody and counts them.
struct Listening {
    address: SocketAddr,
    count: Arc<AtomicUsize>,
}

impl Listening {
    async fn start(at: &str, answer: impl Into<String>) -> Self {
        Self::slow(at, answer, Duration::ZERO).await
    }

    /// Waits between the head and each byte of the body.
    async fn slow(at: &str, answer: impl Into<String>, pause: Duration) -> Self {
        let listener = TcpListener::bind((at, 0)).await.unwrap();
        let listening = Self { address: listener.local_addr().unwrap(), count: Arc::default() };
        let (count, answer) = (listening.count.clone(), answer.into());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(answer_with(stream, answer.clone(), pause));
            }
        });
        listening
    }

    fn url(&self, host: &str) -> String {
        format!("http://{host}:{}/list.json", self.address.port())
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

async fn answer_with(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: String, pause: Duration) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read_exact(&mut byte).await.is_err() {
            return;
        }
        request.push(byte[0]);
    }
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let _ = stream.write_all(format!("{head}\r\n\r\n").as_bytes()).await;
    if pause.is_zero() {
        let _ = stream.write_all(body.as_bytes()).await;
    } else {
        for byte in body.bytes() {
            tokio::time::sleep(pause).await;
            let _ = stream.write_all(&[byte]).await;
        }
    }
    let _ = stream.shutdown().await;
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nETag: \"7\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn redirect(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn a_document_of_a_permitted_address_is_fetched() {
    let (dns, web) = (DnsServer::start().await, Listening::start("127.0.0.1", ok("hello")).await);
    dns.set("lists.example", RecordType::A, Reply::Records(vec![data("127.0.0.1")]));
    let outbound = Outbound::new(&settings(&dns)).unwrap();
    let fetched = outbound.get(get(&web.url("lists.example"))).await.unwrap();
    assert_eq!(fetched, Fetched::Body { bytes: "hello".into(), etag: Some("\"7\"".to_owned()) });
}

#[tokio::test]
async fn names_that_lead_inside_are_refused_after_they_are_resolved() {
    let (dns, inside) = (DnsServer::start().await, Listening::start("127.0.0.2", ok("secret")).await);
    let outbound = Outbound::new(&settings(&dns)).unwrap();
    for (number, address) in [
        "127.0.0.2",
        "10.0.0.1",
        "169.254.169.254",
        "192.168.0.1",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "203.0.113.1",
    ]
    .iter()
    .enumerate()
    {
        let host = format!("v4-{number}.example");
        dns.set(&host, RecordType::A, Reply::Records(vec![data(address)]));
        assert_eq!(outbound.get(get(&inside.url(&host))).await, Err(forbidden(&host)), "{address}");
    }
    for (number, address) in [
        "::1",
        "::",
        "::ffff:127.0.0.2",
        "fd00::1",
        "fe80::1",
        "64:ff9b::7f00:2",
        "2002:7f00:2::1",
        "ff02::1",
    ]
    .iter()
    .enumerate()
    {
        let host = format!("v6-{number}.example");
        dns.set(&host, RecordType::AAAA, Reply::Records(vec![data(address)]));
        assert_eq!(outbound.get(get(&inside.url(&host))).await, Err(forbidden(&host)), "{address}");
    }
    assert_eq!(inside.count(), 0);
}

#[tokio::test]
async fn addresses_in_urls_are_refused_however_they_are_written() {
    let (dns, inside) = (DnsServer::start().await, Listening::start("127.0.0.2", ok("secret")).await);
    let outbound = Outbound::new(&settings(&dns)).unwrap();
    for host in [
        "127.0.0.2",
        "2130706434",
        "0x7f000002",
        "0x7f.2",
        "0177.0.0.2",
        "127.2",
        "127.0.0.2.",
        "[::1]",
        "[::ffff:127.0.0.2]",
        "[::ffff:7f00:2]",
        "[64:ff9b::127.0.0.2]",
        "169.254.169.254",
        "0",
    ] {
        let error = outbound.get(get(&inside.url(host))).await.unwrap_err();
        assert!(matches!(error, GetError::Forbidden(_)), "{host}: {error}");
    }
    // The system's own names are nothing special either.
    let strict = Outbound::new(&OutboundConfig { allow_private: Vec::new(), ..settings(&dns) }).unwrap();
    let error = strict.get(get(&inside.url("localhost"))).await.unwrap_err();
    assert!(matches!(error, GetError::Forbidden(_) | GetError::NoAddress(_)), "{error}");
    assert_eq!(inside.count(), 0);
}

#[tokio::test]
async fn redirects_pass_the_same_checks() {
    let (dns, inside) = (DnsServer::start().await, Listening::start("127.0.0.2", ok("secret")).await);
    dns.set("inside.example", RecordType::A, Reply::Records(vec![data("127.0.0.2")]));
    let outbound = Outbound::new(&settings(&dns)).unwrap();
    for (to, expected) in [
        (inside.url("127.0.0.2"), forbidden("127.0.0.2")),
        (inside.url("2130706434"), forbidden("127.0.0.2")),
        (inside.url("inside.example"), forbidden("inside.example")),
        ("file:///etc/passwd".to_owned(), GetError::Status(302)),
        ("http://user:secret@127.0.0.1/".to_owned(), GetError::Url(UrlError::Credentials)),
    ] {
        let web = Listening::start("127.0.0.1", redirect(&to)).await;
        assert_eq!(outbound.get(get(&web.url("127.0.0.1"))).await, Err(expected), "{to}");
    }
    assert_eq!(inside.count(), 0);
    let last = Listening::start("127.0.0.1", ok("moved")).await;
    let web = Listening::start("127.0.0.1", redirect(&last.url("127.0.0.1"))).await;
    assert!(matches!(outbound.get(get(&web.url("127.0.0.1"))).await, Ok(Fetched::Body { .. })));
    let endless = Listening::start("127.0.0.1", redirect("/again")).await;
    let error = outbound.get(get(&endless.url("127.0.0.1"))).await.unwrap_err();
    assert_eq!((error, endless.count()), (GetError::Url(UrlError::Redirects), 4));
}

#[tokio::test]
async fn a_name_that_changes_its_mind_gains_nothing() {
    let (dns, inside) = (DnsServer::start().await, Listening::start("127.0.0.2", ok("secret")).await);
    let turns = vec![vec![data("127.0.0.1")], vec![data("127.0.0.2")]];
    dns.set("rebound.example", RecordType::A, Reply::InTurn(turns));
    // The permitted address of the first answer has nobody on this port; the second answer would have.
    let outbound = Outbound::new(&settings(&dns)).unwrap();
    let error = outbound.get(get(&inside.url("rebound.example"))).await.unwrap_err();
    assert!(matches!(error, GetError::Failed(_)), "{error}");
    assert_eq!(dns.asked_about("rebound.example."), 2, "one question for each version of addresses");
    assert_eq!(outbound.get(get(&inside.url("rebound.example"))).await, Err(forbidden("rebound.example")));
    // Of several addresses, only those that are permitted are tried.
    let web = Listening::start("127.0.0.1", ok("hello")).await;
    dns.set("both.example", RecordType::A, Reply::Records(vec![data("127.0.0.2"), data("127.0.0.1")]));
    assert!(outbound.get(get(&web.url("both.example"))).await.is_ok());
    assert_eq!(inside.count(), 0);
}

#[tokio::test]
async fn bodies_have_a_limit_and_everything_a_deadline() {
    let dns = DnsServer::start().await;
    let outbound = Outbound::new(&settings(&dns)).unwrap();
    let announced = Listening::start("127.0.0.1", ok(&"x".repeat(1_001))).await;
    assert_eq!(outbound.get(get(&announced.url("127.0.0.1"))).await, Err(GetError::TooLarge(1_000)));
    let unannounced = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", "x".repeat(100_000));
    let unannounced = Listening::start("127.0.0.1", unannounced).await;
    assert_eq!(outbound.get(get(&unannounced.url("127.0.0.1"))).await, Err(GetError::TooLarge(1_000)));

    let limit = Duration::from_millis(300);
    let slow = Listening::slow("127.0.0.1", ok(&"x".repeat(900)), Duration::from_millis(20)).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://127.0.0.1:{}/", silent.local_addr().unwrap().port());
    for url in [slow.url("127.0.0.1"), silent] {
        let started = Instant::now();
        assert_eq!(outbound.get(Get { timeout: limit, ..get(&url) }).await, Err(GetError::Timeout(limit)));
        assert!(started.elapsed() < Duration::from_secs(3));
    }
}

#[tokio::test]
async fn other_urls_and_statuses_are_refused() {
    let (dns, web) = (DnsServer::start().await, Listening::start("127.0.0.1", ok("hello")).await);
    let outbound = Outbound::new(&settings(&dns)).unwrap();
    for (url, expected) in [
        ("", UrlError::Syntax),
        ("lists.example", UrlError::Syntax),
        ("file:///etc/passwd", UrlError::Scheme),
        ("ftp://lists.example/", UrlError::Scheme),
        ("http://user@lists.example/", UrlError::Credentials),
    ] {
        assert_eq!(outbound.get(get(url)).await, Err(GetError::Url(expected)), "{url}");
    }
    let missing = Listening::start("127.0.0.1", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(outbound.get(get(&missing.url("127.0.0.1"))).await, Err(GetError::Status(404)));
    // A 304 to a question without an ETag is no answer.
    let odd = Listening::start("127.0.0.1", "HTTP/1.1 304 Not Modified\r\n\r\n").await;
    assert_eq!(outbound.get(get(&odd.url("127.0.0.1"))).await, Err(GetError::Status(304)));
    let url = odd.url("127.0.0.1");
    let with_etag = Get { etag: Some("\"7\""), ..get(&url) };
    assert_eq!(outbound.get(with_etag).await, Ok(Fetched::Unchanged));
    let unknown = outbound.get(get("http://unknown.example/")).await;
    assert_eq!(unknown, Err(GetError::NoAddress("unknown.example".to_owned())));
    dns.set("broken.example", RecordType::A, Reply::Failure);
    dns.set("broken.example", RecordType::AAAA, Reply::Failure);
    let broken = outbound.get(get("http://broken.example/")).await;
    assert!(matches!(broken, Err(GetError::Dns(DnsError::Failed(_)))), "{broken:?}");

    let secure = Outbound::new(&OutboundConfig { allow_http: false, ..settings(&dns) }).unwrap();
    let plain = secure.get(get(&web.url("127.0.0.1"))).await;
    assert_eq!((plain, web.count()), (Err(GetError::Url(UrlError::Scheme)), 0));
}

#[tokio::test]
async fn certificates_are_checked() {
    let dns = DnsServer::start().await;
    dns.set("lists.example", RecordType::A, Reply::Records(vec![data("127.0.0.1")]));
    dns.set("other.example", RecordType::A, Reply::Records(vec![data("127.0.0.1")]));
    let (port, certificate) = https("lists.example", ok("hello")).await;
    let url = |host: &str| format!("https://{host}:{port}/");
    let strict = Outbound::new(&OutboundConfig { allow_http: false, ..settings(&dns) }).unwrap();
    let error = strict.get(get(&url("lists.example"))).await.unwrap_err();
    assert!(matches!(error, GetError::Failed(_)), "nobody vouches for the certificate: {error}");

    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(certificate.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    let settings = OutboundConfig { allow_http: false, certificates: Some(path), ..settings(&dns) };
    let trusting = Outbound::new(&settings).unwrap();
    assert!(matches!(trusting.get(get(&url("lists.example"))).await, Ok(Fetched::Body { .. })));
    let error = trusting.get(get(&url("other.example"))).await.unwrap_err();
    assert!(matches!(error, GetError::Failed(_)), "another name: {error}");

    let missing = OutboundConfig { certificates: Some("no-such-file.pem".to_owned()), ..settings };
    let error = Outbound::new(&missing).err().unwrap();
    assert!(error.0.contains("outbound.certificates") && error.0.contains("no-such-file.pem"), "{error}");
}

#[tokio::test]
async fn lists_of_ranges_are_refreshed_and_bad_ones_leave_the_old() {
    let dns = DnsServer::start().await;
    let list = ok(r#"{"creationTime": "2026-02-15", "prefixes": [{"ipv4Prefix": "20.42.10.176/28"}]}"#);
    let (good, later) = (Listening::start("127.0.0.1", list).await, ok("8.8.8.8/32\n"));
    let later = Listening::start("127.0.0.1", later).await;
    let broken = [
        ok("<html>Sign in</html>"),
        ok("0.0.0.0/0"),
        ok("10.0.0.0/16"),
        ok("\u{0}"),
        redirect("http://127.0.0.2/"),
    ];
    let place = |url: String| {
        move |config: &mut Config| {
            config.verification.feeds = config_feeds(&url);
        }
    };
    let server = with_feeds(&dns, place(good.url("127.0.0.1"))).await;
    let refreshed = ranges::refresh(&server.app).await.unwrap();
    let of_gptbot = |results: &[ranges::Refreshed]| {
        results.iter().find(|list| list.feed == "openai-gptbot").unwrap().result.clone()
    };
    assert_eq!(of_gptbot(&refreshed), Ok(1));
    // The others have no reachable place in this test.
    assert!(refreshed.iter().filter(|list| list.result.is_err()).count() > 10);
    ranges::load(&server.app).await.unwrap();
    let in_use = |server: &Server| server.app.scoring.verified.ranges.list("openai-gptbot").unwrap();
    assert_eq!(in_use(&server).ranges, ["20.42.10.176/28"]);
    assert_eq!(in_use(&server).as_of, server.app.now());

    for answer in broken {
        let web = Listening::start("127.0.0.1", answer.clone()).await;
        let outcome = refresh_from(&server, &dns, &web).await;
        assert!(of_gptbot(&outcome).is_err(), "{answer}");
        ranges::load(&server.app).await.unwrap();
        assert_eq!(in_use(&server).ranges, ["20.42.10.176/28"], "{answer}");
    }
    assert_eq!(of_gptbot(&refresh_from(&server, &dns, &later).await), Ok(1));
    ranges::load(&server.app).await.unwrap();
    assert_eq!(in_use(&server).ranges, ["8.8.8.8/32"]);
}

#[tokio::test]
async fn an_unchanged_list_gets_a_new_date() {
    let dns = DnsServer::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://127.0.0.1:{}/list.txt", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        let unchanged = "HTTP/1.1 304 Not Modified\r\n\r\n".to_owned();
        for answer in [ok("20.42.10.176/28"), unchanged] {
            let (stream, _) = listener.accept().await.unwrap();
            answer_with(stream, answer, Duration::ZERO).await;
        }
    });
    let server = with_feeds(&dns, |config| config.verification.feeds = config_feeds(&url)).await;
    for _ in 0..2 {
        server.advance(3_600_000);
        ranges::refresh(&server.app).await.unwrap();
        ranges::load(&server.app).await.unwrap();
        let list = server.app.scoring.verified.ranges.list("openai-gptbot").unwrap();
        assert_eq!(
            (list.ranges.as_slice(), list.as_of),
            (&["20.42.10.176/28".to_owned()][..], server.app.now())
        );
    }
}

#[tokio::test]
async fn tables_are_exported_and_imported_where_there_is_no_internet() {
    let dns = DnsServer::start().await;
    let server = with_feeds(&dns, |_| {}).await;
    let table = |date: &str, feed: &str, range: &str| {
        let json = format!(r#"{{"date": "{date}", "feeds": {{"{feed}": ["{range}"]}}}}"#);
        quivive_core::agent::RangeTable::parse(&json).unwrap()
    };
    for (date, feed, range, is_taken) in [
        ("2026-02-14", "openai-gptbot", "20.42.10.176/28", true),
        ("2026-02-13", "openai-gptbot", "20.42.10.0/28", false),
        ("2027-01-01", "openai-gptbot", "20.42.10.0/28", false),
        ("yesterday", "openai-gptbot", "20.42.10.0/28", false),
        ("2026-02-14", "unheard-of", "20.42.10.0/28", false),
        ("2026-02-14", "bing-bingbot", "192.168.0.0/24", false),
    ] {
        let results = ranges::import(&server.app, table(date, feed, range)).await.unwrap();
        assert_eq!(results[0].result.is_ok(), is_taken, "{date} {feed} {range}: {:?}", results[0].result);
    }
    ranges::load(&server.app).await.unwrap();
    let exported = ranges::export(&server.app);
    assert_eq!(exported.feeds["openai-gptbot"], ["20.42.10.176/28"]);
    assert!(exported.feeds["google-common-crawlers"].len() > 10, "what is built in is exported as well");
    assert_eq!(exported.date, "2026-02-14");
}

fn config_feeds(url: &str) -> std::collections::BTreeMap<String, String> {
    [("openai-gptbot".to_owned(), url.to_owned())].into()
}

async fn with_feeds(dns: &DnsServer, change: impl FnOnce(&mut Config)) -> Server {
    Server::with(|config| {
        config.outbound = settings(dns);
        change(config);
    })
    .await
}

/// Refreshes the server's lists as a second process would that has another place configured.
async fn refresh_from(server: &Server, dns: &DnsServer, web: &Listening) -> Vec<ranges::Refreshed> {
    let mut config = Config::defaults(Profile::Secure).unwrap();
    config.outbound = settings(dns);
    config.verification.feeds = config_feeds(&web.url("127.0.0.1"));
    let other = quivive_server::serve::prepare(
        config,
        server.app.storage.clone(),
        quivive_server::keys::master::MasterSecret::from_bytes([42; 32]),
        server.app.clock.clone(),
        quivive_server::app::Entropy::System,
    );
    ranges::refresh(&other.await.unwrap()).await.unwrap()
}

/// A server with a certificate of its own making for `host`: port, and the certificate as PEM.
async fn https(host: &str, answer: String) -> (u16, String) {
    let made = rcgen::generate_simple_self_signed([host.to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, answer) = (acceptor.clone(), answer.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    answer_with(stream, answer, Duration::ZERO).await;
                }
            });
        }
    });
    (port, made.cert.pem())
}
