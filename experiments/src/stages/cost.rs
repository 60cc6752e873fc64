//! What a stage takes: recorded beside its output when it is done (`took.json`, no part of
//! any key), or measured on a small piece of it before it is made.
//!
//! A measurement runs the stage's own code for a second or two: a few steps of a training
//! and the rest in proportion, a few clips through the encoder. Where the embeddings or the
//! language model are not there yet, random unit vectors and a model of two steps stand in:
//! time and size do not depend on the values.

use std::{
    cell::RefCell,
    collections::HashMap,
    fs, io,
    path::Path,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use dl_core::{EmbeddingSet, Provenance, Silent, Stage, noise::Noise, unit};
use dl_data::Split;
use dl_diffusion::{Bridge, BridgeConfig, BridgeData};
use dl_llm::LanguageModel;
use dl_torch::TrainContext;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::{Embeddings, Lab, Splits, Work};
use crate::config;

/// Beside a stage's output.
const TOOK: &str = "took.json";
/// After a first step that takes longer, a second tells whether steps are long.
const LONG: Duration = Duration::from_secs(3);
/// Steps of the two trainings that are compared.
const STEPS: (u64, u64) = (2, 12);
/// Clips through an encoder or a decoder.
pub(super) const SAMPLE: usize = 8;

/// What making a stage took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Took {
    /// From its beginning to its end, in seconds.
    pub seconds: f64,
    /// Whether that is all of it: not where a run that was interrupted had begun it.
    pub whole: bool,
    /// The most main memory that the process had had by then, in bytes, with everything
    /// that ran beside it; none where the system does not tell.
    pub peak_bytes: Option<u64>,
}

impl Took {
    /// Of a stage that ends now.
    pub(super) fn since(begun: Instant, whole: bool) -> Self {
        Self { seconds: begun.elapsed().as_secs_f64(), whole, peak_bytes: peak() }
    }

    /// Keeps it beside the stage's output. Only people read it, so a disk that refuses is no
    /// fault of the stage's.
    pub(super) fn keep(&self, stage: &Stage) {
        if let Ok(json) = serde_json::to_vec(self) {
            let _ = dl_core::atomic::write_bytes(&stage.file(TOOK), &json);
        }
    }

    /// What is known of a stage that is done.
    pub(super) fn of(stage: &Stage) -> Option<Self> {
        serde_json::from_slice(&fs::read(stage.file(TOOK)).ok()?).ok()
    }
}

/// What a stage will take.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// Seconds.
    pub seconds: f64,
    /// Bytes on disk; none where nobody knows.
    pub bytes: Option<u64>,
    /// The most main memory that its process needs, in bytes; none where nobody knows.
    pub peak_bytes: Option<u64>,
    /// How that was found.
    pub basis: String,
}

impl Cost {
    pub(super) fn measured(time: Duration, bytes: Option<u64>, basis: impl Into<String>) -> Self {
        let (seconds, basis) = (time.as_secs_f64(), basis.into());
        Self { seconds, bytes, peak_bytes: None, basis }
    }
}

/// The most main memory that this process has had since [`forget_peak`], in bytes.
pub(super) fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// Lets [`peak`] count from now on. Where the system refuses, it goes on counting from the
/// start.
pub(super) fn forget_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// Bytes of a file, or of the files of a folder.
pub(super) fn size(path: &Path) -> io::Result<u64> {
    if !path.is_dir() {
        return Ok(fs::metadata(path)?.len());
    }
    fs::read_dir(path)?.map(|entry| size(&entry?.path())).sum()
}

/// Bytes that `save` writes into a folder that is gone afterwards.
pub(super) fn saved(save: impl FnOnce(&Path) -> Result<()>) -> Result<u64> {
    let folder = tempfile::tempdir().context("a folder for a measurement")?;
    save(folder.path())?;
    Ok(size(folder.path())?)
}

/// Where stages are measured: what several of them need is made once.
pub struct Bench<'l> {
    /// Where they would be made.
    pub lab: &'l Lab<'l>,
    sets: RefCell<HashMap<String, Rc<Splits<EmbeddingSet>>>>,
    bridges: RefCell<HashMap<String, Rc<Bridge>>>,
    models: RefCell<HashMap<String, Rc<LanguageModel>>>,
}

