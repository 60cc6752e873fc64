//! The results that are kept beside the configurations, and the README's tables from
//! them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use dl_core::RunDir;

use super::{
    record::{self, METRICS_FILE, RUN_FILE, RunInfo},
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

/// `text` with every block between `<!-- table SUITE/TABLE -->` and
/// `<!-- end -->` replaced by that table, from the results that are kept.
///
/// # Errors
/// For a mark that is not closed, or a table of which no results are kept.
pub fn with_tables(repository: &Path, text: &str) -> Result<String> {
    const OPEN: &str = "<!-- table ";
    const END: &str = "<!-- end -->";
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(OPEN) {
        let after = &rest[start + OPEN.len()..];
        let (name, body) = after.split_once(" -->").context("README: an unclosed table mark")?;
        let (_, tail) =
            body.split_once(END).with_context(|| format!("README: table {name} has no {END}"))?;
        out.push_str(&rest[..start]);
        out.push_str(&format!("{OPEN}{name} -->\n{}{END}", kept_table(repository, name)?));
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

fn kept_table(repository: &Path, name: &str) -> Result<String> {
    let (suite, wanted) =
        name.split_once('/').with_context(|| format!("README: table mark '{name}'"))?;
    let entries = fs::read_dir(results(repository, suite)).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    folders.sort();
    for directory in folders.into_iter().filter(|folder| folder.join(RUN_FILE).is_file()) {
        let (info, records) = record::read(&RunDir::open(directory))?;
        if let Some(table) =
            tables::build(&info, &records)?.into_iter().find(|table| table.name == wanted)
        {
            return Ok(table.to_markdown());
        }
    }
    bail!("README: no kept results for table {name}; run the suite, then `report --readme`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_holds_what_report_writes() {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let text = fs::read_to_string(repository.join("README.md")).unwrap();
        assert!(text.contains("<!-- table embedded/t1 -->"), "README.md has lost its T1");
        assert!(text.contains("<!-- table embedded/t2_zero_shot -->"), "README.md has lost its T2");
        assert!(
            with_tables(repository, &text).unwrap() == text,
            "README.md is not what `report --readme` writes; run it and commit the result"
        );
    }

    #[test]
    fn a_mark_without_results_is_an_error() {
        let nowhere = Path::new("/nowhere");
        let error = with_tables(nowhere, "<!-- table nowhere/t1 --><!-- end -->");
        let error = error.unwrap_err().to_string();
        assert!(error.contains("no kept results for table nowhere/t1"), "{error}");
        assert!(with_tables(nowhere, "<!-- table a/b --> x").is_err());
    }
}
