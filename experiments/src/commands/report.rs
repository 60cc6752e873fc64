//! `report`: tables from run directories, and the README's tables from the results that
//! are kept.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail};
use dl_core::RunDir;

use crate::{
    config::{SuiteConfig, paths},
    console::Output,
    report::{self, METRICS_FILE, Record, RunInfo},
};

/// Prints the tables of `runs`, or of the newest run of each experiment.
pub fn run(runs: &[PathBuf], readme: bool, config: &SuiteConfig, out: &mut Output) -> Result<()> {
    let runs = if runs.is_empty() { newest(config)? } else { runs.to_vec() };
    let repository = paths::repository()?;
    let mut found = Vec::new();
    for directory in &runs {
        let run = RunDir::open(directory);
        let (info, records) = report::read(&run)?;
        if readme {
            report::keep(&repository, &run, &info)?;
        }
        found.push((run, info, records));
    }
    if readme {
        let path = repository.join("README.md");
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let text = report::with_tables(&repository, &text)?;
        dl_core::atomic::write_bytes(&path, text.as_bytes())?;
    }
    for (run, info, records) in &found {
        print(run, info, records, out)?;
    }
    Ok(())
}

/// Prints a run's tables and says where they are.
pub fn print(run: &RunDir, info: &RunInfo, records: &[Record], out: &mut Output) -> Result<()> {
    for table in report::build(info, records)? {
        out.line(format_args!("\n{}", table.to_text()))?;
    }
    out.line(run.dir().display())
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
