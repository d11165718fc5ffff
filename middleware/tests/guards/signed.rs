//! `DetectAgents` before agents that sign, with a key directory served over HTTPS.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use quivive::directories::KeyDirectories;
use quivive::reqwest;
use quivive_core::signature::{DIRECTORY_PATH, Line, MessageSigner, Request, SigningPlan};
use quivive_middleware::DetectAgents;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::detection::{Actix, Ask, Framework, Tower, agents};
use crate::service::now;

/// An agent with its key directory.
struct Agent {
    origin: String,
    certificate: Vec<u8>,
    signer: MessageSigner,
    asked: Arc<AtomicUsize>,
}

impl Agent {
    /// Its directory answers with this status, after a while.
    async fn start(status: u16, pause: Duration) -> Self {
        let signer = MessageSigner::generate(&[42; 32]).unwrap();
        let keys = json!({"keys": [signer.public_key().jwk()]}).to_string();
        let answer = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/http-message-signatures-directory+json\r\n\
             Cache-Control: max-age=86400\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{keys}",
            keys.len()
        );
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, answer, counter) = (acceptor.clone(), answer.clone(), Arc::clone(&counter));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut question = [0; 2_048];
                    let read = stream.read(&mut question).await.unwrap();
                    let line = format!("GET {DIRECTORY_PATH} HTTP/1.1\r\n");
                    assert!(question[..read].starts_with(line.as_bytes()));
                    counter.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(pause).await;
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    stream.shutdown().await.unwrap();
                });
            }
        });
        Self { origin, certificate: made.cert.der().to_vec(), signer, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn http(&self) -> reqwest::Client {
        let certificate = reqwest::Certificate::from_der(&self.certificate).unwrap();
        reqwest::Client::builder()
            .tls_certs_only([certificate])
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap()
    }

    fn trusted(&self) -> KeyDirectories {
        KeyDirectories::with_http(self.http()).trust(&self.origin).unwrap()
    }

    /// A browser's request for `/cart?id=5`, signed now.
    fn ask(&self) -> Ask {
        let agent = format!("sig1=\"{}\"", self.origin);
        let ask = Ask::browser("/cart?id=5").header("signature-agent", &agent);
        let lines: Vec<Line<'_>> =
            ask.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let covered = ["@method", "@target-uri", "@authority", "\"signature-agent\";key=\"sig1\""];
        let plan = SigningPlan::new(covered, "web-bot-auth", now(), 60);
        let unsigned = Request { method: Some("GET"), headers: &lines, ..Request::default() }
            .with_url("https://shop.example/cart?id=5");
        let fields = self.signer.sign(&(&unsigned).into(), &plan).unwrap();
        ask.header("signature-input", fields.signature_input).header("signature", fields.signature)
    }
}

/// For signed requests only.
fn closed() -> DetectAgents {
    agents(json!({"policy": {"require": "signed", "timeout_ms": 5_000}}))
}

async fn where_a_signature_is_demanded_the_first_request_waits_for_keys<F: Framework>() {
    let agent = Agent::start(200, Duration::from_millis(100)).await;
    let guard = closed().directories(agent.trusted());
    let asks = (0..8).map(|_| F::ask(&guard, agent.ask()));
    for got in futures::future::join_all(asks).await {
        assert_eq!((got.status, &got.body["status"]), (200, &json!("verified")), "{got:?}");
        assert_eq!(got.body["signer"], agent.origin);
    }
    assert_eq!(agent.asked(), 1, "all wait for one fetch");
    let mut tampered = agent.ask();
    tampered.headers.retain(|(name, _)| name != "signature-agent");
    assert_eq!(F::ask(&guard, tampered).await.status, 403);
    assert_eq!(F::ask(&guard, Ask::browser("/cart?id=5")).await.status, 403);
}

async fn elsewhere_no_request_waits_and_the_next_one_is_verified<F: Framework>() {
    let agent = Agent::start(200, Duration::from_millis(300)).await;
    let guard = agents(json!({})).directories(agent.trusted());
    let begun = Instant::now();
    let first = F::ask(&guard, agent.ask()).await;
    assert!(begun.elapsed() < Duration::from_millis(250), "waited for keys");
    assert_eq!((&first.body["status"], &first.body["signer"]), (&json!("claimed"), &Value::Null));
    while F::ask(&guard, agent.ask()).await.body["status"] != "verified" {
        assert!(begun.elapsed() < Duration::from_secs(5), "keys never came");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(agent.asked(), 1);
}

async fn nobody_who_is_not_trusted_is_asked<F: Framework>() {
    let agent = Agent::start(200, Duration::ZERO).await;
    let guard = closed().directories(KeyDirectories::with_http(agent.http()));
    assert_eq!(F::ask(&guard, agent.ask()).await.status, 403);
    assert_eq!(agent.asked(), 0);
}

async fn a_directory_that_fails_is_left_alone_for_a_while<F: Framework>() {
    for status in [404, 302, 500] {
        let agent = Agent::start(status, Duration::ZERO).await;
        let (sender, errors) = std::sync::mpsc::channel();
        let guard = closed()
            .directories(agent.trusted())
            .on_error(move |error| sender.send(error.code().to_owned()).unwrap());
        for _ in 0..3 {
            assert_eq!(F::ask(&guard, agent.ask()).await.status, 403, "{status}");
        }
        assert_eq!(agent.asked(), 1, "{status}");
        assert!(errors.recv_timeout(Duration::from_secs(5)).is_ok());
    }
}

async fn a_directory_that_is_slow_is_waited_for_no_longer_than_it_may<F: Framework>() {
    let agent = Agent::start(200, Duration::from_secs(20)).await;
    let guard =
        agents(json!({"policy": {"require": "signed", "timeout_ms": 200}})).directories(agent.trusted());
    let begun = Instant::now();
    assert_eq!(F::ask(&guard, agent.ask()).await.status, 403);
    assert!(begun.elapsed() < Duration::from_secs(2));
}

on_both!(
    a_directory_that_fails_is_left_alone_for_a_while,
    a_directory_that_is_slow_is_waited_for_no_longer_than_it_may,
    elsewhere_no_request_waits_and_the_next_one_is_verified,
    nobody_who_is_not_trusted_is_asked,
    where_a_signature_is_demanded_the_first_request_waits_for_keys,
);

#[test]
fn only_https_origins_can_be_trusted() {
    let directories = || KeyDirectories::with_http(reqwest::Client::new());
    assert!(directories().trust("https://agent.example").is_ok());
    for origin in ["http://agent.example", "https://agent.example/path", "agent.example", ""] {
        assert!(directories().trust(origin).is_err(), "{origin}");
    }
}
