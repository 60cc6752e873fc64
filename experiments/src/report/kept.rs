//! The results that are kept beside the configurations, `configs/SUITE/results/EXPERIMENT`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use dl_core::RunDir;

use super::{
    record::{self, METRICS_FILE, RUN_FILE, RunInfo},
    table::Table,
    tables,
};

fn results(repository: &Path, suite: &str) -> PathBuf {
    repository.join("configs").join(suite).join("results")
}

/// Copies what tables are built from, and the figures, into the repository.
///
/// # Errors
/// When a file cannot be read or written.
pub fn keep(repository: &Path, run: &RunDir, info: &RunInfo) -> Result<()> {
    let target = results(repository, &info.suite).join(&info.experiment);
    let directory = run.dir();
    let listing =
        fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let names = listing.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let figures = names.filter(|name| name.ends_with(".svg"));
    for name in ["config.toml", RUN_FILE, METRICS_FILE].map(String::from).into_iter().chain(figures)
    {
        let bytes = fs::read(run.file(&name))
            .with_context(|| format!("cannot read {}", run.file(&name).display()))?;
        dl_core::atomic::write_bytes(&target.join(&name), &bytes)?;
    }
    Ok(())
}

/// The table `SUITE/TABLE` of the results that are kept.
///
/// # Errors
/// For another form of name, or a table of which no results are kept.
pub(super) fn table(repository: &Path, name: &str) -> Result<Table> {
    let Some((suite, wanted)) = name.split_once('/') else {
        bail!("'{name}' is no SUITE/TABLE");
    };
    let entries = fs::read_dir(results(repository, suite)).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    folders.sort();
    for directory in folders.into_iter().filter(|folder| folder.join(RUN_FILE).is_file()) {
        let (info, records) = record::read(&RunDir::open(directory))?;
        let mut tables = tables::build(&info, &records)?.into_iter();
        if let Some(table) = tables.find(|table| table.name == wanted) {
            return Ok(table);
        }
    }
    bail!("no results are kept for the table {name}; run the suite, then `report --keep`")
}
