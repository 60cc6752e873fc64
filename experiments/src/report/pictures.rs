//! What T1 writes for figures that records cannot give: `pictures.json`.

use anyhow::Result;
use dl_core::RunDir;
use serde::{Deserialize, Serialize};

use super::figure::{Cosines, Migration};

const FILE: &str = "pictures.json";

/// Points and counts, drawn whenever a page is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pictures {
    /// Where audio points stand before and after the bridge.
    pub migration: Migration,
    /// Cosines of pairs and of strangers before and after it.
    pub cosines: Vec<Cosines>,
}

impl Pictures {
    /// Writes them into a run directory.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, run: &RunDir) -> Result<()> {
        Ok(run.write_json(FILE, self)?)
    }

    /// Those of a run; `None` where it has none.
    ///
    /// # Errors
    /// When the file is spoilt.
    pub fn read(run: &RunDir) -> Result<Option<Self>> {
        if run.file(FILE).is_file() { Ok(Some(run.read_json(FILE)?)) } else { Ok(None) }
    }
}
