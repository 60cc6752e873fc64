//! Any corpus in a configuration, by its `kind`: the built-in kinds, and those that other
//! crates register.
//!
//! Tables are read as [`dl_core::tagged`] says. They stay TOML between the two passes and are
//! written as their own types, so that NaN is seen and a share of 0.1 is written as 0.1.

use std::{fmt::Debug, path::Path, sync::Arc};

use dl_core::{ConfigError, tagged};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{corpus::Corpus, error::DataError, kind::CorpusKind};

/// [`CorpusKind`] as an object.
trait Settings: erased_serde::Serialize + Debug + Send + Sync {
    fn kind(&self) -> &'static str;
    fn validate(&self) -> Result<(), ConfigError>;
    fn open(&self, seed: u64, folder: &Path) -> Result<Box<dyn Corpus>, DataError>;
}

impl<T: CorpusKind> Settings for T {
    fn kind(&self) -> &'static str {
        T::KIND
    }

    fn validate(&self) -> Result<(), ConfigError> {
        CorpusKind::validate(self)
    }

    fn open(&self, seed: u64, folder: &Path) -> Result<Box<dyn Corpus>, DataError> {
        CorpusKind::open(self, seed, folder)
    }
}

erased_serde::serialize_trait_object!(Settings);

/// A registered kind of corpus. [`crate::register_corpus`] makes it.
pub struct CorpusEntry {
    kind: &'static str,
    read: fn(toml::Table) -> Result<CorpusConfig, String>,
}

inventory::collect!(CorpusEntry);

impl CorpusEntry {
    /// The entry of the kind `T`.
    pub const fn of<T: CorpusKind>() -> Self {
        Self { kind: T::KIND, read: |table| tagged::fields::<T>(table).map(CorpusConfig::from) }
    }
}

/// Registers a [`CorpusKind`]: from then on its `kind` is read wherever a corpus is
/// configured, in the program too that links the crate it stands in.
#[macro_export]
macro_rules! register_corpus {
    ($kind:ty) => {
        $crate::inventory::submit! { $crate::CorpusEntry::of::<$kind>() }
    };
}

/// A data set, by kind: `kind = "recorded"` and the settings of that kind beside it.
#[derive(Clone, Debug)]
pub struct CorpusConfig(Arc<dyn Settings>);

impl<T: CorpusKind> From<T> for CorpusConfig {
    fn from(settings: T) -> Self {
        Self(Arc::new(settings))
    }
}

impl CorpusConfig {
    /// The kind.
    pub fn kind(&self) -> &'static str {
        self.0.kind()
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] for the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.0.validate()
    }

    /// Opens the corpus; everything drawn in it comes from `seed`. Relative paths are
    /// meant from `folder`.
    ///
    /// # Errors
    /// [`DataError`]: a field out of range, a file at fault, too few sounds.
    pub fn open(&self, seed: u64, folder: &Path) -> Result<Box<dyn Corpus>, DataError> {
        self.validate()?;
        self.0.open(seed, folder)
    }

    /// All registered kinds, by name.
    pub fn kinds() -> Vec<&'static str> {
        let mut kinds: Vec<&str> =
            inventory::iter::<CorpusEntry>.into_iter().map(|entry| entry.kind).collect();
        kinds.sort_unstable();
        kinds
    }
}

impl<'de> Deserialize<'de> for CorpusConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = toml::Table::deserialize(deserializer)?;
        let kind = table.remove("kind").ok_or_else(tagged::missing::<D::Error>)?;
        let kind = kind.as_str().map_or_else(|| kind.to_string(), Into::into);
        let mut entries = inventory::iter::<CorpusEntry>.into_iter();
        match entries.find(|entry| entry.kind == kind) {
            Some(entry) => (entry.read)(table).map_err(D::Error::custom),
            None => Err(tagged::unknown(&kind, &Self::kinds())),
        }
    }
}

impl Serialize for CorpusConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// `kind`, then the settings.
        #[derive(Serialize)]
        struct Tagged<'a> {
            kind: &'static str,
            #[serde(flatten)]
            settings: &'a dyn Settings,
        }
        Tagged { kind: self.kind(), settings: self.0.as_ref() }.serialize(serializer)
    }
}
