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
    /// Clips of the published split, where the corpus follows a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<usize>,
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
    /// What a reader must know before comparing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// Versions of what measured; `None` in runs of before this was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<String>,
    /// Versions of the methods behind the bridges, by their names; empty in runs of before this
    /// was noted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bridges: BTreeMap<String, String>,
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
            captions => format!("{} with {captions} captions", self.of_the_split()),
        };
        let clusters = self.clusters.map_or_else(String::new, |clusters| {
            format!(" in {clusters} clusters (scenes with the same first sound)")
        });
        let mut notes = vec![format!(
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
        )];
        notes.extend(self.remarks.iter().cloned());
        notes
    }

    /// `400 test clips`, or `913 of the 975 test clips (93.6 %)` where the corpus follows a list.
    fn of_the_split(&self) -> String {
        match self.listed {
            None => format!("{} {} clips", self.clips, self.split),
            Some(listed) => {
                let share = 100.0 * self.clips as f64 / listed.max(1) as f64;
                // 100 % is said of nothing less.
                let share = if self.clips < listed { share.min(99.9) } else { share };
                format!("{} of the {listed} {} clips ({share:.1} %)", self.clips, self.split)
            }
        }
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
