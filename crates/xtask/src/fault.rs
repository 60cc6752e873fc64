//! What can go wrong in set-up. Every fault is one sentence: the cause, then
//! the remedy. Nothing else is ever shown for it, and the exit code is 2.

use std::{
    io,
    path::{Path, PathBuf},
};

/// A set-up that could not be finished, and what its user can do about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(
        "no place is known for the cache because HOME is not set; set DIFFUSION_LINK_CACHE to a directory"
    )]
    NoCache,

    #[error("{} is not inside a checkout of this project; run the command there", directory.display())]
    NoCheckout { directory: PathBuf },

    #[error("the list of components {} cannot be used ({cause}); restore the file", path.display())]
    Components { path: PathBuf, cause: String },

    #[error(
        "LIBTORCH is {}, which holds libtorch {found} where {wanted} is needed; \
         unset LIBTORCH, or set it to a libtorch {wanted}",
        directory.display()
    )]
    LibtorchVersion { directory: PathBuf, found: String, wanted: String },

    #[error(
        "LIBTORCH is {}, which is no usable libtorch {wanted} ({reason}); \
         unset LIBTORCH, or set it to a directory with the `include` and `lib` of libtorch {wanted}",
        directory.display()
    )]
    LibtorchUnusable { directory: PathBuf, reason: String, wanted: String },

    #[error(
        "LIBTORCH_USE_PYTORCH is set, which makes the build pass over what set-up prepares; \
         unset it (a Python whose torch has the right version is found without it)"
    )]
    UsePytorch,

    #[error(
        "there is no pinned {requirement} for {platform}; get that version for this machine \
         and set LIBTORCH to the directory that holds its `include` and `lib`"
    )]
    Platform { requirement: String, platform: String },

    #[error(
        "{requirement} must be downloaded and neither Python nor pip was found; \
         install them (Debian, Ubuntu: `apt-get install python3-pip`)"
    )]
    NoPython { requirement: String },

    #[error(
        "{requirement} must be downloaded and the Python at {} has no pip; \
         install it (Debian, Ubuntu: `apt-get install python3-pip`)",
        python.display()
    )]
    NoPip { requirement: String, python: PathBuf },

    #[error(
        "pip could not reach a package index to download {requirement} ({cause}); \
         check the network and pip's proxy and index settings, or put {file} into {}",
        wheels.display()
    )]
    Network { requirement: String, cause: String, file: String, wheels: PathBuf },

    #[error(
        "pip's package index has no {requirement} with the pinned content; \
         check pip's index settings (`pip config list`), update pip, or put {file} into {}",
        wheels.display()
    )]
    NotOffered { requirement: String, file: String, wheels: PathBuf },

    #[error(
        "pip could not download {requirement} ({cause}); try `pip download {requirement}` by hand"
    )]
    Pip { requirement: String, cause: String },

    #[error(
        "the download of {file} has another sha256 than the pinned {expected}; it was thrown away: \
         check pip's index settings for a mirror that alters packages, then try again"
    )]
    Checksum { file: String, expected: String },

    #[error("{} cannot be unpacked ({cause}); delete it and run `cargo setup` again", path.display())]
    Archive { path: PathBuf, cause: String },

    #[error(
        "the unpacked {title} is not usable on this machine ({reason}); \
         install what is missing with the system's package manager, or set LIBTORCH by hand"
    )]
    Unusable { title: String, reason: String },

    #[error(
        "{} has {} MB free where set-up needs {} MB; free some space, \
         or name another directory with `cargo setup --cache DIR`",
        directory.display(), free / 1_000_000, needed / 1_000_000
    )]
    Space { directory: PathBuf, needed: u64, free: u64 },

    #[error(
        "the disk is full at {}; free some space and run `cargo setup` again, \
         or name another directory with `cargo setup --cache DIR`",
        path.display()
    )]
    DiskFull { path: PathBuf },

    #[error(
        "cannot {action} {} ({source}); check its permissions, \
         or name another directory with `cargo setup --cache DIR`",
        path.display()
    )]
    Disk { action: &'static str, path: PathBuf, source: io::Error },

    #[error("{title} is not set up; run `cargo setup`")]
    Missing { title: String },

    #[error("{} is damaged ({reason}); delete that directory and run `cargo setup`", directory.display())]
    Damaged { directory: PathBuf, reason: String },

    #[error("cannot start cargo ({0}); check that `cargo` is on PATH")]
    Cargo(io::Error),
}

impl Fault {
    /// Turns an error of the file system into a fault, for `map_err`:
    /// `cannot <action> <path>`, or a full disk whatever the action.
    pub(crate) fn disk(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::Disk { action, path, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_from_other_errors() {
        const ENOSPC: i32 = 28;
        let full = Fault::disk("write", Path::new("/c"))(io::Error::from_raw_os_error(ENOSPC));
        assert!(full.to_string().starts_with("the disk is full at /c; free some space"), "{full}");
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let denied = Fault::disk("write", Path::new("/c"))(denied);
        assert!(denied.to_string().starts_with("cannot write /c (permission denied)"), "{denied}");
    }
}
