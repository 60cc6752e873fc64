//! Pre-training of a CLAP of any size (Wu et al., ICASSP 2023, section 3.1: symmetric
//! InfoNCE). The text tower may learn to read captions first, as a
//! published one has (see [`MaskedConfig`]). What it writes is a model directory that [`Clap::load`](super::Clap::load) and Hugging Face read.
//!
//! Batch normalisation of the spectrogram has the statistics of the training set
//! from the start and keeps them, so that training and use are the same function.

use std::{collections::HashMap, path::Path};

use dl_audio::{AudioFeatures, ClapFrontEnd, ClapFrontEndConfig};
use dl_core::{FileError, Fingerprint, Under, atomic, noise::Noise};
use dl_torch::{
    Params, Subject, TorchError, TrainConfig, TrainContext, TrainReport, convert, tensor_file,
    train, weights::Fresh,
};
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::{
    config::ModelConfig,
    masked::{self, MaskedConfig},
    network::Network,
};
use crate::{
    AudioEncoder, EncoderError, FrontEnd, TextTokenizer,
    contrastive::{Likeness, MAX_SCALE, info_nce},
    error::check,
};

const NORM: &str = "audio_model.audio_encoder.batch_norm";

/// The recipe of a CLAP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainConfig {
    /// What becomes `config.json`, with its keys.
    pub model: ModelConfig,
    /// What becomes `preprocessor_config.json`, with its keys.
    pub preprocessor: serde_json::Value,
    /// Longest caption in tokens, with the special ones; the rest is cut off.
    pub max_tokens: usize,
    /// Temperature before training, 0.01 to 10.
    pub temperature: f64,
    /// Whether the temperature is learned from there; else it stays. A low one that stays
    /// leaves the two sides apart: see `configs/embedded/clap.toml`.
    #[serde(default = "yes")]
    pub learn_temperature: bool,
    /// Each clip is made louder or softer by up to this many dB; 0 switches it off.
    pub gain_db: f64,
    /// Largest number of neighbouring mels that are masked out (Park et al.,
    /// "SpecAugment", 2019, section 2); 0 switches it off.
    pub mask_mels: usize,
    /// Largest number of neighbouring frames that are masked out; 0 switches it off.
    pub mask_frames: usize,
    /// What the text tower learns before it meets sound; without it, it begins untaught.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<MaskedConfig>,
    /// The training; its items are the captions.
    pub train: TrainConfig,
}

fn yes() -> bool {
    true
}

impl PretrainConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`EncoderError`] for the first field out of range.
    pub fn validate(&self) -> Result<(), EncoderError> {
        self.model.validate().under("model")?;
        let [channels, frames, mels] = self.front_end()?.shape().map(|n| n as i64);
        let audio = &self.model.audio_config;
        check(channels == 1, "preprocessor.truncation", "fusion", "rand_trunc")?;
        check(!audio.enable_fusion, "model.audio_config.enable_fusion", true, "false")?;
        check(
            mels == audio.num_mel_bins,
            "preprocessor.feature_size",
            mels,
            "model.audio_config.num_mel_bins",
        )?;
        check(
            frames <= audio.frames(),
            "frames of the preprocessor",
            frames,
            "at most what model.audio_config takes: spec_size squared over num_mel_bins",
        )?;
        check(
            self.max_tokens <= self.model.text_config.transformer.max_tokens(),
            "max_tokens",
            self.max_tokens,
            "at most the positions of model.text_config, less pad_token_id and one",
        )?;
        check((3..=512).contains(&self.max_tokens), "max_tokens", self.max_tokens, "3 to 512")?;
        let warm = self.temperature;
        check((0.01..=10.0).contains(&warm), "temperature", warm, "0.01 to 10")?;
        check((0.0..=60.0).contains(&self.gain_db), "gain_db", self.gain_db, "0 to 60")?;
        check(self.train.batch >= 2, "train.batch", self.train.batch, "at least 2")?;
        if let Some(text) = &self.text {
            text.validate().under("text")?;
        }
        Ok(self.train.validate().under("train")?)
    }

    /// The front end that the preprocessor's keys describe.
    ///
    /// # Errors
    /// [`EncoderError::Audio`] naming the key at fault.
    pub fn front_end(&self) -> Result<ClapFrontEnd, EncoderError> {
        let config = ClapFrontEndConfig::from_preprocessor_json(self.preprocessor.to_string())?;
        Ok(ClapFrontEnd::new(&config)?)
    }
}

