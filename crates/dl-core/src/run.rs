//! What one experiment leaves for people: `<runs>/<experiment>/<key>/` with the resolved
//! configuration, versions, figures as JSON lines, predictions and tables. Tables are
//! rebuilt from it alone.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    atomic,
    lock::{IfBusy, Lock, LockError},
    stage::write_json,
};

/// A run's directory.
#[derive(Clone, Debug)]
pub struct RunDir {
    directory: PathBuf,
}

impl RunDir {
    /// The run directory at `directory`; nothing is made until something is written.
    pub fn open(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// Keeps other programs from writing in it until the lock is dropped.
    ///
    /// # Errors
    /// [`LockError`]: busy, or a disk that refuses.
    pub fn lock(&self, if_busy: IfBusy, say: &dyn Fn(&str)) -> Result<Lock, LockError> {
        Lock::acquire(&self.file("lock"), if_busy, say)
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
        write_json(&self.file(name), value)
    }

    /// Reads a value written by [`RunDir::write_json`].
    pub fn read_json<T: DeserializeOwned>(&self, name: &str) -> io::Result<T> {
        let path = self.file(name);
        let bytes = fs::read(&path).map_err(|error| named(&path, &error))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
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

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot read {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_lines_round_trip_and_name_a_bad_line() {
        let root = tempfile::tempdir().unwrap();
        let run = RunDir::open(root.path().join("t1"));
        run.write_json_lines("metrics.jsonl", &[1.5, 0.1 + 0.2]).unwrap();
        assert_eq!(run.read_json_lines::<f64>("metrics.jsonl").unwrap(), vec![1.5, 0.1 + 0.2]);
        run.write_text("metrics.jsonl", "1\n{\n").unwrap();
        let error = run.read_json_lines::<f64>("metrics.jsonl").unwrap_err().to_string();
        assert!(error.contains("metrics.jsonl, line 2"), "{error}");
    }
}
