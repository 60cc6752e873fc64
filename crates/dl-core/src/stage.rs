//! Stages: pieces of work that are done once.
//!
//! A stage is a function of (keys of its inputs, its own configuration, its own version,
//! the kind of device) to (key, output). The key is made here, of exactly these, and
//! nowhere else: [`StageKey`] has no other constructor. The output is a directory,
//! `<store>/<name>/<first digits of the key>/`, in which
//!
//! - `stage.json` says the whole key in words. A directory whose words are others than
//!   those asked for is refused, not used;
//! - the stage's own files appear one by one, each whole (see [`crate::atomic`]);
//! - `done.json` is written last. A stage that is done is never run again, and one that
//!   was interrupted finds its checkpoints where it left them;
//! - `lock` is held by the one process that works there (see [`crate::lock`]).

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    FileError, Fingerprint, atomic,
    lock::{IfBusy, Lock, LockError},
};

const WORDS: &str = "stage.json";
const DONE: &str = "done.json";
const LOCK: &str = "lock";

/// What is wrong with a stage's directory.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// It is of something else: two keys with the same first digits, or a changed file.
    #[error(
        "{path}: is not what stage '{stage}' needs ({difference} differs); delete that folder, or \
         give another --set runs=",
        path = path.display()
    )]
    Other {
        /// The directory.
        path: PathBuf,
        /// The stage's name.
        stage: String,
        /// The first part of the key that differs.
        difference: String,
    },
    /// An output that another stage needs is not there.
    #[error("{path}: is missing, stage '{stage}' has not finished; run `{remedy}` first", path = path.display())]
    Missing {
        /// The directory that was looked for.
        path: PathBuf,
        /// The stage's name.
        stage: String,
        /// The command that makes it.
        remedy: String,
    },
    /// Another program works in it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file of it cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A stage's key. Only [`Draft::open`] makes one, of all that the stage depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StageKey(Fingerprint);

impl StageKey {
    /// All 64 digits.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The first 12 digits: what directory names and tables show.
    pub fn short(&self) -> &str {
        self.0.short()
    }
}

impl fmt::Display for StageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<&StageKey> for Fingerprint {
    fn from(key: &StageKey) -> Self {
        key.0.clone()
    }
}

/// The whole key in words: `stage.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// The stage's name.
    pub stage: String,
    /// The version of its algorithm.
    pub version: u32,
    /// The keys of the stages whose output it reads, by what they are to it.
    pub inputs: BTreeMap<String, String>,
    /// Fingerprints of what it reads from outside of the store.
    pub sources: BTreeMap<String, Fingerprint>,
    /// Its own configuration.
    pub config: BTreeMap<String, Value>,
    /// The kind of device that it computes on; none where that changes nothing.
    pub device: Option<String>,
}

impl Words {
    /// The first part in which the two differ.
    fn difference(&self, other: &Self) -> Option<String> {
        fn first<V: PartialEq>(
            part: &str,
            own: &BTreeMap<String, V>,
            other: &BTreeMap<String, V>,
        ) -> Option<String> {
            let mut names = own.keys().chain(other.keys());
            let name = names.find(|name| own.get(*name) != other.get(*name))?;
            Some(format!("{part}.{name}"))
        }
        let plain = [
            ("stage", self.stage != other.stage),
            ("version", self.version != other.version),
            ("device", self.device != other.device),
        ];
        plain
            .into_iter()
            .find_map(|(name, differs)| differs.then(|| name.to_owned()))
            .or_else(|| first("inputs", &self.inputs, &other.inputs))
            .or_else(|| first("sources", &self.sources, &other.sources))
            .or_else(|| first("config", &self.config, &other.config))
    }
}

/// The directory that holds the outputs of all stages.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// A store under `root`; nothing is made until a stage writes.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A stage `name`, of which the version of its algorithm is known so far.
    pub fn stage(&self, name: &str, version: u32) -> Draft {
        Draft {
            root: self.root.clone(),
            words: Words {
                stage: name.into(),
                version,
                inputs: BTreeMap::new(),
                sources: BTreeMap::new(),
                config: BTreeMap::new(),
                device: None,
            },
        }
    }
}

/// A stage whose key is being said.
#[derive(Clone, Debug)]
#[must_use]
pub struct Draft {
    root: PathBuf,
    words: Words,
}

impl Draft {
    /// It reads the output of the stage with this key; `role` says as what.
    pub fn input(mut self, role: &str, key: &StageKey) -> Self {
        self.words.inputs.insert(role.into(), key.to_string());
        self
    }