/// A front end as an encoder whose embedding is the whole spectrogram, so that
/// [`extract`](crate::extract) keeps spectrograms as it keeps features.
pub struct Spectrograms {
    front_end: ClapFrontEnd,
}

impl Spectrograms {
    /// Spectrograms of `front_end`.
    pub fn new(front_end: ClapFrontEnd) -> Self {
        Self { front_end }
    }
}

impl AudioEncoder for Spectrograms {
    fn dim(&self) -> usize {
        self.front_end.shape().iter().product()
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.front_end.config())
    }

    fn front_end(&self) -> &dyn FrontEnd {
        &self.front_end
    }

    /// Each clip's values in one row.
    fn embed_features(&self, features: &[AudioFeatures]) -> Result<Array2<f32>, EncoderError> {
        let values = features.iter().flat_map(|clip| clip.values.iter().copied()).collect();
        Array2::from_shape_vec((features.len(), self.dim()), values).map_err(|_| {
            let expected = format!("{:?}", self.front_end.shape());
            EncoderError::Shape { what: "spectrograms", expected, found: "another".into() }
        })
    }
}

/// What a CLAP is trained on: clips, and their captions.
pub struct Scenes<'a> {
    /// One row for each clip, as [`Spectrograms`] makes them.
    pub spectrograms: &'a Array2<f32>,
    /// The captions.
    pub captions: &'a [String],
    /// The clip of each caption.
    pub owners: &'a [usize],
}

/// One split on the device.
struct Split {
    /// `[clips, 1, frames, mels]`.
    log_mels: Tensor,
    tokens: Vec<Vec<i64>>,
    owners: Vec<usize>,
    likeness: Likeness,
}

impl Split {
    fn new(
        scenes: &Scenes<'_>,
        shape: [usize; 3],
        tokenizer: &TextTokenizer,
        device: Device,
    ) -> Result<Self, EncoderError> {
        let [channels, frames, mels] = shape.map(|n| n as i64);
        let rows = convert::tensor2(scenes.spectrograms.view(), device);
        let tokens = scenes.captions.iter().enumerate();
        Ok(Self {
            log_mels: rows.view([-1, channels, frames, mels]),
            tokens: tokens.map(|(i, text)| tokenizer.tokens(i, text)).collect::<Result<_, _>>()?,
            owners: scenes.owners.to_vec(),
            likeness: Likeness::new(scenes.captions, scenes.owners),
        })
    }
}

/// A CLAP in the making, then made.
pub struct Pretrained {
    config: PretrainConfig,
    tokenizer_json: String,
    tokenizer: TextTokenizer,
    params: Params,
    network: Network,
}

