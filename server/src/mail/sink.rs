//! Where the mails of a development server without a mail server go: into its memory, shown at `/-/mail`.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use maud::{DOCTYPE, html};
use quivive_core::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::Mail;
use crate::app::App;
use crate::browser::assets_path;
use crate::error::{Error, Result};
use crate::extract::{ClientIp, header_text};
use crate::pages::{self, Format, preferred_format};

/// The last mails, oldest first.
#[derive(Default)]
pub(super) struct Sink(Mutex<VecDeque<Kept>>);

/// A mail that was kept instead of sent.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = NativeMail)]
pub struct Kept {
    /// When, as ISO 8601.
    #[schema(format = DateTime)]
    pub at: String,
    /// The address.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

/// The mails that were kept instead of sent.
#[derive(Serialize, ToSchema)]
#[schema(as = NativeMails)]
pub struct Mails {
    /// Newest first, at most 50.
    pub mails: Vec<Kept>,
}

impl Sink {
    pub(super) fn keep(&self, at: Timestamp, mail: Mail) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == MOST {
            kept.pop_front();
        }
        let Mail { to, subject, text, html, .. } = mail;
        kept.push_back(Kept { at: at.to_string(), to, subject, text, html });
    }

    pub(super) fn kept(&self) -> Vec<Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }
}

/// The mails that a development server without a mail server kept instead of sending them, newest first.
#[utoipa::path(
    get, path = "/-/mail", tag = "native", operation_id = "native_read_mail",
    responses(
        (status = 200, description = "The mails", content((Mails = "application/json"), (String = "text/html"))),
        (status = 404, description = "No development server, or not asked from its machine"),
    ),
)]
pub(super) async fn read(
    State(app): State<App>,
    ClientIp(ip): ClientIp,
    headers: HeaderMap,
) -> Result<Response> {
    if !app.config.development || !ip.is_loopback() || !is_local(&headers) {
        return Err(Error::not_found(
            "no such page: mails are shown by a development server to its own machine",
        ));
    }
    let mails = app.mail.kept();
    let mut response = match preferred_format(&headers) {
        Format::Json => Json(Mails { mails }).into_response(),
        Format::Html | Format::Markdown => pages::html(page(&app, &mails)),
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Codes are for whoever sits at this machine: a page of another site could have its name lead here.
fn is_local(headers: &HeaderMap) -> bool {
    header_text(headers, header::HOST.as_str()).is_none_or(|host| {
        let name = host.rsplit_once(':').map_or(host, |(name, port)| {
            if port.bytes().all(|digit| digit.is_ascii_digit()) { name } else { host }
        });
        matches!(name, "localhost" | "127.0.0.1" | "[::1]")
    })
}

fn page(app: &App, mails: &[Kept]) -> String {
    let assets = assets_path();
    let name = &app.config.service_name;
    let body = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { "Mails: " (name) }
                link rel="icon" type="image/svg+xml" href=(format!("{assets}/icon.svg"));
                link rel="stylesheet" href=(format!("{assets}/page.css"));
                link rel="stylesheet" href=(format!("{assets}/console.css"));
                link rel="stylesheet" href=(format!("{assets}/site.css"));
            }
            body class="console" {
                main id="content" {
                    h1 class="page-title" { "Mails" }
                    p class="fine" {
                        "This development server sends no mail: the last " (MOST) " are kept here until it ends. Set "
                        code { "mail.smtp_url" } " to send them."
                    }
                    @if mails.is_empty() { p { "Nobody was written to yet." } }
                    @for mail in mails {
                        section class="card" {
                            h2 { (mail.subject) }
                            p class="fine" { "To " (mail.to) ", " (mail.at) }
                            pre tabindex="0" { (mail.text) }
                        }
                    }
                }
            }
        }
    };
    body.into_string()
}

const MOST: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_local() {
        let is_local_host = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            is_local(&headers)
        };
        for host in ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]", "[::1]:8080"] {
            assert!(is_local_host(host), "{host}");
        }
        for host in
            ["door.example", "localhost.evil.example:80", "127.0.0.1.evil.example", "[::2]", "evil:80:"]
        {
            assert!(!is_local_host(host), "{host}");
        }
    }
}