impl<'l> Bench<'l> {
    pub(super) fn new(lab: &'l Lab<'l>) -> Self {
        let (sets, bridges, models) = Default::default();
        Self { lab, sets, bridges, models }
    }

    /// A training without a checkpoint that nobody sees.
    pub(super) fn training(&self, seed: u64) -> TrainContext<'static> {
        TrainContext::new(seed).device(self.lab.device).progress(&Silent)
    }

    /// A language model, `make` being called for the first who asks for this key.
    pub(super) fn model(
        &self,
        key: &str,
        make: impl FnOnce() -> Result<Rc<LanguageModel>>,
    ) -> Result<Rc<LanguageModel>> {
        if let Some(model) = self.models.borrow().get(key) {
            return Ok(Rc::clone(model));
        }
        let model = make()?;
        self.models.borrow_mut().insert(key.into(), Rc::clone(&model));
        Ok(model)
    }

    /// Embeddings of every split: those that are there, else random ones of the same shape.
    pub(super) fn sets(&self, pairs: &Embeddings) -> Result<Rc<Splits<EmbeddingSet>>> {
        let key = pairs.stage().key().to_string();
        if let Some(sets) = self.sets.borrow().get(&key) {
            return Ok(Rc::clone(sets));
        }
        let sets = if pairs.stage().is_done()? {
            pairs.sets()?.clone()
        } else {
            let dim = pairs.dim(self.lab)?;
            Splits::try_of(|split| Ok::<_, anyhow::Error>(stand_in(pairs, split, dim)))?
        };
        let sets = Rc::new(sets);
        self.sets.borrow_mut().insert(key, Rc::clone(&sets));
        Ok(sets)
    }

    /// A bridge of this configuration after a step or two of its training.
    pub(super) fn bridge(
        &self,
        name: &str,
        bridge: &BridgeConfig,
        pairs: &Embeddings,
    ) -> Result<Rc<Bridge>> {
        if let Some(bridge) = self.bridges.borrow().get(name) {
            return Ok(Rc::clone(bridge));
        }
        let (short, _) = shortened(bridge, STEPS.0)?;
        self.fit(name, &short, pairs)
    }

    /// Fits a bridge, and keeps it for [`Bench::bridge`].
    pub(super) fn fit(
        &self,
        name: &str,
        bridge: &BridgeConfig,
        pairs: &Embeddings,
    ) -> Result<Rc<Bridge>> {
        let sets = self.sets(pairs)?;
        let data = BridgeData::new(&sets.train, &sets.validation);
        let bridge = Rc::new(bridge.fit(&data, &self.training(0))?);
        self.bridges.borrow_mut().insert(name.into(), Rc::clone(&bridge));
        Ok(bridge)
    }
}

/// Unit vectors for the clips and captions of a split.
fn stand_in(pairs: &Embeddings, split: Split, dim: usize) -> EmbeddingSet {
    let clips = pairs.source().corpus.clips(split);
    let mut captions = Vec::new();
    let mut owners = Vec::new();
    for (owner, clip) in clips.iter().enumerate() {
        captions.extend(clip.captions.iter().cloned());
        owners.extend(clip.captions.iter().map(|_| owner));
    }
    let ids = clips.iter().map(|clip| clip.id.clone()).collect();
    let audio = random_rows("audio", clips.len(), dim);
    let text = random_rows("text", captions.len(), dim);
    let provenance = Provenance {
        split: split.name().into(),
        encoder: "stand-in".into(),
        corpus: "stand-in".into(),
        bridges: Vec::new(),
    };
    EmbeddingSet { ids, audio, captions, owners, text, provenance }
}

/// Random unit vectors: `[count, dim]`.
pub(super) fn random_rows(stream: &str, count: usize, dim: usize) -> Array2<f32> {
    let mut rows = Array2::zeros((count, dim));
    let noise = Noise::new(0, stream);
    for (item, mut row) in rows.outer_iter_mut().enumerate() {
        if let Some(row) = row.as_slice_mut() {
            noise.fill_normal(item as u64, 0, row);
        }
    }
    unit::scale_rows(&mut rows);
    rows
}

