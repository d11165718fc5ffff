//! A receiver of webhooks on a local port, over TLS or without, and a check of signatures that shares no code with
//! ours: what a receiver's owner would write.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// What arrived in one request.
#[derive(Clone, Debug)]
pub struct Received {
    pub line: String,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A running receiver; it ends with the test. Answers 200 unless told otherwise.
#[derive(Clone)]
pub struct Receiver {
    pub port: u16,
    /// The certificate of a receiver over TLS.
    pub certificate: String,
    received: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Mutex<VecDeque<String>>>,
    delay: Duration,
}

impl Receiver {
    pub async fn start() -> Self {
        Self::at("127.0.0.1", Duration::ZERO, None).await
    }

    /// On another local address.
    pub async fn inside(address: &str) -> Self {
        Self::at(address, Duration::ZERO, None).await
    }

    /// Reads at once and answers late.
    pub async fn slow(delay: Duration) -> Self {
        Self::at("127.0.0.1", delay, None).await
    }

    /// Over TLS with a certificate of its own making for a host.
    pub async fn tls(host: &str) -> Self {
        Self::at("127.0.0.1", Duration::ZERO, Some(host)).await
    }

    async fn at(address: &str, delay: Duration, host: Option<&str>) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let (mut certificate, mut acceptor) = (String::new(), None);
        if let Some(host) = host {
            let made = rcgen::generate_simple_self_signed([host.to_owned()]).unwrap();
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
            let config = ServerConfig::builder().with_no_client_auth();
            let config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
            acceptor = Some(TlsAcceptor::from(Arc::new(config)));
            certificate = made.cert.pem();
        }
        let receiver = Self {
            port: listener.local_addr().unwrap().port(),
            certificate,
            received: Arc::default(),
            answers: Arc::default(),
            delay,
        };
        let own = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (own, acceptor) = (own.clone(), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => own.serve(stream).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                own.serve(stream).await;
                            }
                        }
                    }
                });
            }
        });
        receiver
    }

    async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let (mut bytes, mut byte) = (Vec::new(), [0]);
        while !bytes.ends_with(b"\r\n\r\n") {
            if stream.read_exact(&mut byte).await.is_err() {
                return;
            }
            bytes.push(byte[0]);
        }
        let head = String::from_utf8(bytes).unwrap();
        let mut lines = head.lines();
        let line = lines.next().unwrap().to_owned();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut received = Received { line, headers, body: String::new() };
        let mut body = vec![0; received.header("content-length").parse().unwrap()];
        stream.read_exact(&mut body).await.unwrap();
        received.body = String::from_utf8(body).unwrap();
        self.received.lock().unwrap().push(received);
        tokio::time::sleep(self.delay).await;
        let next = self.answers.lock().unwrap().pop_front();
        let answer = next.unwrap_or_else(|| "200 OK\r\n".to_owned());
        let answer = format!("HTTP/1.1 {answer}Content-Length: 0\r\nConnection: close\r\n\r\n");
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook?tenant=7", self.port)
    }

    /// The next answers, in place of those that were to come: status lines, with further header lines.
    pub fn answer(&self, answers: &[&str]) {
        let lines = answers.iter().map(|answer| format!("{answer}\r\n"));
        *self.answers.lock().unwrap() = lines.collect();
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.received.lock().unwrap().len()
    }

    /// Waits for so many requests.
    pub async fn until(&self, count: usize) -> Vec<Received> {
        for _ in 0..1_000 {
            if self.count() >= count {
                return self.received();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} of {count} requests arrived: {:?}", self.count(), self.received())
    }
}

/// What a receiver does with a request: the time is recent, and one of the signatures is that of the body.
pub fn is_genuine(secret: &str, received: &Received, now: i64) -> bool {
    let line = received.header("x-agentshield-signature");
    let mut parts = line.split(',').filter_map(|part| part.split_once('='));
    let Some(("t", time)) = parts.next() else { return false };
    let is_recent = time.parse::<i64>().is_ok_and(|time| (now - time).abs() <= 300);
    let expected = hmac(secret.as_bytes(), format!("{time}.{}", received.body).as_bytes());
    is_recent && parts.any(|(name, value)| name == "v1" && value == expected)
}

/// How many signatures a request carries.
pub fn signatures(received: &Received) -> usize {
    received.header("x-agentshield-signature").matches("v1=").count()
}

/// HMAC-SHA-256 as RFC 2104 writes it down, in hexadecimal.
fn hmac(key: &[u8], message: &[u8]) -> String {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    let outer = Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}
