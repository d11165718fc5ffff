//! Objects that are prepared once and called often, for hot paths.

use std::time::{SystemTime, UNIX_EPOCH};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use quivive_core::{Timestamp, agent, rules, signature, token};

/// Verifies tokens with one set of keys, under one policy.
///
/// A handle, because `verify_token` reads its keys anew in each call, which costs more than the rest of the call.
#[pyclass(frozen, module = "quivive")]
pub struct Verifier(token::Verifier);

#[pymethods]
impl Verifier {
    #[new]
    #[pyo3(signature = (**options))]
    fn new(py: Python<'_>, options: Option<Bound<'_, PyDict>>) -> PyResult<Self> {
        let options: token::VerifierOptions =
            crate::decode(options.unwrap_or_else(|| PyDict::new(py)).as_any())?;
        options.verifier().map(Self).map_err(|failure| crate::error::raise(py, &failure))
    }

    /// Verify a token and return its claims.
    ///
    /// `now` is in milliseconds since the Unix epoch; the present when it is left out.
    #[pyo3(signature = (token, now=None))]
    fn verify<'py>(&self, py: Python<'py>, token: &str, now: Option<i64>) -> PyResult<Bound<'py, PyAny>> {
        let now = now.map_or_else(present, Timestamp::from_milliseconds);
        crate::encode(py, py.detach(|| self.0.verify(token, now)))
    }
}

/// Classifies requests with the built-in catalogue of agents.
///
/// A handle, because making the catalogue ready takes far longer than to classify one request.
#[pyclass(frozen, module = "quivive")]
pub struct Classifier(agent::Classifier);

#[pymethods]
impl Classifier {
    #[new]
    fn new() -> Self {
        Self(agent::Classifier::new())
    }

    /// Classify one request from its facts.
    #[pyo3(signature = (**facts))]
    fn classify<'py>(
        &self,
        py: Python<'py>,
        facts: Option<Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let facts: agent::RequestFacts = crate::decode(facts.unwrap_or_else(|| PyDict::new(py)).as_any())?;
        crate::encode(py, Ok(py.detach(|| self.0.classify(&facts))))
    }
}

/// Evaluates the rules of a site's owner.
///
/// A handle, because `evaluate_rules` checks and prepares its rules anew in each call, which costs more than to
/// evaluate them.
#[pyclass(frozen, module = "quivive")]
pub struct RuleSet(rules::RuleSet);

#[pymethods]
impl RuleSet {
    #[new]
    #[pyo3(signature = (**options))]
    fn new(py: Python<'_>, options: Option<Bound<'_, PyDict>>) -> PyResult<Self> {
        let options: rules::RuleSetOptions =
            crate::decode(options.unwrap_or_else(|| PyDict::new(py)).as_any())?;
        options.rule_set().map(Self).map_err(|failure| crate::error::raise(py, &failure))
    }

    /// The rules that match, in order.
    #[pyo3(signature = (**facts))]
    fn matches<'py>(
        &self,
        py: Python<'py>,
        facts: Option<Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let facts: rules::Facts = crate::decode(facts.unwrap_or_else(|| PyDict::new(py)).as_any())?;
        crate::encode(py, Ok(py.detach(|| self.0.matches(&facts))))
    }
}

/// Verifies message signatures with one set of keys, under one policy.
///
/// A handle, because `verify_http_signature` reads its keys anew in each call.
#[pyclass(frozen, module = "quivive")]
pub struct SignatureVerifier(signature::SignatureVerifier);

#[pymethods]
impl SignatureVerifier {
    #[new]
    #[pyo3(signature = (**options))]
    fn new(py: Python<'_>, options: Option<Bound<'_, PyDict>>) -> PyResult<Self> {
        let options: signature::SignatureVerifierOptions =
            crate::decode(options.unwrap_or_else(|| PyDict::new(py)).as_any())?;
        options.verifier().map(Self).map_err(|failure| crate::error::raise(py, &failure))
    }

    /// Verify every signature of a request.
    ///
    /// `now` is in milliseconds since the Unix epoch; the present when it is left out.
    #[pyo3(signature = (request, now=None))]
    fn verify<'py>(
        &self,
        py: Python<'py>,
        request: Bound<'py, PyDict>,
        now: Option<i64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let now = now.map_or_else(present, Timestamp::from_milliseconds);
        let request: signature::SignedRequest = crate::decode(request.as_any())?;
        crate::encode(py, py.detach(|| self.0.verify(&request, now)))
    }
}

fn present() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_milliseconds(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
