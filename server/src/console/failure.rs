//! What went wrong, as a page.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use maud::html;

use super::layout;
use crate::error::Error;

/// The result of a page.
pub(super) type Result<T, E = Failure> = std::result::Result<T, E>;

/// An error that is shown as a page.
pub(super) struct Failure(Error);

impl Failure {
    /// 404, for whatever is not there or not the owner's.
    pub(super) fn not_found() -> Self {
        Self(Error::not_found("There is no such page, or it belongs to somebody else."))
    }

    /// 401: nobody is logged in, or not any more.
    pub(super) fn not_logged_in() -> Self {
        Self(Error::unauthenticated("You are not logged in, or were for longer than twelve hours."))
    }
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self(error) = self;
        error.log();
        let status = error.status();
        let title = match status {
            StatusCode::NOT_FOUND => "Nobody here",
            StatusCode::TOO_MANY_REQUESTS => "Too many attempts",
            status if status.is_server_error() => "That did not work",
            _ => "Halt",
        };
        let body = html! {
            section class="card narrow" {
                h1 class="page-title" { (title) }
                p { (error.public_message()) }
                p class="fine" { "Status " (status.as_u16()) ", code " code { (error.code()) } "." }
                p { a href=(super::PATH) { "Back to your projects" } }
            }
        };
        let mut response = layout::plain(title, &body);
        *response.status_mut() = status;
        if let Some(seconds) = error.retry_after_seconds() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
