//! What a kind of corpus must offer to be named in a configuration.

use std::{fmt::Debug, path::Path};

use dl_core::ConfigError;
use serde::{Serialize, de::DeserializeOwned};

use crate::{corpus::Corpus, error::DataError};

/// The settings of one kind of corpus: what stands beside `kind` in a configuration.
/// [`crate::register_corpus`] makes it known.
pub trait CorpusKind: Serialize + DeserializeOwned + Debug + Send + Sync + 'static {
    /// What `kind` says.
    const KIND: &'static str;

    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] for the first field out of range.
    fn validate(&self) -> Result<(), ConfigError>;

    /// Opens the corpus; everything drawn in it comes from `seed`. Relative paths among
    /// the settings are meant from `folder`.
    ///
    /// # Errors
    /// [`DataError`]: a field out of range, a file at fault, too few sounds.
    fn open(&self, seed: u64, folder: &Path) -> Result<Box<dyn Corpus>, DataError>;
}
