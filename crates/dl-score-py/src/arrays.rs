//! Numbers as Python has them: NumPy's arrays and whatever else shows its memory or turns into
//! such an array (torch's tensors), and lists.

use anyhow::{Result, bail};
use ndarray::{Array1, Array2};
use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyBytes, PyString},
};

use crate::refused;

/// Numbers in the order of C, and how many there are in each direction.
struct Block {
    shape: Vec<usize>,
    values: Vec<f32>,
}

/// What `value` shows of its memory: f32 and f64, in this machine's order of bytes. None for
/// whatever else must be read number by number.
fn block(value: &Bound<PyAny>) -> PyResult<Option<Block>> {
    let py = value.py();
    let view = py.import("builtins")?.getattr("memoryview")?;
    let Ok(view) = view.call1((value,)) else { return Ok(None) };
    let format: String = view.getattr("format")?.extract()?;
    let bytes = || -> PyResult<Bound<PyBytes>> { Ok(view.call_method0("tobytes")?.cast_into()?) };
    let values = match format.trim_start_matches(['@', '=']) {
        "f" => values(bytes()?.as_bytes(), f32::from_ne_bytes),
        "d" => values(bytes()?.as_bytes(), |bytes| f64::from_ne_bytes(bytes) as f32),
        _ => return Ok(None),
    };
    Ok(Some(Block { shape: view.getattr("shape")?.extract()?, values }))
}

fn values<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|bytes| value(*bytes)).collect()
}

/// `value` itself, or the array that it turns into. An error of the turning is Python's own.
fn array<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    if value.hasattr("__array__")? { value.call_method0("__array__") } else { Ok(value.clone()) }
}

/// Lists in place of an array of other numbers.
fn listed<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    if value.hasattr("tolist")? { value.call_method0("tolist") } else { Ok(value.clone()) }
}

fn wrong(what: &str, expected: &str, value: &Bound<PyAny>) -> PyErr {
    let kind = value.get_type().name().map(|name| name.to_string()).unwrap_or_default();
    PyTypeError::new_err(format!("{what}: expected {expected}; got {kind}"))
}

/// A row of numbers.
pub(crate) fn vector(value: &Bound<PyAny>, what: &str) -> PyResult<Array1<f32>> {
    let expected = "a row of numbers";
    let array = array(value)?;
    match block(&array)? {
        Some(Block { shape, values }) if shape.len() == 1 => Ok(Array1::from(values)),
        Some(_) => Err(wrong(what, expected, value)),
        None => {
            let values: PyResult<Vec<f32>> = listed(&array)?.extract();
            values.map(Array1::from).map_err(|_| wrong(what, expected, value))
        }
    }
}

/// Rows of numbers, all of one length.
pub(crate) fn matrix(value: &Bound<PyAny>, what: &str) -> PyResult<Array2<f32>> {
    let expected = "rows of numbers";
    let array = array(value)?;
    match block(&array)? {
        Some(Block { shape, values }) if let [rows, width] = shape[..] => {
            stack(values, rows, width).map_err(|error| refused(&error.context(what.to_owned())))
        }
        Some(_) => Err(wrong(what, expected, value)),
        None => {
            let rows: PyResult<Vec<_>> = items(&listed(&array)?, what, expected)?
                .iter()
                .map(|row| vector(row, what))
                .collect();
            even(&rows?).map_err(|error| refused(&error.context(what.to_owned())))
        }
    }
}

/// Whatever can be gone through, but a text.
pub(crate) fn items<'py>(
    value: &Bound<'py, PyAny>,
    what: &str,
    expected: &str,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    if value.is_instance_of::<PyString>() {
        return Err(wrong(what, expected, value));
    }
    value.try_iter().map_err(|_| wrong(what, expected, value))?.collect()
}

fn even(rows: &[Array1<f32>]) -> Result<Array2<f32>> {
    let width = rows.first().map_or(0, Array1::len);
    if let Some(row) = rows.iter().position(|row| row.len() != width) {
        bail!("row {row} has {} numbers and row 0 has {width}", rows[row].len());
    }
    stack(rows.iter().flatten().copied().collect(), rows.len(), width)
}

fn stack(values: Vec<f32>, rows: usize, width: usize) -> Result<Array2<f32>> {
    Ok(Array2::from_shape_vec((rows, width), values)?)
}
