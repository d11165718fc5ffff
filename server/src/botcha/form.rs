//! The fields of a form, urlencoded or in parts, as HTML forms and `curl -F` send them.

use std::collections::HashMap;
use std::convert::Infallible;

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, header};
use multer::Multipart;

use crate::error::{Error, Result};
use crate::extract::Body;

/// The fields of a form; files have none.
#[derive(Debug, Default)]
pub struct Fields(HashMap<String, String>);

impl Fields {
    /// Reads the body of a request: `multipart/form-data` if it says so, else `application/x-www-form-urlencoded`.
    ///
    /// # Errors
    /// 413 over the limit of bodies, 400 if the parts cannot be told apart.
    pub async fn read(request: Request) -> Result<Self> {
        let boundary = boundary(request.headers());
        let Body(body, _) = Body::<Error>::from_request(request, &()).await?;
        match boundary {
            Some(boundary) => Ok(Self(
                parts(body, boundary)
                    .await
                    .map_err(|error| Error::invalid("The form cannot be read").because(error))?,
            )),
            None => Ok(Self(form_urlencoded::parse(&body).into_owned().collect())),
        }
    }

    /// The value of a field, trimmed; empty when it is missing.
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |value| value.trim())
    }
}

fn boundary(headers: &HeaderMap) -> Option<String> {
    let media_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    multer::parse_boundary(media_type).ok()
}

async fn parts(body: Bytes, boundary: String) -> multer::Result<HashMap<String, String>> {
    let mut form = Multipart::new(stream::iter([Ok::<_, Infallible>(body)]), boundary);
    let mut fields = HashMap::new();
    while let Some(field) = form.next_field().await? {
        if let Some(name) = field.name().map(str::to_owned) {
            fields.insert(name, field.text().await?);
        }
    }
    Ok(fields)
}
