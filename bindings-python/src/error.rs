//! How a core error becomes a Python exception.

use pyo3::prelude::*;
use quivive_core::Error;

/// Makes the exception of `quivive.errors` that the error's class names, with its code, message and details.
pub fn raise(py: Python<'_>, error: &Error) -> PyErr {
    let make = || -> PyResult<PyErr> {
        let class = py.import("quivive.errors")?.getattr(error.kind().class().name())?;
        let details = pythonize::pythonize(py, error.details())?;
        Ok(PyErr::from_value(class.call1((error.kind().code(), error.message(), details))?))
    };
    make().unwrap_or_else(|failure| failure)
}
