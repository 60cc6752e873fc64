//! Models from outside: functions of Python that embed or judge captions. They are called
//! with Python's lock; what follows from their answers is computed without it.

use std::{collections::HashMap, sync::OnceLock};

use anyhow::Result;
use dl_eval::caption::{
    bert_score::BertScore,
    clap_similarity::ClapSimilarity,
    metric::Metric,
    similarity::{Fault, FluencyClassifier, FluencyErrors, SentenceEncoder, Similarity},
};
use ndarray::{Array2, Axis, concatenate};
use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    types::{PyDict, PyList},
};

use crate::arrays::{items, matrix, vector};

/// A figure and the arguments of `Models` that it takes.
const NEEDS: [(&str, &[&str]); 12] = [
    ("sbert", &["sentences"]),
    ("fense", &["sentences", "fluency"]),
    ("fluency_error", &["fluency"]),
    ("spider_fl", &["fluency"]),
    ("bert_score_f1", &["tokens"]),
    ("bert_score_precision", &["tokens"]),
    ("bert_score_recall", &["tokens"]),
    ("clap_sim", &["clap"]),
    ("clap_sim_audio", &["clap", "recordings"]),
    ("mace", &["clap", "recordings", "fluency"]),
    ("mace_text", &["clap", "fluency"]),
    ("mace_audio", &["clap", "recordings", "fluency"]),
];

/// The figures that models give.
pub(crate) fn keys() -> impl Iterator<Item = &'static str> {
    NEEDS.into_iter().map(|(key, _)| key)
}

/// What `key` takes; nothing for a figure without a model.
fn needs(key: &str) -> &'static [&'static str] {
    NEEDS.into_iter().find(|(known, _)| *known == key).map_or(&[], |(_, needs)| needs)
}

/// See `dl_score.pyi`.
#[pyclass(frozen, module = "dl_score")]
pub(crate) struct Models {
    sentences: Option<Py<PyAny>>,
    fluency: Option<Py<PyAny>>,
    tokens: Option<Py<PyAny>>,
    clap: Option<Py<PyAny>>,
    recordings: Option<Py<PyAny>>,
}

#[pymethods]
impl Models {
    #[new]
    #[pyo3(signature = (*, sentences=None, fluency=None, tokens=None, clap=None, recordings=None))]
    fn new(
        py: Python,
        sentences: Option<Py<PyAny>>,
        fluency: Option<Py<PyAny>>,
        tokens: Option<Py<PyAny>>,
        clap: Option<Py<PyAny>>,
        recordings: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let functions = [
            ("sentences", &sentences),
            ("fluency", &fluency),
            ("tokens", &tokens),
            ("clap", &clap),
        ];
        for (argument, function) in functions {
            if let Some(function) = function.as_ref().map(|function| function.bind(py))
                && !function.is_callable()
            {
                let kind = function.get_type().name()?;
                return Err(PyTypeError::new_err(format!(
                    "models: {argument}: expected a function of a list of captions; got {kind}"
                )));
            }
        }
        Ok(Self { sentences, fluency, tokens, clap, recordings })
    }
}

impl Models {
    fn given(&self, argument: &str) -> Option<&Py<PyAny>> {
        match argument {
            "sentences" => self.sentences.as_ref(),
            "fluency" => self.fluency.as_ref(),
            "tokens" => self.tokens.as_ref(),
            "clap" => self.clap.as_ref(),
            _ => self.recordings.as_ref(),
        }
    }

    /// The argument that `key` takes and that is not given.
    pub(crate) fn missing(models: Option<&Self>, key: &str) -> Option<&'static str> {
        let given = |argument: &str| models.is_some_and(|models| models.given(argument).is_some());
        needs(key).iter().copied().find(|argument| !given(argument))
    }
}

/// Models with the references and what they said of those.
pub(crate) struct Outside {
    models: Py<Models>,
    references: Vec<Vec<String>>,
    recordings: Option<Array2<f32>>,
    sentences: OnceLock<Array2<f32>>,
    tokens: OnceLock<Vec<Array2<f32>>>,
    clap: OnceLock<Array2<f32>>,
}

