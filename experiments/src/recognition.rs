//! How often the caption of an unmixed recording of the test split names its
//! class: the plainest test of a captioner on sounds that it has never met.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use dl_core::{Fingerprint, Progress, RunDir};
use dl_data::Split;
use dl_eval::stats;
use ndarray::{Array2, Axis, concatenate};

use crate::{
    pipeline::Pipeline,
    record::{self, Record, RunInfo},
    table::Estimate,
};

/// Recordings embedded at once.
const BATCH: usize = 16;

/// Captions every unmixed test recording with the default of `caption`.
pub fn run(pipeline: &Pipeline<'_>) -> Result<RunDir> {
    let config = pipeline.config;
    let run = record::open(pipeline, "recognition")?;
    let corpus = pipeline.scenes()?;
    let singles = corpus.singles(Split::Test);
    if singles.is_empty() {
        bail!("the corpus has no unmixed test recordings");
    }
    let mut outcomes = Vec::new();
    for &seed in &config.seeds {
        outcomes.push(
            captions(pipeline, seed)?
                .into_iter()
                .zip(singles)
                .map(|(caption, single)| {
                    let named = corpus.named_labels(&caption);
                    (single.label.clone(), Outcome::of(&named, &single.label), caption)
                })
                .collect::<Vec<_>>(),
        );
    }
    write_captions(&run, &outcomes[0])?;
    let mut labels: Vec<&str> = outcomes[0].iter().map(|(label, ..)| label.as_str()).collect();
    labels.sort_unstable();
    labels.dedup();
    let mut records = vec![record_of("all classes", None, &outcomes, config.evaluation.resamples)];
    for label in labels {
        records.push(record_of(label, Some(label), &outcomes, config.evaluation.resamples));
    }
    let test = &pipeline.embeddings()?.test;
    let sources: Vec<&String> = singles.iter().map(|single| &single.source).collect();
    let info = RunInfo {
        clips: singles.len(),
        captions: 0,
        id_hash: Fingerprint::of(&sources).short().into(),
        ..RunInfo::new(pipeline, "recognition", test)?
    };
    record::finish(&run, &info, &records)?;
    Ok(run)
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

fn captions(pipeline: &Pipeline<'_>, seed: u64) -> Result<Vec<String>> {
    let config = pipeline.config;
    let settings = &config.caption;
    let (_, captioner_key) = pipeline.captioner_stage(settings.protocol, &settings.bridge, seed)?;
    let choice = Fingerprint::of(&(settings, &config.captioner.decode));
    let stage = pipeline.stage("recognition", &Fingerprint::combine([&captioner_key, &choice]));
    if stage.is_done() {
        return Ok(stage.summary()?);
    }
    let (encoder, corpus) = (pipeline.encoder()?, pipeline.scenes()?);
    let singles = corpus.singles(Split::Test);
    let mut audio = Array2::zeros((0, encoder.dim()));
    pipeline.reporter.begin("unmixed recordings", singles.len() as u64);
    for start in (0..singles.len()).step_by(BATCH) {
        let end = (start + BATCH).min(singles.len());
        let clips = (start..end)
            .map(|index| Ok(settings.clip.apply(&corpus.render_single(Split::Test, index)?)))
            .collect::<Result<Vec<_>>>()?;
        audio = concatenate![Axis(0), audio, encoder.embed_audio(&clips)?];
        pipeline.reporter.update(end as u64, "");
    }
    pipeline.reporter.end();
    let ids: Vec<String> = singles.iter().map(|single| single.source.clone()).collect();
    let bridged = pipeline.bridge(&settings.bridge, seed)?.apply(&audio, &ids, seed)?;
    let captions = pipeline
        .captioner(settings.protocol, &settings.bridge, seed)?
        .caption(&bridged, &config.captioner.decode)?;
    stage.finish(&captions)?;
    Ok(captions)
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
