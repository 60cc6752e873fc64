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
use ndarray::{Array2, ArrayView2, Axis, concatenate};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use crate::{AudioEncoder, EncoderError, FrontEnd, error::check};

/// Where an extraction keeps its chunks and what it says meanwhile.
pub struct Extraction<'a> {
    /// Directory of the chunks, keyed by the caller with all that the waveforms
    /// depend on. A chunk of another encoder in it is not used.
    pub directory: &'a Path,
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
/// listed. A chunk with such faults is tried again by the next run. While the
/// network works on one chunk, threads decode and transform the next: at most
/// three chunks of features are in memory.
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
    let files: Vec<ChunkFile> = (0..items)
        .step_by(plan.chunk)
        .map(|start| ChunkFile::new(plan, encoder, start..items.min(start + plan.chunk)))
        .collect();
    let found: Vec<Option<Extracted>> = files
        .iter()
        .map(|file| file.read().filter(|chunk| chunk.faults.is_empty()))
        .collect();
    let missing: Vec<Range<usize>> = files
        .iter()
        .zip(&found)
        .filter(|(_, chunk)| chunk.is_none())
        .map(|(file, _)| file.range.clone())
        .collect();
    plan.progress.begin(plan.task, items as u64);
    let front_end = encoder.front_end();
    let chunks = thread::scope(|scope| {
        // Moved in here, so that an error below ends the thread too.
        let (sender, receiver) = mpsc::sync_channel(1);
        let render = &render;
        scope.spawn(move || {
            for range in missing {
                if sender.send(prepare(front_end, range, render)).is_err() {
                    return;
                }
            }
        });
        let mut chunks = Vec::new();
        for (file, found) in files.iter().zip(found) {
            let chunk = match found {
                Some(chunk) => chunk,
                None => {
                    // The sender is gone only when a render panicked, which ends the scope.
                    let Ok(prepared) = receiver.recv() else { break };
                    let chunk = prepared.embed(encoder)?;
                    file.write(&chunk)?;
                    chunk
                }
            };
            plan.progress.update(file.range.end as u64, "");
            chunks.push(chunk);
        }
        Ok::<_, EncoderError>(chunks)
    })?;
    plan.progress.end();
    Ok(join(chunks, encoder.dim()))
}

/// A chunk before the network.
struct Prepared {
    features: Vec<AudioFeatures>,
    kept: Vec<usize>,
    faults: Vec<Fault>,
}

fn prepare<E: Display>(
    front_end: &dyn FrontEnd,
    range: Range<usize>,
    render: &(impl Fn(usize) -> Result<Waveform, E> + Sync),
) -> Prepared {
    let all: Vec<Result<AudioFeatures, String>> = range
        .clone()
        .into_par_iter()
        .map(|index| {
            let waveform = render(index).map_err(|error| error.to_string())?;
            front_end.features(&waveform).map_err(|error| error.to_string())
        })
        .collect();
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

fn join(chunks: Vec<Extracted>, dim: usize) -> Extracted {
    let views: Vec<ArrayView2<'_, f32>> =
        chunks.iter().map(|chunk| chunk.features.view()).collect();
    let features = concatenate(Axis(0), &views).unwrap_or_else(|_| Array2::zeros((0, dim)));
    let (mut kept, mut faults) = (Vec::new(), Vec::new());
    for chunk in chunks {
        kept.extend(chunk.kept);
        faults.extend(chunk.faults);
    }
    Extracted { features, kept, faults }
}

/// One chunk on disk: tensors `features` and `kept`, and in the metadata the
/// encoder that made it and the faults.
struct ChunkFile {
    path: PathBuf,
    range: Range<usize>,
    encoder: String,
    dim: usize,
}

impl ChunkFile {
    fn new(plan: &Extraction<'_>, encoder: &dyn AudioEncoder, range: Range<usize>) -> Self {
        let name = format!("chunk-{:06}-{:06}.safetensors", range.start, range.end);
        let path = plan.directory.join(name);
        Self { path, range, encoder: encoder.fingerprint().to_string(), dim: encoder.dim() }
    }

    /// The chunk, if there is a sound one of this encoder.
    fn read(&self) -> Option<Extracted> {
        if !self.path.exists() {
            return None;
        }
        let (tensors, metadata) = tensor_file::read(&self.path, Device::Cpu).ok()?;
        if metadata.get("encoder") != Some(&self.encoder) {
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
            ("faults".to_owned(), faults),
        ]);
        Ok(tensor_file::write(&self.path, &tensors, metadata)?)
    }
}
