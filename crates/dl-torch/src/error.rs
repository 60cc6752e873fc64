//! The error of this crate. libtorch's own messages are cut to their first line:
//! the C++ trace below it helps nobody.

use std::io;

use dl_core::{ConfigError, FileError};

/// What can go wrong between a user's files, configuration and libtorch.
#[derive(Debug, thiserror::Error)]
pub enum TorchError {
    /// libtorch refused an operation.
    #[error("libtorch: {0}")]
    Torch(String),
    /// The device asked for is not there.
    #[error("device = {choice}: {problem}")]
    Device {
        /// What the configuration says.
        choice: String,
        /// Cause and remedy.
        problem: String,
    },
    /// A file cannot be read or written, or is not what it should be.
    #[error(transparent)]
    File(#[from] FileError),
    /// A configuration value is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Training cannot go on.
    #[error("{label}: {problem}")]
    Training {
        /// What was being trained, see [`crate::TrainContext::named`].
        label: String,
        /// Cause and remedy.
        problem: String,
    },
}

impl TorchError {
    /// An error about the content of `path`.
    pub fn file(path: &std::path::Path, problem: impl Into<String>) -> Self {
        FileError::invalid(path, problem).into()
    }

    /// A system error about `path`.
    pub fn io(path: &std::path::Path, source: io::Error) -> Self {
        FileError::io(path, source).into()
    }
}

impl From<tch::TchError> for TorchError {
    fn from(error: tch::TchError) -> Self {
        Self::Torch(first_line(&error.to_string()))
    }
}

/// The first line of a libtorch message, without the C++ trace.
pub fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().trim().to_owned()
}
