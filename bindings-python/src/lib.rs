//! The compiled half of the Python package `quivive`: the export table and the handle classes.

mod error;
mod handles;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use quivive_core::{Error, Result, exports};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Nesting that an argument may have. The decoder recurses, and a list that holds itself must not end the process.
const MAXIMUM_DEPTH: usize = 128;

macro_rules! python_exports {
    ($($(#[$doc:meta])* $name:ident($input:ty) -> $output:ty, js = $js:literal;)*) => {
        $(
            $(#[$doc])*
            #[pyfunction]
            #[pyo3(signature = (**input))]
            fn $name<'py>(py: Python<'py>, input: Option<Bound<'py, PyDict>>) -> PyResult<Bound<'py, PyAny>> {
                call(py, input, exports::$name)
            }
        )*

        #[pymodule(gil_used = false)]
        fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            module.add_class::<handles::Classifier>()?;
            module.add_class::<handles::DetectionGuard>()?;
            module.add_class::<handles::RuleSet>()?;
            module.add_class::<handles::SignatureVerifier>()?;
            module.add_class::<handles::Verifier>()
        }
    };
}
quivive_core::for_each_export!(python_exports);

/// Decodes keyword arguments, runs `function` without the interpreter lock and encodes what it returns.
fn call<'py, Input, Output>(
    py: Python<'py>,
    input: Option<Bound<'py, PyDict>>,
    function: fn(Input) -> Result<Output>,
) -> PyResult<Bound<'py, PyAny>>
where
    Input: DeserializeOwned + Send,
    Output: Serialize + Send,
{
    let input = decode(input.unwrap_or_else(|| PyDict::new(py)).as_any())?;
    encode(py, py.detach(|| function(input)))
}

/// Reads a Python value as a core type, by way of JSON: read directly, any object would pass for a boolean or number.
fn decode<T: DeserializeOwned>(value: &Bound<'_, PyAny>) -> PyResult<T> {
    let read = || -> Result<T> {
        if !is_shallow(value, MAXIMUM_DEPTH) {
            return Err(Error::invalid_input("argument is nested too deeply"));
        }
        let json: serde_json::Value =
            pythonize::depythonize(value).map_err(|problem| Error::invalid_input(problem.to_string()))?;
        Ok(serde_json::from_value(json)?)
    };
    read().map_err(|failure| error::raise(value.py(), &failure))
}

/// Writes a core result as a Python value or exception.
fn encode<'py, T: Serialize>(py: Python<'py>, result: Result<T>) -> PyResult<Bound<'py, PyAny>> {
    match result {
        Ok(output) => Ok(pythonize::pythonize(py, &output)?),
        Err(failure) => Err(error::raise(py, &failure)),
    }
}

fn is_shallow(value: &Bound<'_, PyAny>, levels: usize) -> bool {
    let Some(below) = levels.checked_sub(1) else { return false };
    if let Ok(dictionary) = value.cast::<PyDict>() {
        dictionary.iter().all(|(_, item)| is_shallow(&item, below))
    } else if let Ok(list) = value.cast::<PyList>() {
        list.iter().all(|item| is_shallow(&item, below))
    } else if let Ok(tuple) = value.cast::<PyTuple>() {
        tuple.iter().all(|item| is_shallow(&item, below))
    } else {
        true
    }
}
