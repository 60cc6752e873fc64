//! Columns as Python's dictionaries.

use anyhow::{Result, bail};
use dl_eval::caption::metric::{Column, Scores};
use dl_score::Difference;
use pyo3::{prelude::*, types::PyDict};

use crate::{names::Names, refused};

/// The scores of a column. A part of SPICE of which no reference has a tuple has none;
/// anything else that is missing is a fault.
fn scores(column: &Column) -> Result<Option<&Scores>> {
    match &column.scores {
        Ok(scores) => Ok(Some(scores)),
        Err(_) if column.key.starts_with("spice_") => Ok(None),
        Err(reason) => bail!("{}: {reason}", column.key),
    }
}

/// Refuses a column that must have scores and has none.
pub(crate) fn check(column: &Column) -> Result<()> {
    scores(column).map(|_| ())
}

/// The figures of all clips by name, and with `per_item` a list for each name besides. NaN
/// where there is no score.
pub(crate) fn evaluated<'py>(
    py: Python<'py>,
    columns: &[Column],
    names: Names,
    clips: usize,
    per_item: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let (corpus, items) = (PyDict::new(py), PyDict::new(py));
    for column in columns {
        let name = names.of(column.key);
        let found = scores(column).map_err(|error| refused(&error))?;
        corpus.set_item(name, found.map_or(f64::NAN, |found| found.corpus))?;
        if per_item {
            match found {
                Some(found) => items.set_item(name, &found.per_item)?,
                None => items.set_item(name, vec![f64::NAN; clips])?,
            }
        }
    }
    if per_item { Ok((corpus, items).into_pyobject(py)?.into_any()) } else { Ok(corpus.into_any()) }
}

/// By name: the figures of both systems, their difference, its interval, and the paired
/// test before and after Holm's correction.
pub(crate) fn compared<'py>(
    py: Python<'py>,
    differences: &[Difference],
    names: Names,
) -> PyResult<Bound<'py, PyDict>> {
    let all = PyDict::new(py);
    for found in differences {
        let entry = PyDict::new(py);
        entry.set_item("a", found.own)?;
        entry.set_item("b", found.other)?;
        entry.set_item("difference", found.own - found.other)?;
        entry.set_item("interval", found.interval)?;
        entry.set_item("p", found.p)?;
        entry.set_item("p_holm", found.p_holm)?;
        all.set_item(names.of(found.key), entry)?;
    }
    Ok(all)
}
