//! The export table for JavaScript: one JSON text in, one JSON text out, errors as JSON text.

use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;

macro_rules! generate {
    ($($(#[$doc:meta])* $name:ident($input:ident) -> $output:ty, js = $js:literal;)*) => {
        $(
            $(#[$doc])*
            #[wasm_bindgen(js_name = $js)]
            pub fn $name(input: &str) -> Result<String, JsValue> {
                let input: quivive_core::exports::$input = read(input)?;
                write(&quivive_core::exports::$name(input).map_err(thrown)?)
            }
        )*
    };
}

quivive_core::for_each_export!(generate);

/// Reads an argument.
pub(crate) fn read<T: for<'text> Deserialize<'text>>(text: &str) -> Result<T, JsValue> {
    serde_json::from_str(text).map_err(|error| thrown(error.into()))
}

/// Writes a result.
pub(crate) fn write(value: &impl Serialize) -> Result<String, JsValue> {
    serde_json::to_string(value).map_err(|error| thrown(error.into()))
}

/// The thrown value is JSON text, from which the JavaScript side makes a `QuiviveError`.
pub(crate) fn thrown(error: quivive_core::Error) -> JsValue {
    JsValue::from_str(&error.to_json().to_string())
}
