//! Sound files in a folder and its subfolders, by name: what the lists of published data
//! sets are matched with.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
};

use dl_core::FileError;
use unicode_normalization::UnicodeNormalization;

/// Endings of the names of sound files; of files that differ in their ending alone the
/// first is taken.
pub(crate) const EXTENSIONS: [&str; 6] = ["wav", "wave", "flac", "ogg", "oga", "mp3"];

/// The place of a file's ending among [`EXTENSIONS`]; none for what is no sound file.
pub(crate) fn kind(file: &Path) -> Option<usize> {
    let own = file.extension()?.to_str()?;
    EXTENSIONS.iter().position(|known| own.eq_ignore_ascii_case(known))
}

/// Every file under `root`, links followed, as a path relative to it, sorted. Hidden files
/// and folders are passed over.
///
/// # Errors
/// [`FileError::Io`] when a folder cannot be listed.
pub(crate) fn walk(root: &Path) -> Result<Vec<PathBuf>, FileError> {
    let (found, fault) = walk_what_can_be(root);
    fault.into_iter().next().map_or(Ok(found), Err)
}

/// The same, and the folders that cannot be listed: a whole disk may be named, with what
/// belongs to the system alone.
fn walk_what_can_be(root: &Path) -> (Vec<PathBuf>, Vec<FileError>) {
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    descend(root, Path::new(""), &mut HashSet::new(), &mut found, &mut faults);
    found.sort();
    (found, faults)
}

fn descend(
    root: &Path,
    inside: &Path,
    seen: &mut HashSet<PathBuf>,
    found: &mut Vec<PathBuf>,
    faults: &mut Vec<FileError>,
) {
    let folder = root.join(inside);
    let mut list = || {
        // Links may lead in a circle.
        if !seen.insert(fs::canonicalize(&folder)?) {
            return Ok(Vec::new());
        }
        fs::read_dir(&folder)?.collect::<io::Result<Vec<_>>>()
    };
    let entries = list().unwrap_or_else(|error| {
        faults.push(FileError::io(&folder, error));
        Vec::new()
    });
    for entry in entries {
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = inside.join(name);
        if entry.path().is_dir() {
            descend(root, &path, seen, found, faults);
        } else {
            found.push(path);
        }
    }
}

/// The sound files under a folder.
pub(crate) struct SoundFiles {
    root: PathBuf,
    /// By name without its ending, accents as one letter; paths relative to the root.
    by_stem: HashMap<String, Vec<PathBuf>>,
    /// For people: folders that could not be listed.
    pub(crate) warnings: Vec<String>,
}

impl SoundFiles {
    /// Lists a folder.
    ///
    /// # Errors
    /// [`FileError`] when there is none; `key` is the entry to correct.
    pub(crate) fn under(root: &Path, key: &str) -> Result<Self, FileError> {
        if !root.is_dir() {
            let problem = format!("there is no such folder; correct `{key}`");
            return Err(FileError::invalid(root, problem));
        }
        let mut by_stem: HashMap<String, Vec<PathBuf>> = HashMap::new();
        let (files, faults) = walk_what_can_be(root);
        for file in files {
            if let (Some(_), Some(stem)) = (kind(&file), file.file_stem()) {
                by_stem.entry(composed(&stem.to_string_lossy())).or_default().push(file);
            }
        }
        let told = |fault: FileError| format!("{fault}; the sound in it counts as missing");
        let warnings = faults.into_iter().map(told).collect();
        Ok(Self { root: root.into(), by_stem, warnings })
    }

    /// The file whose name without its ending is `stem`, and how many others there are to
    /// choose from. Files below a `folder` of the right name come before others, and then the
    /// order of [`EXTENSIONS`] and of paths decides. With `only`, other folders do not count.
    pub(crate) fn find(
        &self,
        stem: &str,
        folder: impl Fn(&str) -> bool,
        only: bool,
    ) -> Option<(PathBuf, usize)> {
        let inside = |file: &Path| {
            let mut parents = file.parent().into_iter().flat_map(Path::components);
            parents.any(|part| part.as_os_str().to_str().is_some_and(&folder))
        };
        let mut found: Vec<(Reverse<bool>, Option<usize>, &PathBuf)> = self
            .by_stem
            .get(&composed(stem))?
            .iter()
            .map(|file| (Reverse(inside(file)), kind(file), file))
            .filter(|(inside, ..)| inside.0 || !only)
            .collect();
        found.sort();
        let (place, _, best) = found.first()?;
        let others = found.iter().filter(|(other, ..)| other == place).count() - 1;
        Some((self.root.join(best), others))
    }
}

/// Names with an accent as one letter: file systems differ in how they write it.
fn composed(name: &str) -> String {
    name.nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        root
    }

    #[test]
    fn a_stem_is_found_in_its_folder_first_and_by_the_order_of_endings() {
        let root = folder(&[
            "a.mp3",
            "a.FLAC",
            "train/b.ogg",
            "test/b.wav",
            "test/more/c.wav",
            "notes.txt",
            ".hidden/d.wav",
            "cafe\u{301}.wav",
        ]);
        let sounds = SoundFiles::under(root.path(), "root").unwrap();
        let find = |stem: &str, folders: &[&str], only| {
            let (path, others) = sounds.find(stem, |folder| folders.contains(&folder), only)?;
            Some((path.strip_prefix(root.path()).unwrap().display().to_string(), others))
        };
        assert_eq!(find("a", &[], false), Some(("a.FLAC".into(), 1)));
        assert_eq!(find("b", &["train"], false), Some(("train/b.ogg".into(), 0)));
        assert_eq!(find("b", &["test"], false), Some(("test/b.wav".into(), 0)));
        assert_eq!(find("b", &[], false), Some(("test/b.wav".into(), 1)));
        assert_eq!(find("c", &["test"], true), Some(("test/more/c.wav".into(), 0)));
        assert_eq!(find("c", &["train"], true), None);
        assert_eq!(find("caf\u{e9}", &[], false), Some(("cafe\u{301}.wav".into(), 0)));
        for none in ["notes", "d", "A"] {
            assert_eq!(find(none, &[], false), None, "{none}");
        }
        let error = SoundFiles::under(&root.path().join("x"), "root").err().unwrap().to_string();
        assert!(error.ends_with("x: there is no such folder; correct `root`"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_circles_end() {
        let (disk, root) = (folder(&["far.wav"]), folder(&["near.wav"]));
        std::os::unix::fs::symlink(disk.path(), root.path().join("train")).unwrap();
        std::os::unix::fs::symlink(root.path(), disk.path().join("back")).unwrap();
        let names: Vec<PathBuf> = walk(root.path()).unwrap();
        assert_eq!(names, [Path::new("near.wav"), Path::new("train/far.wav")]);
    }
}
