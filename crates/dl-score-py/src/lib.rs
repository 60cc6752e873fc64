//! The Python package `dl_score`: the caption metrics of this project in process, without
//! Java; metrics that take a model call the user's own. `dl_score.pyi` beside this crate says what it offers; the guide
//! "Captions scored from Python" shows it beside aac-metrics and pycocoevalcap.
//!
//! Every call works on threads of its own, which have ended when it returns, and without
//! Python's lock: a process that forks later, as data loaders do, finds none left behind.

// Progress goes to standard error, where it was asked for.
#![allow(clippy::print_stderr)]

mod arrays;
mod captions;
mod models;
mod names;
mod scores;

use std::path::PathBuf;

use anyhow::Result;
use dl_eval::caption::{meteor::MeteorData, metric::Column};
use dl_score::Scorer;
use pyo3::{exceptions::PyValueError, prelude::*, types::PyDict};

use crate::{
    captions::{Candidates, References, SeveralCandidates},
    models::{Models, Outside},
    names::{Metrics, Names},
};

/// A user's fault as Python's ValueError, in the sentence that the command line prints.
fn refused(error: &anyhow::Error) -> PyErr {
    PyValueError::new_err(format!("{error:#}"))
}

/// Runs `work` on threads that end with it, without Python's lock.
fn aside<T: Send>(py: Python, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    let run = || {
        let pool = rayon::ThreadPoolBuilder::new();
        pool.build_scoped(|thread| thread.run(), |pool| pool.install(work))?
    };
    py.detach(run).map_err(|error: anyhow::Error| refused(&error))
}

/// What a metric's end is told to.
fn told(progress: bool) -> impl Fn(&str) + Sync {
    move |name| {
        if progress {
            eprintln!("dl_score: {name} is done");
        }
    }
}

/// References that are kept with what is known of them: their words, SPICE's graphs,
/// METEOR's data. See `dl_score.pyi`.
#[pyclass(frozen, module = "dl_score")]
struct Evaluator {
    scorer: Scorer,
    /// By clip; none where the references came as a list.
    ids: Option<Vec<String>>,
    keys: Vec<&'static str>,
    outside: Option<Outside>,
    names: Names,
}

impl Evaluator {
    /// The columns of one system.
    fn columns(&self, py: Python, candidates: &[String], progress: bool) -> PyResult<Vec<Column>> {
        // Before a model takes its time.
        self.scorer.check_count(candidates.len()).map_err(|error| refused(&error.into()))?;
        let outside = self.outside.as_ref();
        let said = outside.map(|outside| outside.ask(py, &self.keys, candidates)).transpose()?;
        aside(py, || {
            let metrics = said.map_or_else(|| Ok(Vec::new()), |said| said.metrics(candidates))?;
            self.scorer.columns(candidates, &self.keys, &metrics, &told(progress))
        })
    }
}

#[pymethods]
impl Evaluator {
    #[new]
    #[pyo3(signature = (
        references, *, metrics=Metrics::default(), meteor=None, models=None, names=Names::default()
    ))]
    fn new(
        py: Python,
        references: References,
        metrics: Metrics,
        meteor: Option<PathBuf>,
        models: Option<Py<Models>>,
        names: Names,
    ) -> PyResult<Self> {
        let keys = metrics.keys(models.as_ref().map(Py::get))?;
        let References { ids, captions } = references;
        let scorer = aside(py, || Scorer::new(&captions, meteor.as_deref()))?;
        let outside = models.map(|models| Outside::new(py, models, captions, ids.as_deref()));
        Ok(Self { scorer, ids, keys, outside: outside.transpose()?, names })
    }

    fn __len__(&self) -> usize {
        self.scorer.clips()
    }

    /// Scores one caption for each clip.
    #[pyo3(signature = (candidates, *, return_per_item=true, progress=false))]
    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        candidates: Candidates,
        return_per_item: bool,
        progress: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let candidates = candidates.in_order_of(self.ids.as_deref(), "candidates")?;
        let columns = self.columns(py, &candidates, progress)?;
        scores::evaluated(py, &columns, self.names, candidates.len(), return_per_item)
    }

    /// SPIDEr-max: of several candidates for each clip the best.
    #[pyo3(signature = (candidates, *, return_per_item=true, progress=false))]
    fn spider_max<'py>(
        &self,
        py: Python<'py>,
        candidates: SeveralCandidates,
        return_per_item: bool,
        progress: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let candidates = candidates.in_order_of(self.ids.as_deref())?;
        let found = aside(py, || self.scorer.spider_max(&candidates, &told(progress)))?;
        scores::evaluated(py, &found.columns, self.names, candidates.len(), return_per_item)
    }

    /// Compares two systems, figure by figure.
    #[pyo3(signature = (a, b, *, progress=false))]
    fn compare<'py>(
        &self,
        py: Python<'py>,
        a: Candidates,
        b: Candidates,
        progress: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        let a = a.in_order_of(self.ids.as_deref(), "a")?;
        let b = b.in_order_of(self.ids.as_deref(), "b")?;
        let (a, b) = (self.columns(py, &a, progress)?, self.columns(py, &b, progress)?);
        let differences = aside(py, || {
            a.iter().chain(&b).try_for_each(scores::check)?;
            dl_score::differences(&a, &b)
        })?;
        scores::compared(py, &differences, self.names)
    }
}

