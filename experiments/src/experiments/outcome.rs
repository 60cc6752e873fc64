//! What an experiment hands back.

use dl_core::EmbeddingSet;
use dl_data::Split;
use dl_eval::stats::Clusters;

use crate::{
    config::SuiteConfig,
    report::{Record, RunInfo},
    stages::{Suite, clusters},
};

/// What an experiment found.
pub struct Outcome {
    /// What it is over.
    pub info: RunInfo,
    /// Its figures.
    pub records: Vec<Record>,
}

/// The facts of `experiment` over the clips of `set`, a split of the suite's corpus.
pub(super) fn info(
    suite: &Suite<'_>,
    experiment: &str,
    split: Split,
    set: &EmbeddingSet,
) -> RunInfo {
    let independent = Clusters::of(&clusters(suite.corpus(), split, &set.ids)).len();
    let config: &SuiteConfig = suite.config;
    let short = |text: &str| text.chars().take(12).collect::<String>();
    RunInfo {
        experiment: experiment.into(),
        suite: config.name.clone(),
        split: split.name().into(),
        clips: set.len(),
        listed: suite.corpus().listed(split),
        clusters: (independent < set.len()).then_some(independent),
        captions: set.captions.len(),
        id_hash: set.id_hash().short().into(),
        seeds: config.seeds.clone(),
        resamples: config.evaluation.resamples,
        compare: Some(config.rows.compare.replace('_', " ")),
        prior_diffusion: Vec::new(),
        sentences: None,
        remarks: Vec::new(),
        metrics: Some(super::metrics_version()),
        bridges: config.bridges.iter().map(|(name, of)| (name.clone(), of.version())).collect(),
        corpus: short(&set.provenance.corpus),
        encoder: short(&set.provenance.encoder),
        program: env!("CARGO_PKG_VERSION").into(),
        libtorch: dl_torch::device::LIBTORCH_VERSION.into(),
        // Every stage behind a run is computed on this kind of device: it is in their keys.
        device: suite.lab.device_name().into(),
    }
}
