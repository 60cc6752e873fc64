//! Names of figures: those of aac-metrics, which are this project's keys, and those of
//! pycocoevalcap.

use dl_score::{ALL, DEFAULT};
use pyo3::{exceptions::PyValueError, prelude::*};

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
        match self {
            Self::AacMetrics => key,
            Self::Pycocoevalcap => {
                PYCOCOEVALCAP.iter().find(|(own, _)| *own == key).map_or(key, |(_, name)| name)
            }
        }
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
pub(crate) struct Metrics(Vec<&'static str>);

impl Default for Metrics {
    fn default() -> Self {
        Self(DEFAULT.to_vec())
    }
}

impl Metrics {
    pub(crate) fn keys(&self) -> &[&'static str] {
        &self.0
    }

    /// The key of a name of either kind.
    fn key(name: &str) -> PyResult<&'static str> {
        let coco = || PYCOCOEVALCAP.iter().find(|(_, other)| *other == name).map(|(key, _)| *key);
        ALL.into_iter().find(|key| *key == name).or_else(coco).ok_or_else(|| {
            PyValueError::new_err(format!(
                "metrics: there is no '{name}'; take default, all, or some of {}",
                ALL.join(", ")
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
                "all" => Self(ALL.to_vec()),
                name => Self(vec![Self::key(name)?]),
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
        Ok(Self(keys))
    }
}
