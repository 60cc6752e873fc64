//! Files that exist whole or not at all: written beside their place under a
//! temporary name, flushed to disk, then renamed.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
};

/// Writes a file through `fill` and puts it in place only when that succeeded.
/// Missing parent directories are made. A reader never sees a half-written file,
/// and an old file stays until the new one is complete.
///
/// # Errors
/// Any error of `fill`, of the disk (full, read-only) or of the rename; its
/// message names the path.
pub fn write(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
) -> io::Result<()> {
    let inner = || -> io::Result<()> {
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent)?;
        let mut temporary =
            tempfile::Builder::new().prefix(".part-").suffix(".tmp").tempfile_in(parent)?;
        let mut writer = BufWriter::new(temporary.as_file_mut());
        fill(&mut writer)?;
        writer.flush()?;
        drop(writer);
        temporary.as_file().sync_all()?;
        widen_permissions(temporary.as_file())?;
        temporary.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    inner().map_err(|error| {
        io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()))
    })
}

/// Writes `bytes` as in [`write`].
pub fn write_bytes(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, |file| file.write_all(bytes))
}

/// Temporary files are private to their owner; results are as public as any
/// other file the user makes (0644).
#[cfg(unix)]
fn widen_permissions(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn widen_permissions(_: &File) -> io::Result<()> {
    Ok(())
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
}
