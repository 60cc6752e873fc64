//! Audio features of a whole corpus: rendered and transformed in parallel,
//! embedded in batches, kept in chunks on disk as they come, so that an
//! interrupted run goes on where it was.

use std::{
    collections::HashMap,
    fmt::Display,
    ops::Range,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

use dl_audio::{AudioFeatures, Waveform};
use dl_core::Progress;
use dl_torch::{
    TorchError, convert,
    tensor_file::{self, Tensors},
};
use ndarray::{Array2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use crate::{AudioEncoder, EncoderError, FrontEnd, error::check};

/// Where an extraction keeps its chunks and what it says meanwhile.
pub struct Extraction<'a> {
    /// Directory of the chunks. A chunk of another encoder in it is not used.
    pub directory: &'a Path,
    /// What the waveforms of a range of clips depend on: a chunk of another key is
    /// not used. Empty where the name of the directory says it all.
    pub key: &'a dyn Fn(Range<usize>) -> String,
    /// Clips in one chunk, at least 1: what an interruption can cost.
    pub chunk: usize,
    /// Name on the progress line.
    pub task: &'a str,
    /// Where progress goes; its unit is clips.
    pub progress: &'a dyn Progress,
}

/// A clip that has no features.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Its index in the corpus.
    pub index: usize,
    /// Cause and remedy.
    pub problem: String,
}

/// The features of all clips that have any.
#[derive(Clone, Debug, PartialEq)]
pub struct Extracted {
    /// One row per kept clip: `[kept, dim]`.
    pub features: Array2<f32>,
    /// Their indices in the corpus, ascending: `[kept]`.
    pub kept: Vec<usize>,
    /// The others.
    pub faults: Vec<Fault>,
}

/// Embeds the clips `0..items`. `render` gives a clip's waveform, from several
/// threads at once; where it or the front end fails, the clip is left out and
/// listed. The next run tries these clips again, and makes a chunk anew where one of
/// them is mended. While the network works on one chunk, threads decode and transform
/// the next: at most three chunks of features are in memory.
///
/// # Errors
/// [`EncoderError`] when a chunk cannot be written or the device gives out. The
/// chunks before are kept.
pub fn extract<E: Display>(
    encoder: &dyn AudioEncoder,
    items: usize,
    render: impl Fn(usize) -> Result<Waveform, E> + Sync,
    plan: &Extraction<'_>,
) -> Result<Extracted, EncoderError> {
    check(plan.chunk > 0, "chunk", plan.chunk, "at least 1")?;
    // Every row at its clip's place, so that nothing has to be put together later.
    let mut rows = Array2::zeros((items, encoder.dim()));
    let (mut missing, mut old_faults) = (Vec::new(), Vec::new());
    let front_end = encoder.front_end();
    let fails = |fault: &Fault| features_of(front_end, fault.index, &render).is_err();
    for start in (0..items).step_by(plan.chunk) {
        let file = ChunkFile::new(plan, encoder, start..items.min(start + plan.chunk));
        match file.read() {
            Some(chunk) if chunk.faults.par_iter().all(fails) => {
                chunk.place(&mut rows);
                old_faults.extend(chunk.faults);
            }
            _ => missing.push(file),
        }
    }
    let ranges: Vec<Range<usize>> = missing.iter().map(|file| file.range.clone()).collect();
    let mut done = items - ranges.iter().map(ExactSizeIterator::len).sum::<usize>();
    plan.progress.begin(plan.task, items as u64);
    plan.progress.update(done as u64, "");
    let mut faults = thread::scope(|scope| {
        // Moved in here, so that an error below ends the thread too.
        let (sender, receiver) = mpsc::sync_channel(1);
        let render = &render;
        scope.spawn(move || {
            for range in ranges {
                if sender.send(prepare(front_end, range, render)).is_err() {
                    return;
                }
            }
        });
        let mut faults = Vec::new();
        for file in &missing {
            // The sender is gone only when a render panicked, which ends the scope.
            let Ok(prepared) = receiver.recv() else { break };
            let chunk = prepared.embed(encoder)?;
            file.write(&chunk)?;
            chunk.place(&mut rows);
            faults.extend(chunk.faults);
            done += file.range.len();
            plan.progress.update(done as u64, "");
        }
        Ok::<_, EncoderError>(faults)
    })?;
    plan.progress.end();
    faults.extend(old_faults);
    faults.sort_by_key(|fault| fault.index);
    Ok(keep_sound(rows, faults))
}

