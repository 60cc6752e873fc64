//! The error of this crate. libtorch's own messages are cut to their first line:
//! the C++ trace below it helps nobody.

use std::{io, path::PathBuf};

/// What can go wrong between a user's file or wish and libtorch.
#[derive(Debug, thiserror::Error)]
pub enum TorchError {
    /// libtorch refused an operation.
    #[error("libtorch: {0}")]
    Torch(String),
    /// The device asked for is not there.
    #[error("device '{wish}': {problem}")]
    Device {
        /// What the configuration says.
        wish: String,
        /// Cause and remedy.
        problem: String,
    },
    /// A file cannot be opened, read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of tensors is not what it should be.
    #[error("{path}: {problem}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Cause and remedy.
        problem: String,
    },
    /// A configuration value is out of range.
    #[error("{field} = {value}: must be {range}")]
    Config {
        /// The field, as the configuration file spells it.
        field: &'static str,
        /// The value found.
        value: String,
        /// The values allowed.
        range: &'static str,
    },
    /// Training cannot go on.
    #[error("{task}: {problem}")]
    Training {
        /// What was being trained.
        task: String,
        /// Cause and remedy.
        problem: String,
    },
}

impl TorchError {
    /// An error about the content of `path`.
    pub fn file(path: &std::path::Path, problem: impl Into<String>) -> Self {
        Self::File { path: path.into(), problem: problem.into() }
    }

    /// A system error about `path`.
    pub fn io(path: &std::path::Path, source: io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }
}

impl From<dl_core::FileError> for TorchError {
    fn from(error: dl_core::FileError) -> Self {
        match error {
            dl_core::FileError::Io { path, source } => Self::Io { path, source },
            dl_core::FileError::Invalid { path, problem } => Self::File { path, problem },
        }
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
