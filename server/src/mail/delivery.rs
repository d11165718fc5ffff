//! From the queue to the mail server, again after a while if that has a bad moment.

use std::time::Duration;

use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use tokio::task::JoinSet;

use super::Mail;
use crate::app::App;
use crate::config::{Config, ConfigError};
use crate::jobs::Stop;

/// The mail server and the sender.
pub(super) struct Transport {
    smtp: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Transport {
    /// Nothing if no server is set.
    pub(super) fn new(config: &Config) -> Result<Option<Self>, ConfigError> {
        let from = sender(config)?;
        let Some(url) = config.mail.smtp_url.as_deref() else { return Ok(None) };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(|_| unreadable())?;
        if let Some(path) = &config.outbound.certificates {
            builder = builder.tls(tls(url, path)?);
        }
        Ok(Some(Self { smtp: builder.timeout(Some(PATIENCE)).build(), from }))
    }

    fn write(&self, mail: &Mail) -> Result<Message, Box<dyn std::error::Error + Send + Sync>> {
        let parts = MultiPart::alternative_plain_html(mail.text.clone(), mail.html.clone());
        Ok(Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, mail.to.parse()?))
            .subject(mail.subject.clone())
            .message_id(None)
            .multipart(parts)?)
    }
}

/// Whether the settings can be read.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    sender(config)?;
    match config.mail.smtp_url.as_deref() {
        Some(url) => {
            AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map(|_| ()).map_err(|_| unreadable())
        }
        None => Ok(()),
    }
}

/// The task that sends until the server ends; then it sends what it holds, without further pauses.
pub(super) async fn run(app: App, mut stop: Stop) {
    let mut receiver = app.mail.receiver.lock().await;
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            mail = receiver.recv(), if under_way.len() < MOST_AT_ONCE => match mail {
                Some(mail) => { under_way.spawn(deliver(app.clone(), mail, stop.clone())); }
                None => break,
            },
            Some(_) = under_way.join_next() => {}
            () = stop.requested(), if !receiver.is_closed() => receiver.close(),
        }
    }
    while under_way.join_next().await.is_some() {}
}

async fn deliver(app: App, mail: Mail, mut stop: Stop) {
    let Some(transport) = &app.mail.transport else { return };
    let message = match transport.write(&mail) {
        Ok(message) => message,
        Err(error) => return given_up(&mail, &*error),
    };
    for pause in PAUSES.into_iter().map(Some).chain([None]) {
        let error = match transport.smtp.send(message.clone()).await {
            Ok(_) => {
                metrics::counter!("quivive_mails_total", "outcome" => "sent").increment(1);
                return;
            }
            Err(error) => error,
        };
        let is_hopeless = error.is_permanent() || error.is_client() || stop.is_requested();
        let Some(pause) = pause.filter(|_| !is_hopeless) else { return given_up(&mail, &error) };
        tracing::warn!(kind = mail.kind, cause = causes(&error), "a mail was not taken; it is sent again");
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.requested() => {}
        }
    }
}

fn given_up(mail: &Mail, error: &(dyn std::error::Error + 'static)) {
    tracing::error!(kind = mail.kind, cause = causes(error), "a mail could not be sent");
    metrics::counter!("quivive_mails_total", "outcome" => "failed").increment(1);
}

fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let first = error.to_string();
    std::iter::successors(error.source(), |cause| (*cause).source()).fold(first, |text, cause| {
        let cause = cause.to_string();
        if text.ends_with(&cause) { text } else { format!("{text}: {cause}") }
    })
}

/// The same protection as the address asks for, with the operator's own authorities trusted beside the system's.
fn tls(url: &str, path: &str) -> Result<Tls, ConfigError> {
    let failed =
        |error: &dyn std::fmt::Display| ConfigError(format!("`outbound.certificates`, {path}: {error}"));
    let uri: http::Uri = url.parse().map_err(|_| unreadable())?;
    let host = uri.host().ok_or_else(unreadable)?;
    let pem = std::fs::read(path).map_err(|error| failed(&error))?;
    let certificates = Certificate::from_pem(&pem).map_err(|error| failed(&error))?;
    let parameters = TlsParameters::builder(host.to_owned())
        .add_root_certificate(certificates)
        .build()
        .map_err(|error| failed(&error))?;
    let asked = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .find(|(name, _)| name == "tls")
        .map(|(_, value)| value.into_owned());
    Ok(match (uri.scheme_str(), asked.as_deref()) {
        (Some("smtps"), _) => Tls::Wrapper(parameters),
        (_, Some("required")) => Tls::Required(parameters),
        (_, Some("opportunistic")) => Tls::Opportunistic(parameters),
        _ => Tls::None,
    })
}

fn sender(config: &Config) -> Result<Mailbox, ConfigError> {
    config.mail.from.parse().map_err(|_| {
        ConfigError("`mail.from` must be a sender such as `Quivive <quivive@door.example>`".to_owned())
    })
}

fn unreadable() -> ConfigError {
    ConfigError(
        "`mail.smtp_url` cannot be read: write smtps://user:password@mail.example:465 or \
         smtp://user:password@mail.example:587?tls=required, with special characters percent-encoded"
            .to_owned(),
    )
}

const MOST_AT_ONCE: usize = 8;
/// What one step of the conversation with the mail server may take.
const PATIENCE: Duration = Duration::from_secs(15);
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(30)];