/// Leaves the rows of faulty clips out; `faults` are ascending.
fn keep_sound(rows: Array2<f32>, faults: Vec<Fault>) -> Extracted {
    let faulty = |index| faults.binary_search_by_key(&index, |fault| fault.index).is_ok();
    let kept: Vec<usize> = (0..rows.nrows()).filter(|&index| !faulty(index)).collect();
    let features = if faults.is_empty() { rows } else { rows.select(Axis(0), &kept) };
    Extracted { features, kept, faults }
}

/// A chunk before the network.
struct Prepared {
    features: Vec<AudioFeatures>,
    kept: Vec<usize>,
    faults: Vec<Fault>,
}

/// A clip before the network, or why there is none.
fn features_of<E: Display>(
    front_end: &dyn FrontEnd,
    index: usize,
    render: &(impl Fn(usize) -> Result<Waveform, E> + Sync),
) -> Result<AudioFeatures, String> {
    let waveform = render(index).map_err(|error| error.to_string())?;
    front_end.features(&waveform).map_err(|error| error.to_string())
}

fn prepare<E: Display>(
    front_end: &dyn FrontEnd,
    range: Range<usize>,
    render: &(impl Fn(usize) -> Result<Waveform, E> + Sync),
) -> Prepared {
    let all: Vec<Result<AudioFeatures, String>> =
        range.clone().into_par_iter().map(|index| features_of(front_end, index, render)).collect();
    let mut prepared = Prepared { features: Vec::new(), kept: Vec::new(), faults: Vec::new() };
    for (index, features) in range.zip(all) {
        match features {
            Ok(features) => {
                prepared.kept.push(index);
                prepared.features.push(features);
            }
            Err(problem) => prepared.faults.push(Fault { index, problem }),
        }
    }
    prepared
}

impl Prepared {
    fn embed(self, encoder: &dyn AudioEncoder) -> Result<Extracted, EncoderError> {
        let features = encoder.embed_features(&self.features)?;
        Ok(Extracted { features, kept: self.kept, faults: self.faults })
    }
}

impl Extracted {
    /// Puts a chunk's rows where its clips stand in the corpus.
    fn place(&self, rows: &mut Array2<f32>) {
        for (&index, row) in self.kept.iter().zip(self.features.rows()) {
            rows.row_mut(index).assign(&row);
        }
    }
}

/// One chunk on disk: tensors `features` and `kept`, and in the metadata the
/// encoder that made it, the key of its waveforms and the faults.
struct ChunkFile {
    path: PathBuf,
    range: Range<usize>,
    encoder: String,
    key: String,
    dim: usize,
}

impl ChunkFile {
    fn new(plan: &Extraction<'_>, encoder: &dyn AudioEncoder, range: Range<usize>) -> Self {
        let name = format!("chunk-{:06}-{:06}.safetensors", range.start, range.end);
        let path = plan.directory.join(name);
        let (key, encoder, dim) =
            ((plan.key)(range.clone()), encoder.fingerprint().to_string(), encoder.dim());
        Self { path, range, encoder, key, dim }
    }

    /// The chunk, if there is a sound one of this encoder.
    fn read(&self) -> Option<Extracted> {
        if !self.path.exists() {
            return None;
        }
        let (tensors, metadata) = tensor_file::read(&self.path, Device::Cpu).ok()?;
        let key = metadata.get("key").map_or("", String::as_str);
        if metadata.get("encoder") != Some(&self.encoder) || key != self.key {
            return None;
        }
        let faults: Vec<Fault> = serde_json::from_str(metadata.get("faults")?).ok()?;
        let features = convert::array2(tensors.get("features")?).ok()?;
        let kept = Vec::<i64>::try_from(tensors.get("kept")?).ok()?;
        let kept: Vec<usize> = kept.into_iter().map(|index| index as usize).collect();
        let whole = kept.len() == features.nrows()
            && features.ncols() == self.dim
            && kept.len() + faults.len() == self.range.len()
            && kept.iter().all(|index| self.range.contains(index));
        whole.then_some(Extracted { features, kept, faults })
    }

    fn write(&self, chunk: &Extracted) -> Result<(), EncoderError> {
        let kept: Vec<i64> = chunk.kept.iter().map(|&index| index as i64).collect();
        let tensors = Tensors::from([
            ("features".to_owned(), convert::tensor2(chunk.features.view(), Device::Cpu)),
            ("kept".to_owned(), Tensor::from_slice(&kept)),
        ]);
        let faults = serde_json::to_string(&chunk.faults)
            .map_err(|error| TorchError::file(&self.path, error.to_string()))?;
        let metadata = HashMap::from([
            ("encoder".to_owned(), self.encoder.clone()),
            ("key".to_owned(), self.key.clone()),
            ("faults".to_owned(), faults),
        ]);
        Ok(tensor_file::write(&self.path, &tensors, metadata)?)
    }
}
