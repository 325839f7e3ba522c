//! Texts of Python, borrowed where they are.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyList, PyString};

/// The texts of a list; one that is no `str` is a `TypeError` that says its place.
pub(crate) fn borrowed(list: &Bound<'_, PyList>) -> PyResult<Vec<PyBackedStr>> {
    let text = |(place, item): (usize, Bound<'_, PyAny>)| match item.cast_into::<PyString>() {
        Ok(text) => PyBackedStr::try_from(text),
        Err(other) => {
            let kind = other.into_inner().get_type();
            Err(PyTypeError::new_err(format!(
                "text {place} is a {}, not a str",
                kind.name()?
            )))
        }
    };
    list.iter().enumerate().map(text).collect()
}
