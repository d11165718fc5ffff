//! The export table for JavaScript: one JSON text in, one JSON text out.
//!
//! Values cross as text because it bounds nesting, needs no binding code per type and reads the same as in the
//! Node package; the JavaScript modules beside the generated ones hide it from users.

use quivive_core::exports;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;

macro_rules! wasm_exports {
    ($($(#[$doc:meta])* $name:ident($input:ty) -> $output:ty, js = $js:literal;)*) => {
        $(
            $(#[$doc])*
            #[wasm_bindgen(js_name = $js)]
            pub fn $name(input: &str) -> Result<String, JsError> {
                encode(decode(input).and_then(exports::$name))
            }
        )*
    };
}
#[cfg(feature = "exports")]
quivive_core::for_each_export!(wasm_exports);
// A part of that table.
#[cfg(not(feature = "exports"))]
wasm_exports! {
    /// Classify one request: person, bot or agent, and how far its identity is proven.
    classify_request(exports::RequestFacts) -> exports::Classification, js = "classifyRequest";
}

/// Reads a core type from JSON text.
pub(crate) fn decode<T: DeserializeOwned>(text: &str) -> quivive_core::Result<T> {
    Ok(serde_json::from_str(text)?)
}

/// Writes a core result as JSON text.
pub(crate) fn encode<T: Serialize>(result: quivive_core::Result<T>) -> Result<String, JsError> {
    result.and_then(|output| Ok(serde_json::to_string(&output)?)).map_err(raise)
}

/// Makes the JavaScript error, whose message is the JSON form of the core error.
pub(crate) fn raise(failure: quivive_core::Error) -> JsError {
    JsError::new(&failure.to_json().to_string())
}
