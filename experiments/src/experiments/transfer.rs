//! Bridges fitted on one corpus and applied to another, in the space of one encoder:
//! T1 on the other corpus's test split, beside the same bridges fitted there. Shows how much
//! a bridge depends on the sounds and captions that it was fitted to.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use dl_core::RunDir;
use dl_data::Split;
use dl_eval::stats::Clusters;

use super::{
    outcome::{Outcome, info},
    t1,
};
use crate::{
    config::TransferConfig,
    report::{Record, RunInfo},
    stages::{Gap, Suite, Work, clusters},
};

/// One row on one other corpus: a gap for each seed.
struct Applied {
    row: String,
    gaps: Vec<Arc<Gap>>,
}

fn transfer<'c>(suite: &Suite<'c>) -> Result<&'c TransferConfig> {
    let transfer = suite.config.transfer.as_ref().filter(|transfer| !transfer.to.is_empty());
    transfer.context(
        "there is no other corpus: name one, for example with \
         --set 'transfer.to.other={kind=\"recorded\",roots=[\"my/folder\"]}'",
    )
}

/// Every row on `other`, a suite over another corpus.
fn applied(here: &Suite<'_>, other: &Suite<'_>, rows: &[String]) -> Result<Vec<Applied>> {
    let mut all = Vec::new();
    let mut add = |row: String, fitted: &Suite<'_>, bridge: &str| -> Result<()> {
        let of = |&seed: &u64| other.gap(&fitted.bridge(bridge, seed)?, Split::Test);
        let gaps = here.config.seeds.iter().map(of).collect::<Result<_>>()?;
        all.push(Applied { row, gaps });
        Ok(())
    };
    for bridge in rows {
        // Nothing is fitted to the unbridged row, so it stands there once.
        if bridge == "none" {
            add(bridge.clone(), here, bridge)?;
            continue;
        }
        add(format!("{bridge}, fitted here"), here, bridge)?;
        add(format!("{bridge}, fitted there"), other, bridge)?;
    }
    Ok(all)
}

/// Every row on every other corpus.
pub(super) fn wanted(suite: &Suite<'_>) -> Result<Vec<Arc<dyn Work>>> {
    let transfer = transfer(suite)?;
    let mut wanted: Vec<Arc<dyn Work>> = Vec::new();
    for corpus in transfer.to.values() {
        for row in applied(suite, &suite.over(corpus)?, &transfer.rows)? {
            wanted.extend(row.gaps.into_iter().map(|gap| gap as Arc<dyn Work>));
        }
    }
    Ok(wanted)
}

/// Measures every row on every other corpus.
pub(super) fn run(suite: &Suite<'_>, _: &RunDir) -> Result<Outcome> {
    let config = suite.config;
    let transfer = transfer(suite)?;
    let resamples = config.evaluation.resamples;
    let compare = format!("{}, fitted here", config.rows.compare);
    let mut records = Vec::new();
    let (mut clips, mut independent) = (Vec::new(), 0);
    for (name, corpus) in &transfer.to {
        let other = suite.over(corpus)?;
        let applied = applied(suite, &other, &transfer.rows)?;
        let gaps: Vec<Arc<Gap>> = applied.iter().flat_map(|row| row.gaps.clone()).collect();
        suite.lab.make(&crate::stages::all(&gaps))?;
        let read = |row: Applied| -> Result<t1::Row> { Ok((row.row, t1::read(&row.gaps)?)) };
        let rows = applied.into_iter().map(read).collect::<Result<Vec<_>>>()?;
        let table = format!("transfer_{name}");
        let own = t1::tabulate(&rows, &config.seeds, &compare, resamples)?;
        records.extend(own.into_iter().map(|record| Record { table: table.clone(), ..record }));
        let set = other.sets()?.test.clone();
        independent += Clusters::of(&clusters(other.corpus(), Split::Test, &set.ids)).len();
        clips.push(set);
    }
    // A run says which clips it is over: with several corpora, the clips of all.
    if clips.iter().any(|set| set.dim() != clips[0].dim()) {
        bail!("the encoder gives embeddings of several sizes");
    }
    let all = dl_core::EmbeddingSet::concat(&clips);
    let facts = RunInfo {
        compare: Some(compare.replace('_', " ")),
        clusters: (independent < all.len()).then_some(independent),
        ..info(suite, "transfer", Split::Test, &all)
    };
    Ok(Outcome { info: facts, records })
}
