//! How often the caption of an unmixed recording of the test split names its
//! class: a simple test of a captioner on sounds that it was never trained on.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Result, bail};
use dl_core::{Fingerprint, RunDir};
use dl_data::Split;
use dl_eval::stats;

use super::outcome::{Outcome as Finished, info};
use crate::{
    report::{Estimate, Record, RunInfo},
    stages::{Recognised, Suite, Work},
};

/// What the default of `caption` says of them, for each seed.
fn recognised(suite: &Suite<'_>) -> Result<Vec<Arc<Recognised>>> {
    if suite.scenes()?.singles(Split::Test).is_empty() {
        bail!("the corpus has no unmixed test recordings");
    }
    suite.config.seeds.iter().map(|&seed| suite.recognised(seed)).collect()
}

/// The captions of every unmixed test recording.
pub(super) fn wanted(suite: &Suite<'_>) -> Result<Vec<Arc<dyn Work>>> {
    Ok(crate::stages::all(&recognised(suite)?))
}

/// Captions every unmixed test recording with the default of `caption`.
pub(super) fn run(suite: &Suite<'_>, run: &RunDir) -> Result<Finished> {
    let config = suite.config;
    let corpus = suite.scenes()?;
    let singles = corpus.singles(Split::Test);
    suite.lab.make(&wanted(suite)?)?;
    let mut outcomes = Vec::new();
    for seed in recognised(suite)? {
        outcomes.push(
            seed.read()?
                .into_iter()
                .zip(singles)
                .map(|(caption, single)| {
                    let named = corpus.named_labels(&caption);
                    (single.label.clone(), Outcome::of(&named, &single.label), caption)
                })
                .collect::<Vec<_>>(),
        );
    }
    write_captions(run, &outcomes[0])?;
    let mut labels: Vec<&str> = outcomes[0].iter().map(|(label, ..)| label.as_str()).collect();
    labels.sort_unstable();
    labels.dedup();
    let mut records = vec![record_of("all classes", None, &outcomes, config.evaluation.resamples)];
    for label in labels {
        records.push(record_of(label, Some(label), &outcomes, config.evaluation.resamples));
    }
    let sources: Vec<&String> = singles.iter().map(|single| &single.source).collect();
    let facts = RunInfo {
        clips: singles.len(),
        captions: 0,
        id_hash: Fingerprint::of(&sources).short().into(),
        clusters: None,
        ..info(suite, "recognition", Split::Test, &suite.sets()?.test)
    };
    Ok(Finished { info: facts, records })
}

/// What a caption says of a recording's class.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Right,
    Wrong,
    Nothing,
}

impl Outcome {
    fn of(named: &[String], label: &String) -> Self {
        match (named.contains(label), named.is_empty()) {
            (true, _) => Self::Right,
            (false, false) => Self::Wrong,
            (false, true) => Self::Nothing,
        }
    }
}

type Captioned = (String, Outcome, String);

fn write_captions(run: &RunDir, outcomes: &[Captioned]) -> Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["class", "named", "caption"])?;
    for (label, outcome, caption) in outcomes {
        let named = match outcome {
            Outcome::Right => "right",
            Outcome::Wrong => "another",
            Outcome::Nothing => "none",
        };
        writer.write_record([label.as_str(), named, caption])?;
    }
    run.write_text("predictions/recognition.csv", &String::from_utf8(writer.into_inner()?)?)?;
    Ok(())
}

fn record_of(row: &str, label: Option<&str>, seeds: &[Vec<Captioned>], resamples: usize) -> Record {
    let chosen: Vec<Vec<Outcome>> = seeds
        .iter()
        .map(|outcomes| {
            let of_label = |(own, ..): &&Captioned| label.is_none_or(|label| own == label);
            outcomes.iter().filter(of_label).map(|&(_, outcome, _)| outcome).collect()
        })
        .collect();
    let clips = chosen[0].len();
    let share = |wanted: Outcome| {
        let over = |seed: usize, picked: &[usize]| {
            picked.iter().filter(|&&clip| chosen[seed][clip] == wanted).count() as f64
                / picked.len() as f64
        };
        let all: Vec<usize> = (0..clips).collect();
        let values: Vec<f64> = (0..chosen.len()).map(|seed| over(seed, &all)).collect();
        let interval = stats::bootstrap(clips, chosen.len(), resamples, over);
        Estimate::new(stats::mean(&values), interval)
    };
    let metrics = BTreeMap::from([
        ("top1".to_owned(), share(Outcome::Right)),
        ("wrong".to_owned(), share(Outcome::Wrong)),
        ("none".to_owned(), share(Outcome::Nothing)),
        ("clips".to_owned(), Estimate::new(clips as f64, None)),
    ]);
    Record { table: "recognition".into(), row: row.into(), seed: None, metrics }
}
