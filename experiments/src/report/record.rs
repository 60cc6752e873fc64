//! What an experiment leaves in its run directory, from which tables are built:
//! `run.json` ([`RunInfo`]) and `metrics.jsonl` (one [`Record`] a line).

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use dl_core::RunDir;
use serde::{Deserialize, Serialize};

use super::table::Estimate;

/// Name of the file with a run's facts.
pub const RUN_FILE: &str = "run.json";
/// Name of the file with a run's figures.
pub const METRICS_FILE: &str = "metrics.jsonl";

/// Name of the figure of the migration, in the runs of T1.
pub const FIGURE_FILE: &str = "migration.svg";

/// What a run is over and what made it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// `t1`, `t2`, ...
    pub experiment: String,
    /// Name of the configuration.
    pub suite: String,
    /// Split measured: `test` everywhere but in ablations.
    #[serde(default = "test_split", skip_serializing_if = "is_test")]
    pub split: String,
    /// Clips measured.
    pub clips: usize,
    /// Clusters of clips that are drawn and flipped together, where there are fewer than clips.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clusters: Option<usize>,
    /// Their captions; 0 for sounds that have none.
    pub captions: usize,
    /// Digest of the list of clip ids (first digits).
    pub id_hash: String,
    /// Seeds averaged over.
    pub seeds: Vec<u64>,
    /// Bootstrap resamples behind each interval.
    pub resamples: usize,
    /// The row that the others are tested against; `None` in runs without tests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare: Option<String>,
    /// Rows of earlier diffusion-based methods: what `compare` claims to be ahead of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prior_diffusion: Vec<String>,
    /// The models behind sentence similarity and FENSE, where they are shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentences: Option<String>,
    /// Fingerprint of the corpus (first digits).
    pub corpus: String,
    /// Fingerprint of the embeddings (first digits).
    pub encoder: String,
    /// Version of this program.
    pub program: String,
    /// Version of libtorch.
    pub libtorch: String,
    /// Device and threads.
    pub device: String,
}

fn test_split() -> String {
    "test".into()
}

fn is_test(split: &str) -> bool {
    split == test_split()
}

/// The figures of one row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Which table of the experiment.
    pub table: String,
    /// The row's label.
    pub row: String,
    /// `None` for the mean over seeds that the table shows.
    pub seed: Option<u64>,
    /// Figures by metric.
    pub metrics: BTreeMap<String, Estimate>,
}

impl RunInfo {
    /// What the lines below a table say of all this.
    pub fn notes(&self) -> Vec<String> {
        let seeds = self.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        let items = match self.captions {
            0 => format!("{} unmixed {} recordings", self.clips, self.split),
            captions => format!("{} {} clips with {captions} captions", self.clips, self.split),
        };
        let clusters = self.clusters.map_or_else(String::new, |clusters| {
            format!(" in {clusters} clusters (scenes with the same first sound)")
        });
        vec![format!(
            "{} suite: {items}{clusters}, id hash {}; seeds {seeds}; 95 % bootstrap intervals over clips and \
             seeds ({} resamples); corpus {}, encoder {}; version {}, libtorch {}, {}.",
            self.suite,
            self.id_hash,
            self.resamples,
            self.corpus,
            self.encoder,
            self.program,
            self.libtorch,
            self.device,
        )]
    }
}

/// Reads figures and facts back.
///
/// # Errors
/// When a file is not there or spoilt.
pub fn read(run: &RunDir) -> Result<(RunInfo, Vec<Record>)> {
    let info = run.read_json(RUN_FILE)?;
    let records = run.read_json_lines(METRICS_FILE).context("a run without its figures")?;
    Ok((info, records))
}
