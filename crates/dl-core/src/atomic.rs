//! Files that exist whole or not at all: written beside their place under a
//! temporary name, flushed to disk, then renamed.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

/// How names of files begin and end that are not finished.
const UNFINISHED: [&str; 2] = [".part-", ".tmp"];
/// More links than this lead in a circle.
const MOST_LINKS: usize = 40;

/// Writes a file through `fill` and puts it in place only when that succeeded.
/// Missing parent directories are made. A reader never sees a half-written file,
/// and an old file stays until the new one is complete. A symbolic link is followed
/// and stays; a file that was there keeps its permissions, and a new one has those that
/// `umask` leaves. A pipe or a device is written to as it is.
///
/// # Errors
/// Any error of `fill`, of the disk (full, read-only) or of the rename; its
/// message names the path.
pub fn write(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
) -> io::Result<()> {
    inner(path, fill).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()))
    })
}

fn inner(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
) -> io::Result<()> {
    let target = follow(path)?;
    let old = match fs::metadata(&target) {
        Ok(metadata) if metadata.is_dir() => {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
        }
        Ok(metadata) if !metadata.is_file() => {
            let mut file = File::options().write(true).open(&target)?;
            let mut writer = BufWriter::new(&mut file);
            fill(&mut writer)?;
            return writer.flush();
        }
        Ok(metadata) => Some(metadata.permissions()),
        Err(_) => None,
    };
    let parent = folder_of(&target);
    fs::create_dir_all(parent)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED[0]).suffix(UNFINISHED[1]);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut temporary = builder.tempfile_in(parent)?;
    let mut writer = BufWriter::new(temporary.as_file_mut());
    fill(&mut writer)?;
    writer.flush()?;
    drop(writer);
    if let Some(permissions) = old {
        temporary.as_file().set_permissions(permissions)?;
    }
    temporary.as_file().sync_all()?;
    temporary.persist(&target).map_err(|error| error.error)?;
    Ok(())
}

/// Writes `bytes` as in [`write`].
pub fn write_bytes(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, |file| file.write_all(bytes))
}

/// Says before the work whether [`write`] will find a place for `path`: that it is no
/// folder, and that files can be made beside it or where its missing folders will be.
///
/// # Errors
/// What [`write`] would say; the message names the path.
pub fn check(path: &Path) -> io::Result<()> {
    let problem = |error: io::Error| {
        io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()))
    };
    let target = follow(path).map_err(problem)?;
    if target.is_dir() {
        let folder = io::Error::new(io::ErrorKind::IsADirectory, "it is a folder");
        return Err(problem(folder));
    }
    if target.exists() && !target.is_file() {
        return Ok(());
    }
    check_folder(folder_of(&target)).map_err(problem)
}

/// Says before the work whether files can be made in the folder `path`, or where it will
/// be made.
///
/// # Errors
/// What making a file there would say.
pub fn check_folder(path: &Path) -> io::Result<()> {
    let absolute = std::path::absolute(path)?;
    let there = absolute.ancestors().find(|folder| folder.exists());
    let there = there.unwrap_or(Path::new("/"));
    if !there.is_dir() {
        let problem = format!("{} is a file, not a folder", there.display());
        return Err(io::Error::new(io::ErrorKind::NotADirectory, problem));
    }
    let [prefix, suffix] = UNFINISHED;
    tempfile::Builder::new().prefix(prefix).suffix(suffix).tempfile_in(there).map(|_| ())
}

/// Whether a file is what a killed program left of a [`write`]: nobody will finish it.
/// Only who knows that nobody else writes beside it may remove it.
pub fn is_unfinished(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(UNFINISHED[0]) && name.ends_with(UNFINISHED[1])
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Where a chain of symbolic links ends, whether there is a file or not.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = folder_of(&path).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("its symbolic links lead in a circle"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_keeps_the_old_file_and_leaves_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/result.txt");
        write_bytes(&path, b"old").unwrap();
        let error = write(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("disk full"))
        })
        .unwrap_err();
        assert!(error.to_string().contains("result.txt: disk full"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_permissions_are_those_of_any_file() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        // What this process's umask makes of any new file.
        File::create(at("plain")).unwrap();
        write_bytes(&at("new"), b"1").unwrap();
        assert_eq!(mode(&at("new")), mode(&at("plain")));
        fs::set_permissions(at("new"), fs::Permissions::from_mode(0o600)).unwrap();
        write_bytes(&at("new"), b"2").unwrap();
        assert_eq!(mode(&at("new")), 0o600);
        fs::create_dir(at("elsewhere")).unwrap();
        symlink("elsewhere/target", at("link")).unwrap();
        symlink("link", at("link to a link")).unwrap();
        for (name, content) in [("link", b"3"), ("link to a link", b"4")] {
            write_bytes(&at(name), content).unwrap();
            assert!(fs::symlink_metadata(at(name)).unwrap().is_symlink());
            assert_eq!(fs::read(at("elsewhere/target")).unwrap(), content);
        }
        symlink("round", at("round")).unwrap();
        assert!(write_bytes(&at("round"), b"5").unwrap_err().to_string().contains("circle"));
        write_bytes(Path::new("/dev/null"), b"6").unwrap();
        assert!(!Path::new("/dev/null").is_file());
    }

    #[test]
    fn a_place_that_cannot_be_written_is_found_out_before() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::write(at("file"), b"").unwrap();
        for good in ["new", "file", "a/b/c"] {
            check(&at(good)).unwrap();
        }
        let says = |path: &Path| check(path).unwrap_err().to_string();
        assert!(says(root.path()).ends_with("it is a folder"));
        assert!(says(&at("file/x")).contains("is a file, not a folder"));
        assert!(says(Path::new("/proc/none/x")).contains("/proc/none/x"));
        assert!(write_bytes(root.path(), b"").unwrap_err().to_string().contains("is a folder"));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }
}
