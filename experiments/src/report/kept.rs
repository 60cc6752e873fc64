//! The results that are kept beside the configurations, `configs/SUITE/results/EXPERIMENT`, or
//! under another name where one experiment has several runs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use dl_core::RunDir;

use super::{
    record::{self, METRICS_FILE, RUN_FILE},
    table::Table,
    tables,
};

fn results(repository: &Path, suite: &str) -> PathBuf {
    repository.join("configs").join(suite).join("results")
}

/// Whether `name` can be that of kept results: letters, digits, `_` and `-`.
///
/// # Errors
/// When it cannot.
pub fn check_name(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    if name.is_empty() || !name.chars().all(fits) {
        bail!("'{name}' is no name for results: use letters, digits, _ and -");
    }
    Ok(())
}

/// Copies what tables of a suite are built from, and the figures, into the repository: under
/// `name`, as a rule that of the experiment.
///
/// # Errors
/// When a file cannot be read or written.
pub fn keep(repository: &Path, run: &RunDir, suite: &str, name: &str) -> Result<()> {
    let target = results(repository, suite).join(name);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_of_an_experiment_are_kept_under_two_names() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("run");
        fs::create_dir(&folder).unwrap();
        for name in ["config.toml", RUN_FILE, METRICS_FILE, "width.svg", "lock"] {
            fs::write(folder.join(name), name).unwrap();
        }
        let run = RunDir::open(folder);
        for name in ["ablations", "more_seeds"] {
            keep(home.path(), &run, "tiny", name).unwrap();
        }
        for name in ["ablations", "more_seeds"] {
            let kept = home.path().join("configs/tiny/results").join(name);
            assert_eq!(fs::read_to_string(kept.join("width.svg")).unwrap(), "width.svg");
            assert_eq!(fs::read_dir(kept).unwrap().count(), 4);
        }
        assert!(check_name("a-b_2").is_ok());
        for bad in ["", "a/b", "..", "a b"] {
            let error = check_name(bad).unwrap_err().to_string();
            assert!(error.contains("is no name for results"), "{error}");
        }
    }
}
