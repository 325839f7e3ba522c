//! Values of filter columns, between Python and an index.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyList};
use search::filter::{ColumnKind, Value};

/// A value as Python gave it.
pub(crate) enum Given {
    Missing,
    Boolean(bool),
    Number(f64),
    /// A text, or anything else by its text.
    Text(String),
}

impl Given {
    /// The value of a column of a kind; none where it is missing.
    pub(crate) fn of_kind(self, kind: ColumnKind) -> Result<Option<Value>, String> {
        match (self, kind) {
            (Self::Missing, _) => Ok(None),
            (Self::Boolean(flag), ColumnKind::Boolean) => Ok(Some(Value::Boolean(flag))),
            (Self::Number(number), ColumnKind::Number) if number.is_finite() => {
                Ok(Some(Value::Number(number)))
            }
            (Self::Boolean(flag), _) => parsed(kind, &flag.to_string()),
            (Self::Number(number), _) => parsed(kind, &number.to_string()),
            (Self::Text(text), _) => parsed(kind, &text),
        }
    }
}

fn parsed(kind: ColumnKind, text: &str) -> Result<Option<Value>, String> {
    match Value::parse(kind, text) {
        Ok(parsed) => Ok(parsed.map(|parsed| parsed.value)),
        Err(error) => Err(error.to_string()),
    }
}

/// The values of rows: a list for each, with one for every column.
pub(crate) fn given(rows: &Bound<'_, PyList>) -> PyResult<Vec<Vec<Given>>> {
    let mut values = Vec::with_capacity(rows.len());
    for row in rows {
        let row: Vec<Bound<'_, PyAny>> = row.extract()?;
        values.push(row.iter().map(one).collect::<PyResult<_>>()?);
    }
    Ok(values)
}

fn one(value: &Bound<'_, PyAny>) -> PyResult<Given> {
    if value.is_none() {
        return Ok(Given::Missing);
    }
    // A `bool` is an `int` too.
    if value.is_instance_of::<PyBool>() {
        return Ok(Given::Boolean(value.extract()?));
    }
    if value.is_instance_of::<PyFloat>() {
        // pandas writes a missing value as NaN.
        let number: f64 = value.extract()?;
        return Ok(if number.is_nan() {
            Given::Missing
        } else {
            Given::Number(number)
        });
    }
    if value.is_instance_of::<PyInt>() {
        return Ok(Given::Number(value.extract()?));
    }
    let text = match value.getattr_opt("isoformat")? {
        Some(format) => format.call0()?,
        None => value.str()?.into_any(),
    };
    Ok(Given::Text(text.extract()?))
}

/// A value for Python. A date is its text: RFC 3339 in UTC.
pub(crate) fn to_python(
    py: Python<'_>,
    value: Option<Value>,
) -> PyResult<Option<Bound<'_, PyAny>>> {
    let value = match value {
        None => return Ok(None),
        Some(Value::Number(number)) => number.into_pyobject(py)?.into_any(),
        Some(Value::Boolean(flag)) => flag.into_pyobject(py)?.to_owned().into_any(),
        Some(text @ (Value::Text(_) | Value::Date(_))) => {
            text.to_string().into_pyobject(py)?.into_any()
        }
    };
    Ok(Some(value))
}
