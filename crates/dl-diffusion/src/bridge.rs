//! What all bridges share: the trait, the checks around fitting and applying, and the
//! file.

use std::{collections::HashMap, path::Path};

use dl_core::{EmbeddingSet, noise::item_of};
use dl_torch::{
    TrainContext,
    convert::{array2, tensor2},
    layers::l2_normalise,
    tensor_file,
};
use ndarray::{Array2, Axis, concatenate, s};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use crate::{
    error::BridgeError,
    methods::{BridgeConfig, Method, Stored},
    pairs::Pairs,
    samplers::RowNoise,
    scores::Scores,
};

const FORMAT: &str = "diffusion-link/bridge";
const VERSION: &str = "1";
/// Rows that are computed at once; bounds the memory of the decoding methods.
const CHUNK: usize = 1024;

/// A fitted bridge: moves audio embeddings toward the text distribution.
pub trait Bridge: Send {
    /// The method, as the configuration spells it.
    fn name(&self) -> &str;

    /// Embedding size.
    fn dim(&self) -> usize;

    /// `audio` `[rows, dim]`, one id per row, to unit-norm rows of the same shape.
    /// Sampling methods draw their noise by (seed, id), so that a row's result
    /// does not hang on the rows beside it.
    ///
    /// # Errors
    /// [`BridgeError`] for another dimension, a count of ids that does not fit, or
    /// a row that is not finite or has no direction.
    fn apply(
        &self,
        audio: &Array2<f32>,
        ids: &[String],
        seed: u64,
    ) -> Result<Array2<f32>, BridgeError>;

    /// Captions' embeddings `[captions, dim]` in the space of this bridge's output,
    /// unit rows: what its rows are compared with. The captions themselves for all
    /// methods but those that centre both sides.
    ///
    /// # Errors
    /// As [`Bridge::apply`].
    fn text(&self, text: &Array2<f32>) -> Result<Array2<f32>, BridgeError>;

    /// What a decoder that meets audio only at test time trains on, one id per row:
    /// [`Bridge::text`], but for methods that augment it.
    ///
    /// # Errors
    /// As [`Bridge::apply`].
    fn decoder_text(
        &self,
        text: &Array2<f32>,
        ids: &[String],
        seed: u64,
    ) -> Result<Array2<f32>, BridgeError>;

    /// Writes one self-contained safetensors file: weights, configuration,
    /// fingerprints, validation scores. Whole or not at all.
    ///
    /// # Errors
    /// [`BridgeError::Torch`] when the disk refuses.
    fn save(&self, path: &Path) -> Result<(), BridgeError>;

    /// Configuration, what was fitted on, what validation chose and its scores.
    fn summary(&self) -> Value;
}

/// What a bridge is fitted on. There is no place for a test set.
#[derive(Clone, Copy, Debug)]
pub struct BridgeData<'a> {
    /// Pairs to learn from; a clip may have several captions.
    pub train: &'a EmbeddingSet,
    /// Pairs to choose by.
    pub validation: &'a EmbeddingSet,
}

impl BridgeConfig {
    /// Fits the bridge on the training pairs and chooses by the validation pairs.
    ///
    /// # Errors
    /// [`BridgeError`] for a bad configuration, embeddings that cannot be used,
    /// fewer pairs than a batch, or a checkpoint that does not belong to it.
    pub fn fit(
        &self,
        data: &BridgeData<'_>,
        context: &TrainContext<'_>,
    ) -> Result<Box<dyn Bridge>, BridgeError> {
        self.validate()?;
        let pairs = Pairs::new(data, context.device)?;
        let method = self.method().fit(&pairs, context)?;
        let validation = &pairs.validation;
        let noise = RowNoise { seed: context.seed, items: &validation.items };
        let bridged = tch::no_grad(|| method.apply(&validation.audio, noise))?;
        let moved = validation.with_text(l2_normalise(&method.text(&validation.text)));
        let header = Header {
            config: self.clone(),
            dim: pairs.dim,
            encoder: data.train.provenance.encoder.clone(),
            train: SetNote::of(data.train),
            validation: SetNote::of(data.validation),
            seed: context.seed,
            scores: Scores::of(&l2_normalise(&bridged), &moved)?,
            unbridged: Scores::of(&validation.audio, validation)?,
            report: method.report(),
        };
        Ok(Box::new(Fitted { header, method, device: context.device }))
    }
}

/// Which set it was: enough to see whether two bridges saw the same one.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct SetNote {
    clips: usize,
    captions: usize,
    id_hash: String,
}

impl SetNote {
    fn of(set: &EmbeddingSet) -> Self {
        Self { clips: set.len(), captions: set.captions.len(), id_hash: set.id_hash().to_string() }
    }
}

/// The metadata of a bridge file.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Header {
    config: BridgeConfig,
    dim: usize,
    encoder: String,
    train: SetNote,
    validation: SetNote,
    seed: u64,
    scores: Scores,
    unbridged: Scores,
    report: Value,
}

/// A method with the checks around it.
struct Fitted {
    header: Header,
    method: Box<dyn Method>,
    device: Device,
}

