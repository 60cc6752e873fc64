//! `run` and `list`.

use anyhow::{Context, Result};
use dl_core::RunDir;

use super::report::print;
use crate::{
    config::SuiteConfig,
    console::Output,
    experiments::{self, EXPERIMENTS, Experiment},
    report,
    stages::{Lab, Services, Suite},
};

/// Prints names and descriptions.
pub fn list(out: &mut Output) -> Result<()> {
    for Experiment { name, about, .. } in EXPERIMENTS {
        out.line(format_args!("{name:12} {about}"))?;
    }
    Ok(())
}

/// Runs the experiments and prints their tables.
pub fn run(
    names: &[String],
    config: &SuiteConfig,
    services: &Services<'_>,
    out: &mut Output,
) -> Result<()> {
    experiments::known(&config.experiments).context("experiments")?;
    experiments::known(names)?;
    let lab = Lab::new(services, config)?;
    let runs: Vec<RunDir> = experiments::run(names, &Suite::open(&lab, config)?)?;
    for run in &runs {
        let (info, records) = report::read(run)?;
        print(run, &info, &records, out)?;
    }
    Ok(())
}
