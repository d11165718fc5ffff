//! Mail: codes and notices to the owners of apps, queued off the request path and sent through SMTP.
//!
//! The mail server is the one that the operator names in `mail.smtp_url`: no caller has a say in where a connection
//! goes, so it may be on a private address and does not pass the guard of [`crate::outbound`].
//! Without one, a development server keeps mails in memory and shows them at `/-/mail`.

mod delivery;
mod letters;
mod sink;

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Mutex;
use tokio::sync::mpsc::{self, Receiver, Sender};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::delivery::Transport;
pub use self::letters::{base, login, secret_rotated, sign_up_attempt, verification, webhook_disabled};
pub use self::sink::{Kept, Mails};
use crate::app::App;
use crate::config::{Config, ConfigError};

/// One mail, as text and as HTML.
#[derive(Clone)]
pub struct Mail {
    /// The address.
    pub to: String,
    /// One line without secrets: subjects are shown on locked screens.
    pub subject: String,
    /// For readers of text.
    pub text: String,
    /// For everyone else; loads nothing from anywhere.
    pub html: String,
    /// What it is about, for the log.
    pub kind: &'static str,
    /// The code in it, for a log that may show codes.
    pub code: Option<String>,
}

/// The way out for mails, and where they are kept when there is none.
pub struct Mailer {
    transport: Option<Transport>,
    sender: Sender<Mail>,
    receiver: Mutex<Receiver<Mail>>,
    sink: sink::Sink,
    has_warned: AtomicBool,
}

impl Mailer {
    /// By the settings of `[mail]`.
    ///
    /// # Errors
    /// If `mail.smtp_url`, `mail.from` or the file of `outbound.certificates` cannot be read.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        Ok(Self {
            transport: Transport::new(config)?,
            sender,
            receiver: Mutex::new(receiver),
            sink: sink::Sink::default(),
            has_warned: AtomicBool::new(false),
        })
    }

    /// Queues a mail and returns at once; whatever becomes of it, the caller goes on.
    pub fn send(&self, app: &App, mail: Mail) {
        if self.transport.is_some() {
            if let Err(error) = self.sender.try_send(mail) {
                tracing::error!(kind = error.into_inner().kind, "a mail is lost: too many wait to be sent");
                metrics::counter!("quivive_mails_total", "outcome" => "lost").increment(1);
            }
            return;
        }
        if app.config.development || app.config.compat.log_codes {
            let Mail { kind, to, code, .. } = &mail;
            let code = code.as_deref().unwrap_or_default();
            tracing::info!(kind, to, code, "no mail server is set: this mail stays here");
        } else if !self.has_warned.swap(true, Ordering::SeqCst) {
            tracing::warn!(
                "mails are not sent: set `mail.smtp_url` to your mail server, or verify addresses and log owners in \
                 with `quivive admin app`"
            );
        }
        if app.config.development {
            self.sink.keep(app.now(), mail);
        }
    }

    /// The mails that a development server kept, newest first.
    pub fn kept(&self) -> Vec<Kept> {
        self.sink.kept()
    }
}

/// Whether an address has the form that mail servers take (RFC 5321), so that a mail to it can be sent.
pub fn is_address(text: &str) -> bool {
    text.parse::<lettre::Address>().is_ok()
}

/// What the settings of `[mail]` break, if anything.
///
/// # Errors
/// As [`Mailer::new`], but for files.
pub fn check(config: &Config) -> Result<(), ConfigError> {
    delivery::check(config)
}

/// Starts sending, if there is a mail server.
pub fn start(app: &App) {
    if app.mail.transport.is_some() {
        let sending = app.clone();
        app.jobs.start("mail", move |stop| delivery::run(sending.clone(), stop));
    }
}

/// The route.
pub fn router(_app: &App) -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(sink::read))
}

/// Mails that wait at most; by the limits on who may ask for one, far more than honest use makes.
const CAPACITY: usize = 1_000;
