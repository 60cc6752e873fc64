//! The error of this crate.

use std::path::Path;

use dl_core::fault::{ConfigError, FileError};
use dl_torch::TorchError;

/// What can go wrong between a user's captions, files or wishes and a caption.
#[derive(Debug, thiserror::Error)]
pub enum LlmError {
    /// Devices, weight files and training.
    #[error(transparent)]
    Torch(#[from] TorchError),
    /// A file that cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A configuration value is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Captions or embeddings that cannot be used.
    #[error("{0}")]
    Input(String),
}

impl LlmError {
    pub(crate) fn file(path: &Path, problem: impl Into<String>) -> Self {
        FileError::invalid(path, problem).into()
    }

    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        FileError::io(path, source).into()
    }
}

impl From<tch::TchError> for LlmError {
    fn from(error: tch::TchError) -> Self {
        Self::Torch(error.into())
    }
}
