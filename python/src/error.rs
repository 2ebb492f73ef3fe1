//! Errors as Python exceptions, in the words of the command line.

use pyo3::PyErr;
use std::fmt::Display;

pyo3::create_exception!(
    absint,
    AbsintError,
    pyo3::exceptions::PyValueError,
    "What cannot be read, is asked wrongly or does not fit together. It names the file, the place and the mend."
);
pyo3::create_exception!(absint, InternalError, AbsintError, "A bug of absint; please report it.");

/// What the user can mend.
pub fn wrong(problem: impl Display) -> PyErr {
    AbsintError::new_err(problem.to_string())
}

/// What only a change of this program can mend.
pub fn internal(problem: impl Display) -> PyErr {
    InternalError::new_err(problem.to_string())
}
