//! Captions as Python has them: lists in the order of the clips, as aac-metrics takes them,
//! or dictionaries by clip, as pycocoevalcap takes them.

use dl_score::same_clips;
use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    types::{PyDict, PyString},
};

use crate::refused;

/// Ids, where there are any, and the captions of each clip.
struct Clips {
    ids: Option<Vec<String>>,
    captions: Vec<Vec<String>>,
}

/// The references of each clip.
pub(crate) struct References {
    pub(crate) ids: Option<Vec<String>>,
    pub(crate) captions: Vec<Vec<String>>,
}

/// One caption for each clip.
pub(crate) struct Candidates {
    ids: Option<Vec<String>>,
    captions: Vec<String>,
}

/// Any number of captions for each clip, for SPIDEr-max.
pub(crate) struct SeveralCandidates {
    ids: Option<Vec<String>>,
    captions: Vec<Vec<String>>,
}

const REFERENCES: &str = "references: expected a list with a list of captions for each clip, or a \
    dictionary of such lists by clip";
const SEVERAL: &str = "candidates: expected a list with a list of captions for each clip, or a \
    dictionary of such lists by clip";
const CANDIDATES: &str = "candidates: expected a list with a caption for each clip, or a \
    dictionary of captions by clip";

/// The caption itself, or the `caption` of a dictionary as the COCO tools make them.
fn caption(value: &Bound<PyAny>, expected: &str) -> PyResult<String> {
    let wrong = || {
        let kind = value.get_type().name().map(|name| name.to_string()).unwrap_or_default();
        PyTypeError::new_err(format!("{expected}; got {kind} in place of a caption"))
    };
    if let Ok(entry) = value.cast::<PyDict>() {
        let caption = entry.get_item("caption")?.ok_or_else(wrong)?;
        return caption.extract().map_err(|_| wrong());
    }
    value.extract().map_err(|_| wrong())
}

/// The captions of a clip: one, or a list of them.
fn of_clip(value: &Bound<PyAny>, expected: &str, alone: bool) -> PyResult<Vec<String>> {
    if alone && (value.is_instance_of::<PyString>() || value.is_instance_of::<PyDict>()) {
        return Ok(vec![caption(value, expected)?]);
    }
    // A text is a sequence of letters, too.
    if value.is_instance_of::<PyString>() || value.is_instance_of::<PyDict>() {
        return Err(PyTypeError::new_err(format!("{expected}; got a single caption")));
    }
    let captions = value.try_iter().map_err(|_| PyTypeError::new_err(expected.to_owned()))?;
    captions.map(|value| caption(&value?, expected)).collect()
}

/// `alone`: whether a clip's one caption may stand without a list around it.
fn clips(value: &Bound<PyAny>, expected: &str, alone: bool) -> PyResult<Clips> {
    if let Ok(by_clip) = value.cast::<PyDict>() {
        let mut ids: Vec<String> = Vec::with_capacity(by_clip.len());
        let mut captions = Vec::with_capacity(by_clip.len());
        for (id, value) in by_clip.iter() {
            ids.push(id.str()?.extract()?);
            captions.push(of_clip(&value, expected, alone)?);
        }
        let mut sorted: Vec<&String> = ids.iter().collect();
        sorted.sort_unstable();
        if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            let sentence = format!(
                "clip {} stands there twice, once as a number and once as a text; give each \
                 clip an id of its own",
                twice[0]
            );
            return Err(PyValueError::new_err(sentence));
        }
        return Ok(Clips { ids: Some(ids), captions });
    }
    if value.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err(format!("{expected}; got a single caption")));
    }
    let clips = value.try_iter().map_err(|_| PyTypeError::new_err(expected.to_owned()))?;
    let captions: PyResult<_> = clips.map(|clip| of_clip(&clip?, expected, alone)).collect();
    Ok(Clips { ids: None, captions: captions? })
}

impl FromPyObject<'_, '_> for References {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let Clips { ids, captions } = clips(&value, REFERENCES, false)?;
        Ok(Self { ids, captions })
    }
}

impl FromPyObject<'_, '_> for Candidates {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let Clips { ids, captions } = clips(&value, CANDIDATES, true)?;
        let mut single = Vec::with_capacity(captions.len());
        for (number, captions) in captions.into_iter().enumerate() {
            let count = captions.len();
            let Ok([caption]) = <[String; 1]>::try_from(captions) else {
                let id = ids.as_ref().map_or_else(|| number.to_string(), |ids| ids[number].clone());
                return Err(PyValueError::new_err(format!(
                    "candidates: clip {id} has {count} captions; keep the one that is to be \
                     scored, or score the best of several with spider_max"
                )));
            };
            single.push(caption);
        }
        Ok(Self { ids, captions: single })
    }
}

impl FromPyObject<'_, '_> for SeveralCandidates {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let Clips { ids, captions } = clips(&value, SEVERAL, false)?;
        Ok(Self { ids, captions })
    }
}

impl Candidates {
    /// In the order of the references, whose ids are `known`; `name` is the argument's.
    pub(crate) fn in_order_of(self, known: Option<&[String]>, name: &str) -> PyResult<Vec<String>> {
        in_order((self.ids, self.captions), known, name)
    }
}

impl SeveralCandidates {
    /// As [`Candidates::in_order_of`].
    pub(crate) fn in_order_of(self, known: Option<&[String]>) -> PyResult<Vec<Vec<String>>> {
        in_order((self.ids, self.captions), known, "candidates")
    }
}

/// What was said of each clip in the order of `known`.
fn in_order<C>(
    (ids, captions): (Option<Vec<String>>, Vec<C>),
    known: Option<&[String]>,
    name: &str,
) -> PyResult<Vec<C>> {
    match (ids, known) {
        (None, None) => Ok(captions),
        (Some(said), Some(known)) => {
            same_clips(&said, known, [name, "references"]).map_err(|error| refused(&error))?;
            let mut by_id: std::collections::HashMap<String, C> =
                said.into_iter().zip(captions).collect();
            Ok(known.iter().filter_map(|id| by_id.remove(id)).collect())
        }
        (None, Some(_)) => Err(PyValueError::new_err(format!(
            "{name} is a list and references is a dictionary; give both in one layout"
        ))),
        (Some(_), None) => Err(PyValueError::new_err(format!(
            "{name} is a dictionary and references is a list; give both in one layout"
        ))),
    }
}
