//! What can go wrong in an encoder: one sentence each, with the file or key.

use std::path::Path;

use dl_audio::{AudioError, Waveform};
use dl_core::{ConfigError, FileError, Fingerprint};
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
    /// A file of a model cannot be read, or is not what it should be.
    #[error(transparent)]
    File(#[from] FileError),
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
    FileError::invalid(path, problem).into()
}

/// [`dl_core::fault::check`] with this crate's error.
pub(crate) fn check(
    good: bool,
    key: &str,
    value: impl std::fmt::Display,
    range: &str,
) -> Result<(), EncoderError> {
    Ok(dl_core::fault::check(good, key, value, range)?)
}

/// Digest of `head` and of the content of `files`, in order.
pub(crate) fn fingerprint<'a>(
    head: Option<Fingerprint>,
    files: impl IntoIterator<Item = &'a Path>,
) -> Result<Fingerprint, EncoderError> {
    let mut parts: Vec<Fingerprint> = head.into_iter().collect();
    for path in files {
        parts.push(Fingerprint::of_file(path).map_err(|source| FileError::io(path, source))?);
    }
    Ok(Fingerprint::combine(&parts))
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
