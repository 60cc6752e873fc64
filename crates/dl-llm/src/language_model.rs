//! A language model: decoder, tokenizer, and the directory that holds both in
//! the layout of published Llama models (`config.json`, `model.safetensors`,
//! `tokenizer.json`). What is trained here and what is downloaded load alike.

use std::{collections::HashMap, path::Path};

use dl_core::{Fingerprint, Under, atomic, noise::Noise};
use dl_torch::{Params, Subject, TrainConfig, TrainContext, TrainReport, tensor_file, train};
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use crate::{
    CaptionTokenizer, Llama, LlamaConfig, LlmError, TokenizerConfig,
    captions::{Before, Captions, mean_loss},
    error::check,
    tokenizer::Marks,
};

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";
const SHARDS: &str = "model.safetensors.index.json";
const TOKENIZER: &str = "tokenizer.json";

/// How a language model is trained from scratch on captions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LmTrainConfig {
    /// The tokenizer.
    pub tokenizer: TokenizerConfig,
    /// The decoder's shape.
    pub model: LlamaConfig,
    /// Share of the steps, in [0, 1], at which hints stand before the captions: words
    /// of the caption itself, in order. A model that has learnt to follow hints can
    /// be steered by a prefix once it is frozen; one that has not, hardly.
    pub hint_share: f64,
    /// Most hint tokens; each such step draws a number from 1 to this.
    pub hint_tokens: usize,
    /// Captions are cut to this many tokens, the end mark included.
    pub max_tokens: usize,
    /// Steps, batch and rates.
    pub train: TrainConfig,
}

impl Default for LmTrainConfig {
    fn default() -> Self {
        Self {
            tokenizer: TokenizerConfig::default(),
            model: LlamaConfig::default(),
            hint_share: 0.7,
            hint_tokens: 8,
            max_tokens: 40,
            train: TrainConfig {
                steps: 500,
                batch: 64,
                learning_rate: 3e-3,
                warmup_steps: 50,
                validate_every: 100,
                checkpoint_every: 100,
                ..TrainConfig::default()
            },
        }
    }
}

impl LmTrainConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`LlmError::Config`] for the first field out of range.
    pub fn validate(&self) -> Result<(), LlmError> {
        self.tokenizer.validate()?;
        LlamaConfig { vocab: 1, ..self.model.clone() }.validate()?;
        let share = (0.0..=1.0).contains(&self.hint_share);
        check(share, "hint_share", self.hint_share, "from 0 to 1")?;
        check(self.hint_tokens > 0, "hint_tokens", self.hint_tokens, "at least 1")?;
        check(self.max_tokens > 1, "max_tokens", self.max_tokens, "at least 2")?;
        let room = self.model.max_positions;
        let fits = (self.hint_tokens + self.max_tokens) as i64 <= room;
        let range = format!("at most max_positions - hint_tokens (max_positions = {room})");
        check(fits, "max_tokens", self.max_tokens, range)?;
        Ok(self.train.validate().under("train")?)
    }
}

/// What a training from scratch gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LmReport {
    /// The training itself; its loss is over captions with and without hints.
    pub train: TrainReport,
    /// exp(mean loss per token) of the validation captions, without hints.
    pub perplexity: f64,
    /// The same with hints.
    pub perplexity_with_hints: f64,
    /// Number of tokens that the tokenizer knows.
    pub vocab: usize,
    /// Number of values in all parameters.
    pub parameters: usize,
}

/// A decoder with its tokenizer, frozen.
#[derive(Debug)]
pub struct LanguageModel {
    params: Params,
    llama: Llama,
    tokenizer: CaptionTokenizer,
}

