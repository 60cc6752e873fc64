//! What an experiment hands back.

use dl_core::EmbeddingSet;
use dl_data::Split;

use crate::{
    config::SuiteConfig,
    report::{Record, RunInfo},
    stages::Suite,
};

/// What an experiment found.
pub struct Outcome {
    /// What it is over.
    pub info: RunInfo,
    /// Its figures.
    pub records: Vec<Record>,
}

/// The facts of `experiment` over the clips of `set`.
pub(super) fn info(suite: &Suite<'_>, experiment: &str, set: &EmbeddingSet) -> RunInfo {
    let config: &SuiteConfig = suite.config;
    let short = |text: &str| text.chars().take(12).collect::<String>();
    RunInfo {
        experiment: experiment.into(),
        suite: config.name.clone(),
        split: "test".into(),
        clips: set.len(),
        listed: suite.corpus().listed(Split::Test),
        captions: set.captions.len(),
        id_hash: set.id_hash().short().into(),
        seeds: config.seeds.clone(),
        resamples: config.evaluation.resamples,
        compare: Some(config.rows.compare.replace('_', " ")),
        prior_diffusion: Vec::new(),
        sentences: None,
        remarks: Vec::new(),
        corpus: short(&set.provenance.corpus),
        encoder: short(&set.provenance.encoder),
        program: env!("CARGO_PKG_VERSION").into(),
        libtorch: dl_torch::device::LIBTORCH_VERSION.into(),
        // Every stage behind a run is computed on this kind of device: it is in their keys.
        device: suite.lab.device_name().into(),
    }
}
