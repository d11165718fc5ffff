//! Bodies of the family that every route shares.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::Error;

/// The result of a handler of this family.
pub type Result<T> = std::result::Result<T, Failure>;

/// An error in the family's form.
#[derive(Debug)]
pub struct Failure(pub Error);

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        self.0.log();
        let body = json!({ "success": false, "error": self.0.code(), "message": self.0.public_message() });
        (self.0.status(), Json(body)).into_response()
    }
}
