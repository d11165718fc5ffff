//! The classifier, prepared once and called often.

use quivive_core::agent;
use wasm_bindgen::prelude::*;

use crate::exports::{decode, encode};

/// Classifies requests with the built-in catalogue of agents.
#[wasm_bindgen]
pub struct Classifier(agent::Classifier);

#[wasm_bindgen]
impl Classifier {
    /// Makes the catalogue ready.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self(agent::Classifier::new())
    }

    /// Classifies one request from its facts.
    pub fn classify(&self, facts: &str) -> Result<String, JsError> {
        encode(decode::<agent::RequestFacts>(facts).map(|facts| self.0.classify(&facts)))
    }

    /// Whether a user agent by itself says bot.
    #[wasm_bindgen(js_name = "isBot")]
    pub fn is_bot(&self, user_agent: &str) -> bool {
        self.0.is_bot(user_agent)
    }
}
