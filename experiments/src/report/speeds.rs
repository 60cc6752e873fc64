//! How long the bridges of a run take for a clip: `speed.json`, beside the records and no part
//! of them, since no two measurements are alike.

use std::collections::BTreeMap;

use anyhow::Result;
use dl_core::RunDir;

const FILE: &str = "speed.json";

/// Milliseconds a clip, by table and row: the mean over seeds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Speeds(BTreeMap<String, BTreeMap<String, f64>>);

impl Speeds {
    /// Takes down a row, where every seed was measured.
    pub fn add(&mut self, table: &str, row: &str, seeds: impl Iterator<Item = Option<f64>>) {
        let seeds: Option<Vec<f64>> = seeds.collect();
        if let Some(seeds) = seeds.filter(|seeds| !seeds.is_empty()) {
            let mean = seeds.iter().sum::<f64>() / seeds.len() as f64;
            self.0.entry(table.to_owned()).or_default().insert(row.to_owned(), mean);
        }
    }

    /// Those of a row.
    pub fn of(&self, table: &str, row: &str) -> Option<f64> {
        self.0.get(table)?.get(row).copied()
    }

    /// Writes them into a run directory.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, run: &RunDir) -> Result<()> {
        Ok(run.write_json(FILE, &self.0)?)
    }

    /// Those of a run; none where it has none.
    ///
    /// # Errors
    /// When the file is spoilt.
    pub fn read(run: &RunDir) -> Result<Self> {
        if run.file(FILE).is_file() { Ok(Self(run.read_json(FILE)?)) } else { Ok(Self::default()) }
    }
}