impl Pretrained {
    /// Trains on `training` and keeps the weights with the lowest loss on
    /// `validation`. The tokenizer is learned from the training captions first, then the
    /// text tower, where the recipe says so.
    ///
    /// # Errors
    /// [`EncoderError`] for a bad recipe or a training that cannot go on.
    pub fn train(
        training: &Scenes<'_>,
        validation: &Scenes<'_>,
        config: &PretrainConfig,
        context: &TrainContext<'_>,
    ) -> Result<(Self, TrainReport), EncoderError> {
        config.validate()?;
        let text = &config.model.text_config;
        let vocabulary = text.transformer.vocab_size as usize;
        let tokenizer_json = TextTokenizer::learn(training.captions, vocabulary)?;
        let pad = text.pad_token_id;
        let tokenizer = TextTokenizer::from_json(&tokenizer_json, config.max_tokens, pad)?;
        let shape = config.front_end()?.shape();
        let data = Split::new(training, shape, &tokenizer, context.device)?;
        let held_out = Split::new(validation, shape, &tokenizer, context.device)?;
        let params = Params::new(context.seed, context.device);
        let network = Network::take(&mut Fresh::new(&params), &config.model, context.device)?;
        let model = Self { config: config.clone(), tokenizer_json, tokenizer, params, network };
        model.begin(&data);
        if let Some(text) = &config.text {
            let tokens = [&data.tokens, &held_out.tokens].map(Vec::as_slice);
            masked::train(&model.params, &model.network, &model.tokenizer, text, tokens, context)?;
        }
        let inputs = || {
            let rows = [("training", &data.log_mels), ("validation", &held_out.log_mels)];
            let words = [training, validation].map(|scenes| (scenes.captions, scenes.owners));
            Ok(Fingerprint::combine([&Fingerprint::of(&words), &tensor_file::fingerprint(rows)]))
        };
        let report = train::fit(
            &model.params,
            &config.train,
            context,
            &Subject {
                stream: "clap",
                items: data.owners.len(),
                configuration: &|| Fingerprint::of(config),
                data: &inputs,
            },
            |step, batch| {
                Ok::<_, EncoderError>(model.loss(&data, batch, Some((step, context.seed))))
            },
            || Ok(model.validate(&held_out)),
        )?;
        model.params.freeze();
        Ok((model, report))
    }

    /// The scale, and the statistics of the spectrograms.
    fn begin(&self, data: &Split) {
        let named = self.params.named();
        let set = |name: &str, value: &Tensor| {
            if let Some(tensor) = named.get(name) {
                tch::no_grad(|| tensor.shallow_clone().copy_(value));
            }
        };
        let (mean, variance) = (self.mean_of(data), self.variance_of(data));
        set(&format!("{NORM}.running_mean"), &mean);
        set(&format!("{NORM}.running_var"), &variance);
        let scale = Tensor::from((1.0 / self.config.temperature).ln() as f32);
        set("logit_scale_a", &scale);
        set("logit_scale_t", &scale);
    }

    fn mean_of(&self, data: &Split) -> Tensor {
        data.log_mels.mean_dim([0, 1, 2].as_slice(), false, Kind::Float)
    }

    fn variance_of(&self, data: &Split) -> Tensor {
        data.log_mels.var_dim([0, 1, 2].as_slice(), false, false)
    }

    /// InfoNCE of one batch of captions; with a step and a seed, of changed clips.
    fn loss(&self, data: &Split, batch: &[usize], change: Option<(u64, u64)>) -> Tensor {
        let [scale, _] = &self.network.log_scales;
        // CLIP clips the scale itself, not the gradient.
        let _ = tch::no_grad(|| scale.shallow_clone().clamp_max_(MAX_SCALE.ln()));
        let scale = if self.config.learn_temperature { scale.exp() } else { scale.detach().exp() };
        let device = self.params.device();
        let clips: Vec<usize> = batch.iter().map(|&caption| data.owners[caption]).collect();
        let mut log_mels = data.log_mels.index_select(0, &convert::indices(&clips, device));
        if let Some((step, seed)) = change {
            log_mels = self.augment(&log_mels, batch, step, seed);
        }
        let texts: Vec<&[i64]> = batch.iter().map(|&item| data.tokens[item].as_slice()).collect();
        let audio = self.network.embed_audio(&log_mels, &[]);
        let text = self.network.embed_text(&self.tokenizer.batch(&texts, device));
        let same = data.likeness.mask(batch, device);
        info_nce(&audio, &text, &scale, same.as_ref())
    }

