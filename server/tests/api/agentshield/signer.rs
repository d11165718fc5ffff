//! An agent that signs its requests, and the server where it publishes its keys.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hickory_proto::rr::RecordType;
use quivive_core::Timestamp;
use quivive_core::signature::{
    KeyLocation, Line, LocationKind, MessageSigner, Request, SigningPlan, WEB_BOT_AUTH_TAG,
};
use quivive_server::config::Config;
use quivive_server::flows::detection::directories::{self, StoredDirectory};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::site::Site;
use super::vectors::{CHROME, browser_headers};
use crate::dns::{DnsServer, Reply, data};

pub const URL: &str = "https://shop.example/cart?id=5";
const HOST: &str = "agent.example";
pub const DIRECTORY_TYPE: &str = "application/http-message-signatures-directory+json";

/// An agent with one key.
pub struct Agent {
    pub signer: MessageSigner,
    pub origin: String,
}

impl Agent {
    pub fn new(seed: u8, origin: &str) -> Self {
        Self { signer: MessageSigner::generate(&[seed; 32]).unwrap(), origin: origin.to_owned() }
    }

    /// The key as it is published.
    pub fn key(&self) -> Value {
        serde_json::to_value(self.signer.public_key().jwk()).unwrap()
    }

    pub fn thumbprint(&self) -> &str {
        self.signer.public_key().thumbprint()
    }

    pub fn plan(now: Timestamp) -> SigningPlan {
        let components = ["@authority", "@method", "@path", r#""signature-agent";key="sig1""#];
        SigningPlan::new(components, WEB_BOT_AUTH_TAG, now, 3_600)
    }

    /// A description of a signed request of a browser.
    pub fn request(&self, plan: &SigningPlan) -> Value {
        let agent = format!("sig1=\"{}\"", self.origin);
        let line: Line<'_> = ("signature-agent", agent.as_bytes());
        let lines = [line];
        let request = Request { method: Some("GET"), headers: &lines, ..Request::default() }.with_url(URL);
        let fields = self.signer.sign(&(&request).into(), plan).unwrap();
        let mut headers = browser_headers();
        headers["signature-agent"] = json!(agent);
        headers["signature-input"] = json!(fields.signature_input);
        headers["signature"] = json!(fields.signature);
        json!({ "userAgent": CHROME, "headers": headers, "url": URL, "method": "GET" })
    }

    /// Puts the agent's keys where a restart finds them.
    pub async fn publish(&self, site: &Site) {
        let app = &site.server.app;
        let stored = StoredDirectory {
            location: KeyLocation::read(&self.origin, LocationKind::Directory).unwrap(),
            document: json!({ "keys": [self.key()] }).to_string(),
            fetched_at: app.now(),
            lifetime_ms: 86_400_000,
            trusted: [self.thumbprint().to_owned()].into(),
        };
        app.storage.put(&stored).await.unwrap();
        directories::refresh(app).await.unwrap();
    }
}

/// A server over HTTPS for an agent's directory; what it answers can be changed.
pub struct Directory {
    pub origin: String,
    dns: DnsServer,
    certificate: tempfile::NamedTempFile,
    answer: Arc<Mutex<String>>,
    requests: Arc<AtomicUsize>,
}

impl Directory {
    pub async fn start() -> Self {
        let dns = DnsServer::start().await;
        dns.set(HOST, RecordType::A, Reply::Records(vec![data("127.0.0.1")]));
        let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        let mut certificate = tempfile::NamedTempFile::new().unwrap();
        certificate.write_all(made.cert.pem().as_bytes()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("https://{HOST}:{}", listener.local_addr().unwrap().port());
        let directory = Self { origin, dns, certificate, answer: Arc::default(), requests: Arc::default() };
        let (acceptor, answer) = (TlsAcceptor::from(Arc::new(config)), directory.answer.clone());
        let requests = directory.requests.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                requests.fetch_add(1, Ordering::SeqCst);
                let mut request = vec![0; 4_096];
                let length = stream.read(&mut request).await.unwrap_or_default();
                let head = String::from_utf8_lossy(&request[..length]).into_owned();
                assert!(head.starts_with("GET /.well-known/http-message-signatures-directory "), "{head}");
                let answer = answer.lock().unwrap().clone();
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        directory
    }

    /// The settings that let a server reach it.
    pub fn settings(&self, config: &mut Config) {
        config.outbound.dns_servers = vec![self.dns.address];
        config.outbound.allow_private = vec!["127.0.0.1/32".parse().unwrap()];
        config.outbound.certificates = Some(self.certificate.path().to_str().unwrap().to_owned());
        config.verification.signature_agents = vec![self.origin.clone()];
    }

    /// Gives this machine another name.
    pub fn name(&self, host: &str) {
        self.dns.set(host, RecordType::A, Reply::Records(vec![data("127.0.0.1")]));
    }

    pub fn answer(&self, answer: &str) {
        *self.answer.lock().unwrap() = answer.to_owned();
    }

    /// Answers with these keys.
    pub fn publish(&self, keys: &[Value]) {
        self.answer(&ok(
            DIRECTORY_TYPE,
            "Cache-Control: max-age=86400\r\n",
            &json!({ "keys": keys }).to_string(),
        ));
    }

    /// How many names with this ending were looked up.
    pub fn looked_up(&self, ending: &str) -> usize {
        self.dns.asked_about(ending)
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

pub fn ok(media: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {media}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Status, method and type of a described request.
pub async fn outcome(site: &Site, body: &Value) -> (String, String, String) {
    let answer = site.detect_at("/api/v1/detect?include=verification", body).await;
    assert_eq!(answer.status, 200, "{:?}", answer.json);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let verification = &answer.json["extended"]["verification"];
    (text(&verification["status"]), text(&verification["method"]), text(&answer.json["botType"]))
}

pub fn verified() -> (String, String, String) {
    ("verified".to_owned(), "http_signature".to_owned(), "ai_agent".to_owned())
}

pub fn claimed() -> (String, String, String) {
    ("claimed".to_owned(), "none".to_owned(), "ai_agent".to_owned())
}

pub fn spoofed() -> (String, String, String) {
    ("spoofed".to_owned(), "http_signature".to_owned(), "scraper".to_owned())
}
