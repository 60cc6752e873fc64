//! Names of figures: those of aac-metrics, which are nearly all this project's keys, and those
//! of pycocoevalcap.

use dl_score::{ALL, DEFAULT};
use pyo3::{exceptions::PyValueError, prelude::*};

use crate::models::{self, Models};

/// Keys that aac-metrics names otherwise.
const AAC_METRICS: [(&str, &str); 5] = [
    ("sbert", "sbert_sim"),
    ("fluency_error", "fer"),
    ("bert_score_f1", "bert_score.f1"),
    ("bert_score_precision", "bert_score.precision"),
    ("bert_score_recall", "bert_score.recall"),
];

/// Keys and what pycocoevalcap calls them; it has no others.
const PYCOCOEVALCAP: [(&str, &str); 8] = [
    ("bleu_1", "Bleu_1"),
    ("bleu_2", "Bleu_2"),
    ("bleu_3", "Bleu_3"),
    ("bleu_4", "Bleu_4"),
    ("meteor", "METEOR"),
    ("rouge_l", "ROUGE_L"),
    ("cider_d", "CIDEr"),
    ("spice", "SPICE"),
];

/// Whose names the results have.
#[derive(Clone, Copy, Default)]
pub(crate) enum Names {
    #[default]
    AacMetrics,
    Pycocoevalcap,
}

impl Names {
    /// The name of `key`.
    pub(crate) fn of(self, key: &'static str) -> &'static str {
        let others = AAC_METRICS.iter();
        let mut others = match self {
            Self::AacMetrics => others.chain(&[]),
            Self::Pycocoevalcap => others.chain(&PYCOCOEVALCAP),
        };
        others.find(|(own, _)| *own == key).map_or(key, |(_, name)| name)
    }
}

impl FromPyObject<'_, '_> for Names {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        match value.extract::<String>()?.as_str() {
            "aac-metrics" => Ok(Self::AacMetrics),
            "pycocoevalcap" => Ok(Self::Pycocoevalcap),
            other => Err(PyValueError::new_err(format!(
                "names: there is no '{other}'; take aac-metrics or pycocoevalcap"
            ))),
        }
    }
}

/// Which figures are asked for, in their order.
pub(crate) enum Metrics {
    /// By their keys.
    Keys(Vec<&'static str>),
    /// Everything, with what the models allow.
    All,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::Keys(DEFAULT.to_vec())
    }
}

impl Metrics {
    /// The keys, once it is known which models there are; refuses a figure whose model is
    /// missing.
    pub(crate) fn keys(self, models: Option<&Models>) -> PyResult<Vec<&'static str>> {
        let keys = match self {
            Self::All => {
                let allowed = models::keys().filter(|key| Models::missing(models, key).is_none());
                return Ok(ALL.into_iter().chain(allowed).collect());
            }
            Self::Keys(keys) => keys,
        };
        for key in &keys {
            if let Some(argument) = Models::missing(models, key) {
                let name = Names::AacMetrics.of(key);
                return Err(PyValueError::new_err(format!(
                    "metrics: {name} needs a model; give it as \
                     models=dl_score.Models({argument}=...)"
                )));
            }
        }
        Ok(keys)
    }

    /// The key of a name of any kind.
    fn key(name: &str) -> PyResult<&'static str> {
        let mut others = AAC_METRICS.iter().chain(&PYCOCOEVALCAP);
        let own = ALL.into_iter().chain(models::keys()).find(|key| *key == name);
        let other = || others.find(|(_, other)| *other == name).map(|(key, _)| *key);
        own.or_else(other).ok_or_else(|| {
            let all: Vec<&str> = ALL
                .into_iter()
                .chain(models::keys().map(|key| Names::AacMetrics.of(key)))
                .collect();
            PyValueError::new_err(format!(
                "metrics: there is no '{name}'; take default, all, or some of {}",
                all.join(", ")
            ))
        })
    }
}

impl FromPyObject<'_, '_> for Metrics {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if let Ok(name) = value.extract::<String>() {
            return Ok(match name.as_str() {
                "default" => Self::default(),
                "all" => Self::All,
                name => Self::Keys(vec![Self::key(name)?]),
            });
        }
        let mut keys = Vec::new();
        for name in value.extract::<Vec<String>>()? {
            let key = Self::key(&name)?;
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        if keys.is_empty() {
            return Err(PyValueError::new_err("metrics: the list is empty; name at least one"));
        }
        Ok(Self::Keys(keys))
    }
}