/// Scores `candidates` against `references` once.
#[pyfunction]
#[pyo3(signature = (
    candidates, references, *, metrics=Metrics::default(), return_per_item=true,
    meteor=None, models=None, names=Names::default(), progress=false
))]
#[expect(clippy::too_many_arguments, reason = "Python names them")]
fn evaluate<'py>(
    py: Python<'py>,
    candidates: Candidates,
    references: References,
    metrics: Metrics,
    return_per_item: bool,
    meteor: Option<PathBuf>,
    models: Option<Py<Models>>,
    names: Names,
    progress: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let evaluator = Evaluator::new(py, references, metrics, meteor, models, names)?;
    evaluator.evaluate(py, candidates, return_per_item, progress)
}

/// SPIDEr-max of several `candidates` for each clip, as aac-metrics' `spider_max`.
#[pyfunction]
#[pyo3(signature = (candidates, references, *, return_per_item=true, progress=false))]
fn spider_max<'py>(
    py: Python<'py>,
    candidates: SeveralCandidates,
    references: References,
    return_per_item: bool,
    progress: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let References { ids, captions } = references;
    let scorer = aside(py, || Scorer::without_meteor(&captions))?;
    let names = Names::default();
    let evaluator = Evaluator { scorer, ids, keys: Vec::new(), outside: None, names };
    evaluator.spider_max(py, candidates, return_per_item, progress)
}

/// Compares the systems `a` and `b` on the same clips.
#[pyfunction]
#[pyo3(signature = (
    a, b, references, *, metrics=Metrics::default(), meteor=None, models=None,
    names=Names::default(), progress=false
))]
#[expect(clippy::too_many_arguments, reason = "Python names them")]
fn compare<'py>(
    py: Python<'py>,
    a: Candidates,
    b: Candidates,
    references: References,
    metrics: Metrics,
    meteor: Option<PathBuf>,
    models: Option<Py<Models>>,
    names: Names,
    progress: bool,
) -> PyResult<Bound<'py, PyDict>> {
    let evaluator = Evaluator::new(py, references, metrics, meteor, models, names)?;
    evaluator.compare(py, a, b, progress)
}

/// Makes METEOR's data from the folder `meteor` of an installed pycocoevalcap.
#[pyfunction]
fn convert_meteor(py: Python, package: PathBuf, output: PathBuf) -> PyResult<()> {
    aside(py, || Ok(MeteorData::convert(&package, &output)?))
}

/// Caption metrics without Java: BLEU, METEOR, ROUGE-L, CIDEr-D, SPICE, SPIDEr, and by the
/// user's own models SPIDEr-FL, FENSE, BERTScore, CLAP similarity and MACE.
#[pymodule(name = "dl_score")]
fn dl_score_module(module: &Bound<PyModule>) -> PyResult<()> {
    module.add_class::<Evaluator>()?;
    module.add_class::<Models>()?;
    module.add_function(wrap_pyfunction!(evaluate, module)?)?;
    module.add_function(wrap_pyfunction!(spider_max, module)?)?;
    module.add_function(wrap_pyfunction!(compare, module)?)?;
    module.add_function(wrap_pyfunction!(convert_meteor, module)?)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))
}
