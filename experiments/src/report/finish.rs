//! What a finished run writes: facts, figures, tables.

use anyhow::Result;
use dl_core::RunDir;

use super::{
    record::{METRICS_FILE, RUN_FILE, Record, RunInfo},
    tables,
};

/// Writes figures and tables.
///
/// # Errors
/// When the disk refuses, or no table is known for the experiment.
pub fn finish(run: &RunDir, info: &RunInfo, records: &[Record]) -> Result<()> {
    run.write_json(RUN_FILE, info)?;
    run.write_json_lines(METRICS_FILE, records)?;
    for table in tables::build(info, records)? {
        let file = |ending: &str| format!("tables/{}.{ending}", table.name);
        run.write_text(&file("md"), &table.to_markdown())?;
        run.write_text(&file("csv"), &table.to_csv())?;
        run.write_json(&file("json"), &table)?;
    }
    Ok(())
}
