//! T1 of several encoders on the same scenes: how much of a gap, and of what a bridge does
//! about it, depends on the encoder.

use std::sync::Arc;

use anyhow::Result;
use dl_core::RunDir;
use dl_data::Split;

use super::{
    outcome::{Outcome, info},
    t1,
};
use crate::{
    report::Record,
    stages::{Suite, Work},
};

/// The suite's encoder and each of `[encoders]`, by name, over one corpus.
fn suites<'l>(suite: &Suite<'l>) -> Result<Vec<(String, Suite<'l>)>> {
    let config = suite.config;
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
    for (name, suite) in suites(suite)? {
        records.extend(t1::records(&suite)?.into_iter().map(|record| Record {
            table: "encoders".into(),
            row: format!("{name}: {}", record.row),
            ..record
        }));
    }
    Ok(Outcome { info: info(suite, "encoders", Split::Test, &suite.sets()?.test), records })
}
