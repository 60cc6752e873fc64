//! T1: the modality gap on the test split, before and after every bridge.

use std::collections::BTreeMap;

use anyhow::Result;
use dl_core::{EmbeddingSet, Fingerprint, RunDir};
use dl_eval::{
    gap::{self, GapInput, GapReport, PerClip},
    stats,
};
use serde::{Deserialize, Serialize};

use crate::{
    figure,
    pipeline::Pipeline,
    record::{self, Record, RunInfo},
    table::Estimate,
};

/// A figure with a value for each clip.
type ByClip = fn(&PerClip) -> &Vec<f64>;
/// A figure of the whole set.
type Whole = fn(&GapReport) -> f64;

const BY_CLIP: [(&str, ByClip); 8] = [
    ("paired_cosine", |clips| &clips.paired_cosine),
    ("text_ceiling", |clips| &clips.text_ceiling),
    ("a2t_r1", |clips| &clips.a2t_r1),
    ("a2t_r10", |clips| &clips.a2t_r10),
    ("a2t_map10", |clips| &clips.a2t_map10),
    ("t2a_r1", |clips| &clips.t2a_r1),
    ("t2a_r10", |clips| &clips.t2a_r10),
    ("t2a_map10", |clips| &clips.t2a_map10),
];

const WHOLE: [(&str, Whole); 5] = [
    ("centroid_distance", |report| report.centroid_distance),
    ("frechet", |report| report.frechet),
    ("separability", |report| report.separability),
    ("knn_mixing", |report| report.knn_mixing),
    ("relative_gap", |report| report.relative_gap),
];

/// What the gap stage keeps: the metrics and the version of their definitions.
#[derive(Serialize, Deserialize)]
struct Kept {
    report: GapReport,
}

/// T1 with its figure.
pub fn run(pipeline: &Pipeline<'_>) -> Result<RunDir> {
    let run = record::open(pipeline, "t1")?;
    let records = records(pipeline)?;
    let test = &pipeline.embeddings()?.test;
    draw(pipeline, &run, test)?;
    record::finish(&run, &RunInfo::new(pipeline, "t1", test)?, &records)?;
    Ok(run)
}

/// Measures every row for every seed.
pub fn records(pipeline: &Pipeline<'_>) -> Result<Vec<Record>> {
    let config = pipeline.config;
    let mut records = Vec::new();
    for row in &config.rows.t1 {
        let mut reports = Vec::new();
        for &seed in &config.seeds {
            let report = measure(pipeline, row, seed)?;
            records.push(record_of(row, Some(seed), &plain(&report)));
            reports.push(report);
        }
        records.push(record_of(row, None, &averaged(&reports, config.evaluation.resamples)));
    }
    Ok(records)
}

fn measure(pipeline: &Pipeline<'_>, row: &str, seed: u64) -> Result<GapReport> {
    let (bridge, key) = pipeline.bridge_stage(row, seed)?;
    let key = Fingerprint::combine([&key, &Fingerprint::of(&gap::VERSION)]);
    let stage = pipeline.stage("gap", &key);
    if stage.is_done() && bridge.is_done() {
        return Ok(stage.summary::<Kept>()?.report);
    }
    let test = pipeline.bridged(row, seed)?.test;
    let report = gap::evaluate(&input(&test))?;
    let kept = Kept { report };
    stage.finish(&kept)?;
    Ok(kept.report)
}

fn input(set: &EmbeddingSet) -> GapInput<'_> {
    GapInput { audio: set.audio.view(), text: set.text.view(), owners: &set.owners }
}

fn record_of(row: &str, seed: Option<u64>, metrics: &BTreeMap<String, Estimate>) -> Record {
    Record { table: "t1".into(), row: row.replace('_', " "), seed, metrics: metrics.clone() }
}

fn plain(report: &GapReport) -> BTreeMap<String, Estimate> {
    averaged(std::slice::from_ref(report), 0)
}

/// Means over seeds; bootstrap intervals over clips and seeds where a figure is a
/// mean over clips, Student's over seeds where it is of the whole set.
fn averaged(reports: &[GapReport], resamples: usize) -> BTreeMap<String, Estimate> {
    let mut metrics = BTreeMap::new();
    for (name, values) in BY_CLIP {
        let clips = values(&reports[0].per_clip).len();
        if clips == 0 {
            continue;
        }
        let over = |seed: usize, chosen: &[usize]| {
            let values = values(&reports[seed].per_clip);
            chosen.iter().map(|&clip| values[clip]).sum::<f64>() / chosen.len() as f64
        };
        let means: Vec<f64> =
            reports.iter().map(|report| stats::mean(values(&report.per_clip))).collect();
        let interval = stats::bootstrap(clips, reports.len(), resamples, over);
        metrics.insert(name.to_owned(), Estimate { value: stats::mean(&means), interval });
    }
    for (name, value) in WHOLE {
        let values: Vec<f64> = reports.iter().map(value).collect();
        let interval = if resamples == 0 { None } else { stats::student(&values) };
        metrics.insert(name.to_owned(), Estimate { value: stats::mean(&values), interval });
    }
    metrics
}

/// The migration through the last row's bridge.
fn draw(pipeline: &Pipeline<'_>, run: &RunDir, test: &EmbeddingSet) -> Result<()> {
    let config = pipeline.config;
    let Some(row) = config.rows.t1.last() else { return Ok(()) };
    let bridged = pipeline.bridged(row, config.seeds[0])?.test;
    let title = format!("{} test clips through {}", config.name, row.replace('_', " "));
    let validation = &pipeline.embeddings()?.validation;
    let across = gap::modality_direction(&input(validation))?;
    figure::migration(
        &run.file(record::FIGURE_FILE),
        &title,
        &across,
        test.text.view(),
        test.audio.view(),
        bridged.audio.view(),
    )
}
