//! The page for people whose link leads nowhere.

use axum::response::Response;
use http::{HeaderMap, Method, StatusCode, header};

use super::page::{self, Block, Frame, Page, Tone};
use crate::app::App;
use crate::extract::Origin;
use crate::pages::{Format, preferred_format};

/// A 404 page for whoever asks for HTML or Markdown by name; programs, and clients of the original, get JSON.
pub async fn respond(app: &App, origin: &Origin, method: &Method, headers: &HeaderMap) -> Option<Response> {
    let is_read = method == Method::GET || method == Method::HEAD;
    if !is_read || app.config.is_compat() || !names_a_page(headers) {
        return None;
    }
    let page = Page {
        title: "There is no such page".to_owned(),
        description: "This address leads nowhere.".to_owned(),
        blocks: vec![
            Block::Notice(Tone::Bad, "This address leads nowhere.".to_owned()),
            Block::text("It may be cut short, or of another version of this service."),
            Block::Links(vec![
                ("Front page".to_owned(), "/".to_owned()),
                ("How to use the API".to_owned(), "/docs".to_owned()),
            ]),
        ],
    };
    let frame = Frame { status: StatusCode::NOT_FOUND, path: "/", ..Frame::default() };
    // Without storage there is no challenge for the page, and the caller gets the plain answer.
    page::respond(app, origin, headers, frame, &page).await.ok()
}

fn names_a_page(headers: &HeaderMap) -> bool {
    match preferred_format(headers) {
        Format::Markdown => true,
        Format::Json => false,
        Format::Html => headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.to_ascii_lowercase().contains("text/html")),
    }
}
