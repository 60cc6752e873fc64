//! What can be wrong with a corpus. Every message names the file or the key and says
//! what to do.

use dl_core::{ConfigError, FileError};

/// Faults of configurations, manifests and recordings.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A configuration value is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A manifest, a folder or an output cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The recordings do not suffice for what was asked.
    #[error("{0}")]
    TooFew(String),
    /// There is no such clip.
    #[error("{corpus} has no {what} {index} in its {split} split, which has {count}")]
    OutOfRange {
        /// The corpus.
        corpus: String,
        /// "scene" or "single recording".
        what: &'static str,
        /// What was asked for.
        index: usize,
        /// The split.
        split: &'static str,
        /// How many there are.
        count: usize,
    },
    /// A clip of which only embeddings are known.
    #[error("of '{0}' there are only embeddings and no sound; use a corpus of sounds (data.kind)")]
    NoSound(String),
    /// A waveform could not be made or written.
    #[error(transparent)]
    Audio(#[from] dl_audio::AudioError),
}
