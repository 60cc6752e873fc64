//! Where things are: the checkout, its `.setup`, and the user's cache, with the
//! lock that lets one set-up at a time write there.

use std::{
    env,
    fs::{self, File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
    process,
};

use crate::fault::Fault;

/// The mark of an unfinished file or directory; the process id follows it.
const PART: &str = ".part-";

/// The directories of one set-up.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The checkout.
    pub(crate) root: PathBuf,
    /// What is kept across checkouts.
    pub(crate) cache: PathBuf,
}

impl Places {
    /// `root` and `cache` where given, else what the environment says.
    pub(crate) fn find(root: Option<PathBuf>, cache: Option<PathBuf>) -> Result<Self, Fault> {
        let root = match root {
            Some(root) => root,
            None => checkout()?,
        };
        let root = root.canonicalize().map_err(Fault::disk("find", &root))?;
        let cache = cache.or_else(default_cache).ok_or(Fault::NoCache)?;
        // Links are laid to it, so it must not depend on where the command ran.
        let cache = std::path::absolute(&cache).map_err(Fault::disk("use", &cache))?;
        Ok(Self { root, cache })
    }

    /// The checkout's own links, which builds and programs use.
    pub(crate) fn setup(&self) -> PathBuf {
        self.root.join(".setup")
    }

    /// The directory that torch-sys builds against.
    pub(crate) fn libtorch(&self) -> PathBuf {
        self.setup().join("libtorch")
    }

    /// Where a model is found.
    pub(crate) fn model(&self, key: &str) -> PathBuf {
        self.setup().join("models").join(key)
    }

    /// Downloaded wheels, until they are unpacked.
    pub(crate) fn wheels(&self) -> PathBuf {
        self.cache.join("wheels")
    }

    /// The user's own LIBTORCH. Cargo sets the variable to the checkout's
    /// `.setup/libtorch` when the user has none: that is no wish of theirs.
    pub(crate) fn users_libtorch(&self) -> Option<PathBuf> {
        let value = PathBuf::from(env::var_os("LIBTORCH").filter(|value| !value.is_empty())?);
        // `.setup` need not exist yet, so the checkouts are compared.
        let checkout =
            value.ends_with(".setup/libtorch").then(|| value.ancestors().nth(2)).flatten();
        let own =
            checkout.and_then(|path| path.canonicalize().ok()).is_some_and(|p| p == self.root);
        (!own).then(|| std::path::absolute(&value).unwrap_or(value))
    }
}

/// Cargo names the package that it runs; else the directory above that has it.
fn checkout() -> Result<PathBuf, Fault> {
    let here = env::current_dir().map_err(Fault::disk("find", Path::new(".")))?;
    let start = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| here.clone(), PathBuf::from);
    start
        .ancestors()
        .find(|directory| directory.join("crates/xtask/Cargo.toml").is_file())
        .map(Path::to_owned)
        .ok_or(Fault::NoCheckout { directory: here })
}

fn default_cache() -> Option<PathBuf> {
    let named = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    named("DIFFUSION_LINK_CACHE")
        // The XDG rules say to pass over a relative path.
        .or_else(|| {
            Some(named("XDG_CACHE_HOME").filter(|p| p.is_absolute())?.join("diffusion-link"))
        })
        .or_else(|| Some(named("HOME")?.join(".cache/diffusion-link")))
}

/// Held while a directory is written to; given up when dropped or when the
/// process ends in whatever way.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for whoever holds `directory` and takes it. What processes that
    /// died in it left unfinished, in `directory` or its `folders`, is removed.
    pub(crate) fn take(directory: &Path, folders: &[&str]) -> Result<Self, Fault> {
        fs::create_dir_all(directory).map_err(Fault::disk("make", directory))?;
        let path = directory.join(".lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(Fault::disk("write", &path))?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            eprintln!("waiting for another set-up in {} ...", directory.display());
        }
        // Some network file systems have no locks. Every step ends in a rename,
        // so two set-ups there cost time and nothing else.
        if file.lock().is_ok() {
            for folder in std::iter::once("").chain(folders.iter().copied()) {
                remove_parts(&directory.join(folder));
            }
        }
        Ok(Self { _file: file })
    }
}

fn remove_parts(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().contains(PART) {
            // What cannot be removed is in nobody's way.
            let _ = remove(&entry.path());
        }
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    match fs::symlink_metadata(path)?.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    }
}

/// A directory under construction: beside its place, under a temporary name;
/// gone when it is dropped before it was published.
pub(crate) struct Part {
    place: PathBuf,
    directory: PathBuf,
}

impl Part {
    pub(crate) fn start(place: &Path) -> Result<Self, Fault> {
        let directory = beside(place, "");
        if directory.exists() {
            remove(&directory).map_err(Fault::disk("remove", &directory))?;
        }
        fs::create_dir_all(&directory).map_err(Fault::disk("make", &directory))?;
        Ok(Self { place: place.into(), directory })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.directory
    }

    /// Puts it in place, instead of what may be there.
    pub(crate) fn publish(self) -> Result<(), Fault> {
        let old = beside(&self.place, "-old");
        let had = fs::symlink_metadata(&self.place).is_ok();
        if had {
            fs::rename(&self.place, &old).map_err(Fault::disk("move", &self.place))?;
        }
        fs::rename(&self.directory, &self.place).map_err(|error| {
            if had {
                // Back to how it was; the first error is the one to tell.
                let _ = fs::rename(&old, &self.place);
            }
            Fault::disk("make", &self.place)(error)
        })?;
        if had {
            let _ = remove(&old);
        }
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// `place` with the mark of an unfinished thing of this process.
pub(crate) fn beside(place: &Path, suffix: &str) -> PathBuf {
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(format!("{PART}{}{suffix}", process::id()));
    place.with_file_name(name)
}

/// Lays `link` to `target`, instead of any link that is there.
pub(crate) fn link(target: &Path, link: &Path) -> Result<(), Fault> {
    let temporary = beside(link, "");
    let lay = || {
        if let Some(parent) = link.parent() {
            fs::create_dir_all(parent)?;
        }
        std::os::unix::fs::symlink(target, &temporary)?;
        fs::rename(&temporary, link)
    };
    lay().map_err(|error| {
        let _ = fs::remove_file(&temporary);
        Fault::disk("link", link)(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_replaces_what_was_there_or_vanishes() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("tree");
        fs::create_dir(&place).unwrap();
        fs::write(place.join("old"), "").unwrap();

        let part = Part::start(&place).unwrap();
        fs::write(part.path().join("half"), "").unwrap();
        drop(part);
        assert!(place.join("old").exists());

        let part = Part::start(&place).unwrap();
        fs::write(part.path().join("new"), "").unwrap();
        part.publish().unwrap();
        assert!(place.join("new").exists() && !place.join("old").exists());
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_lock_sweeps_up_after_the_dead() {
        let home = tempfile::tempdir().unwrap();
        let (file, tree) = (home.path().join("a.part-7"), home.path().join("deep/b.part-7-old"));
        fs::write(&file, "").unwrap();
        fs::create_dir_all(tree.join("more")).unwrap();
        let _lock = Lock::take(home.path(), &["deep", "absent"]).unwrap();
        assert!(!file.exists() && !tree.exists() && home.path().join("deep").exists());
    }

    #[test]
    fn a_link_moves_to_a_new_target() {
        let home = tempfile::tempdir().unwrap();
        let name = home.path().join("deep/link");
        for target in ["/one", "/two"] {
            link(Path::new(target), &name).unwrap();
            assert_eq!(fs::read_link(&name).unwrap(), Path::new(target));
        }
    }
}
