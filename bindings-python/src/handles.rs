//! Objects that are prepared once and called often, for hot paths.

use std::time::{SystemTime, UNIX_EPOCH};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use quivive_core::{Timestamp, agent, guard, rules, signature, token};

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

    /// Whether a user agent by itself says bot: a fraction of the time of `classify`.
    fn is_bot(&self, user_agent: &str) -> bool {
        self.0.is_bot(user_agent)
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

/// Decides about every request of a site, in this process.
///
/// A handle, because it counts visitors and holds keys and compiled rules.
#[pyclass(frozen, module = "quivive")]
pub struct DetectionGuard(guard::DetectionGuard);

#[pymethods]
impl DetectionGuard {
    #[new]
    #[pyo3(signature = (**options))]
    fn new(py: Python<'_>, options: Option<Bound<'_, PyDict>>) -> PyResult<Self> {
        let options = options.unwrap_or_else(|| PyDict::new(py));
        if !options.contains("seed")? {
            options.set_item("seed", py.import("secrets")?.call_method1("token_hex", (32,))?)?;
        }
        let options: guard::GuardOptions = crate::decode(options.as_any())?;
        guard::DetectionGuard::new(options).map(Self).map_err(|failure| crate::error::raise(py, &failure))
    }

    /// What is to be done with a request; `now` is the present when it is left out.
    #[pyo3(signature = (**request))]
    fn check<'py>(
        &self,
        py: Python<'py>,
        request: Option<Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let request = guard_request(py, request)?;
        crate::encode(py, py.detach(|| Ok(self.0.check(&request.incoming()?))))
    }

    /// Take the keys that an agent publishes.
    #[pyo3(signature = (**fetched))]
    fn set_directory(&self, py: Python<'_>, fetched: Option<Bound<'_, PyDict>>) -> PyResult<()> {
        let fetched: guard::FetchedDirectory =
            crate::decode(fetched.unwrap_or_else(|| PyDict::new(py)).as_any())?;
        py.detach(|| self.0.set_fetched(&fetched)).map_err(|failure| crate::error::raise(py, &failure))
    }

    /// Take a policy in AgentShield's notation in the place of the one that counts.
    fn set_policy(&self, py: Python<'_>, policy: &Bound<'_, PyAny>) -> PyResult<()> {
        let policy: serde_json::Value = crate::decode(policy)?;
        py.detach(|| self.0.set_policy(&policy)).map_err(|failure| crate::error::raise(py, &failure))
    }

    /// What a detection service is told that is asked about a request; nothing where the guard does not look.
    #[pyo3(signature = (**request))]
    fn enquiry<'py>(
        &self,
        py: Python<'py>,
        request: Option<Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let request = guard_request(py, request)?;
        crate::encode(py, py.detach(|| Ok(self.0.enquiry(&request.incoming()?))))
    }

    /// Take the address ranges that operators publish.
    #[pyo3(signature = (**table))]
    fn set_feeds(&self, py: Python<'_>, table: Option<Bound<'_, PyDict>>) -> PyResult<()> {
        let table: agent::RangeTable = crate::decode(table.unwrap_or_else(|| PyDict::new(py)).as_any())?;
        py.detach(|| self.0.set_feeds(&table)).map_err(|failure| crate::error::raise(py, &failure))
    }

    /// Where keys are that a request needs and that are not known.
    #[pyo3(signature = (**request))]
    fn wanted_directories<'py>(
        &self,
        py: Python<'py>,
        request: Option<Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let request = guard_request(py, request)?;
        crate::encode(py, py.detach(|| Ok(self.0.wanted_directories(&request.incoming()?))))
    }

    /// The origins at which catalogued agents publish their keys.
    #[getter]
    fn signing_origins(&self) -> Vec<&str> {
        self.0.signing_origins()
    }

    /// Whether the cookie's key is a random one of this guard alone.
    #[getter]
    fn has_own_key(&self) -> bool {
        self.0.has_own_key()
    }
}

fn guard_request<'py>(py: Python<'py>, request: Option<Bound<'py, PyDict>>) -> PyResult<guard::GuardRequest> {
    let request = request.unwrap_or_else(|| PyDict::new(py));
    if !request.contains("now")? {
        request.set_item("now", present().milliseconds())?;
    }
    crate::decode(request.as_any())
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