/// What the models said of one system's captions.
pub(crate) struct Said<'a> {
    references: &'a [Vec<String>],
    recordings: Option<&'a Array2<f32>>,
    /// Of candidates and then references.
    sentences: Option<Array2<f32>>,
    tokens: Option<Vec<Array2<f32>>>,
    tokens_of_references: &'a [Array2<f32>],
    /// Of candidates and then references.
    clap: Option<Array2<f32>>,
    fluency: Option<Vec<f64>>,
}

impl Outside {
    /// `ids` are those of the clips, where they have any.
    pub(crate) fn new(
        py: Python,
        models: Py<Models>,
        references: Vec<Vec<String>>,
        ids: Option<&[String]>,
    ) -> PyResult<Self> {
        let recordings = match &models.get().recordings {
            Some(rows) => Some(recordings(rows.bind(py), ids, references.len())?),
            None => None,
        };
        let (sentences, tokens, clap) = Default::default();
        Ok(Self { models, references, recordings, sentences, tokens, clap })
    }

    /// Asks the models that `keys` take. References are asked for once, the first time.
    pub(crate) fn ask(
        &self,
        py: Python,
        keys: &[&str],
        candidates: &[String],
    ) -> PyResult<Said<'_>> {
        let model = |argument: &str| {
            let wanted = keys.iter().any(|key| needs(key).contains(&argument));
            self.models.get().given(argument).filter(|_| wanted).map(|model| model.bind(py))
        };
        let references = || self.references.concat();
        let rows = |argument: &str, kept: &OnceLock<Array2<f32>>| -> PyResult<_> {
            let Some(model) = model(argument) else { return Ok(None) };
            if kept.get().is_none() {
                // Where two threads ask at once, the first answer stays.
                let _ = kept.set(embedded(model, argument, &references())?);
            }
            let own = embedded(model, argument, candidates)?;
            let others = kept.get().map_or_else(|| own.view(), Array2::view);
            let together = concatenate(Axis(0), &[own.view(), others]);
            together.map(Some).map_err(|_| uneven(argument, own.ncols(), others.ncols()))
        };
        let tokens = match model("tokens") {
            Some(model) => {
                if self.tokens.get().is_none() {
                    let _ = self.tokens.set(token_vectors(model, &references())?);
                }
                let own = token_vectors(model, candidates)?;
                let others = self.tokens.get().map_or(&[][..], Vec::as_slice);
                let mut widths = own.iter().chain(others).filter(|text| text.nrows() > 0);
                if let Some(first) = widths.next()
                    && let Some(other) = widths.find(|text| text.ncols() != first.ncols())
                {
                    return Err(uneven("tokens", first.ncols(), other.ncols()));
                }
                Some(own)
            }
            None => None,
        };
        let fluency = match model("fluency") {
            Some(model) => Some(probabilities(model, candidates)?),
            None => None,
        };
        Ok(Said {
            references: &self.references,
            recordings: self.recordings.as_ref(),
            sentences: rows("sentences", &self.sentences)?,
            clap: rows("clap", &self.clap)?,
            tokens,
            tokens_of_references: self.tokens.get().map_or(&[], Vec::as_slice),
            fluency,
        })
    }
}

impl Said<'_> {
    /// The metrics of `candidates`, the captions that were asked about.
    pub(crate) fn metrics(&self, candidates: &[String]) -> Result<Vec<Box<dyn Metric>>> {
        let references = self.references;
        let fluency = self.fluency.as_ref().map(|_| self as &dyn FluencyClassifier);
        let mut metrics: Vec<Box<dyn Metric>> = Vec::new();
        if self.sentences.is_some() {
            metrics.push(Box::new(Similarity::new(self, fluency, candidates, references)?));
        } else if let Some(fluency) = fluency {
            metrics.push(Box::new(FluencyErrors::new(fluency, candidates)?));
        }
        if let Some(own) = &self.tokens {
            let others = self.tokens_of_references;
            metrics.push(Box::new(BertScore::of_vectors(own, others, candidates, references)?));
        }
        if let Some(texts) = &self.clap {
            let similarity =
                ClapSimilarity::new(texts, self.recordings, fluency, candidates, references)?;
            metrics.push(Box::new(similarity));
        }
        Ok(metrics)
    }
}

