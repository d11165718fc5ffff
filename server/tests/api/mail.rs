//! Mail, sent to a real mail server that listens on this machine, or kept by a development server.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64ct::{Base64, Encoding};
use quivive_server::config::{Config, Profile};
use quivive_server::mail::{self, Mail};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::support::{Server, prepare};

/// What a mail server was told in one conversation.
#[derive(Clone, Debug, Default)]
struct Delivery {
    login: Option<String>,
    from: String,
    to: String,
    message: String,
}

/// A mail server (RFC 5321) that takes what it gets, after it has said no as often as it was told to.
#[derive(Clone)]
struct MailServer {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<Delivery>>>,
    asked: Arc<Mutex<usize>>,
}

impl MailServer {
    /// A server whose first answers to a recipient are these.
    async fn start(refusals: &[&'static str]) -> Self {
        Self::with(refusals, None).await
    }

    async fn with(refusals: &[&'static str], tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server =
            Self { address: listener.local_addr().unwrap(), taken: Arc::default(), asked: Arc::default() };
        let refusals: Arc<[&'static str]> = refusals.into();
        let own = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (own, refusals, tls) = (own.clone(), refusals.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => own.converse(stream, &refusals).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => own.converse(stream, &refusals).await,
                            Err(_) => Ok(()),
                        },
                    }
                });
            }
        });
        server
    }

    async fn converse(&self, stream: impl AsyncRead + AsyncWrite, refusals: &[&str]) -> std::io::Result<()> {
        let stream = std::pin::pin!(stream);
        let mut stream = BufReader::new(stream);
        let mut delivery = Delivery::default();
        stream.write_all(b"220 ready\r\n").await?;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let word = line.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
            let answer = match word.as_str() {
                "EHLO" => "250-here\r\n250-8BITMIME\r\n250 AUTH PLAIN\r\n".to_owned(),
                "AUTH" => {
                    let given = line.split_whitespace().nth(2).unwrap_or_default();
                    delivery.login = Some(String::from_utf8(Base64::decode_vec(given).unwrap()).unwrap());
                    "235 welcome\r\n".to_owned()
                }
                "MAIL" => {
                    delivery.from = line.trim().to_owned();
                    "250 ok\r\n".to_owned()
                }
                "RCPT" => {
                    delivery.to = line.trim().to_owned();
                    let mut asked = self.asked.lock().unwrap();
                    *asked += 1;
                    refusals
                        .get(*asked - 1)
                        .map_or("250 ok\r\n".to_owned(), |refusal| format!("{refusal}\r\n"))
                }
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await?;
                    let mut message = String::new();
                    while !message.ends_with("\r\n.\r\n") && stream.read_line(&mut message).await? > 0 {}
                    delivery.message = message;
                    self.taken.lock().unwrap().push(delivery.clone());
                    "250 taken\r\n".to_owned()
                }
                "QUIT" => "221 bye\r\n".to_owned(),
                _ => "250 ok\r\n".to_owned(),
            };
            stream.write_all(answer.as_bytes()).await?;
        }
    }

    fn taken(&self) -> Vec<Delivery> {
        self.taken.lock().unwrap().clone()
    }

    fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }

    /// The mails once so many have come.
    async fn until(&self, count: usize) -> Vec<Delivery> {
        let all = async {
            while self.taken().len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), all).await.unwrap();
        self.taken()
    }

    fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.address.port())
    }
}

/// A service that sends its mails to an address.
async fn sending_to(url: &str, change: impl FnOnce(&mut Config)) -> Server {
    let server = Server::with(|config| {
        config.mail.smtp_url = Some(url.to_owned());
        config.mail.from = "Door <door@door.example>".to_owned();
        config.public_url = Some("https://door.example".to_owned());
        change(config);
    })
    .await;
    mail::start(&server.app);
    server
}

async fn stop(server: &Server) {
    server.app.jobs.stop(Duration::from_secs(10)).await;
}

