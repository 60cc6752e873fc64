//! CLAP (Wu et al., "Large-scale Contrastive Language-Audio Pretraining with
//! Feature Fusion and Keyword-to-Caption Augmentation", ICASSP 2023): HTSAT and
//! RoBERTa with a projection head each. Reads model directories as Hugging Face
//! publishes them (`laion/clap-htsat-unfused`, `laion/clap-htsat-fused` and their
//! like) and LAION's original `.pt` files.

use std::path::{Path, PathBuf};

use dl_audio::{AudioFeatures, ChunkPolicy, ClapFrontEnd, ClapFrontEndConfig, Crop, Waveform};
use dl_core::{ConfigError, Fingerprint, fault::check, text};
use dl_torch::{
    convert,
    tensor_file::Tensors,
    weights::{WeightMap, read_weights, unwrapped},
};
use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use crate::{
    AudioEncoder, Encoder, EncoderError, EncoderMethod, FrontEnd,
    error::{bad, check_finite},
    text::TextTokenizer,
};

pub mod config;
mod files;
mod htsat;
pub mod laion;
mod masked;
pub mod network;
mod patches;
pub mod pretrain;
mod window;

pub use config::ModelConfig;
use files::{Files, front_end_json};
pub use masked::MaskedConfig;
pub use network::Network;
pub use pretrain::{PretrainConfig, Pretrained, Spectrograms};

/// Which CLAP, and what its files leave open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClapConfig {
    /// A model directory (`config.json`, `processor_config.json` or
    /// `preprocessor_config.json`, `tokenizer.json` and `model.safetensors` or
    /// `pytorch_model.bin`, whole or in parts with an index), or a LAION checkpoint
    /// (`.pt`) with RoBERTa's `tokenizer.json` beside it.
    pub path: PathBuf,
    /// Which part of a long clip an unfused model hears.
    pub crop: Crop,
    /// Which parts of a long clip a fused model hears beside the whole.
    pub chunks: ChunkPolicy,
    /// Round samples to 16 bits first, as LAION's own code does.
    pub int16: bool,
    /// Longest text in tokens, with the special ones; the rest is cut off. A model
    /// with fewer positions lowers it.
    pub max_tokens: usize,
    /// Items in one pass, at least 1. Results do not depend on it beyond rounding.
    pub batch: usize,
}

impl Default for ClapConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            crop: Crop::First,
            chunks: ChunkPolicy::default(),
            int16: false,
            // What LAION trained with.
            max_tokens: 77,
            batch: 8,
        }
    }
}

impl ClapConfig {
    /// The model in `path` with everything else as by default.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`ConfigError`] for the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check((3..=512).contains(&self.max_tokens), "max_tokens", self.max_tokens, "3 to 512")?;
        check(self.batch > 0, "batch", self.batch, "at least 1")?;
        check(self.crop != Crop::None, "crop", "none", "first or centre")
    }
}

crate::register_encoder!(ClapConfig);

impl EncoderMethod for ClapConfig {
    const KIND: &'static str = "clap";
    const VERSION: u32 = 1;

    fn validate(&self) -> Result<(), ConfigError> {
        Self::validate(self)
    }

    fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        vec![&mut self.path]
    }

    fn fingerprint(&self) -> Result<Fingerprint, EncoderError> {
        Clap::fingerprint_of(self)
    }

    fn load(&self, device: Device) -> Result<Box<dyn Encoder>, EncoderError> {
        Ok(Box::new(Clap::load(self, device)?))
    }
}

/// What the files of one model say, whatever their layout.
struct Parts {
    model: ModelConfig,
    front_end: ClapFrontEndConfig,
    tensors: Tensors,
    /// For messages: where the shape, the front end and the weights stand.
    said_in: [PathBuf; 3],
    tokenizer: PathBuf,
    fingerprint: Fingerprint,
}

impl Parts {
    fn read(path: &Path) -> Result<Self, EncoderError> {
        let files = Files::find(path)?;
        let fingerprint = files.fingerprint()?;
        match files {
            Files::Directory { config, front_end, tokenizer, weights } => {
                let model = ModelConfig::from_json(&text::read(&config)?)
                    .map_err(|problem| bad(&config, problem))?;
                let settings =
                    ClapFrontEndConfig::from_preprocessor_json(front_end_json(&front_end)?)
                        .map_err(|error| bad(&front_end, error.to_string()))?;
                let tensors = unwrapped(weights.read()?);
                let said_in = [config, front_end, weights.head().to_owned()];
                Ok(Self { model, front_end: settings, tensors, said_in, tokenizer, fingerprint })
            }
            Files::Laion { checkpoint, tokenizer } => {
                Self::of_laion(&checkpoint, tokenizer, fingerprint)
            }
        }
    }

