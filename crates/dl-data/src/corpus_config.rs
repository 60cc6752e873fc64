//! Any corpus in a configuration, by its `kind`: the built-in kinds, and those that other
//! crates register.

use std::{
    fmt::Debug,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use dl_core::{ConfigError, tagged};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, de::Error as _,
};

use crate::{
    corpus::Corpus, error::DataError, kind::CorpusKind, recorded::RecordedConfig,
    soundscapes::SoundscapesConfig,
};

/// The settings of any kind, behind one pointer.
trait Settings: CorpusKind + erased_serde::Serialize + Debug {}

impl<T: CorpusKind + Serialize + Debug> Settings for T {}

erased_serde::serialize_trait_object!(Settings);

/// How the settings of a kind are read from the table beside `kind`.
#[derive(Clone, Copy)]
struct Reader {
    kind: &'static str,
    read: fn(toml::Table) -> Result<Arc<dyn Settings>, String>,
}

impl Reader {
    const fn of<T: CorpusKind + Serialize + DeserializeOwned + Debug>(kind: &'static str) -> Self {
        Self { kind, read: |table| Ok(Arc::new(tagged::read::<T, _>(table)?)) }
    }
}

/// Every kind that a configuration may name.
static KINDS: RwLock<Vec<Reader>> = RwLock::new(Vec::new());

/// The kinds of this crate.
const BUILT_IN: [Reader; 2] =
    [Reader::of::<RecordedConfig>("recorded"), Reader::of::<SoundscapesConfig>("soundscapes")];

fn kinds() -> Vec<Reader> {
    let registered = KINDS.read().unwrap_or_else(PoisonError::into_inner);
    BUILT_IN.iter().chain(registered.iter()).copied().collect()
}

/// Makes another kind of corpus known under the name `kind`. A program calls it once,
/// before it reads a configuration.
///
/// # Errors
/// [`ConfigError`] when the name is taken.
pub fn register<T>(kind: &'static str) -> Result<(), ConfigError>
where
    T: CorpusKind + Serialize + DeserializeOwned + Debug,
{
    let taken = kinds().iter().any(|known| known.kind == kind);
    dl_core::fault::check(!taken, "kind", kind, "a name that no other kind of corpus has")?;
    KINDS.write().unwrap_or_else(PoisonError::into_inner).push(Reader::of::<T>(kind));
    Ok(())
}

/// A data set, by kind: `kind = "recorded"` and the settings of that kind beside it.
#[derive(Clone, Debug)]
pub struct CorpusConfig {
    kind: &'static str,
    settings: Arc<dyn Settings>,
}

impl CorpusConfig {
    /// The kind.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] for the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.settings.validate()
    }

    /// Opens the corpus; everything drawn in it comes from `seed`. Relative paths are
    /// meant from `folder`.
    ///
    /// # Errors
    /// [`DataError`]: a field out of range, a file at fault, too few sounds.
    pub fn open(&self, seed: u64, folder: &Path) -> Result<Box<dyn Corpus>, DataError> {
        self.validate()?;
        self.settings.open(seed, folder)
    }

    fn read(mut table: toml::Table) -> Result<Self, String> {
        let kind = table.remove("kind").ok_or("missing field `kind`")?;
        let kinds = kinds();
        let Some(reader) = kinds.iter().find(|known| kind.as_str() == Some(known.kind)) else {
            let known: Vec<String> =
                kinds.iter().map(|known| format!("`{}`", known.kind)).collect();
            let kind = kind.as_str().map_or_else(|| kind.to_string(), Into::into);
            return Err(format!(
                "kind: unknown variant `{kind}`, expected one of {}",
                known.join(", ")
            ));
        };
        Ok(Self { kind: reader.kind, settings: (reader.read)(table)? })
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
        Tagged { kind: self.kind, settings: self.settings.as_ref() }.serialize(serializer)
    }
}
