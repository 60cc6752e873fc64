//! `report`: tables from run directories, the page that shows them, the difference of two,
//! and the pages' tables from the results that are kept.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use dl_core::{RunDir, atomic};

use crate::{
    config::{SuiteConfig, paths},
    console::{Output, note},
    experiments::EXPERIMENTS,
    report::{self, METRICS_FILE, Record, RunInfo, html::Finished},
};

/// Clips on a page unless said otherwise.
pub const CLIPS: usize = 24;

/// `--html` and `--clips`.
#[derive(Clone, Copy)]
pub struct Page<'a> {
    /// The file, or its folder.
    pub path: &'a Path,
    /// Clips to hear.
    pub clips: usize,
}

impl Page<'_> {
    /// The file, which must be one that can be written.
    fn file(&self) -> Result<PathBuf> {
        let is_folder =
            self.path.is_dir() || self.path.as_os_str().to_string_lossy().ends_with('/');
        let file = if is_folder { self.path.join("report.html") } else { self.path.to_owned() };
        atomic::check(&file).context("--html")?;
        Ok(file)
    }
}

/// Prints the tables of `runs`, or of the newest run of each experiment. `keep` keeps them in
/// the repository, under the name in it or that of their experiment.
pub fn run(
    runs: &[PathBuf],
    keep: Option<Option<&str>>,
    page: Option<Page<'_>>,
    config: &SuiteConfig,
    out: &mut Output,
) -> Result<()> {
    let page = page.map(|page| Ok::<_, anyhow::Error>((page.file()?, page.clips))).transpose()?;
    // The page shows all that there is, the terminal what the suite consists of.
    let newest = if page.is_some() { newest_of_all(config) } else { newest(config) };
    let runs = match newest {
        _ if !runs.is_empty() => runs.to_vec(),
        // Pages are written from what is kept, with or without a new run.
        Err(_) if keep.is_some() => Vec::new(),
        newest => newest?,
    };
    if let Some(Some(name)) = keep {
        if runs.len() != 1 {
            bail!("--as {name}: that names one run, and there are {}; give the one", runs.len());
        }
        report::check_name(name).context("--as")?;
    }
    let repository = paths::repository()?;
    let mut found = Vec::new();
    for directory in &runs {
        let finished = read(directory)?;
        if let Some(name) = keep {
            let (run, info, _) = &finished;
            report::keep(&repository, run, &info.suite, name.unwrap_or(&info.experiment))?;
        }
        found.push(finished);
    }
    if keep.is_some() {
        for page in report::write_pages(&repository)? {
            note(format_args!("written: {}", page.display()));
        }
    }
    if let Some((file, clips)) = page {
        write_page(&file, &found, clips)?;
    }
    for (run, info, records) in &found {
        print(run, info, records, out)?;
    }
    if let Some(line) = of_different_clips(found.iter().map(|(_, info, _)| info)) {
        note(format_args!("note: {line}"));
    }
    Ok(())
}

fn write_page(file: &Path, found: &[Finished], clips: usize) -> Result<()> {
    let line = of_different_clips(found.iter().map(|(_, info, _)| info));
    let warning = line.map(|line| format!("Note: {line}."));
    for left_out in report::html::write(file, found, clips, warning.as_deref())? {
        note(format_args!("note: {left_out}"));
    }
    note(format_args!("written: {}", file.display()));
    Ok(())
}

/// The page of the suite's newest runs, in its folder of runs. The results of the run that
/// ends with it are on disk and printed: a fault of the page, or of an older run beside it, is
/// said and does not make the run one that failed.
pub fn of_suite(config: &SuiteConfig) {
    let written = || -> Result<()> {
        let found: Vec<Finished> =
            newest_of_all(config)?.iter().map(|run| read(run)).collect::<Result<_>>()?;
        write_page(&config.runs_dir()?.join("report.html"), &found, CLIPS)
    };
    if let Err(error) = written() {
        note(format_args!("note: the page of the suite is not written: {error:#}"));
    }
}

fn read(directory: &Path) -> Result<Finished> {
    let run = RunDir::open(directory);
    let (info, records) = report::read(&run)?;
    Ok((run, info, records))
}

/// Prints the differences of two runs.
pub fn compare(first: &Path, second: &Path, out: &mut Output) -> Result<()> {
    for table in report::compare(&RunDir::open(first), &RunDir::open(second))? {
        out.line(format_args!("\n{}", table.to_text()))?;
    }
    Ok(())
}

/// A sentence where runs stand side by side that are not over the same clips.
fn of_different_clips<'r>(runs: impl Iterator<Item = &'r RunInfo>) -> Option<String> {
    // Recognition is over unmixed sounds, ablations over validation, transfer elsewhere: they
    // say so themselves.
    let alike = |info: &&RunInfo| {
        info.split == "test" && info.captions > 0 && info.experiment != "transfer"
    };
    let runs: Vec<&RunInfo> = runs.filter(alike).collect();
    if runs.iter().all(|info| info.id_hash == runs[0].id_hash) {
        return None;
    }
    let of = |info: &&RunInfo| {
        let RunInfo { experiment, suite, clips, id_hash, .. } = info;
        format!("{experiment} of {suite}: {clips}, id hash {id_hash}")
    };
    let which = runs.iter().map(of).collect::<Vec<_>>().join("; ");
    Some(format!(
        "these tables are over different clips, so do not compare their figures ({which})"
    ))
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
    newest_of(config, config.experiments.iter().map(String::as_str))
}

/// The newest run of each experiment that was ever run.
fn newest_of_all(config: &SuiteConfig) -> Result<Vec<PathBuf>> {
    newest_of(config, EXPERIMENTS.iter().map(|experiment| experiment.name))
}

fn newest_of<'n>(
    config: &SuiteConfig,
    names: impl Iterator<Item = &'n str>,
) -> Result<Vec<PathBuf>> {
    let root = config.runs_dir()?;
    let mut found = Vec::new();
    for name in names {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn info(experiment: &str, clips: usize, id_hash: &str, captions: usize) -> RunInfo {
        let known = serde_json::json!({
            "experiment": experiment, "suite": "toy", "clips": clips, "captions": captions,
            "id_hash": id_hash, "seeds": [0], "resamples": 100, "corpus": "", "encoder": "",
            "program": "", "libtorch": "", "device": "cpu",
        });
        serde_json::from_value(known).unwrap()
    }

    #[test]
    fn tables_of_different_clips_are_told() {
        let said = |runs: &[RunInfo]| of_different_clips(runs.iter());
        let (t1, t2) = (info("t1", 9, "a", 9), info("t2", 8, "b", 8));
        // Another experiment by its nature: unmixed sounds, and other corpora.
        let others = [info("recognition", 4, "c", 0), info("transfer", 5, "d", 5)];
        assert_eq!(said(&[]), None);
        assert_eq!(said(&[t1.clone(), info("t2", 9, "a", 9), others[0].clone()]), None);
        assert_eq!(said(&[t1.clone(), others[1].clone()]), None);
        let line = said(&[t1, t2]).unwrap();
        assert!(line.ends_with("(t1 of toy: 9, id hash a; t2 of toy: 8, id hash b)"), "{line}");
    }
}
