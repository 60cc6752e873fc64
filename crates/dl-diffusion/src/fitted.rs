//! A fitted bridge: fitting it, the checks around using it, and its file.

use std::{collections::HashMap, path::Path};

use dl_core::{
    ConfigError, EmbeddingSet, FileError,
    fault::{WIDEST, check_size},
    noise::item_of,
};
use dl_torch::{
    TrainContext,
    convert::{array2, tensor2},
    layers::l2_normalise,
    tensor_file,
};
use ndarray::{Array2, Axis, concatenate, s};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::{
    config::BridgeConfig,
    data::{BridgeData, Mismatch, Pairs, check_encoders},
    error::BridgeError,
    method::{FILE_VERSION, FittedMethod, MethodReport, Stored},
    noise::RowNoise,
    scores::Scores,
};

const FORMAT: &str = "diffusion-link/bridge";
/// Rows that are computed at once; bounds the memory of the decoding methods.
const CHUNK: usize = 1024;

/// A fitted bridge: moves audio embeddings toward the text distribution.
///
/// It can be sent to another thread. Where libtorch computes with one thread
/// (`tch::set_num_threads(1)`), results have the same bits on any number of cores, however
/// many bridges are fitted and applied side by side.
pub struct Bridge {
    report: BridgeReport,
    method: Box<dyn FittedMethod>,
    device: Device,
}

/// Where a bridge comes from and what validation found: everything in its file but the
/// tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BridgeReport {
    /// The configuration, with every default written out.
    pub config: BridgeConfig,
    /// What [`BridgeConfig::version`] was.
    pub version: String,
    /// Embedding size.
    pub dim: usize,
    /// The encoder of the embeddings, empty where the sets did not name it.
    pub encoder: String,
    /// What it was fitted to.
    pub train: SetNote,
    /// What it was chosen by.
    pub validation: SetNote,
    /// The seed.
    pub seed: u64,
    /// Validation scores after the bridge.
    pub scores: Scores,
    /// Validation scores without a bridge.
    pub unbridged: Scores,
    /// The method's own: training, candidates and the choice among them.
    pub method: MethodReport,
}

/// Which set it was: enough to see whether two bridges saw the same one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetNote {
    /// Number of clips.
    pub clips: usize,
    /// Number of captions.
    pub captions: usize,
    /// [`EmbeddingSet::id_hash`].
    pub id_hash: String,
    /// Fingerprint of the corpus, empty where the set did not name it.
    pub corpus: String,
}

impl SetNote {
    fn of(set: &EmbeddingSet) -> Self {
        Self {
            clips: set.len(),
            captions: set.captions.len(),
            id_hash: set.id_hash().to_string(),
            corpus: set.provenance.corpus.clone(),
        }
    }
}

impl BridgeConfig {
    /// Fits the bridge on the training pairs and chooses by the validation pairs.
    ///
    /// # Errors
    /// [`BridgeError`] for a bad configuration, embeddings that cannot be used, sets that
    /// do not belong together, fewer pairs than a batch, or a checkpoint that does not
    /// belong to this fit.
    pub fn fit(
        &self,
        data: &BridgeData<'_>,
        context: &TrainContext<'_>,
    ) -> Result<Bridge, BridgeError> {
        self.validate()?;
        check_dim(data.train.dim())?;
        let pairs = Pairs::new(data, context.device)?;
        let method = self.fit_method(&pairs, context)?;
        let validation = &pairs.validation;
        let noise = RowNoise { seed: context.seed, items: &validation.items };
        let bridged = tch::no_grad(|| method.apply(&validation.audio, noise))?;
        let moved = validation.with_text(l2_normalise(&method.text(&validation.text)));
        let report = BridgeReport {
            config: self.clone(),
            version: self.version(),
            dim: pairs.dim,
            encoder: data.train.provenance.encoder.clone(),
            train: SetNote::of(data.train),
            validation: SetNote::of(data.validation),
            seed: context.seed,
            scores: Scores::of(&l2_normalise(&bridged), &moved)?,
            unbridged: Scores::of(&validation.audio, validation)?,
            method: method.report(),
        };
        Ok(Bridge { report, method, device: context.device })
    }
}

