//! Places that a command will write to, checked before the work begins.

use std::path::Path;

use anyhow::{Context, Result, bail};
use dl_core::atomic;

/// Refuses `--output FILE` where no file can be written.
pub fn check_file(path: &Path) -> Result<()> {
    if path.is_dir() {
        bail!("--output {}: is a folder; name a file in it", path.display());
    }
    atomic::check(path).context("--output")
}

/// Refuses `--output FOLDER` where no files can be written.
pub fn check_folder(path: &Path) -> Result<()> {
    if path.is_file() {
        bail!("--output {}: is a file; name a folder", path.display());
    }
    atomic::check_folder(path).with_context(|| format!("--output {}", path.display()))
}
