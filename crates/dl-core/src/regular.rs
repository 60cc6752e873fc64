//! Regular files. What a user names may as well be a folder, a named pipe without a writer
//! (reading it would wait for ever) or a device (it may never end): each is refused before
//! anything is read, by its kind.

use std::{
    fs::{self, File, FileType},
    io::{self, Read},
    path::Path,
};

use crate::FileError;

/// Opens a regular file, or what a link to one points at.
///
/// # Errors
/// [`FileError::Io`] when there is none or it cannot be opened, [`FileError::Invalid`] for
/// a folder, a named pipe, a device or a socket, named as such.
pub fn open(path: &Path) -> Result<File, FileError> {
    check(path)?;
    let file = File::open(path).map_err(|error| FileError::io(path, error))?;
    // The name may have been given to something else since.
    let kind = file.metadata().map_err(|error| FileError::io(path, error))?.file_type();
    refuse(path, kind)?;
    Ok(file)
}

/// That `path` is a regular file, before work that would open it much later.
///
/// # Errors
/// As [`open`], except that its content may still be closed to this user.
pub fn check(path: &Path) -> Result<(), FileError> {
    let metadata = fs::metadata(path).map_err(|error| FileError::io(path, error))?;
    refuse(path, metadata.file_type())
}

/// The whole content of a regular file.
///
/// # Errors
/// As [`open`], and when it cannot be read to its end.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut file = open(path)?;
    let mut bytes = Vec::new();
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let room = usize::try_from(length).ok().and_then(|length| bytes.try_reserve_exact(length).ok());
    if room.is_none() {
        return Err(FileError::invalid(path, format!("{length} bytes do not fit into memory")));
    }
    file.read_to_end(&mut bytes).map_err(|error| FileError::io(path, error))?;
    Ok(bytes)
}

impl From<FileError> for io::Error {
    /// Without the path, for errors that name it themselves.
    fn from(error: FileError) -> Self {
        match error {
            FileError::Io { source, .. } => source,
            FileError::Invalid { problem, .. } => Self::new(io::ErrorKind::InvalidInput, problem),
        }
    }
}

fn refuse(path: &Path, kind: FileType) -> Result<(), FileError> {
    match problem(kind) {
        None => Ok(()),
        Some(problem) => Err(FileError::invalid(path, problem)),
    }
}

fn problem(kind: FileType) -> Option<&'static str> {
    if kind.is_file() {
        return None;
    }
    if kind.is_dir() {
        return Some("is a folder; name a file");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return Some("is a named pipe; write what comes out of it into a file and name that");
        }
        if kind.is_char_device() || kind.is_block_device() {
            return Some("is a device; name a file");
        }
        if kind.is_socket() {
            return Some("is a socket; name a file");
        }
    }
    Some("is no regular file; name one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_through_a_link_too() {
        let directory = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| directory.path().join(name));
        fs::write(&file, b"abc").unwrap();
        assert_eq!(read(&file).unwrap(), b"abc");
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&file, &link).unwrap();
            assert_eq!(read(&link).unwrap(), b"abc");
        }
        let none = directory.path().join("none");
        let error = open(&none).unwrap_err();
        assert!(matches!(error, FileError::Io { .. }), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_refused_by_its_kind_and_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let [pipe, socket] = ["pipe", "socket"].map(|name| directory.path().join(name));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for (path, kind) in [
            (directory.path(), "is a folder"),
            (&pipe, "is a named pipe"),
            (Path::new("/dev/zero"), "is a device"),
            (&socket, "is a socket"),
        ] {
            // Reading any of these would fail late, or never end.
            let error = read(path).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{}: {kind}; ", path.display())), "{error}");
            let plain = io::Error::from(open(path).unwrap_err()).to_string();
            assert!(plain.starts_with(kind), "{plain}");
        }
    }
}
