//! `run` and `list`.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use dl_core::RunDir;

use super::{embed::Shard, report::print};
use crate::{
    config::SuiteConfig,
    console::Output,
    experiments::{self, EXPERIMENTS, Experiment},
    report,
    stages::{Lab, Services, Slice, Suite, Work},
};

/// A part of the stages, without tables.
#[derive(Clone, Debug, Args)]
pub struct RunOptions {
    /// Make these stages and no tables: what a job of `plan --jobs` does.
    #[arg(long, value_enum)]
    pub only: Option<Only>,
    /// With `--only features`: slice I, from 0 to N - 1, of N slices of the clips.
    #[arg(long, value_name = "I/N", requires = "only")]
    pub shard: Option<Shard>,
    /// With `--only stages`: of T1 and T2 these rows alone.
    #[arg(long, value_delimiter = ',', value_name = "ROW,ROW", requires = "only")]
    pub rows: Vec<String>,
}

/// Which stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Only {
    /// What the encoder makes of the clips.
    Features,
    /// What every row stands on: embeddings, and a language model that is trained here.
    Shared,
    /// All that the tables need.
    Stages,
}

/// Makes stages and no tables.
pub fn stages(
    names: &[String],
    only: Only,
    part: &RunOptions,
    config: &SuiteConfig,
    services: &Services<'_>,
) -> Result<()> {
    experiments::known(names)?;
    if part.shard.is_some() && only != Only::Features {
        bail!("--shard: goes with --only features");
    }
    if !part.rows.is_empty() && only != Only::Stages {
        bail!("--rows: goes with --only stages");
    }
    let all = config.all_rows();
    if let Some(row) = part.rows.iter().find(|row| !all.contains(row)) {
        let all: Vec<&str> = all.iter().map(|row| row.as_str()).collect();
        bail!("--rows {row}: is no row of T1 or T2; the rows are {}", all.join(", "));
    }
    let config = config.narrowed(&config.seeds, &part.rows);
    let lab = Lab::new(services, &config)?;
    let suite = Suite::open(&lab, &config)?;
    let wanted = match only {
        Only::Features if suite.is_given() => return Ok(()),
        Only::Features => {
            if let Some(Shard { index, count }) = part.shard {
                return suite.features().make_slice(&lab, Slice { index, count });
            }
            vec![suite.features() as Arc<dyn Work>]
        }
        Only::Shared => experiments::shared(names, &suite)?,
        Only::Stages => experiments::wanted(names, &suite)?,
    };
    lab.make(&wanted)
}

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
