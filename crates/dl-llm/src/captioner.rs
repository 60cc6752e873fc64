//! The captioner: a frozen language model, the prefix mapper that steers it and,
//! where they are asked for, low-rank matrices that adapt it.
//! What it is trained on makes the protocol: the text embeddings of the captions
//! themselves (zero-shot), or the (bridged) audio embeddings of their clips
//! (supervised).

use std::{collections::HashMap, path::Path, rc::Rc};

use dl_core::{Fingerprint, noise::Noise};
use dl_torch::{
    Params, Subject, TorchError, TrainContext, TrainReport, convert, tensor_file, train,
};
use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};
use tch::{Device, IndexOp, Kind, Tensor};

use crate::{
    DecodeConfig, KvCache, LanguageModel, Llama, LlmError, Lora, PrefixConfig, StepModel,
    Vocabulary,
    captions::{Before, Captions, mean_loss},
    decode,
    llama::positions,
    prefix::Mapper,
};

const PREFIX: &str = "prefix.safetensors";

/// Captions and the embedding that each is to be told from.
#[derive(Clone, Copy, Debug)]
pub struct CaptionPairs<'a> {
    /// Unit-length rows, one per caption: `[captions, dim]`.
    pub embeddings: ArrayView2<'a, f32>,
    /// The captions.
    pub captions: &'a [String],
}

impl CaptionPairs<'_> {
    fn check(&self, what: &str, dim: usize) -> Result<(), LlmError> {
        let (rows, captions) = (self.embeddings.nrows(), self.captions.len());
        if rows != captions || rows == 0 {
            return Err(LlmError::Input(format!(
                "{what}: {captions} captions and {rows} embeddings; each caption needs one"
            )));
        }
        check_embeddings(self.embeddings, what, dim)
    }
}

fn check_embeddings(rows: ArrayView2<'_, f32>, what: &str, dim: usize) -> Result<(), LlmError> {
    if rows.ncols() != dim {
        let found = rows.ncols();
        return Err(LlmError::Input(format!(
            "{what}: embeddings of {found} dimensions, but the captioner takes {dim}; they must \
             come from the encoder that it was trained with"
        )));
    }
    match rows.rows().into_iter().position(|row| row.iter().any(|x| !x.is_finite())) {
        Some(row) => Err(LlmError::Input(format!(
            "{what}: embedding {row} holds NaN or infinity; embed its clip again"
        ))),
        None => Ok(()),
    }
}

/// How much the captions depend on the embedding: a captioner that ignores its
/// prefix says the same of everything, and has the same loss with another's
/// embedding as with its own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrefixSensitivity {
    /// Mean loss per token (nats) with the own embedding.
    pub own: f64,
    /// With the embedding of another item.
    pub shuffled: f64,
}

/// What the prefix file says of itself.
#[derive(Serialize, Deserialize)]
struct About {
    config: PrefixConfig,
    dim: i64,
    language_model: String,
}

/// A language model with a trained prefix.
#[derive(Debug)]
pub struct Captioner {
    lm: Rc<LanguageModel>,
    mapper: Mapper,
    lora: Option<Lora>,
    params: Params,
    config: PrefixConfig,
    dim: i64,
}

impl Captioner {
    fn new(
        lm: Rc<LanguageModel>,
        dim: i64,
        config: &PrefixConfig,
        seed: u64,
    ) -> Result<Self, LlmError> {
        config.validate()?;
        let params = Params::new(seed, lm.device());
        let mapper = Mapper::new(&params.root(), dim, config, lm.llama());
        let adapt = |lora| Lora::new(&(params.root() / "lora"), lora, lm.llama().config());
        let lora = config.lora.as_ref().map(adapt).transpose()?;
        Ok(Self { lm, mapper, lora, params, config: config.clone(), dim })
    }

