//! What can be wrong with a corpus. Every message names the file or the field and
//! says what to do.

use std::{
    io,
    path::{Path, PathBuf},
};

/// Faults of configurations, manifests and recordings.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A configuration field is out of range.
    #[error("`{field}`: {problem}")]
    Config {
        /// The field, with its path inside the corpus configuration.
        field: String,
        /// What is wrong and what is allowed.
        problem: String,
    },
    /// A manifest, or the folder it describes, is at fault.
    #[error("{path}: {problem}", path = path.display())]
    Manifest {
        /// The manifest or folder.
        path: PathBuf,
        /// Cause and remedy.
        problem: String,
    },
    /// The recordings do not suffice for what was asked.
    #[error("{0}")]
    TooFew(String),
    /// There is no such scene.
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
    /// The disk refused.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A waveform could not be made or written.
    #[error(transparent)]
    Audio(#[from] dl_audio::AudioError),
}

impl DataError {
    pub(crate) fn config(field: &str, problem: impl Into<String>) -> Self {
        Self::Config { field: field.into(), problem: problem.into() }
    }

    pub(crate) fn manifest(path: &Path, problem: impl Into<String>) -> Self {
        Self::Manifest { path: path.into(), problem: problem.into() }
    }

    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }
}
