//! T1 of several encoders on the same scenes: what of a gap, and of a bridge's
//! work, belongs to the encoder.

use anyhow::Result;
use dl_core::RunDir;

use crate::{
    pipeline::Pipeline,
    record::{self, Record, RunInfo},
    t1,
};

/// Measures every row of T1 over the suite's encoder and over each of `[encoders]`.
pub fn run(pipeline: &Pipeline<'_>) -> Result<RunDir> {
    let config = pipeline.config;
    let run = record::open(pipeline, "encoders")?;
    let named = |name: &str, records: Vec<Record>| {
        let name = name.replace('_', " ");
        records.into_iter().map(move |record| Record {
            table: "encoders".into(),
            row: format!("{name}: {}", record.row),
            ..record
        })
    };
    let mut records: Vec<Record> = named(config.encoder.kind(), t1::records(pipeline)?).collect();
    for (name, encoder) in &config.encoders {
        let mut other = config.clone();
        other.encoder = encoder.clone();
        let other = Pipeline::new(&other, pipeline.reporter)?;
        records.extend(named(name, t1::records(&other)?));
    }
    let info = RunInfo::new(pipeline, "encoders", &pipeline.embeddings()?.test)?;
    record::finish(&run, &info, &records)?;
    Ok(run)
}
