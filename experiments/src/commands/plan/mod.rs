//! `plan`: the stages of a run in order, what each takes, what is done, and what is missing
//! on the user's side; as a table, as JSON, or as jobs for several machines.

mod jobs;
mod missing;

use std::{fmt::Write as _, process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use serde_json::json;

use super::Options;
use crate::{
    config::SuiteConfig,
    console::{Output, in_words},
    experiments,
    stages::{Cost, Forecast, Lab, Services, Suite, Total},
};
pub use jobs::{Cluster, Scheduler};

/// What to print, and how to find it.
#[derive(Clone, Debug, clap::Args)]
pub struct PlanOptions {
    /// Lines of JSON: one for each stage, one for what is left.
    #[arg(long)]
    pub json: bool,
    /// Measure nothing: only what stages that are done took is told.
    #[arg(long)]
    pub no_measure: bool,
    /// For jobs.
    #[command(flatten)]
    pub cluster: Cluster,
}

/// Runs the command. Its exit code is 2 where something is missing on the user's side.
pub fn run(
    names: &[String],
    options: &Options,
    plan: &PlanOptions,
    scheduler: Option<Scheduler>,
    services: &Services<'_>,
    out: &mut Output,
) -> Result<ExitCode> {
    let name = options.config.as_deref().unwrap_or("embedded");
    let config = SuiteConfig::load(name, &options.sets, options.seeds.as_deref())?;
    let names = if names.is_empty() { &config.experiments } else { names };
    experiments::known(names)?;
    let missing = missing::of(&config, names)?;
    if !missing.is_empty() {
        for (part, problem) in &missing {
            if plan.json {
                out.line(json!({"missing": part, "problem": problem}))?;
            } else {
                out.line(format_args!("MISSING  {part:14} {problem}"))?;
            }
        }
        if !plan.json {
            out.line(
                "The stages hang on the content of these files; put them there and ask again.",
            )?;
        }
        return Ok(ExitCode::from(2));
    }
    let lab = Lab::new(services, &config)?;
    let suite = Suite::open(&lab, &config)?.to_plan();
    if let Some(scheduler) = scheduler {
        out.write(&jobs::script(scheduler, names, options, &plan.cluster, &suite)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = experiments::wanted(names, &suite)?;
    let stages = lab.forecast(&wanted, !plan.no_measure)?;
    let total = Total::of(&stages, lab.jobs);
    if plan.json {
        for (place, stage) in stages.iter().enumerate() {
            out.line(as_json(place, stage))?;
        }
        return out
            .line(json!({
                "left": total.missing,
                "unknown": total.unknown,
                "seconds": total.seconds,
                "bytes": total.bytes,
                "peak_bytes": total.peak_bytes,
                "jobs": lab.jobs,
                "device": lab.device_name(),
            }))
            .map(|()| ExitCode::SUCCESS);
    }
    out.line(format_args!(
        "{}: {} on {}, {} jobs side by side; stages in {}\n",
        config.name,
        names.join(", "),
        lab.device_name(),
        lab.jobs,
        lab.store.root().display()
    ))?;
    out.write(&table(&stages, lab.store.root())?)?;
    out.line(in_total(&total, &lab))?;
    for note in missing::notes(names)? {
        out.line(note)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// One line a stage: its number, its state, what it takes, what it needs and what it writes.
fn table(stages: &[Forecast], root: &std::path::Path) -> Result<String> {
    let mut text = String::new();
    for (place, stage) in stages.iter().enumerate() {
        let state = if stage.planned.done { "done   " } else { "missing" };
        let (time, disk, basis) = match &stage.cost {
            None => ("not known".to_owned(), String::new(), String::new()),
            Some(cost) => (
                in_words(Duration::from_secs_f64(cost.seconds)),
                cost.bytes.map_or_else(String::new, bytes),
                format!(" ({})", cost.basis),
            ),
        };
        let needs: Vec<String> = stage.needs.iter().map(|need| (need + 1).to_string()).collect();
        let needs = if needs.is_empty() { "–".into() } else { needs.join(" ") };
        let folder = stage.folder.strip_prefix(root).unwrap_or(&stage.folder).display();
        let number = place + 1;
        writeln!(
            text,
            "{number:>4} {state} {time:>9} {disk:>9}  {}{basis}; needs {needs}; writes {folder}",
            stage.planned.title
        )
        .context("a line of text")?;
    }
    Ok(text)
}

fn in_total(total: &Total, lab: &Lab<'_>) -> String {
    if total.missing == 0 {
        return "\nAll of it is done; `run` prints the tables.".into();
    }
    let unknown = match total.unknown {
        0 => String::new(),
        1 => ", and 1 of which nothing is known".into(),
        unknown => format!(", and {unknown} of which nothing is known"),
    };
    let memory = match total.peak_bytes {
        None => "memory is not known".into(),
        Some(peak) => format!("a process had {} of main memory at most", bytes(peak)),
    };
    let gpu = if lab.device.is_cuda() { " (memory of the GPU is not known)" } else { "" };
    format!(
        "\nLeft: {} stages: about {} with {} jobs side by side{unknown}; {} on disk; \
         {memory}{gpu}.",
        total.missing,
        in_words(Duration::from_secs_f64(total.seconds)),
        lab.jobs,
        bytes(total.bytes)
    )
}

fn as_json(place: usize, stage: &Forecast) -> serde_json::Value {
    let cost = stage.cost.as_ref();
    let of = |value: fn(&Cost) -> Option<u64>| cost.and_then(value);
    json!({
        "number": place + 1,
        "title": stage.planned.title,
        "stage": stage.planned.stage,
        "key": stage.planned.key.as_str(),
        "done": stage.planned.done,
        "needs": stage.needs.iter().map(|need| need + 1).collect::<Vec<_>>(),
        "folder": stage.folder,
        "seconds": cost.map(|cost| cost.seconds),
        "bytes": of(|cost| cost.bytes),
        "peak_bytes": of(|cost| cost.peak_bytes),
        "basis": cost.map(|cost| &cost.basis),
    })
}

/// A size as people say it: `12 kB`, `3.4 MB`, `1.2 GB`.
fn bytes(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        ..1e6 => format!("{:.0} kB", (bytes / 1e3).ceil()),
        ..1e9 => format!("{:.1} MB", bytes / 1e6),
        _ => format!("{:.1} GB", bytes / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_as_people_say_them() {
        let sizes = [0, 1, 999_000, 1_250_000, 12_340_000_000].map(bytes);
        assert_eq!(sizes, ["0 kB", "1 kB", "999 kB", "1.2 MB", "12.3 GB"]);
    }
}
