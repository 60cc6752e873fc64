//! Where the repository is and how relative paths in configurations are meant:
//! relative to the repository, wherever the program is started.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

/// The repository: the nearest folder above the working directory that holds
/// `configs/embedded`, else the one that this program was built from.
pub fn repository() -> Result<PathBuf> {
    let here = env::current_dir().context("the working directory is gone")?;
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    here.ancestors()
        .chain(built_from)
        .find(|folder| folder.join("configs/embedded").is_dir())
        .map(Path::to_owned)
        .context("cannot find configs/embedded: start this inside a clone of the repository")
}

/// A path of a configuration.
pub fn in_repository(path: &Path) -> Result<PathBuf> {
    if path.is_absolute() { Ok(path.to_owned()) } else { Ok(repository()?.join(path)) }
}

/// The configuration `name`: a TOML file, or a folder of `configs/`.
pub fn config_file(name: &str) -> Result<PathBuf> {
    if name.ends_with(".toml") {
        return Ok(PathBuf::from(name));
    }
    let configs = repository()?.join("configs");
    let path = configs.join(name).join("suite.toml");
    if !path.is_file() {
        let known = std::fs::read_dir(&configs)
            .map(|entries| {
                let mut names: Vec<String> = entries
                    .flatten()
                    .filter(|entry| entry.path().join("suite.toml").is_file())
                    .map(|entry| entry.file_name().to_string_lossy().into_owned())
                    .collect();
                names.sort();
                names.join(", ")
            })
            .unwrap_or_default();
        bail!("--config {name}: no such configuration; give a .toml file or one of: {known}");
    }
    Ok(path)
}
