//! Any corpus in a configuration, by its `kind`: the built-in kinds, and those that other
//! crates register.
//!
//! A table is read in two steps, first its `kind` and then the rest by it. The message of a
//! fault in the second begins with the key, which [`dl_core::fault::at`] joins to the place
//! of the table.

use std::{fmt::Debug, path::Path, sync::Arc};

use dl_core::{ConfigError, fault};
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
        Self { kind: T::KIND, read: |table| settings::<T>(table).map(CorpusConfig::from) }
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

/// The table beside `kind` as its type. The message begins with the key at fault.
fn settings<T: CorpusKind>(table: toml::Table) -> Result<T, String> {
    serde_path_to_error::deserialize(table).map_err(|error| {
        let place = error.path().to_string();
        match fault::at(&place, error.inner().message()) {
            (key, problem) if key == "." => problem.to_owned(),
            (key, problem) => format!("{key}: {problem}"),
        }
    })
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

    fn read(mut table: toml::Table) -> Result<Self, String> {
        let kind = table.remove("kind").ok_or("missing field `kind`")?;
        let kind = kind.as_str().map_or_else(|| kind.to_string(), Into::into);
        let mut entries = inventory::iter::<CorpusEntry>.into_iter();
        let Some(entry) = entries.find(|entry| entry.kind == kind) else {
            let known: Vec<String> =
                Self::kinds().iter().map(|known| format!("`{known}`")).collect();
            let known = known.join(", ");
            return Err(format!("kind: unknown variant `{kind}`, expected one of {known}"));
        };
        (entry.read)(table)
    }
}

impl<'de> Deserialize<'de> for CorpusConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(toml::Table::deserialize(deserializer)?).map_err(D::Error::custom)
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
