//! The error of this crate.

use std::path::{Path, PathBuf};

use dl_core::FileError;
use dl_torch::TorchError;

/// What can go wrong between a user's embeddings, files or wishes and a bridge.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// Devices, tensors and training.
    #[error(transparent)]
    Torch(#[from] TorchError),
    /// An embedding set that cannot be used.
    #[error(transparent)]
    Set(#[from] FileError),
    /// A bridge file is not what it should be.
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
        range: String,
    },
    /// Embeddings of another size than the bridge was fitted on.
    #[error(
        "the embeddings have {got} dimensions, but the bridge takes {expected}; use the encoder \
         that the bridge was fitted on, or fit it anew"
    )]
    Dimension {
        /// What the bridge takes.
        expected: usize,
        /// What was given.
        got: usize,
    },
    /// Embeddings that cannot be used.
    #[error("{0}")]
    Input(String),
}

impl BridgeError {
    pub(crate) fn file(path: &Path, problem: impl Into<String>) -> Self {
        Self::File { path: path.into(), problem: problem.into() }
    }
}

impl From<tch::TchError> for BridgeError {
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
) -> Result<(), BridgeError> {
    if good {
        Ok(())
    } else {
        Err(BridgeError::Config { field, value: value.to_string(), range: range.into() })
    }
}