impl Fitted {
    /// Unit rows through `map`, some at a time, to unit rows.
    fn by_chunk(
        &self,
        rows: &Array2<f32>,
        ids: &[String],
        map: impl Fn(&Tensor, &[u64]) -> Result<Tensor, BridgeError>,
    ) -> Result<Array2<f32>, BridgeError> {
        check_rows(rows, ids, self.header.dim)?;
        let items: Vec<u64> = ids.iter().map(|id| item_of(id)).collect();
        let mut parts = Vec::new();
        for (chunk, items) in items.chunks(CHUNK).enumerate() {
            let rows = rows.slice(s![chunk * CHUNK..chunk * CHUNK + items.len(), ..]);
            let rows = l2_normalise(&tensor2(rows, self.device));
            parts.push(array2(&l2_normalise(&tch::no_grad(|| map(&rows, items))?))?);
        }
        let lost = |row: ndarray::ArrayView1<'_, f32>| !row.dot(&row).is_normal();
        let rows = parts.iter().flat_map(|part| part.outer_iter());
        if let Some((_, id)) = rows.zip(ids).find(|(row, _)| lost(*row)) {
            return Err(BridgeError::Input(format!(
                "{} leaves the embedding of '{id}' without a direction; leave that item out, or \
                 take another method",
                self.header.config.name()
            )));
        }
        if parts.is_empty() {
            return Ok(Array2::zeros((0, self.header.dim)));
        }
        let views: Vec<_> = parts.iter().map(Array2::view).collect();
        concatenate(Axis(0), &views).map_err(|error| BridgeError::Input(error.to_string()))
    }
}

impl Bridge for Fitted {
    fn name(&self) -> &str {
        self.header.config.name()
    }

    fn dim(&self) -> usize {
        self.header.dim
    }

    fn apply(
        &self,
        audio: &Array2<f32>,
        ids: &[String],
        seed: u64,
    ) -> Result<Array2<f32>, BridgeError> {
        self.by_chunk(audio, ids, |rows, items| self.method.apply(rows, RowNoise { seed, items }))
    }

    fn text(&self, text: &Array2<f32>) -> Result<Array2<f32>, BridgeError> {
        let rows: Vec<String> = (0..text.nrows()).map(|row| format!("caption {row}")).collect();
        self.by_chunk(text, &rows, |rows, _| Ok(self.method.text(rows)))
    }

    fn decoder_text(
        &self,
        text: &Array2<f32>,
        ids: &[String],
        seed: u64,
    ) -> Result<Array2<f32>, BridgeError> {
        self.by_chunk(text, ids, |rows, items| {
            self.method.decoder_text(rows, RowNoise { seed, items })
        })
    }

    fn save(&self, path: &Path) -> Result<(), BridgeError> {
        let header = serde_json::to_string(&self.header)
            .map_err(|error| BridgeError::file(path, error.to_string()))?;
        let metadata = HashMap::from([
            ("format".to_owned(), FORMAT.to_owned()),
            ("version".to_owned(), VERSION.to_owned()),
            ("bridge".to_owned(), header),
        ]);
        Ok(tensor_file::write(path, &self.method.tensors(), metadata)?)
    }

    fn summary(&self) -> Value {
        json!({ "name": self.name(), "bridge": self.header })
    }
}

fn check_rows(audio: &Array2<f32>, ids: &[String], dim: usize) -> Result<(), BridgeError> {
    if audio.ncols() != dim {
        return Err(BridgeError::Dimension { expected: dim, got: audio.ncols() });
    }
    if ids.len() != audio.nrows() {
        let (ids, rows) = (ids.len(), audio.nrows());
        return Err(BridgeError::Input(format!(
            "{rows} embeddings but {ids} ids; each row needs an id, which its noise belongs to"
        )));
    }
    for (row, id) in audio.outer_iter().zip(ids) {
        let fault = if row.iter().any(|x| !x.is_finite()) {
            "has a NaN or an infinity; embed that item again or leave it out"
        } else if row.iter().all(|&x| x == 0.0) {
            "is all zeros and has no direction; leave that item out"
        } else {
            continue;
        };
        return Err(BridgeError::Input(format!("the embedding of '{id}' {fault}")));
    }
    Ok(())
}

/// Loads a bridge file that [`Bridge::save`] wrote.
///
/// # Errors
/// [`BridgeError`] when it cannot be read, is cut short, is no bridge file, holds
/// a NaN, or its tensors do not fit its configuration.
pub fn load(path: &Path, device: Device) -> Result<Box<dyn Bridge>, BridgeError> {
    let (tensors, metadata) = tensor_file::read(path, device)?;
    if metadata.get("format").map(String::as_str) != Some(FORMAT) {
        let problem = format!("not a bridge file: no `format` = \"{FORMAT}\" in its metadata");
        return Err(BridgeError::file(path, problem));
    }
    if metadata.get("version").map(String::as_str) != Some(VERSION) {
        let version = metadata.get("version").map_or("none", String::as_str);
        let problem = format!("version {version}, but this program reads version {VERSION}");
        return Err(BridgeError::file(path, problem));
    }
    let header: Header = serde_json::from_str(metadata.get("bridge").map_or("", String::as_str))
        .map_err(|error| BridgeError::file(path, format!("metadata entry `bridge`: {error}")))?;
    header.config.validate()?;
    for (name, tensor) in &tensors {
        if tensor.isfinite().all().int64_value(&[]) == 0 {
            let problem = format!("tensor `{name}` holds a NaN or an infinity; fit it anew");
            return Err(BridgeError::file(path, problem));
        }
        if tensor.kind() != Kind::Float {
            let problem = format!("tensor `{name}` is {:?}, expected Float", tensor.kind());
            return Err(BridgeError::file(path, problem));
        }
    }
    let report = header.report.clone();
    let stored = Stored { path, dim: header.dim, device, tensors, report };
    let method = header.config.method().load(stored)?;
    Ok(Box::new(Fitted { header, method, device }))
}
