//! The experiments by name, and running them.

use std::io::Write;

use anyhow::{Result, bail};
use dl_core::RunDir;

use crate::{
    ablations, across_encoders, pipeline::Pipeline, recognition, record, report, t1, t2, transfer,
};

/// One table or ablation.
pub struct Experiment {
    /// What `run` takes.
    pub name: &'static str,
    /// One line for `list`.
    pub about: &'static str,
    run: fn(&Pipeline<'_>) -> Result<RunDir>,
}

/// All of them.
pub const EXPERIMENTS: &[Experiment] = &[
    Experiment { name: "t1", about: "modality gap before and after every bridge", run: t1::run },
    Experiment {
        name: "t2",
        about: "captioning through every bridge, zero-shot and fully supervised",
        run: t2::run,
    },
    Experiment {
        name: "encoders",
        about: "T1 over the suite's encoder and over each of [encoders], on the same scenes",
        run: across_encoders::run,
    },
    Experiment {
        name: "ablations",
        about: "variants, each of [ablations], on the validation split",
        run: ablations::run,
    },
    Experiment {
        name: "transfer",
        about: "bridges fitted here and applied to each corpus of [transfer], as T1",
        run: transfer::run,
    },
    Experiment {
        name: "recognition",
        about: "how often a caption names the class of an unmixed test recording",
        run: recognition::run,
    },
];

fn find(name: &str) -> Result<&'static Experiment> {
    EXPERIMENTS.iter().find(|experiment| experiment.name == name).map_or_else(
        || {
            let known = EXPERIMENTS.iter().map(|e| e.name).collect::<Vec<_>>().join(", ");
            bail!("there is no experiment '{name}'; there are {known}")
        },
        Ok,
    )
}

/// Checks that every name is known.
pub fn known(names: &[String]) -> Result<()> {
    names.iter().try_for_each(|name| find(name).map(|_| ()))
}

/// Prints names and descriptions.
pub fn list() -> Result<()> {
    let mut out = std::io::stdout().lock();
    for Experiment { name, about, .. } in EXPERIMENTS {
        writeln!(out, "{name:12} {about}")?;
    }
    Ok(())
}

/// Runs the experiments and prints their tables.
pub fn run(names: &[String], pipeline: &Pipeline<'_>) -> Result<()> {
    known(names)?;
    let mut finished = Vec::new();
    for name in names {
        let experiment = find(name)?;
        pipeline.reporter.say(&format!("{}: {}", experiment.name, experiment.about));
        finished.push((experiment.run)(pipeline)?);
    }
    let mut out = std::io::stdout().lock();
    for run in &finished {
        let (info, records) = record::read(run)?;
        report::print(&mut out, run, &info, &records)?;
    }
    Ok(())
}