    /// It reads something from outside of the store: files, a corpus. The fingerprint is
    /// of their content.
    pub fn source(mut self, role: &str, content: &Fingerprint) -> Self {
        self.words.sources.insert(role.into(), content.clone());
        self
    }

    /// A part of its own configuration: everything that it depends on and nothing else.
    ///
    /// # Panics
    /// When the value cannot be written as JSON: a fault of the program.
    pub fn config(mut self, role: &str, value: &impl Serialize) -> Self {
        let value = serde_json::to_value(value).expect("a configuration serialises to JSON");
        self.words.config.insert(role.into(), value);
        self
    }

    /// The kind of device that it computes on: the same work on another kind of device
    /// has other bits.
    pub fn device(mut self, kind: &str) -> Self {
        self.words.device = Some(kind.into());
        self
    }

    /// The stage. Nothing is read or written.
    pub fn open(self) -> Stage {
        let key = StageKey(Fingerprint::of(&self.words));
        let directory = self.root.join(&self.words.stage).join(key.short());
        Stage { directory, key, words: Arc::new(self.words) }
    }
}

/// One piece of work and its output directory.
#[derive(Clone, Debug)]
pub struct Stage {
    directory: PathBuf,
    key: StageKey,
    words: Arc<Words>,
}

impl Stage {
    /// Its key.
    pub fn key(&self) -> &StageKey {
        &self.key
    }

    /// The key in words.
    pub fn words(&self) -> &Words {
        &self.words
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.words.stage
    }

    /// Where its files go.
    pub fn dir(&self) -> &Path {
        &self.directory
    }

    /// The path of one of its files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Whether it has finished.
    ///
    /// # Errors
    /// [`StageError::Other`] when the directory is of something else.
    pub fn is_done(&self) -> Result<bool, StageError> {
        if !self.file(DONE).is_file() {
            return Ok(false);
        }
        self.check_words(true)?;
        Ok(true)
    }

    /// Compares the words in the directory with those of the key. Without any, the
    /// directory is nobody's yet, unless it `must` have them.
    fn check_words(&self, must: bool) -> Result<bool, StageError> {
        let path = self.file(WORDS);
        let other = |difference: String| StageError::Other {
            path: self.directory.clone(),
            stage: self.name().into(),
            difference,
        };
        let found: Words = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| other(format!("{WORDS}, which cannot be read: {error},")))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !must => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(other(format!("{WORDS}, which is not there,")));
            }
            Err(error) => return Err(FileError::io(&path, error).into()),
        };
        match self.words.difference(&found) {
            None => Ok(true),
            Some(difference) => Err(other(difference)),
        }
    }

    /// Takes the stage to work on it; `None` where it is done, perhaps by the program
    /// that was waited for. `say` hears whom it waits for.
    ///
    /// # Errors
    /// [`StageError`]: busy, of something else, or a disk that refuses.
    pub fn claim(
        &self,
        if_busy: IfBusy,
        say: &dyn Fn(&str),
    ) -> Result<Option<Claim<'_>>, StageError> {
        if self.is_done()? {
            return Ok(None);
        }
        let lock = Lock::acquire(&self.file(LOCK), if_busy, say)?;
        if self.is_done()? {
            return Ok(None);
        }
        if !self.check_words(false)? {
            self.write(WORDS, self.words.as_ref())?;
        }
        Ok(Some(Claim { stage: self, _lock: lock }))
    }

    fn write(&self, name: &str, value: &impl Serialize) -> Result<(), StageError> {
        write_json(&self.file(name), value)
            .map_err(|error| FileError::io(&self.file(name), error))?;
        Ok(())
    }

    /// The summary that [`Claim::finish`] left.
    ///
    /// # Errors
    /// [`StageError::File`] when it is not there or of another kind.
    pub fn summary<T: DeserializeOwned>(&self) -> Result<T, StageError> {
        let path = self.file(DONE);
        let bytes = fs::read(&path).map_err(|error| FileError::io(&path, error))?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let problem = format!("cannot be read ({error}); delete its folder to make it again");
            FileError::invalid(&path, problem).into()
        })
    }

    /// The finished stage's directory.
    ///
    /// # Errors
    /// [`StageError::Missing`] with `remedy`, the command that makes it.
    pub fn require(&self, remedy: &str) -> Result<&Path, StageError> {
        if self.is_done()? {
            return Ok(&self.directory);
        }
        Err(StageError::Missing {
            path: self.directory.clone(),
            stage: self.name().into(),
            remedy: remedy.into(),
        })
    }
}

