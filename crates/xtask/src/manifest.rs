//! `complete.json`: what a finished tree of the cache holds. It is written last,
//! so a tree that has one is whole; its sizes tell cheaply whether that is still
//! so, its sums tell for certain.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{components::Component, fault::Fault, places};

const NAME: &str = "complete.json";

#[derive(Deserialize, Serialize)]
pub(crate) struct Manifest {
    version: String,
    /// The pinned wheels that the tree was made of: file name and sha256.
    wheels: BTreeMap<String, String>,
    files: BTreeMap<String, Entry>,
}

#[derive(Deserialize, Serialize)]
struct Entry {
    bytes: u64,
    sha256: String,
}

/// What a look at a tree without reading its files shows.
#[derive(Debug, PartialEq)]
pub(crate) enum State {
    Absent,
    /// Finished, and every file has its size.
    Whole {
        bytes: u64,
    },
    /// It has no manifest: made by hand, or by something else.
    Unmarked,
    /// Not as its manifest says, or of other wheels than the pinned ones.
    Broken(String),
}

/// Whether a directory is a tree that set-up finished.
pub(crate) fn is_marked(directory: &Path) -> bool {
    directory.join(NAME).is_file()
}

/// Looks at the tree of `component` at `directory`.
pub(crate) fn state(component: &Component, directory: &Path) -> State {
    if !directory.is_dir() {
        return State::Absent;
    }
    match Manifest::read(directory) {
        Ok(Some(manifest)) => match manifest.fits(component, directory) {
            Ok(()) => State::Whole { bytes: manifest.bytes() },
            Err(reason) => State::Broken(reason),
        },
        Ok(None) => State::Unmarked,
        Err(reason) => State::Broken(reason),
    }
}

/// Reads every file of a tree, or those pinned where it has no manifest.
/// Gives what is wrong, if anything is.
pub(crate) fn verify(component: &Component, directory: &Path) -> Result<(), String> {
    let manifest = Manifest::read(directory)?;
    if let Some(manifest) = &manifest {
        manifest.fits(component, directory)?;
    }
    let sums: Vec<(&String, &String)> = match &manifest {
        Some(manifest) => manifest.files.iter().map(|(name, e)| (name, &e.sha256)).collect(),
        None => component.files.iter().collect(),
    };
    for (name, expected) in sums {
        match sha256(&directory.join(name)) {
            Ok(sum) if &sum == expected => {}
            Ok(_) => return Err(format!("{name} has other content than it should")),
            Err(error) => return Err(format!("{name}: {error}")),
        }
    }
    Ok(())
}

impl Manifest {
    /// Reads a whole tree that was made of the component's wheels.
    pub(crate) fn of_tree(component: &Component, directory: &Path) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        for (path, bytes) in files_below(directory)? {
            let name = path.strip_prefix(directory).map_err(io::Error::other)?;
            let name = name.to_string_lossy().into_owned();
            if name != NAME {
                files.insert(name, Entry { bytes, sha256: sha256(&path)? });
            }
        }
        Ok(Self { version: component.version.clone(), wheels: pinned(component), files })
    }

    /// Whether the pinned files are in it, with the pinned content.
    pub(crate) fn has_pinned(&self, component: &Component) -> Result<(), String> {
        for (name, expected) in &component.files {
            match self.files.get(name) {
                Some(entry) if &entry.sha256 == expected => {}
                Some(_) => return Err(format!("{name} has other content than it should")),
                None => return Err(format!("{name} is missing")),
            }
        }
        Ok(())
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.files.values().map(|entry| entry.bytes).sum()
    }

    /// Declares the tree at `directory` finished.
    pub(crate) fn write(&self, directory: &Path) -> Result<(), Fault> {
        let path = directory.join(NAME);
        let temporary = places::beside(&path, "");
        let write = || {
            serde_json::to_writer(File::create(&temporary)?, self)?;
            fs::rename(&temporary, &path)
        };
        write().map_err(|error| {
            let _ = fs::remove_file(&temporary);
            Fault::disk("write", &path)(error)
        })
    }

    fn read(directory: &Path) -> Result<Option<Self>, String> {
        match fs::read(directory.join(NAME)) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| format!("{NAME} cannot be read: {error}")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{NAME} cannot be read: {error}")),
        }
    }

    fn fits(&self, component: &Component, directory: &Path) -> Result<(), String> {
        if self.version != component.version || self.wheels != pinned(component) {
            return Err(format!("it is {} {}, of other wheels", component.title, self.version));
        }
        for (name, entry) in &self.files {
            match fs::metadata(directory.join(name)) {
                Ok(file) if file.len() == entry.bytes => {}
                Ok(file) => {
                    return Err(format!("{name} has {} bytes, not {}", file.len(), entry.bytes));
                }
                Err(error) => return Err(format!("{name}: {error}")),
            }
        }
        Ok(())
    }
}

fn pinned(component: &Component) -> BTreeMap<String, String> {
    component.wheels.iter().map(|wheel| (wheel.file.clone(), wheel.sha256.clone())).collect()
}

/// Every file below a directory, with its size; links are followed.
pub(crate) fn files_below(directory: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut files = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let metadata = fs::metadata(&path)?;
            if metadata.is_dir() {
                open.push(path);
            } else {
                files.push((path, metadata.len()));
            }
        }
    }
    Ok(files)
}

/// The sha256 of a file, in hexadecimal.
pub(crate) fn sha256(path: &Path) -> io::Result<String> {
    let mut reader = BufReader::with_capacity(1 << 20, File::open(path)?);
    let mut digest = Sha256::new();
    let mut block = vec![0; 1 << 20];
    loop {
        match reader.read(&mut block)? {
            0 => break,
            read => digest.update(&block[..read]),
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_a_file_is_the_standards_example() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("abc");
        fs::write(&path, "abc").unwrap();
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(&path).unwrap(), expected);
    }
}