impl Bridge {
    /// The method, as the configuration spells it.
    pub fn name(&self) -> &'static str {
        self.report.config.name()
    }

    /// Embedding size.
    pub fn dim(&self) -> usize {
        self.report.dim
    }

    /// Configuration, what it was fitted on, what validation chose and its scores.
    pub fn report(&self) -> &BridgeReport {
        &self.report
    }

    /// A set after the bridge: its audio moved, its captions too where the method moves
    /// them, and the method's name added to `provenance.bridges`. Sampling methods draw
    /// their noise from `seed`.
    ///
    /// # Errors
    /// [`BridgeError`] for a set of another encoder than the bridge was fitted on, of
    /// another dimension, or with a row that is not finite or has no direction.
    pub fn apply_set(&self, set: &EmbeddingSet, seed: u64) -> Result<EmbeddingSet, BridgeError> {
        self.apply_set_with(set, seed, Mismatch::Refuse)
    }

    /// As [`Bridge::apply_set`], saying whether the set of another encoder is taken.
    ///
    /// # Errors
    /// As [`Bridge::apply_set`].
    pub fn apply_set_with(
        &self,
        set: &EmbeddingSet,
        seed: u64,
        mismatch: Mismatch,
    ) -> Result<EmbeddingSet, BridgeError> {
        if mismatch == Mismatch::Refuse {
            check_encoders("the bridge", &self.report.encoder, "this set", &set.provenance)?;
        }
        set.validate(Path::new("the set"))?;
        let mut bridged = set.with_audio(self.apply(&set.audio, &set.ids, seed)?, self.name());
        if self.report.config.moves_text() {
            bridged.text = self.text(&set.text)?;
        }
        Ok(bridged)
    }

    /// `audio` `[rows, dim]`, one id per row, to unit-norm rows of the same shape.
    /// Sampling methods draw their noise by (seed, id), so that a row's result does not
    /// depend on the rows beside it.
    ///
    /// # Errors
    /// [`BridgeError`] for another dimension, a count of ids that does not fit, or
    /// a row that is not finite or has no direction.
    pub fn apply(
        &self,
        audio: &Array2<f32>,
        ids: &[String],
        seed: u64,
    ) -> Result<Array2<f32>, BridgeError> {
        self.by_chunk(audio, ids, |rows, items| self.method.apply(rows, RowNoise { seed, items }))
    }

    /// Captions' embeddings `[captions, dim]` in the space of this bridge's output,
    /// unit rows: what its rows are compared with. The captions themselves for all
    /// methods but those that centre both sides.
    ///
    /// # Errors
    /// As [`Bridge::apply`].
    pub fn text(&self, text: &Array2<f32>) -> Result<Array2<f32>, BridgeError> {
        let rows: Vec<String> = (0..text.nrows()).map(|row| format!("caption {row}")).collect();
        self.by_chunk(text, &rows, |rows, _| Ok(self.method.text(rows)))
    }

    /// What the method's source trains a decoder on that meets audio only in use, one id
    /// per row: [`Bridge::text`], but for methods that augment it.
    ///
    /// # Errors
    /// As [`Bridge::apply`].
    pub fn decoder_text(
        &self,
        text: &Array2<f32>,
        ids: &[String],
        seed: u64,
    ) -> Result<Array2<f32>, BridgeError> {
        self.by_chunk(text, ids, |rows, items| {
            self.method.decoder_text(rows, RowNoise { seed, items })
        })
    }

    /// Captions' embeddings through the frozen bridge as audio goes, one id per row:
    /// noised and denoised to text again by the diffusion models. Diffusion-Link's decoder
    /// learns from these (its overview figure).
    ///
    /// # Errors
    /// As [`Bridge::apply`]; [`BridgeError::Input`] for a method that knows audio alone,
    /// see [`BridgeConfig::bridges_text`].
    pub fn text_through(
        &self,
        text: &Array2<f32>,
        ids: &[String],
        seed: u64,
    ) -> Result<Array2<f32>, BridgeError> {
        self.by_chunk(text, ids, |rows, items| {
            self.method.text_through(rows, RowNoise { seed, items }).unwrap_or_else(|| {
                Err(BridgeError::Input(format!(
                    "{} moves audio alone; its decoder learns from the captions' embeddings as \
                     they are",
                    self.name()
                )))
            })
        })
    }

    /// Writes one self-contained safetensors file: weights, configuration,
    /// fingerprints, validation scores. Whole or not at all.
    ///
    /// # Errors
    /// [`BridgeError::Torch`] when the disk refuses.
    pub fn save(&self, path: &Path) -> Result<(), BridgeError> {
        let report = serde_json::to_string(&self.report)
            .map_err(|error| FileError::invalid(path, error.to_string()))?;
        let metadata = HashMap::from([
            ("format".to_owned(), FORMAT.to_owned()),
            ("version".to_owned(), FILE_VERSION.to_owned()),
            ("bridge".to_owned(), report),
        ]);
        Ok(tensor_file::write(path, &self.method.tensors(), metadata)?)
    }

    /// Loads a file that [`Bridge::save`] wrote.
    ///
    /// # Errors
    /// [`BridgeError`] when it cannot be read, is cut short, is no bridge file, holds
    /// a NaN, or its tensors do not fit its configuration.
    pub fn load(path: &Path, device: Device) -> Result<Self, BridgeError> {
        let fault = |problem: String| BridgeError::from(FileError::invalid(path, problem));
        let (tensors, metadata) = tensor_file::read(path, device)?;
        let entry = |name: &str| metadata.get(name).map(String::as_str);
        if entry("format") != Some(FORMAT) {
            let problem = format!("not a bridge file: no `format` = \"{FORMAT}\" in its metadata");
            return Err(fault(problem));
        }
        if entry("version") != Some(FILE_VERSION) {
            let version = entry("version").unwrap_or("none");
            return Err(fault(format!(
                "version {version}, but this program reads version {FILE_VERSION}; fit the bridge \
                 anew"
            )));
        }
        let report: BridgeReport = serde_json::from_str(entry("bridge").unwrap_or_default())
            .map_err(|error| fault(format!("metadata entry `bridge`: {error}")))?;
        // Faults of a configuration in a file are faults of the file.
        let config_fault =
            |error: ConfigError| fault(format!("its configuration: {error}; fit the bridge anew"));
        check_dim(report.dim).map_err(config_fault)?;
        report.config.validate().map_err(config_fault)?;
        for (name, tensor) in &tensors {
            let kind = tensor.kind();
            if kind != Kind::Float {
                let problem = format!("tensor `{name}` is {kind:?}, expected Float; fit it anew");
                return Err(fault(problem));
            }
            if tensor.isfinite().all().int64_value(&[]) == 0 {
                let problem = format!("tensor `{name}` holds a NaN or an infinity; fit it anew");
                return Err(fault(problem));
            }
        }
        let own = report.method.clone();
        let stored = Stored { path, dim: report.dim, device, tensors, report: own };
        let method = report.config.load_method(stored).map_err(|error| match error {
            BridgeError::Config(error) => config_fault(error),
            other => other,
        })?;
        Ok(Self { report, method, device })
    }

    /// Unit rows through `map`, some at a time, to unit rows.
    fn by_chunk(
        &self,
        rows: &Array2<f32>,
        ids: &[String],
        map: impl Fn(&Tensor, &[u64]) -> Result<Tensor, BridgeError>,
    ) -> Result<Array2<f32>, BridgeError> {
        check_rows(rows, ids, self.dim())?;
        let items: Vec<u64> = ids.iter().map(|id| item_of(id)).collect();
        let mut parts = Vec::new();
        for (chunk, items) in items.chunks(CHUNK).enumerate() {
            let rows = rows.slice(s![chunk * CHUNK..chunk * CHUNK + items.len(), ..]);
            let rows = l2_normalise(&tensor2(rows, self.device));
            parts.push(array2(&l2_normalise(&tch::no_grad(|| map(&rows, items))?))?);
        }
        // Near zero a row keeps its length, and beyond the range of f32 it has none.
        let lost = |row: ndarray::ArrayView1<'_, f32>| {
            let square = row.dot(&row);
            square.is_nan() || (square - 1.0).abs() > 1e-3
        };
        let rows = parts.iter().flat_map(|part| part.outer_iter());
        if let Some((_, id)) = rows.zip(ids).find(|(row, _)| lost(*row)) {
            return Err(BridgeError::Input(format!(
                "{} leaves the embedding of '{id}' without a direction; leave that item out, or \
                 take another method",
                self.name()
            )));
        }
        if parts.is_empty() {
            return Ok(Array2::zeros((0, self.dim())));
        }
        let views: Vec<_> = parts.iter().map(Array2::view).collect();
        concatenate(Axis(0), &views).map_err(|error| BridgeError::Input(error.to_string()))
    }
}

fn check_dim(dim: usize) -> Result<(), ConfigError> {
    check_size("dim", dim, WIDEST)
}

fn check_rows(rows: &Array2<f32>, ids: &[String], dim: usize) -> Result<(), BridgeError> {
    if rows.ncols() != dim {
        return Err(BridgeError::Dimension { expected: dim, got: rows.ncols() });
    }
    if ids.len() != rows.nrows() {
        let (ids, rows) = (ids.len(), rows.nrows());
        return Err(BridgeError::Input(format!(
            "{rows} embeddings but {ids} ids; each row needs an id, which its noise belongs to"
        )));
    }
    for (row, id) in rows.outer_iter().zip(ids) {
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