impl SentenceEncoder for Said<'_> {
    fn embed(&self, _: &[String]) -> Result<Array2<f32>, Fault> {
        self.sentences.clone().ok_or_else(|| "sentences were not asked for".into())
    }
}

impl FluencyClassifier for Said<'_> {
    fn error_probabilities(&self, _: &[String]) -> Result<Vec<f64>, Fault> {
        self.fluency.clone().ok_or_else(|| "fluency was not asked for".into())
    }
}

/// What `model` makes of `texts`; its errors are Python's own.
fn embedded(model: &Bound<PyAny>, argument: &str, texts: &[String]) -> PyResult<Array2<f32>> {
    let rows = matrix(&model.call1((texts,))?, &format!("models: {argument}"))?;
    check(argument, texts.len(), rows.nrows())?;
    Ok(rows)
}

fn token_vectors(model: &Bound<PyAny>, texts: &[String]) -> PyResult<Vec<Array2<f32>>> {
    let (what, expected) = ("models: tokens", "for each caption a row of numbers for each token");
    let found = items(&model.call1((texts,))?, what, expected)?;
    check("tokens", texts.len(), found.len())?;
    found.iter().map(|rows| matrix(rows, what)).collect()
}

fn probabilities(model: &Bound<PyAny>, texts: &[String]) -> PyResult<Vec<f64>> {
    let found = vector(&model.call1((texts,))?, "models: fluency")?;
    check("fluency", texts.len(), found.len())?;
    Ok(found.iter().map(|&probability| f64::from(probability)).collect())
}

fn check(argument: &str, expected: usize, got: usize) -> PyResult<()> {
    if expected == got {
        return Ok(());
    }
    Err(PyValueError::new_err(format!(
        "models: {argument} was asked about {expected} captions and answered for {got}"
    )))
}

fn uneven(argument: &str, candidates: usize, references: usize) -> PyErr {
    PyValueError::new_err(format!(
        "models: {argument} gives rows of {candidates} numbers and rows of {references}; all must \
         have as many"
    ))
}

/// A row for each clip, in the order of the references.
fn recordings(value: &Bound<PyAny>, ids: Option<&[String]>, clips: usize) -> PyResult<Array2<f32>> {
    const WHAT: &str = "models: recordings";
    let layouts = |is: &str, other: &str| {
        PyValueError::new_err(format!(
            "recordings is a {is} and references is a {other}; give both in one layout"
        ))
    };
    let rows = match (value.cast::<PyDict>(), ids) {
        (Ok(by_clip), Some(ids)) => {
            let mut known = HashMap::with_capacity(by_clip.len());
            for (id, row) in by_clip.iter() {
                let id: String = id.str()?.extract()?;
                if known.insert(id.clone(), row).is_some() {
                    return Err(PyValueError::new_err(format!(
                        "recordings: clip {id} stands there twice, once as a number and once as \
                         a text; give each clip an id of its own"
                    )));
                }
            }
            let row = |id: &String| {
                known.remove(id).ok_or_else(|| {
                    let sentence = "has no recording; give an embedding of each clip";
                    PyValueError::new_err(format!("recordings: clip {id} {sentence}"))
                })
            };
            let rows: PyResult<Vec<_>> = ids.iter().map(row).collect();
            matrix(PyList::new(value.py(), rows?)?.as_any(), WHAT)?
        }
        (Ok(_), None) => return Err(layouts("dictionary", "list")),
        (Err(_), Some(_)) => return Err(layouts("list", "dictionary")),
        (Err(_), None) => matrix(value, WHAT)?,
    };
    if rows.nrows() == clips {
        return Ok(rows);
    }
    let got = rows.nrows();
    Err(PyValueError::new_err(format!("recordings: expected {clips}, got {got}")))
}