/// A configuration of a bridge with trainings of `steps` at most, and the steps of the
/// longest that it had.
pub(super) fn shortened(bridge: &BridgeConfig, steps: u64) -> Result<(BridgeConfig, u64)> {
    let mut found = Vec::new();
    trainings(&toml::Value::try_from(bridge)?, "", &mut found);
    let longest = found.iter().map(|(_, steps)| *steps).max().unwrap_or(0);
    let sets: Vec<String> =
        found.into_iter().map(|(path, own)| format!("{path}={}", own.min(steps))).collect();
    Ok((config::variant_of(bridge, &sets)?, longest))
}

/// The paths of all `train.steps`, and their values.
fn trainings(value: &toml::Value, path: &str, found: &mut Vec<(String, u64)>) {
    let Some(table) = value.as_table() else { return };
    for (name, value) in table {
        let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if name == "train"
            && let Some(steps) = value.get("steps").and_then(toml::Value::as_integer)
        {
            found.push((format!("{inner}.steps"), steps.unsigned_abs()));
        }
        trainings(value, &inner, found);
    }
}

/// The time of a training of `full` steps by short ones, and how that was found: see
/// [`from_short`].
pub(super) fn by_steps(
    full: u64,
    mut run: impl FnMut(u64) -> Result<()>,
) -> Result<(Duration, String)> {
    from_short(full, |steps| {
        let begun = Instant::now();
        run(steps)?;
        Ok(begun.elapsed())
    })
}

/// The time of `full` steps from two short runs, `time` being that of a run of so many: what
/// does not depend on the steps once, and every step as long as those between the two.
fn from_short(
    full: u64,
    mut time: impl FnMut(u64) -> Result<Duration>,
) -> Result<(Duration, String)> {
    let (few, more) = STEPS;
    // What is done once in a process, such as loading kernels, is no part of it.
    let first = time(full.min(1))?;
    if full <= more {
        return Ok((time(full)?, "measured: all of it".into()));
    }
    let (mut low, mut high) = ((1, first), (2, first));
    // Long for its step, or for what it does once, such as choosing on validation data?
    if first > LONG {
        high.1 = time(2)?;
    }
    // On a busy machine two runs differ by chance, and 2,000 times that would be hours.
    let long_step = high.1 > low.1.mul_f64(1.5) || high.1.saturating_sub(low.1) > 2 * LONG;
    if !long_step {
        (low, high) = ((few, time(few)?), (more, time(more)?));
    }
    let step = high.1.saturating_sub(low.1).div_f64((high.0 - low.0) as f64);
    let all = low.1 + step.mul_f64((full - low.0) as f64);
    Ok((all, format!("measured: {} of {full} steps", high.0)))
}

/// Bytes of a set of this shape as a file.
pub(super) fn set_bytes(set: &EmbeddingSet) -> u64 {
    let words = set.ids.iter().chain(&set.captions).map(|text| text.len() + 3).sum::<usize>();
    (4 * (set.len() + set.captions.len()) * set.dim() + 8 * set.owners.len() + words) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What [`from_short`] says of `full` steps, of so many milliseconds once and a step, and
    /// the runs that it made.
    fn told(once: u64, step: u64, full: u64) -> (Duration, String, Vec<u64>) {
        let mut runs = Vec::new();
        let (time, basis) = from_short(full, |steps| {
            runs.push(steps);
            Ok(Duration::from_millis(once + step * steps))
        })
        .unwrap();
        (time, basis, runs)
    }

    #[test]
    fn what_is_done_once_counts_once() {
        let all = Duration::from_millis;
        let basis = |steps: u64| format!("measured: {steps} of 2000 steps");
        assert_eq!(told(100, 5, 2_000), (all(10_100), basis(12), vec![1, 2, 12]));
        // A second step tells a long start from a long step.
        assert_eq!(told(7_000, 5, 2_000), (all(17_000), basis(12), vec![1, 2, 2, 12]));
        assert_eq!(told(100, 4_000, 2_000), (all(8_000_100), basis(2), vec![1, 2]));
        assert_eq!(told(60_000, 7_000, 2_000), (all(14_060_000), basis(2), vec![1, 2]));
        assert_eq!(told(100, 5, 10), (all(150), "measured: all of it".into(), vec![1, 10]));
    }
}
