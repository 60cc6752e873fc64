//! A language model: decoder, tokenizer, and the directory that holds both in
//! the layout of published Llama models (`config.json`, `model.safetensors`,
//! `tokenizer.json`). What is trained here and what is downloaded load alike.

use std::{
    cell::{OnceCell, RefCell},
    collections::HashMap,
    path::Path,
};

use dl_core::{
    Fingerprint, atomic,
    fault::{Under, check},
    noise::Noise,
};
use dl_torch::{
    Params, Subject, TrainConfig, TrainContext, TrainReport,
    tensor_file::{self, Tensors},
    train,
};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::{
    CaptionTokenizer, ChatTemplate, Llama, LlamaConfig, LlmError, ModelFiles, TokenizerConfig,
    WeightKind,
    captions::{Before, Captions, mean_loss},
    files::{self, CONFIG, Digest, WEIGHTS},
    tokenizer::TOKENIZER,
};

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
        self.tokenizer.validate().under("tokenizer")?;
        LlamaConfig { vocab: 1, ..self.model.clone() }.validate().under("model")?;
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
    llama: Llama,
    /// The decoder's weights by name.
    tensors: Tensors,
    tokenizer: CaptionTokenizer,
    chat: Option<ChatTemplate>,
    /// The files that it was read from and their digest, while that is being made.
    source: RefCell<Option<(ModelFiles, Digest)>>,
    fingerprint: OnceCell<Fingerprint>,
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
        let resident = |captions: &[String]| {
            let start = tokenizer.marks().bos;
            Captions::new(captions, &tokenizer, start, config.max_tokens, context.device)
        };
        let (data, held_out) = (resident(captions)?, resident(validation)?);
        if held_out.len() == 0 {
            return Err(LlmError::Input("no validation captions for the language model".into()));
        }
        let hints = Hints { config, noise: Noise::new(context.seed, "language model/hints") };
        let batch = config.train.batch;
        let with_hints = || {
            mean_loss(&held_out, &held_out.all(), &llama, None, batch, |rows| {
                hints.of_size(config.hint_tokens, u64::MAX, &held_out, rows, &llama)
            })
        };
        let without = || {
            mean_loss(&held_out, &held_out.all(), &llama, None, batch, |_| Ok(Before::default()))
        };
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
        Ok((Self::from_parts(llama, params.named(), tokenizer), report))
    }

    /// A decoder, its weights by name (the same tensors), and its tokenizer.
    pub fn from_parts(llama: Llama, tensors: Tensors, tokenizer: CaptionTokenizer) -> Self {
        Self {
            llama,
            tensors,
            tokenizer,
            chat: None,
            source: RefCell::default(),
            fingerprint: OnceCell::new(),
        }
    }

    /// Reads a model: a directory that [`LanguageModel::save`] wrote, the directory of any
    /// published Llama-architecture model, or a GGUF file, in the precision of the file.
    ///
    /// # Errors
    /// [`LlmError`] naming the file that is missing, cut short or of another model.
    pub fn load(path: &Path, device: Device) -> Result<Self, LlmError> {
        Self::load_as(path, WeightKind::File, device)
    }

    /// As [`LanguageModel::load`], with weights of a kind of one's own choice.
    ///
    /// # Errors
    /// As [`LanguageModel::load`].
    pub fn load_as(path: &Path, wish: WeightKind, device: Device) -> Result<Self, LlmError> {
        let files = ModelFiles::open(path)?;
        // What is small is looked at before what is large is read.
        let tokenizer = CaptionTokenizer::of_model(&files)?;
        let chat = ChatTemplate::of_model(&files, &tokenizer)?;
        let (llama, tensors) = Llama::load(&files, wish, device)?;
        let digest = files.digest();
        let (source, fingerprint) = (RefCell::new(Some((files, digest))), OnceCell::new());
        Ok(Self { llama, tensors, tokenizer, chat, source, fingerprint })
    }

    /// Writes the directory that [`LanguageModel::load`] reads, in the precision that the
    /// model has.
    ///
    /// # Errors
    /// [`LlmError`] when the disk refuses.
    pub fn save(&self, directory: &Path) -> Result<(), LlmError> {
        let mut config = self.llama.config().to_published();
        let marks = self.tokenizer.marks();
        config["pad_token_id"] = marks.pad.into();
        config["bos_token_id"] = marks.bos.into();
        config["eos_token_id"] = marks.eos.into();
        config["torch_dtype"] = match self.llama.kind() {
            Kind::BFloat16 => "bfloat16",
            Kind::Half => "float16",
            _ => "float32",
        }
        .into();
        let path = directory.join(CONFIG);
        atomic::write_bytes(&path, format!("{config:#}\n").as_bytes())
            .map_err(|error| LlmError::io(&path, error))?;
        self.tokenizer.save(&directory.join(TOKENIZER))?;
        if let Some(chat) = &self.chat {
            chat.save(directory)?;
        }
        let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        Ok(tensor_file::write(&directory.join(WEIGHTS), &self.tensors, format)?)
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
        self.llama.device()
    }

    /// Number of values in all parameters.
    pub fn parameters(&self) -> usize {
        self.tensors.values().map(Tensor::numel).sum()
    }

    /// The chat template that came with the model.
    pub fn chat(&self) -> Option<&ChatTemplate> {
        self.chat.as_ref()
    }

    /// Digest of shape, weights and tokenizer, made once. Weights that were read from files
    /// are digested there, beside whatever is done after loading; the files have to stay as
    /// they are until then.
    ///
    /// # Errors
    /// [`LlmError`] when the weights cannot be read back.
    pub fn fingerprint(&self) -> Result<Fingerprint, LlmError> {
        if let Some(known) = self.fingerprint.get() {
            return Ok(known.clone());
        }
        let whole = match self.source.take() {
            Some((files, digest)) => files.fingerprint(digest, &self.tokenizer)?,
            None => {
                let weights = files::of_tensors(&self.tensors)?;
                files::of_parts(self.llama.config(), &weights, &self.tokenizer)?
            }
        };
        Ok(self.fingerprint.get_or_init(|| whole).clone())
    }

    /// exp(mean loss per token) of captions, without prefix or hints.
    ///
    /// # Errors
    /// [`LlmError`] when a caption is empty or too long for the decoder.
    pub fn perplexity(&self, captions: &[String]) -> Result<f64, LlmError> {
        let limit = self.llama.config().max_positions as usize;
        let start = self.tokenizer.marks().bos;
        let data = Captions::new(captions, &self.tokenizer, start, limit, self.device())?;
        let loss = tch::no_grad(|| {
            mean_loss(&data, &data.all(), &self.llama, None, 64, |_| Ok(Before::default()))
        });
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
            return Ok(Before::default());
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
        let embeds = Some(llama.embed(&ids.to_device(device)));
        Ok(Before { cache: None, embeds })
    }
}
