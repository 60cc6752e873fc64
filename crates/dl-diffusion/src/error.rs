//! The error of this crate.

use dl_core::{ConfigError, FileError};
use dl_eval::EvalError;
use dl_torch::TorchError;

/// What can go wrong between a user's embeddings, files or configuration and a bridge.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// Devices, tensors and training.
    #[error(transparent)]
    Torch(#[from] TorchError),
    /// An embedding set that cannot be used, or a bridge file that is not what it should be.
    #[error(transparent)]
    File(#[from] FileError),
    /// Validation pairs that cannot be chosen by.
    #[error("the validation set: {0}; give other pairs to choose by")]
    Scores(#[from] EvalError),
    /// A configuration value is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
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
    /// Sets that do not belong together: of two encoders, or with clips in common. See
    /// [`crate::Mismatch`].
    #[error("{0}")]
    Provenance(String),
    /// Embeddings that cannot be used.
    #[error("{0}")]
    Input(String),
}

impl From<tch::TchError> for BridgeError {
    fn from(error: tch::TchError) -> Self {
        Self::Torch(error.into())
    }
}