/// A stage in work: nobody else writes in its directory.
#[derive(Debug)]
pub struct Claim<'s> {
    stage: &'s Stage,
    _lock: Lock,
}

impl Claim<'_> {
    /// The stage.
    pub fn stage(&self) -> &Stage {
        self.stage
    }

    /// Declares it finished, with a summary for people and reports.
    ///
    /// # Errors
    /// [`StageError::File`] when the disk refuses.
    pub fn finish(self, summary: &impl Serialize) -> Result<(), StageError> {
        self.stage.write(DONE, summary)
    }
}

/// A value as indented JSON, whole or not at all.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let mut json = serde_json::to_vec_pretty(value)?;
    json.push(b'\n');
    atomic::write_bytes(path, &json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(store: &Store) -> Draft {
        let input = store.stage("embeddings", 1).open();
        store.stage("bridge", 2).input("pairs", input.key()).config("bridge", &("ridge", 0.5))
    }

    fn claim(stage: &Stage) -> Claim<'_> {
        stage.claim(IfBusy::Leave, &|_| {}).unwrap().unwrap()
    }

    #[test]
    fn a_stage_is_done_only_when_it_says_so() {
        let root = tempfile::tempdir().unwrap();
        let stage = draft(&Store::new(root.path())).open();
        assert!(!stage.is_done().unwrap());
        let work = claim(&stage);
        atomic::write_bytes(&stage.file("bridge.safetensors"), b"...").unwrap();
        let error = stage.require("experiments run t1").unwrap_err().to_string();
        assert!(error.contains("run `experiments run t1` first"), "{error}");
        let busy = stage.claim(IfBusy::Leave, &|_| {}).unwrap_err().to_string();
        assert!(busy.contains("in use by process"), "{busy}");
        work.finish(&vec![3]).unwrap();
        assert_eq!(stage.require("").unwrap(), stage.dir());
        assert_eq!(stage.summary::<Vec<i32>>().unwrap(), vec![3]);
        assert!(stage.claim(IfBusy::Leave, &|_| {}).unwrap().is_none());
    }

    #[test]
    fn every_part_of_the_words_is_in_the_key() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        let base = draft(&store).open();
        let print = Fingerprint::of(&1);
        let others = [
            store.stage("bridge", 3).input("pairs", base.key()).open(),
            draft(&store).input("pairs", base.key()).open(),
            draft(&store).input("more", base.key()).open(),
            draft(&store).source("corpus", &print).open(),
            draft(&store).config("bridge", &("ridge", 0.25)).open(),
            draft(&store).config("seed", &0).open(),
            draft(&store).device("cuda").open(),
        ];
        let mut keys: Vec<&StageKey> = others.iter().map(Stage::key).chain([base.key()]).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), others.len() + 1);
        // The order in which the parts are said does not matter.
        let turned = |a: &str, b: &str| {
            store.stage("x", 1).config(a, &1.5_f32).config(b, &1.5_f32).open().key().clone()
        };
        assert_eq!(turned("a", "b"), turned("b", "a"));
    }

    #[test]
    fn a_directory_of_something_else_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let stage = draft(&Store::new(root.path())).open();
        claim(&stage).finish(&()).unwrap();
        let words = fs::read_to_string(stage.file(WORDS)).unwrap();
        assert!(words.contains("\"ridge\"") && words.contains("\"pairs\""), "{words}");
        let refused = |changed: &str| {
            fs::write(stage.file(WORDS), changed).unwrap();
            let error = stage.is_done().unwrap_err().to_string();
            assert_eq!(error, stage.claim(IfBusy::Leave, &|_| {}).unwrap_err().to_string());
            error
        };
        for (from, to, difference) in [
            ("0.5", "0.25", "(config.bridge differs)"),
            ("\"version\": 2", "\"version\": 1", "(version differs)"),
            ("\"pairs\"", "\"pears\"", "(inputs.pairs differs)"),
            ("\"device\": null", "\"device\": \"cuda\"", "(device differs)"),
            ("{", "", "cannot be read"),
        ] {
            let error = refused(&words.replacen(from, to, 1));
            assert!(error.contains(difference) && error.contains("delete that folder"), "{error}");
        }
        fs::remove_file(stage.file(WORDS)).unwrap();
        assert!(stage.is_done().unwrap_err().to_string().contains("is not there"));
        fs::write(stage.file(WORDS), words).unwrap();
        assert!(stage.is_done().unwrap());
    }
}
