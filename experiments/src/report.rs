//! `report`: tables from run directories, and the README's tables from the
//! results kept beside the configurations.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use dl_core::RunDir;

use crate::{
    config::SuiteConfig,
    paths,
    record::{self, METRICS_FILE, RUN_FILE, Record, RunInfo},
    tables,
};

/// Prints the tables of `runs`, or of the newest run of each experiment.
pub fn run(runs: &[PathBuf], readme: bool, config: &SuiteConfig) -> Result<()> {
    let runs = if runs.is_empty() { newest(config)? } else { runs.to_vec() };
    let mut out = std::io::stdout().lock();
    for directory in &runs {
        let run = RunDir::open(directory);
        let (info, records) = record::read(&run)?;
        print(&mut out, &run, &info, &records)?;
        if readme {
            keep(&run, &info)?;
        }
    }
    if readme {
        let path = paths::repository()?.join("README.md");
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        dl_core::atomic::write_bytes(&path, with_tables(&text)?.as_bytes())?;
    }
    Ok(())
}

/// Prints a run's tables and says where they are.
pub fn print(out: &mut impl Write, run: &RunDir, info: &RunInfo, records: &[Record]) -> Result<()> {
    for table in tables::build(info, records)? {
        writeln!(out, "\n{}", table.to_text())?;
    }
    writeln!(out, "{}", run.dir().display())?;
    Ok(())
}

/// The newest run of each experiment of the suite.
fn newest(config: &SuiteConfig) -> Result<Vec<PathBuf>> {
    let root = config.runs_dir()?;
    let mut found = Vec::new();
    for name in &config.experiments {
        let entries = fs::read_dir(root.join(name)).into_iter().flatten().flatten();
        let newest = entries
            .filter_map(|entry| {
                let metrics = entry.path().join(METRICS_FILE);
                Some((metrics.metadata().ok()?.modified().ok()?, entry.path()))
            })
            .max();
        found.extend(newest.map(|(_, path)| path));
    }
    if found.is_empty() {
        bail!(
            "no finished run under {}; make one with `cargo run -p experiments -- --config {}`",
            root.display(),
            config.name
        );
    }
    Ok(found)
}

fn results(suite: &str) -> Result<PathBuf> {
    Ok(paths::repository()?.join("configs").join(suite).join("results"))
}

/// Copies what tables are built from, and the figures, into the repository.
fn keep(run: &RunDir, info: &RunInfo) -> Result<()> {
    let target = results(&info.suite)?.join(&info.experiment);
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
pub fn with_tables(text: &str) -> Result<String> {
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
        out.push_str(&format!("{OPEN}{name} -->\n{}{END}", kept_table(name)?));
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

fn kept_table(name: &str) -> Result<String> {
    let (suite, wanted) =
        name.split_once('/').with_context(|| format!("README: table mark '{name}'"))?;
    let folder = results(suite)?;
    for experiment in crate::suite::EXPERIMENTS {
        let directory = folder.join(experiment.name);
        if !Path::is_dir(&directory) {
            continue;
        }
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
        let text = fs::read_to_string(paths::repository().unwrap().join("README.md")).unwrap();
        assert!(text.contains("<!-- table embedded/t1 -->"), "README.md has lost its T1");
        assert!(text.contains("<!-- table embedded/t2_zero_shot -->"), "README.md has lost its T2");
        assert!(
            with_tables(&text).unwrap() == text,
            "README.md is not what `report --readme` writes; run it and commit the result"
        );
    }

    #[test]
    fn a_mark_without_results_is_an_error() {
        let error = with_tables("<!-- table nowhere/t1 --><!-- end -->").unwrap_err().to_string();
        assert!(error.contains("no kept results for table nowhere/t1"), "{error}");
        assert!(with_tables("<!-- table a/b --> x").is_err());
    }
}