impl LanguageModel {
    /// Trains tokenizer and decoder on captions and freezes them.
    ///
    /// # Errors
    /// [`LlmError`] for a bad configuration, unusable captions, or a training that
    /// cannot go on.
    pub fn train(
        captions: &[String],
        validation: &[String],
        config: &LmTrainConfig,
        context: &TrainContext<'_>,
    ) -> Result<(Self, LmReport), LlmError> {
        config.validate()?;
        let tokenizer = CaptionTokenizer::train(captions, &config.tokenizer)?;
        let shape = LlamaConfig { vocab: tokenizer.vocab() as i64, ..config.model.clone() };
        let params = Params::new(context.seed, context.device);
        let llama = Llama::new(&params.root(), &shape)?;
        let data = Captions::new(captions, &tokenizer, config.max_tokens, context.device)?;
        let held_out = Captions::new(validation, &tokenizer, config.max_tokens, context.device)?;
        if held_out.len() == 0 {
            return Err(LlmError::Input("no validation captions for the language model".into()));
        }
        let hints = Hints { config, noise: Noise::new(context.seed, "language model/hints") };
        let batch = config.train.batch;
        let with_hints = || {
            mean_loss(&held_out, &llama, None, batch, |rows| {
                hints.of_size(config.hint_tokens, u64::MAX, &held_out, rows, &llama)
            })
        };
        let without = || mean_loss(&held_out, &llama, None, batch, |_| Ok(Before::Nothing));
        let report = train::fit(
            &params,
            &config.train,
            context,
            &Subject {
                stream: "language_model",
                items: data.len(),
                configuration: &|| Fingerprint::of(config),
                data: &|| Ok(Fingerprint::of(&(captions, validation))),
            },
            |step, rows| {
                let before = hints.at(step, &data, rows, &llama)?;
                data.batch(rows).loss(&llama, None, before, 0.0)
            },
            || {
                Ok::<_, LlmError>(
                    config.hint_share * with_hints()? + (1.0 - config.hint_share) * without()?,
                )
            },
        )?;
        params.freeze();
        let (perplexity, perplexity_with_hints) =
            tch::no_grad(|| Ok::<_, LlmError>((without()?.exp(), with_hints()?.exp())))?;
        let report = LmReport {
            train: report,
            perplexity,
            perplexity_with_hints,
            vocab: tokenizer.vocab(),
            parameters: params.count(),
        };
        Ok((Self { params, llama, tokenizer }, report))
    }

    /// Reads a model directory: one that [`LanguageModel::save`] wrote, or any
    /// published Llama-architecture model with `tokenizer.json` and safetensors
    /// weights, in one file or in shards. Weights are brought to f32.
    ///
    /// # Errors
    /// [`LlmError`] naming the file that is missing, cut short or of another model.
    pub fn load(directory: &Path, device: Device) -> Result<Self, LlmError> {
        let path = directory.join(CONFIG);
        let text = std::fs::read_to_string(&path).map_err(|error| LlmError::io(&path, error))?;
        let config = LlamaConfig::from_published(&text, &path)?;
        let tokenizer_path = directory.join(TOKENIZER);
        let tokenizer = CaptionTokenizer::load(&tokenizer_path, published_marks(&text))?;
        if tokenizer.vocab() as i64 > config.vocab {
            let (words, rows) = (tokenizer.vocab(), config.vocab);
            let problem = format!("{words} tokens, but {CONFIG} says vocab_size = {rows}");
            return Err(LlmError::file(&tokenizer_path, problem));
        }
        let params = Params::new(0, device);
        let llama = Llama::new(&params.root(), &config)?;
        load_weights(directory, &params, &config)?;
        params.freeze();
        Ok(Self { params, llama, tokenizer })
    }

    /// Writes the directory that [`LanguageModel::load`] reads.
    ///
    /// # Errors
    /// [`LlmError`] when the disk refuses.
    pub fn save(&self, directory: &Path) -> Result<(), LlmError> {
        let mut config = self.llama.config().to_published();
        let marks = self.tokenizer.marks();
        config["pad_token_id"] = marks.pad.into();
        config["bos_token_id"] = marks.bos.into();
        config["eos_token_id"] = marks.eos.into();
        let path = directory.join(CONFIG);
        atomic::write_bytes(&path, format!("{config:#}\n").as_bytes())
            .map_err(|error| LlmError::io(&path, error))?;
        self.tokenizer.save(&directory.join(TOKENIZER))?;
        let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        Ok(self.params.save(&directory.join(WEIGHTS), format)?)
    }

    /// The decoder.
    pub fn llama(&self) -> &Llama {
        &self.llama
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &CaptionTokenizer {
        &self.tokenizer
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.params.device()
    }

    /// Number of values in all parameters.
    pub fn parameters(&self) -> usize {
        self.params.count()
    }

    /// Digest of shape, weights and tokenizer.
    ///
    /// # Errors
    /// [`LlmError`] when the weights cannot be read back.
    pub fn fingerprint(&self) -> Result<Fingerprint, LlmError> {
        let shape = Fingerprint::of(&self.llama.config().to_published());
        let weights = self.params.fingerprint()?;
        Ok(Fingerprint::combine([&shape, &weights, &self.tokenizer.fingerprint()?]))
    }

    /// exp(mean loss per token) of captions, without prefix or hints.
    ///
    /// # Errors
    /// [`LlmError`] when a caption is empty or too long for the decoder.
    pub fn perplexity(&self, captions: &[String]) -> Result<f64, LlmError> {
        let limit = self.llama.config().max_positions as usize;
        let data = Captions::new(captions, &self.tokenizer, limit, self.device())?;
        let loss =
            tch::no_grad(|| mean_loss(&data, &self.llama, None, 64, |_| Ok(Before::Nothing)));
        Ok(loss?.exp())
    }
}

/// Words of a caption before the caption itself.
struct Hints<'a> {
    config: &'a LmTrainConfig,
    noise: Noise<'a>,
}

