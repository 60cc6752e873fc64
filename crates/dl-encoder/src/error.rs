//! What can go wrong in an encoder: one sentence each, with the file or key.

use std::{
    io,
    path::{Path, PathBuf},
};

use dl_audio::{AudioError, Waveform};
use dl_core::{ConfigError, fault};
use dl_torch::TorchError;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum EncoderError {
    /// libtorch, a weight file or a training.
    #[error(transparent)]
    Torch(#[from] TorchError),
    /// A waveform or the front end.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// A file of a model cannot be read.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of a model is not what it should be.
    #[error("{path}: {problem}", path = path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// Cause and remedy.
        problem: String,
    },
    /// A configuration value is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Arrays that should fit together do not.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// Which array.
        what: &'static str,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A waveform made in memory has a sample that is no number.
    #[error("sample {sample} of the waveform is NaN or infinite; make it again without")]
    NotFinite {
        /// Position of the first such sample.
        sample: usize,
    },
    /// One of the inputs cannot be embedded.
    #[error("item {index}: {problem}")]
    Item {
        /// Its position among the inputs.
        index: usize,
        /// Cause and remedy.
        problem: String,
    },
}

impl From<tch::TchError> for EncoderError {
    fn from(error: tch::TchError) -> Self {
        Self::Torch(error.into())
    }
}

/// A file of a model that is not what it should be.
pub(crate) fn bad(path: &Path, problem: impl Into<String>) -> EncoderError {
    EncoderError::Model { path: path.into(), problem: problem.into() }
}

pub(crate) fn check(
    good: bool,
    field: &'static str,
    value: impl ToString,
    range: &'static str,
) -> Result<(), EncoderError> {
    Ok(fault::check(good, field, value.to_string(), range)?)
}

pub(crate) fn check_columns(
    what: &'static str,
    expected: usize,
    found: usize,
) -> Result<(), EncoderError> {
    if expected == found {
        return Ok(());
    }
    let words = |n| format!("{n} columns");
    Err(EncoderError::Shape { what, expected: words(expected), found: words(found) })
}

pub(crate) fn check_finite(waveform: &Waveform) -> Result<(), EncoderError> {
    match waveform.samples.iter().position(|sample| !sample.is_finite()) {
        Some(sample) => Err(EncoderError::NotFinite { sample }),
        None => Ok(()),
    }
}