    /// Trains a prefix, and the low-rank matrices of `config`, for `lm`, which stays
    /// as it is.
    ///
    /// # Errors
    /// [`LlmError`] for a bad configuration, pairs that do not fit, or a training
    /// that cannot go on.
    pub fn train_prefix(
        lm: &Rc<LanguageModel>,
        train: CaptionPairs<'_>,
        validation: CaptionPairs<'_>,
        config: &PrefixConfig,
        context: &TrainContext<'_>,
    ) -> Result<(Self, TrainReport), LlmError> {
        let dim = train.embeddings.ncols();
        train.check("training pairs", dim)?;
        validation.check("validation pairs", dim)?;
        let captioner = Self::new(Rc::clone(lm), dim as i64, config, context.seed)?;
        let (data, embeddings) = captioner.resident(train)?;
        let (held_out, held_out_embeddings) = captioner.resident(validation)?;
        let noise = Noise::new(context.seed, "prefix/noise");
        let (llama, lora) = (lm.llama(), captioner.lora.as_ref());
        let inputs = || {
            let rows = [("train", &embeddings), ("validation", &held_out_embeddings)];
            let lm = lm.fingerprint().map_err(|error| TorchError::Torch(error.to_string()))?;
            let captions = Fingerprint::of(&(train.captions, validation.captions));
            Ok(Fingerprint::combine([&lm, &captions, &tensor_file::fingerprint(rows)]))
        };
        let report = train::fit(
            &captioner.params,
            &config.train,
            context,
            &Subject {
                stream: "captioner",
                items: data.len(),
                configuration: &|| Fingerprint::of(config),
                data: &inputs,
            },
            |step, rows| {
                let own = embeddings.index_select(0, &convert::indices(rows, lm.device()));
                let own = captioner.mapper.harden(&own, rows, step, noise);
                let prefix = captioner.mapper.forward(&own, llama);
                data.batch(rows).loss(llama, lora, prefix, config.label_smoothing)
            },
            || captioner.loss(&held_out, &held_out_embeddings),
        )?;
        captioner.params.freeze();
        Ok((captioner, report))
    }

    fn resident(&self, pairs: CaptionPairs<'_>) -> Result<(Captions, Tensor), LlmError> {
        let (device, limit) = (self.lm.device(), self.config.max_tokens);
        let captions = Captions::new(pairs.captions, self.lm.tokenizer(), limit, device)?;
        Ok((captions, convert::tensor2(pairs.embeddings, device)))
    }

    fn loss(&self, captions: &Captions, embeddings: &Tensor) -> Result<f64, LlmError> {
        let llama = self.lm.llama();
        tch::no_grad(|| {
            mean_loss(captions, llama, self.lora.as_ref(), self.config.train.batch, |rows| {
                let rows = convert::indices(rows, llama.device());
                Ok(self.mapper.forward(&embeddings.index_select(0, &rows), llama))
            })
        })
    }

    /// The loss of captions with their own embeddings and with each other's.
    ///
    /// # Errors
    /// [`LlmError`] when the pairs do not fit, or there are fewer than two.
    pub fn prefix_sensitivity(
        &self,
        pairs: CaptionPairs<'_>,
        seed: u64,
    ) -> Result<PrefixSensitivity, LlmError> {
        pairs.check("prefix sensitivity", self.dim as usize)?;
        if pairs.captions.len() < 2 {
            return Err(LlmError::Input("prefix sensitivity needs two items at least".into()));
        }
        let (captions, embeddings) = self.resident(pairs)?;
        // Along a random cycle through all items nobody keeps the own one.
        let cycle = Noise::new(seed, "prefix/sensitivity").permutation(0, captions.len());
        let mut other = vec![0; cycle.len()];
        for (place, &item) in cycle.iter().enumerate() {
            other[item] = cycle[(place + 1) % cycle.len()];
        }
        let shuffled = embeddings.index_select(0, &convert::indices(&other, self.lm.device()));
        Ok(PrefixSensitivity {
            own: self.loss(&captions, &embeddings)?,
            shuffled: self.loss(&captions, &shuffled)?,
        })
    }

    /// One caption per embedding, `[items, dim]` of unit length.
    ///
    /// # Errors
    /// [`LlmError`] for a bad configuration or embeddings that do not fit.
    pub fn caption(
        &self,
        embeddings: &Array2<f32>,
        config: &DecodeConfig,
    ) -> Result<Vec<String>, LlmError> {
        config.validate()?;
        check_embeddings(embeddings.view(), "captioning", self.dim as usize)?;
        let tokenizer = self.lm.tokenizer();
        let (marks, banned) = (tokenizer.marks(), tokenizer.special());
        let vocabulary = Vocabulary { bos: marks.bos, eos: marks.eos, banned };
        let mut captions = Vec::with_capacity(embeddings.nrows());
        for rows in embeddings.axis_chunks_iter(Axis(0), config.batch) {
            let found = tch::no_grad(|| {
                let rows_tensor = convert::tensor2(rows, self.lm.device());
                let prefix = self.mapper.forward(&rows_tensor, self.lm.llama());
                let mut steps = Steps::new(self.lm.llama(), self.lora.as_ref(), prefix)?;
                decode::search(&mut steps, rows.nrows(), &vocabulary, config)
            })?;
            for tokens in found {
                captions.push(tokenizer.decode(&tokens)?);
            }
        }
        Ok(captions)
    }