    /// A checkpoint of LAION's own code, which says its shape by its tensors.
    fn of_laion(
        path: &Path,
        tokenizer: PathBuf,
        fingerprint: Fingerprint,
    ) -> Result<Self, EncoderError> {
        let tensors = read_weights(path)?;
        if !laion::is_laion(&tensors) {
            let problem = "holds no checkpoint of LAION-CLAP; give such a file or a CLAP \
                           directory as Hugging Face lays it out";
            return Err(bad(path, problem));
        }
        let at = |error: EncoderError| match error {
            EncoderError::Shape { what, expected, found } => {
                bad(path, format!("{what}: expected {expected}, found {found}"))
            }
            other => other,
        };
        let tensors = laion::to_hugging_face(tensors).map_err(at)?;
        let shape = laion::LaionShape::of(&tensors).map_err(at)?;
        let model =
            ModelConfig::try_from(shape.config_json()).map_err(|problem| bad(path, problem))?;
        let front_end = match shape.fused {
            true => ClapFrontEndConfig::fused(),
            false => ClapFrontEndConfig::unfused(),
        };
        let said_in = [(); 3].map(|()| path.to_owned());
        Ok(Self { model, front_end, tensors, said_in, tokenizer, fingerprint })
    }
}

/// A frozen CLAP.
pub struct Clap {
    device: Device,
    dim: usize,
    batch: usize,
    front_end: ClapFrontEnd,
    tokenizer: TextTokenizer,
    network: Network,
    fingerprint: Fingerprint,
}

impl Clap {
    /// Reads a model.
    ///
    /// # Errors
    /// [`EncoderError`] for a bad configuration or a file that is missing, cut
    /// short, or of another model; tensors that do not fit are listed.
    pub fn load(config: &ClapConfig, device: Device) -> Result<Self, EncoderError> {
        config.validate()?;
        let parts = Parts::read(&config.path)?;
        let [_, _, weights_path] = &parts.said_in;
        let front_end = front_end(config, &parts)?;
        let model = &parts.model;
        let text = &model.text_config.transformer;
        let max_tokens = config.max_tokens.min(text.max_tokens());
        let pad = model.text_config.pad_token_id;
        let tokenizer = TextTokenizer::read(&parts.tokenizer, max_tokens, pad)?;
        if tokenizer.vocabulary() > text.vocab_size as usize {
            let problem = format!(
                "has {} tokens, but the model knows {}; both must come from one model",
                tokenizer.vocabulary(),
                text.vocab_size
            );
            return Err(bad(&parts.tokenizer, problem));
        }
        let mut weights = WeightMap::new(weights_path, parts.tensors, device);
        // Counters and tables of positions that the network can do without.
        for buffer in
            ["num_batches_tracked", "relative_position_index", "position_ids", "token_type_ids"]
        {
            weights.ignore_ending(buffer);
        }
        let network = Network::take(&mut weights, model, device)?;
        weights.finish()?;
        let fingerprint = under_policies(&parts.fingerprint, config);
        Ok(Self {
            device,
            dim: model.projection_dim as usize,
            batch: config.batch,
            front_end,
            tokenizer,
            network,
            fingerprint,
        })
    }

    /// The fingerprint that a model will have once it is loaded, from its files alone:
    /// weights are hashed block by block and never in memory.
    ///
    /// # Errors
    /// [`EncoderError`] for a bad configuration or a file that is missing.
    pub fn fingerprint_of(config: &ClapConfig) -> Result<Fingerprint, EncoderError> {
        config.validate()?;
        Ok(under_policies(&Files::find(&config.path)?.fingerprint()?, config))
    }

    /// Channels, frames and mels of the spectrograms that it takes.
    pub fn front_end_shape(&self) -> [i64; 3] {
        self.front_end.shape().map(|n| n as i64)
    }

    /// What cosines are multiplied with, from audio and from text.
    pub fn logit_scales(&self) -> [f64; 2] {
        self.network.log_scales.each_ref().map(|scale| scale.double_value(&[]).exp())
    }

    /// Log-mel spectrograms `[batch, channels, frames, mels]` to `[batch, dim]` of
    /// unit norm; `longer` lists the rows whose channels a fused model fuses.
    ///
    /// # Errors
    /// [`EncoderError::Shape`] when the shape is another.
    pub fn embed_log_mels(
        &self,
        log_mels: &Tensor,
        longer: &[i64],
    ) -> Result<Tensor, EncoderError> {
        let expected = self.front_end_shape();
        if log_mels.size().get(1..) != Some(expected.as_slice()) {
            let found = format!("{:?}", log_mels.size());
            let expected = format!("[batch, {expected:?}]");
            return Err(EncoderError::Shape { what: "log-mel spectrograms", expected, found });
        }
        let log_mels = log_mels.f_to_device(self.device)?;
        Ok(tch::no_grad(|| self.network.embed_audio(&log_mels, longer)))
    }
}