    /// Louder or softer, and a band and a moment masked by the mean of each mel.
    fn augment(&self, log_mels: &Tensor, batch: &[usize], step: u64, seed: u64) -> Tensor {
        let [items, _, frames, mels] = log_mels.size()[..] else { return log_mels.shallow_clone() };
        let noise = Noise::new(seed, "clap/augment");
        let (mut gain, mut keep_mel, mut keep_frame) = (Vec::new(), Vec::new(), Vec::new());
        for &item in batch {
            let mut draw = [0.0_f32; 5];
            noise.fill_uniform(item as u64, step, &mut draw);
            gain.push((2.0 * draw[0] - 1.0) * self.config.gain_db as f32);
            let keep = |line: &mut Vec<f32>, count: i64, widest: usize, draw: [f32; 2]| {
                let width = draw[0] * (widest as f32 + 1.0).min(count as f32);
                let start = draw[1] * (count as f32 - width);
                let (start, end) = (start as i64, start as i64 + width as i64);
                line.extend((0..count).map(|i| if (start..end).contains(&i) { 0.0 } else { 1.0 }));
            };
            keep(&mut keep_mel, mels, self.config.mask_mels, [draw[1], draw[2]]);
            keep(&mut keep_frame, frames, self.config.mask_frames, [draw[3], draw[4]]);
        }
        let on = |values: &[f32], shape: [i64; 4]| {
            Tensor::from_slice(values).view(shape).to_device(log_mels.device())
        };
        let keep = on(&keep_mel, [items, 1, 1, mels]) * on(&keep_frame, [items, 1, frames, 1]);
        let named = self.params.named();
        let mean = named[&format!("{NORM}.running_mean")].detach();
        let louder = log_mels + on(&gain, [items, 1, 1, 1]);
        (louder - &mean) * keep + mean
    }

    /// Mean InfoNCE over fixed batches of about the training's size.
    fn validate(&self, data: &Split) -> f64 {
        let captions = data.owners.len();
        let order = Noise::new(0, "clap/validation").permutation(0, captions);
        let batches = captions.div_ceil(self.config.train.batch);
        let mut sum = 0.0;
        for part in order.chunks(captions.div_ceil(batches)) {
            sum += self.loss(data, part, None).double_value(&[]) * part.len() as f64;
        }
        sum / captions as f64
    }

    /// Values in all weights.
    pub fn count(&self) -> usize {
        self.params.count()
    }

    /// Writes a model directory: `config.json`, `preprocessor_config.json`,
    /// `tokenizer.json` and `model.safetensors` in half precision.
    ///
    /// # Errors
    /// [`EncoderError`] when the disk refuses.
    pub fn save(&self, directory: &Path) -> Result<(), EncoderError> {
        let mut tensors = self.params.named();
        // One scale was learned for both directions.
        let scale = self.network.log_scales[0].shallow_clone();
        tensors.insert("logit_scale_t".into(), scale);
        for tensor in tensors.values_mut() {
            *tensor = tensor.to_kind(Kind::Half);
        }
        // Hugging Face refuses a file that does not say this.
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        tensor_file::write(&directory.join("model.safetensors"), &tensors, metadata)?;
        let write = |name: &str, text: String| {
            let path = directory.join(name);
            atomic::write_bytes(&path, text.as_bytes())
                .map_err(|source| FileError::io(&path, source).into())
        };
        let json = |value: serde_json::Result<String>| {
            value.map_err(|error| EncoderError::Torch(TorchError::Torch(error.to_string())))
        };
        write("config.json", json(serde_json::to_string_pretty(&self.config.model))? + "\n")?;
        let preprocessor = json(serde_json::to_string_pretty(&self.config.preprocessor))?;
        write("preprocessor_config.json", preprocessor + "\n")?;
        write("tokenizer.json", self.tokenizer_json.clone())
    }
}