    /// The language model.
    pub fn language_model(&self) -> &Rc<LanguageModel> {
        &self.lm
    }

    /// The embedding size that it takes.
    pub fn dim(&self) -> usize {
        self.dim as usize
    }

    /// Writes the language model's directory with `prefix.safetensors` in it.
    ///
    /// # Errors
    /// [`LlmError`] when the disk refuses.
    pub fn save(&self, directory: &Path) -> Result<(), LlmError> {
        self.lm.save(directory)?;
        self.save_prefix(&directory.join(PREFIX))
    }

    /// Reads what [`Captioner::save`] wrote.
    ///
    /// # Errors
    /// [`LlmError`] naming the file that is missing, cut short, or does not fit.
    pub fn load(directory: &Path, device: Device) -> Result<Self, LlmError> {
        let lm = Rc::new(LanguageModel::load(directory, device)?);
        Self::load_prefix(&lm, &directory.join(PREFIX))
    }

    /// Writes the prefix alone, and the low-rank matrices with it, for a language model
    /// kept elsewhere.
    ///
    /// # Errors
    /// [`LlmError`] when the disk refuses.
    pub fn save_prefix(&self, path: &Path) -> Result<(), LlmError> {
        let about = About {
            config: self.config.clone(),
            dim: self.dim,
            language_model: self.lm.fingerprint()?.to_string(),
        };
        let about = serde_json::to_string(&about)
            .map_err(|error| LlmError::file(path, format!("cannot be stored: {error}")))?;
        Ok(self.params.save(path, HashMap::from([("prefix".to_owned(), about)]))?)
    }

    /// Reads a prefix for `lm`, the language model that it was trained with.
    ///
    /// # Errors
    /// [`LlmError`] when the file is missing or cut short, is no prefix, or belongs
    /// to another language model.
    pub fn load_prefix(lm: &Rc<LanguageModel>, path: &Path) -> Result<Self, LlmError> {
        let (tensors, metadata) = tensor_file::read(path, lm.device())?;
        let about = metadata
            .get("prefix")
            .ok_or_else(|| LlmError::file(path, "no prefix of a captioner; train one again"))?;
        let about: About = serde_json::from_str(about)
            .map_err(|error| LlmError::file(path, format!("not a prefix ({error})")))?;
        if about.language_model != lm.fingerprint()?.as_str() {
            let problem = "trained with another language model; load that one or train again";
            return Err(LlmError::file(path, problem));
        }
        let captioner = Self::new(Rc::clone(lm), about.dim, &about.config, 0)
            .map_err(|error| LlmError::file(path, error.to_string()))?;
        captioner.params.restore(&tensors, path)?;
        captioner.params.freeze();
        Ok(captioner)
    }
}

/// The decoder as the search sees it: what it has read so far is in the cache.
struct Steps<'a> {
    llama: &'a Llama,
    lora: Option<&'a Lora>,
    cache: KvCache,
}

impl<'a> Steps<'a> {
    fn new(llama: &'a Llama, lora: Option<&'a Lora>, prefix: Before) -> Result<Self, LlmError> {
        let mut cache = KvCache::default();
        match prefix {
            Before::Nothing => {}
            Before::Cache(ready) => cache = ready,
            Before::Embeds(embeds) => {
                let places = positions(0, embeds.size()[1], llama.device());
                // Only what it leaves in the cache is wanted.
                let _ = llama.forward_embeds(&embeds, &places, None, Some(&mut cache), lora)?;
            }
        }
        Ok(Self { llama, lora, cache })
    }
}

impl StepModel for Steps<'_> {
    fn step(&mut self, parents: &[usize], tokens: &[u32]) -> Result<Array2<f32>, LlmError> {
        let device = self.llama.device();
        let rows = self.cache.layers.first().map_or(0, |layer| layer.keys.size()[0]);
        if parents.len() as i64 != rows || parents.iter().enumerate().any(|(i, &p)| i != p) {
            self.cache.select(&convert::indices(parents, device));
        }
        let ids: Vec<i64> = tokens.iter().copied().map(i64::from).collect();
        let ids = Tensor::from_slice(&ids).unsqueeze(1).to_device(device);
        let places = positions(self.cache.len(), 1, device);
        let embeds = self.llama.embed(&ids);
        let cache = Some(&mut self.cache);
        let hidden = self.llama.forward_embeds(&embeds, &places, None, cache, self.lora)?;
        let scores = self.llama.logits(&hidden.i((.., 0, ..))).log_softmax(-1, Kind::Float);
        Ok(convert::array2(&scores)?)
    }
}