/// The text of a part, as it was before it was made fit for travel (RFC 2045).
fn part(message: &str, media_type: &str) -> String {
    let (head, rest) =
        message.split_once(&format!("Content-Type: {media_type}")).unwrap().1.split_once("\r\n\r\n").unwrap();
    let body = rest.split("\r\n--").next().unwrap();
    if head.contains("base64") {
        return String::from_utf8(Base64::decode_vec(&body.replace("\r\n", "")).unwrap()).unwrap();
    }
    if !head.contains("quoted-printable") {
        return body.to_owned();
    }
    let joined = body.replace("=\r\n", "");
    let (mut bytes, mut rest) = (Vec::new(), joined.as_bytes());
    while let [first, tail @ ..] = rest {
        if *first == b'=' {
            let digits = std::str::from_utf8(&tail[..2]).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let start = format!("{name}: ");
    message.lines().find_map(|line| line.strip_prefix(start.as_str())).unwrap()
}

fn note(to: &str) -> Mail {
    let (text, html) = ("Hello".to_owned(), "<p>Hello</p>".to_owned());
    Mail { to: to.to_owned(), subject: "A note".to_owned(), text, html, kind: "note", code: None }
}

#[tokio::test]
async fn the_code_comes_as_text_and_as_html_and_not_in_the_subject() {
    let smtp = MailServer::start(&[]).await;
    let server = sending_to(&smtp.url(), |_| {}).await;
    let made = server.post("/v1/apps", &json!({ "email": "ada@example.com" })).await.json;
    let Delivery { from, to, message, login } = smtp.until(1).await.remove(0);
    assert_eq!((from.as_str(), to.as_str()), ("MAIL FROM:<door@door.example>", "RCPT TO:<ada@example.com>"));
    assert_eq!(login, None);
    assert_eq!(header(&message, "From"), "Door <door@door.example>");
    assert_eq!(header(&message, "To"), "ada@example.com");
    assert!(header(&message, "Content-Type").starts_with("multipart/alternative"));
    assert!(!header(&message, "Date").is_empty() && !header(&message, "Message-ID").is_empty());
    let text = part(&message, "text/plain; charset=utf-8");
    let html = part(&message, "text/html; charset=utf-8");
    let code = crate::botcha::apps::code_in(&text);
    assert!(html.contains(&code) && text.contains(made["app_id"].as_str().unwrap()), "{text}\n{html}");
    assert!(!header(&message, "Subject").contains(&code));
    assert!(!html.contains("src=") && !html.contains("<script"), "nothing is loaded from anywhere");
    let path = format!("/v1/apps/{}/verify-email", made["app_id"].as_str().unwrap());
    assert_eq!(server.post(&path, &json!({ "code": code })).await.status, 200);
    assert!(server.app.mail.kept().is_empty(), "what is sent is not kept");

    server.post("/v1/auth/recover", &json!({ "email": "ada@example.com" })).await;
    let Delivery { message, .. } = smtp.until(2).await.remove(1);
    let text = part(&message, "text/plain; charset=utf-8");
    let code = crate::botcha::apps::code_in(&text);
    assert!(text.contains(&format!("https://door.example/go/{code}")), "{text}");
    assert!(!header(&message, "Subject").contains("BOTCHA-"));
    stop(&server).await;
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again() {
    let smtp = MailServer::start(&["451 try later"]).await;
    let server = sending_to(&smtp.url(), |_| {}).await;
    server.app.mail.send(&server.app, note("ada@example.com"));
    assert_eq!(smtp.until(1).await.len(), 1);
    assert_eq!(smtp.asked(), 2);
    stop(&server).await;
    assert_eq!(smtp.taken().len(), 1, "and gets the mail once");
}

#[tokio::test]
async fn a_server_that_was_away_is_asked_again() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let server = sending_to(&format!("smtp://{address}"), |_| {}).await;
    server.app.mail.send(&server.app, note("ada@example.com"));
    tokio::time::sleep(Duration::from_millis(200)).await;
    let listener = TcpListener::bind(address).await.unwrap();
    let smtp = MailServer { address, taken: Arc::default(), asked: Arc::default() };
    let own = smtp.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let own = own.clone();
            tokio::spawn(async move { own.converse(stream, &[]).await });
        }
    });
    smtp.until(1).await;
    stop(&server).await;
}

#[tokio::test]
async fn a_final_no_is_final_and_holds_nobody_up() {
    let smtp = MailServer::start(&["550 no such user"]).await;
    let server = sending_to(&smtp.url(), |_| {}).await;
    server.app.mail.send(&server.app, note("nobody@example.com"));
    while smtp.asked() < 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.app.mail.send(&server.app, note("ada@example.com"));
    assert!(smtp.until(1).await[0].to.contains("ada@example.com"));
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(smtp.asked(), 2);
    stop(&server).await;
}

#[tokio::test]
async fn what_waits_at_the_end_is_sent_before_it() {
    let smtp = MailServer::start(&["451 try later", "451 try later"]).await;
    let server = sending_to(&smtp.url(), |_| {}).await;
    for number in 0..20 {
        server.app.mail.send(&server.app, note(&format!("a{number}@example.com")));
    }
    while smtp.asked() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop(&server).await;
    assert_eq!(smtp.taken().len(), 20);
}

#[tokio::test]
async fn an_answer_does_not_wait_for_the_mail() {
    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = sending_to(&format!("smtp://{}", silent.local_addr().unwrap()), |_| {}).await;
    let body = json!({ "email": "ada@example.com" });
    let asked = server.post("/v1/apps", &body);
    let answer = tokio::time::timeout(Duration::from_secs(5), asked).await.unwrap();
    assert_eq!(answer.status, 201);
}

