//! How long a bridge takes for a clip: measured when a set goes through it and kept beside the
//! output (`speed.json`, no part of any key), since no two measurements are alike.

use std::{fs, time::Instant};

use anyhow::Result;
use dl_core::{EmbeddingSet, Stage};
use dl_diffusion::Bridge;

const FILE: &str = "speed.json";
/// Clips that go through the bridge together, where there are as many.
const BATCH: usize = 128;

/// Milliseconds that `bridge`, which has been applied before, takes for a clip of `set`, and of
/// how many clips that is the mean.
pub(super) fn measured(bridge: &Bridge, set: &EmbeddingSet, seed: u64) -> Result<(f64, usize)> {
    let sample: Vec<usize> = (0..set.len().min(BATCH)).collect();
    let some = set.select(&sample);
    let begun = Instant::now();
    bridge.apply(&some.audio, &some.ids, seed)?;
    Ok((begun.elapsed().as_secs_f64() * 1e3 / sample.len().max(1) as f64, sample.len()))
}

/// Keeps milliseconds a clip beside the output of `stage`. Only people read them, so a disk
/// that refuses is no fault of the stage's.
pub(super) fn keep(stage: &Stage, milliseconds: f64) {
    let _ = dl_core::atomic::write_bytes(&stage.file(FILE), milliseconds.to_string().as_bytes());
}

/// Those of a stage that is done; none where an earlier version of the program made it.
pub(super) fn of(stage: &Stage) -> Option<f64> {
    fs::read_to_string(stage.file(FILE)).ok()?.parse().ok()
}