/// The digest of a model's files, and of what they leave to the user.
fn under_policies(files: &Fingerprint, config: &ClapConfig) -> Fingerprint {
    let policies = (config.crop, config.chunks, config.int16, config.max_tokens);
    Fingerprint::combine([
        files,
        &Fingerprint::of(&(ClapConfig::KIND, ClapConfig::VERSION, policies)),
    ])
}

/// The front end of a model under the user's policies.
fn front_end(config: &ClapConfig, parts: &Parts) -> Result<ClapFrontEnd, EncoderError> {
    let [_, preprocessor, _] = &parts.said_in;
    let bad = |problem: String| bad(preprocessor, problem);
    let mut settings = parts.front_end.clone();
    if !settings.fusion {
        settings.clip.crop = config.crop;
    }
    (settings.chunks, settings.int16) = (config.chunks, config.int16);
    let front_end = ClapFrontEnd::new(&settings).map_err(|error| bad(error.to_string()))?;
    let audio = &parts.model.audio_config;
    if settings.log_mel.n_mels as i64 != audio.num_mel_bins {
        return Err(bad(format!(
            "makes {} mels, but the model takes {}; both must come from one model",
            settings.log_mel.n_mels, audio.num_mel_bins
        )));
    }
    if settings.fusion != audio.enable_fusion {
        return Err(bad(
            "and config.json disagree about fusion; both must come from one model".into()
        ));
    }
    let (window, frames) = (front_end.shape()[1] as i64, audio.frames());
    if window > frames {
        return Err(bad(format!(
            "gives {window} frames, but the model takes at most {frames}; shorten max_length_s"
        )));
    }
    Ok(front_end)
}

impl FrontEnd for ClapFrontEnd {
    fn features(&self, waveform: &Waveform) -> Result<AudioFeatures, EncoderError> {
        check_finite(waveform)?;
        Ok(ClapFrontEnd::features(self, waveform)?)
    }
}

/// Features through `forward`, at most `batch` clips at once, to rows `[clips, dim]`.
/// `forward` takes `[clips, channels, frames, mels]` and which clips are longer than
/// the window.
pub(crate) fn in_batches(
    features: &[AudioFeatures],
    shape: [usize; 3],
    (batch, dim): (usize, usize),
    forward: impl Fn(&Tensor, &[bool]) -> Result<Tensor, EncoderError>,
) -> Result<Array2<f32>, EncoderError> {
    if let Some(odd) = features.iter().find(|clip| clip.values.shape() != shape) {
        return Err(EncoderError::Shape {
            what: "features of a clip",
            expected: format!("{shape:?}"),
            found: format!("{:?}", odd.values.shape()),
        });
    }
    let mut rows = Array2::zeros((features.len(), dim));
    for (mut rows, clips) in rows.axis_chunks_iter_mut(Axis(0), batch).zip(features.chunks(batch)) {
        let values: Vec<f32> = clips.iter().flat_map(|clip| clip.values.iter().copied()).collect();
        let [channels, frames, mels] = shape.map(|n| n as i64);
        let stacked = Tensor::from_slice(&values).view([-1, channels, frames, mels]);
        let longer: Vec<bool> = clips.iter().map(|clip| clip.is_longer).collect();
        rows.assign(&convert::array2(&forward(&stacked, &longer)?)?);
    }
    Ok(rows)
}

impl AudioEncoder for Clap {
    fn dim(&self) -> usize {
        self.dim
    }

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint.clone()
    }

    fn front_end(&self) -> &dyn FrontEnd {
        &self.front_end
    }

    fn embed_features(&self, features: &[AudioFeatures]) -> Result<Array2<f32>, EncoderError> {
        let (shape, sizes) = (self.front_end.shape(), (self.batch, self.dim));
        in_batches(features, shape, sizes, |log_mels, longer| {
            let rows = (0..).zip(longer).filter(|(_, longer)| **longer).map(|(row, _)| row);
            self.embed_log_mels(log_mels, &rows.collect::<Vec<i64>>())
        })
    }
}

impl Encoder for Clap {
    fn embed_text(&self, texts: &[String]) -> Result<Array2<f32>, EncoderError> {
        self.tokenizer.embed(texts, self.batch, self.dim, self.device, |batch| {
            Ok(self.network.embed_text(batch))
        })
    }

    fn cut_texts(&self, texts: &[String]) -> Result<Vec<usize>, EncoderError> {
        self.tokenizer.cut_texts(texts)
    }
}