#[tokio::test]
async fn the_mail_server_is_logged_in_to_over_tls_if_its_certificate_holds() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let tls = ServerConfig::builder().with_no_client_auth();
    let tls = tls.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let smtp = MailServer::with(&[], Some(TlsAcceptor::from(Arc::new(tls)))).await;
    let url = format!("smtps://door:p%40ss@localhost:{}", smtp.address.port());

    let strangers = sending_to(&url, |_| {}).await;
    strangers.app.mail.send(&strangers.app, note("ada@example.com"));
    tokio::time::sleep(Duration::from_millis(500)).await;
    stop(&strangers).await;
    assert_eq!(smtp.asked(), 0, "nothing is told to a server that cannot prove its name");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, made.cert.pem()).unwrap();
    let server = sending_to(&url, |config| {
        config.outbound.certificates = Some(file.to_str().unwrap().to_owned());
    })
    .await;
    server.app.mail.send(&server.app, note("ada@example.com"));
    let delivery = smtp.until(1).await.remove(0);
    assert_eq!(delivery.login.as_deref(), Some("\0door\0p@ss"));
    stop(&server).await;
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_refused_with_what_to_do() {
    for (url, from, expected) in [
        (Some("mail.example"), None, "`mail.smtp_url`"),
        (Some("https://mail.example"), None, "`mail.smtp_url`"),
        (Some("smtp://mail.example?tls=maybe"), None, "`mail.smtp_url`"),
        (None, Some("nobody"), "`mail.from`"),
        (None, Some("Door <door@>"), "`mail.from`"),
    ] {
        let mut config = Config::defaults(Profile::Secure).unwrap();
        config.mail.smtp_url = url.map(str::to_owned);
        if let Some(from) = from {
            config.mail.from = from.to_owned();
        }
        assert!(mail::check(&config).is_err());
        let error = prepare(config).await.err().unwrap();
        assert!(error.0.contains(expected), "{url:?} {from:?}: {error}");
    }
    let mut config = Config::defaults(Profile::Secure).unwrap();
    config.outbound.certificates = Some("/nowhere/authority.pem".to_owned());
    config.mail.smtp_url = Some("smtps://mail.example".to_owned());
    assert!(prepare(config).await.err().unwrap().0.contains("`outbound.certificates`"));
}

#[tokio::test]
async fn a_development_server_shows_its_mails_newest_first() {
    let server = Server::with(|config| config.development = true).await;
    let empty = server.call("GET", "/-/mail", &[("accept", "application/json")], "").await;
    assert_eq!((empty.status.as_u16(), empty.json), (200, json!({ "mails": [] })));
    for number in 0..51 {
        server.advance(1_000);
        server.app.mail.send(&server.app, note(&format!("a{number}@<b>.example")));
    }
    let answer = server.call("GET", "/-/mail", &[("accept", "application/json")], "").await;
    let mails = answer.json["mails"].as_array().unwrap();
    assert_eq!(mails.len(), 50, "the last ones");
    assert_eq!(
        mails[0],
        json!({
            "at": "2026-02-15T12:00:51.000Z", "to": "a50@<b>.example", "subject": "A note", "text": "Hello",
            "html": "<p>Hello</p>",
        })
    );
    assert_eq!(mails[49]["to"], "a1@<b>.example");
    assert_eq!(answer.header("cache-control"), "no-store");
    let page = server.call("GET", "/-/mail", &[("accept", "text/html")], "").await;
    let html = String::from_utf8(page.body.clone()).unwrap();
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(html.contains("a50@&lt;b&gt;.example") && !html.contains("<b>"), "{html}");
    assert!(page.header("content-security-policy").contains("default-src 'self'"));
}

#[tokio::test]
async fn mails_are_shown_by_a_development_server_to_its_own_machine_alone() {
    let path = "/-/mail";
    assert_eq!(Server::start().await.get(path).await.status, 404);
    assert_eq!(Server::compat().await.get(path).await.status, 404);
    let server = Server::with(|config| {
        config.development = true;
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    assert_eq!(server.call("GET", path, &[("host", "127.0.0.1:8080")], "").await.status, 200);
    assert_eq!(server.call("GET", path, &[("host", "rebound.example")], "").await.status, 404);
    assert_eq!(server.call("GET", path, &[("x-forwarded-for", "192.0.2.1")], "").await.status, 404);
}

#[tokio::test]
async fn without_a_mail_server_nothing_is_kept_and_the_answer_is_the_same() {
    let server = Server::start().await;
    assert_eq!(server.post("/v1/apps", &json!({ "email": "ada@example.com" })).await.status, 201);
    assert!(server.app.mail.kept().is_empty());
}
