//! Bridges fitted on one corpus and applied to another, in the space of one encoder:
//! T1 on the other corpus's test split, beside the same bridges fitted there. Says how
//! much of a bridge's work belongs to the sounds and captions that it was fitted on.

use anyhow::{Context, Result, bail};
use dl_core::RunDir;

use crate::{
    pipeline::Pipeline,
    record::{self, Record, RunInfo},
    t1::{self, Measurer, Row},
};

/// Measures every row on every other corpus.
pub fn run(pipeline: &Pipeline<'_>) -> Result<RunDir> {
    let config = pipeline.config;
    let transfer = config.transfer.as_ref().filter(|transfer| !transfer.to.is_empty());
    let transfer = transfer.context(
        "there is no other corpus: name one, for example with \
         --set 'transfer.to.other={kind=\"recorded\",roots=[\"my/folder\"]}'",
    )?;
    let run = record::open(pipeline, "transfer")?;
    let resamples = config.evaluation.resamples;
    let compare = format!("{}, fitted here", config.rows.compare);
    let mut records = Vec::new();
    let mut clips = Vec::new();
    for (name, corpus) in &transfer.to {
        let mut other = config.clone();
        other.data = corpus.clone();
        let other = pipeline.over(&other)?;
        let test = &other.embeddings()?.test;
        let measure = |row: &str, bridged: &dyn Fn(u64) -> Result<_>| -> Result<Row> {
            let mut measurer = Measurer::new(resamples);
            let seeds = config.seeds.iter().map(|&seed| measurer.measure(bridged(seed)?));
            Ok((row.to_owned(), seeds.collect::<Result<_>>()?))
        };
        let mut rows = Vec::new();
        for bridge in &transfer.rows {
            let here = |seed| pipeline.across(bridge, seed, test);
            let there = |seed| Ok(other.bridged(bridge, seed)?.test);
            if bridge == "none" {
                rows.push(measure(bridge, &here)?);
                continue;
            }
            rows.push(measure(&format!("{bridge}, fitted here"), &here)?);
            rows.push(measure(&format!("{bridge}, fitted there"), &there)?);
        }
        let table = format!("transfer_{name}");
        let own = t1::tabulate(&rows, &config.seeds, &compare, resamples)?;
        records.extend(own.into_iter().map(|record| Record { table: table.clone(), ..record }));
        clips.push(test.clone());
    }
    // A run says which clips it is over: with several corpora, the clips of all.
    if clips.iter().any(|set| set.dim() != clips[0].dim()) {
        bail!("the encoder gives embeddings of several sizes");
    }
    let all = dl_core::EmbeddingSet::concat(&clips);
    let info = RunInfo {
        compare: Some(compare.replace('_', " ")),
        ..RunInfo::new(pipeline, "transfer", &all)?
    };
    record::finish(&run, &info, &records)?;
    Ok(run)
}
