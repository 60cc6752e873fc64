//! The error of this crate.

use std::{io, path::PathBuf};

use dl_core::{ConfigError, fault};
use dl_torch::TorchError;

/// What can go wrong between a user's captions, files or wishes and a caption.
#[derive(Debug, thiserror::Error)]
pub enum LlmError {
    /// Devices, weight files and training.
    #[error(transparent)]
    Torch(#[from] TorchError),
    /// A file cannot be opened, read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{path}: {problem}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Cause and remedy.
        problem: String,
    },
    /// A configuration value is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Captions or embeddings that cannot be used.
    #[error("{0}")]
    Input(String),
}

impl LlmError {
    pub(crate) fn file(path: &std::path::Path, problem: impl Into<String>) -> Self {
        Self::File { path: path.into(), problem: problem.into() }
    }

    pub(crate) fn io(path: &std::path::Path, source: io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }
}

impl From<tch::TchError> for LlmError {
    fn from(error: tch::TchError) -> Self {
        Self::Torch(error.into())
    }
}

/// `Ok` when `good`, else the error that names the field and its range.
pub(crate) fn check(
    good: bool,
    field: &'static str,
    value: impl ToString,
    range: impl Into<String>,
) -> Result<(), LlmError> {
    Ok(fault::check(good, field, value.to_string(), range)?)
}
