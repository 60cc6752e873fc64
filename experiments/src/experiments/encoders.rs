//! T1 of several encoders on the same scenes: how much of a gap, and of what a bridge does
//! about it, depends on the encoder. Where the encoders could not embed the same clips, the
//! run says so: their rows are not comparable.

use std::sync::Arc;

use anyhow::{Result, bail};
use dl_core::RunDir;
use dl_data::Split;

use super::{
    outcome::{Outcome, info},
    t1,
};
use crate::{
    report::{Record, RunInfo},
    stages::{Suite, Work},
};

/// The suite's encoder and each of `[encoders]`, by name, over one corpus.
fn suites<'l>(suite: &Suite<'l>) -> Result<Vec<(String, Suite<'l>)>> {
    let config = suite.config;
    if suite.is_given() {
        bail!("the embeddings are given (data.kind), so there are no encoders to compare");
    }
    let own = (config.encoder.kind(), &config.encoder);
    let others = config.encoders.iter().map(|(name, encoder)| (name.as_str(), encoder));
    let all = std::iter::once(own).chain(others);
    all.map(|(name, encoder)| Ok((name.replace('_', " "), suite.with_encoder(encoder)?))).collect()
}

/// T1 of each encoder.
pub(super) fn wanted(suite: &Suite<'_>) -> Result<Vec<Arc<dyn Work>>> {
    let mut wanted = Vec::new();
    for (_, suite) in suites(suite)? {
        wanted.extend(t1::wanted(&suite)?);
    }
    Ok(wanted)
}

/// Measures every row of T1 over the suite's encoder and over each of `[encoders]`.
pub(super) fn run(suite: &Suite<'_>, _: &RunDir) -> Result<Outcome> {
    let mut records = Vec::new();
    let own = &suite.sets()?.test;
    let mut remarks = Vec::new();
    for (name, suite) in suites(suite)? {
        let test = &suite.sets()?.test;
        if test.id_hash() != own.id_hash() {
            remarks.push(format!(
                "{name} is over other clips ({}, id hash {}): its rows are not to be compared with \
                 those of the others.",
                test.len(),
                test.id_hash().short()
            ));
        }
        records.extend(t1::records(&suite)?.into_iter().map(|record| Record {
            table: "encoders".into(),
            row: format!("{name}: {}", record.row),
            ..record
        }));
    }
    let info = RunInfo { remarks, ..info(suite, "encoders", Split::Test, own) };
    Ok(Outcome { info, records })
}
