//! Stages and run directories.
//!
//! A [`Stage`] is a piece of work with one output directory, keyed by the
//! fingerprint of everything that goes into it: `<store>/<name>/<key>/`. Its
//! files appear one by one (each whole, see [`crate::atomic`]); `done.json`
//! is written last. A stage that is done is never run again; one that was
//! interrupted finds its checkpoints where it left them.
//!
//! A [`RunDir`] is what one experiment leaves for people:
//! `<runs>/<experiment>/<key>/` with the resolved configuration, versions,
//! metrics as JSON lines, predictions and tables. Tables are rebuilt from it alone.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

use crate::{Fingerprint, atomic};

const DONE: &str = "done.json";

/// A stage output that another stage needs and that is not there.
#[derive(Debug, thiserror::Error)]
#[error("{} is missing: stage '{stage}' has not finished; run `{remedy}` first", path.display())]
pub struct MissingStage {
    /// The directory that was looked for.
    pub path: PathBuf,
    /// The stage's name.
    pub stage: String,
    /// The command that makes it.
    pub remedy: String,
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

    /// The stage `name` for the inputs that `key` stands for.
    pub fn stage(&self, name: &str, key: &Fingerprint) -> Stage {
        Stage { directory: self.root.join(name).join(key.short()), name: name.into() }
    }
}

/// One piece of work and its output directory.
#[derive(Clone, Debug)]
pub struct Stage {
    directory: PathBuf,
    name: String,
}

impl Stage {
    /// Where the stage's files go.
    pub fn dir(&self) -> &Path {
        &self.directory
    }

    /// The stage's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path of one of its files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Whether it has finished.
    pub fn is_done(&self) -> bool {
        self.file(DONE).is_file()
    }

    /// Declares it finished, with a summary for people and reports.
    pub fn finish(&self, summary: &impl Serialize) -> io::Result<()> {
        atomic::write_bytes(&self.file(DONE), &to_json(summary)?)
    }

    /// The summary that [`Stage::finish`] left.
    pub fn summary<T: DeserializeOwned>(&self) -> io::Result<T> {
        read_json(&self.file(DONE))
    }

    /// The finished stage's directory.
    ///
    /// # Errors
    /// [`MissingStage`] with `remedy`, the command that makes it.
    pub fn require(&self, remedy: &str) -> Result<&Path, MissingStage> {
        if self.is_done() {
            return Ok(&self.directory);
        }
        Err(MissingStage {
            path: self.directory.clone(),
            stage: self.name.clone(),
            remedy: remedy.into(),
        })
    }
}

/// What one experiment leaves behind.
#[derive(Clone, Debug)]
pub struct RunDir {
    directory: PathBuf,
}

impl RunDir {
    /// `<root>/<experiment>/<key>/`, made if need be.
    pub fn create(root: &Path, experiment: &str, key: &Fingerprint) -> io::Result<Self> {
        let directory = root.join(experiment).join(key.short());
        fs::create_dir_all(&directory).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot make {}: {error}", directory.display()))
        })?;
        Ok(Self { directory })
    }

    /// An existing run directory.
    pub fn open(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.directory
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Writes text.
    pub fn write_text(&self, name: &str, text: &str) -> io::Result<()> {
        atomic::write_bytes(&self.file(name), text.as_bytes())
    }

    /// Writes a value as indented JSON.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> io::Result<()> {
        atomic::write_bytes(&self.file(name), &to_json(value)?)
    }

    /// Reads a value written by [`RunDir::write_json`].
    pub fn read_json<T: DeserializeOwned>(&self, name: &str) -> io::Result<T> {
        read_json(&self.file(name))
    }

    /// Writes one JSON object per line.
    pub fn write_json_lines<T: Serialize>(&self, name: &str, records: &[T]) -> io::Result<()> {
        atomic::write(&self.file(name), |file| {
            for record in records {
                serde_json::to_writer(&mut *file, record)?;
                file.write_all(b"\n")?;
            }
            Ok(())
        })
    }

    /// Reads records written by [`RunDir::write_json_lines`].
    pub fn read_json_lines<T: DeserializeOwned>(&self, name: &str) -> io::Result<Vec<T>> {
        let path = self.file(name);
        let text = fs::read_to_string(&path).map_err(|error| named(&path, &error))?;
        text.lines()
            .enumerate()
            .map(|(index, line)| {
                serde_json::from_str(line).map_err(|error| {
                    io::Error::other(format!("{}, line {}: {error}", path.display(), index + 1))
                })
            })
            .collect()
    }
}

fn to_json(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut json = serde_json::to_vec_pretty(value)?;
    json.push(b'\n');
    Ok(json)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    let bytes = fs::read(path).map_err(|error| named(path, &error))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot read {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_done_only_when_it_says_so() {
        let root = tempfile::tempdir().unwrap();
        let stage = Store::new(root.path()).stage("embed", &Fingerprint::of(&1));
        atomic::write_bytes(&stage.file("set.safetensors"), b"...").unwrap();
        let error = stage.require("experiments run t1").unwrap_err().to_string();
        assert!(error.contains("run `experiments run t1` first"), "{error}");
        stage.finish(&vec![3]).unwrap();
        assert_eq!(stage.require("").unwrap(), stage.dir());
        assert_eq!(stage.summary::<Vec<i32>>().unwrap(), vec![3]);
    }

    #[test]
    fn json_lines_round_trip_and_name_a_bad_line() {
        let root = tempfile::tempdir().unwrap();
        let run = RunDir::create(root.path(), "t1", &Fingerprint::of(&1)).unwrap();
        run.write_json_lines("metrics.jsonl", &[1.5, 0.1 + 0.2]).unwrap();
        assert_eq!(run.read_json_lines::<f64>("metrics.jsonl").unwrap(), vec![1.5, 0.1 + 0.2]);
        run.write_text("metrics.jsonl", "1\n{\n").unwrap();
        let error = run.read_json_lines::<f64>("metrics.jsonl").unwrap_err().to_string();
        assert!(error.contains("metrics.jsonl, line 2"), "{error}");
    }
}