impl Hints<'_> {
    /// What stands before the batch of a training step: one choice for all its
    /// rows, so that none needs padding.
    fn at(
        &self,
        step: u64,
        captions: &Captions,
        rows: &[usize],
        llama: &Llama,
    ) -> Result<Before, LlmError> {
        let mut share = [0.0];
        self.noise.fill_uniform(u64::MAX, step, &mut share);
        if f64::from(share[0]) >= self.config.hint_share {
            return Ok(Before::Nothing);
        }
        let more = self.noise.below(u64::MAX - 1, step, self.config.hint_tokens as u64);
        self.of_size(1 + more as usize, step, captions, rows, llama)
    }

    fn of_size(
        &self,
        size: usize,
        step: u64,
        captions: &Captions,
        rows: &[usize],
        llama: &Llama,
    ) -> Result<Before, LlmError> {
        let mut ids = Vec::with_capacity(rows.len() * size);
        for &row in rows {
            let tokens = captions.tokens(row);
            let mut draws = vec![0.0; size];
            self.noise.fill_uniform(row as u64, step, &mut draws);
            // Drawn with replacement, in the order of the caption.
            let mut places: Vec<usize> =
                draws.iter().map(|draw| (draw * tokens.len() as f32) as usize).collect();
            places.sort_unstable();
            ids.extend(places.iter().map(|&place| i64::from(tokens[place.min(tokens.len() - 1)])));
        }
        let device = llama.device();
        let ids = Tensor::from_slice(&ids).view([rows.len() as i64, size as i64]);
        Ok(Before::Embeds(llama.embed(&ids.to_device(device))))
    }
}

/// The marks that a published `config.json` names. Models without a padding mark
/// pad with their end mark.
fn published_marks(config: &str) -> Option<Marks> {
    let file: serde_json::Value = serde_json::from_str(config).ok()?;
    // Some models list several end marks; the first is the one of plain text.
    let id = |key: &str| {
        let value = &file[key];
        value.as_u64().or_else(|| value[0].as_u64()).and_then(|id| u32::try_from(id).ok())
    };
    let (bos, eos) = (id("bos_token_id")?, id("eos_token_id")?);
    Some(Marks { pad: id("pad_token_id").unwrap_or(eos), bos, eos })
}

fn load_weights(directory: &Path, params: &Params, config: &LlamaConfig) -> Result<(), LlmError> {
    let whole = directory.join(WEIGHTS);
    let index = directory.join(SHARDS);
    let mut tensors = tensor_file::Tensors::new();
    if whole.exists() || !index.exists() {
        tensors = tensor_file::read(&whole, params.device())?.0;
    } else {
        for shard in shard_names(&index)? {
            tensors.extend(tensor_file::read(&directory.join(shard), params.device())?.0);
        }
    }
    // Older files keep the rotary frequencies, which follow from the configuration;
    // some tied models keep the output layer twice.
    let tied_head = |name: &str| config.tied_embeddings && name == "lm_head.weight";
    tensors.retain(|name, _| !name.ends_with("rotary_emb.inv_freq") && !tied_head(name));
    Ok(params.restore(&tensors, &whole)?)
}

fn shard_names(index: &Path) -> Result<Vec<String>, LlmError> {
    let text = std::fs::read_to_string(index).map_err(|error| LlmError::io(index, error))?;
    let file: serde_json::Value = serde_json::from_str(&text)
        .map_err(|error| LlmError::file(index, format!("not JSON ({error})")))?;
    let map = file["weight_map"]
        .as_object()
        .ok_or_else(|| LlmError::file(index, "`weight_map` is missing"))?;
    let mut names: Vec<String> =
        map.values().filter_map(|name| name.as_str().map(str::to_owned)).collect();
    names.sort();
    names.dedup();
    Ok(names)
}
