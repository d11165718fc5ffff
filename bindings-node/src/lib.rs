//! The compiled half of the Node package `quivive`: the export table and the handle classes.
//!
//! Values cross as JSON text: it is faster than building them member by member, it bounds nesting, and it reads
//! the same as in the browser package. `error.js` hides the text from users.

mod handles;

use napi::{Error, Result, Status};
use napi_derive::napi;
use quivive_core::exports;
use serde::Serialize;
use serde::de::DeserializeOwned;

macro_rules! node_exports {
    ($($(#[$doc:meta])* $name:ident($input:ty) -> $output:ty, js = $js:literal;)*) => {
        $(
            $(#[$doc])*
            #[napi(js_name = $js)]
            pub fn $name(input: String) -> Result<String> {
                call(&input, exports::$name)
            }
        )*
    };
}
quivive_core::for_each_export!(node_exports);

/// Reads JSON, runs `function` and writes JSON.
fn call<Input, Output>(input: &str, function: fn(Input) -> quivive_core::Result<Output>) -> Result<String>
where
    Input: DeserializeOwned,
    Output: Serialize,
{
    encode(decode(input).and_then(function))
}

/// Reads a core type from JSON text.
fn decode<T: DeserializeOwned>(text: &str) -> quivive_core::Result<T> {
    Ok(serde_json::from_str(text)?)
}

/// Writes a core result as JSON text.
fn encode<T: Serialize>(result: quivive_core::Result<T>) -> Result<String> {
    result.and_then(|output| Ok(serde_json::to_string(&output)?)).map_err(raise)
}

/// Makes the JavaScript error, whose message is the JSON form of the core error.
fn raise(failure: quivive_core::Error) -> Error {
    Error::new(Status::GenericFailure, failure.to_json().to_string())
}
