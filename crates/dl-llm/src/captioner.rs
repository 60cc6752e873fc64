//! The captioner: a frozen language model, the prefix mapper that steers it and,
//! where they are asked for, low-rank matrices that adapt it.
//! What it is trained on makes the protocol: the text embeddings of the captions
//! themselves (zero-shot), or the (bridged) audio embeddings of their clips
//! (supervised).

use std::{collections::HashMap, path::Path, rc::Rc};

use dl_core::{
    fault::{WIDEST, check_size},
    noise::Noise,
};
use dl_torch::{Params, TrainContext, TrainReport, convert, tensor_file};
use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use crate::{
    DecodeConfig, LanguageModel, LlmError, Lora, PrefixConfig, SampleConfig, Vocabulary,
    captions::{Before, CaptionBatch, Captions, mean_loss},
    decode,
    dropout::Dropout,
    lora::{Adapters, Merged},
    prefix::{Mapper, Prefix},
    prompt::Prompt,
    sample::least_risk,
    steps::Steps,
};

mod training;

pub use training::{CaptionScore, CaptionerTraining};

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
    /// The projections that have the matrices within, one map a block, while they are merged.
    merged: Option<Vec<Merged>>,
    prompt: Prompt,
    params: Params,
    config: PrefixConfig,
    dim: i64,
}

/// Captions with their embeddings, `[captions, dim]`, where the model computes.
struct Resident {
    captions: Captions,
    embeddings: Tensor,
}

impl Resident {
    fn embeddings(&self, rows: &[usize]) -> Tensor {
        self.embeddings.index_select(0, &convert::indices(rows, self.embeddings.device()))
    }
}

/// A cycle through all items along which nobody keeps the own embedding.
fn others(seed: u64, items: usize) -> Vec<usize> {
    let cycle = Noise::new(seed, "prefix/sensitivity").permutation(0, items);
    let mut other = vec![0; items];
    for (place, &item) in cycle.iter().enumerate() {
        other[item] = cycle[(place + 1) % items];
    }
    other
}

impl Captioner {
    /// A captioner that takes embeddings of `dim` values, its parameters made in `params`.
    fn new(
        lm: Rc<LanguageModel>,
        dim: i64,
        config: &PrefixConfig,
        params: Params,
    ) -> Result<Self, LlmError> {
        config.validate()?;
        check_size("dim", dim, WIDEST)?;
        let prompt = config.prompt.tokens(&lm)?;
        let longest = prompt.len() + config.length as usize + config.max_tokens;
        lm.llama().check_length(longest as i64)?;
        let mapper = Mapper::new(&params.root(), dim, config, lm.llama())?;
        let adapt = |lora| Lora::new(&(params.root() / "lora"), lora, lm.llama().config());
        let lora = config.lora.as_ref().map(adapt).transpose()?;
        Ok(Self { lm, mapper, lora, merged: None, prompt, params, config: config.clone(), dim })
    }

    /// Trains a prefix, and the low-rank matrices of `config`, for `lm`, which stays
    /// as it is. Where the captions turn out not to depend on their embeddings, the
    /// progress line says so at the next validation. [`CaptionerTraining`] is the same with
    /// more to choose.
    ///
    /// # Errors
    /// [`LlmError`] for a bad configuration, pairs that do not fit, or a training
    /// that cannot go on.
    pub fn train_prefix<'a>(
        lm: &'a Rc<LanguageModel>,
        train: CaptionPairs<'a>,
        validation: CaptionPairs<'a>,
        config: &'a PrefixConfig,
        context: &TrainContext<'_>,
    ) -> Result<(Self, TrainReport), LlmError> {
        CaptionerTraining::new(lm, train, validation, config).run(context)
    }

    /// The items of a step as they go through the model: at once and in their order or, where
    /// the batch is cut, in parts of captions of like length, so that each part is padded to
    /// its own longest only.
    fn parts(&self, captions: &Captions, rows: &[usize]) -> Vec<Vec<usize>> {
        match self.config.micro_batch {
            size if size == 0 || size >= rows.len() => vec![rows.to_vec()],
            size => captions.by_length(rows).chunks(size).map(<[usize]>::to_vec).collect(),
        }
    }

    /// The loss of one training step over `rows`. Of several parts of a batch all but the
    /// last have gone through the backward pass when this returns; the value is that of all.
    fn step_loss(
        &self,
        data: &Resident,
        rows: &[usize],
        step: u64,
        seed: u64,
    ) -> Result<Tensor, LlmError> {
        let counted: usize = rows.iter().map(|&row| data.captions.length(row)).sum();
        let loss = |rows: &[usize]| self.part_loss(data, rows, step, seed, counted as i64);
        let mut parts = self.parts(&data.captions, rows);
        let last = parts.pop().unwrap_or_default();
        if parts.is_empty() {
            return loss(&last);
        }
        let mut done = 0.0;
        for rows in parts {
            let loss = loss(&rows)?;
            loss.f_backward()?;
            done += loss.double_value(&[]);
        }
        Ok(loss(&last)? + done)
    }

    /// What some rows add to the mean loss of a step that asks for `counted` tokens. With
    /// `checkpoint_activations` the backward pass has been made when this returns.
    fn part_loss(
        &self,
        data: &Resident,
        rows: &[usize],
        step: u64,
        seed: u64,
        counted: i64,
    ) -> Result<Tensor, LlmError> {
        let own = data.embeddings(rows);
        let own = self.mapper.harden(&own, rows, step, Noise::new(seed, "prefix/noise"));
        let share = self.config.lora.as_ref().map_or(0.0, |lora| lora.dropout);
        let dropout = Dropout::of(share, rows, step, Noise::new(seed, "lora/dropout"));
        let adapters = self.adapters(dropout.as_ref())?;
        let adapters = adapters.as_deref();
        let before = self.before(&own, adapters)?;
        let batch: CaptionBatch = data.captions.batch(rows);
        let smoothing = self.config.label_smoothing;
        if self.config.checkpoint_activations {
            return batch.backward(self.lm.llama(), adapters, before, smoothing, counted);
        }
        let (sum, _) = batch.loss_sum(self.lm.llama(), adapters, before, smoothing)?;
        Ok(sum / counted as f64)
    }

    /// From now on captions are made with the low-rank matrices added to copies of the
    /// projections that they adapt, which is faster: at each token the adapted projections
    /// cost what they cost without matrices. The copies need the memory of these projections
    /// once more (2.1 GB for queries and values of a model of seven billion in bf16). The
    /// language model stays as it is, and so does what [`Captioner::save_prefix`] writes.
    ///
    /// Scores differ by rounding: with an f32 model in the last digits; with a bf16 model, for
    /// which matrices that are kept apart are added in f32, as much as its own weights are
    /// rounded. Where results are compared, matrices stay apart, which is what a captioner
    /// does of itself. Without matrices nothing changes.
    ///
    /// # Errors
    /// None for a captioner that was trained or loaded.
    pub fn merge(&mut self) -> Result<(), LlmError> {
        let llama = self.lm.llama();
        self.merged = self.lora.as_ref().map(|lora| lora.merged(llama)).transpose()?;
        Ok(())
    }

    /// Takes back [`Captioner::merge`]: bit by bit the captioner that it was.
    pub fn unmerge(&mut self) {
        self.merged = None;
    }

    /// What adapts every block, for a pass in which `dropout` falls out.
    fn adapters<'a>(
        &'a self,
        dropout: Option<&'a Dropout>,
    ) -> Result<Option<Vec<Adapters<'a>>>, LlmError> {
        if let Some(merged) = &self.merged {
            return Ok(Some(merged.iter().map(Adapters::Merged).collect()));
        }
        let config = self.lm.llama().config();
        self.lora.as_ref().map(|lora| lora.adapters(config, dropout)).transpose()
    }

    /// What stands before the captions of embeddings, up to their start: the prefix within the
    /// tokens of the prompt. A deep prefix comes first, wherever the prompt has its place.
    ///
    /// Tokens before the prefix are the same for every row, so they are read once. Where
    /// dropout falls out differently in every row, each row reads them.
    fn before(
        &self,
        embeddings: &Tensor,
        adapters: Option<&[Adapters<'_>]>,
    ) -> Result<Before, LlmError> {
        let llama = self.lm.llama();
        let rows = embeddings.size()[0];
        let embed = |tokens: &[u32]| {
            let ids: Vec<i64> = tokens.iter().copied().map(i64::from).collect();
            llama.embed(&Tensor::from_slice(&ids).to_device(llama.device())).unsqueeze(0)
        };
        let of_each = |embeds: Tensor| embeds.expand([rows, -1, -1], false);
        let first = (!self.prompt.before.is_empty()).then(|| embed(&self.prompt.before));
        let mut parts = Vec::new();
        let cache = match self.mapper.forward(embeddings, llama) {
            Prefix::Embeds(prefix) => {
                let mut cache = None;
                if let Some(first) = first {
                    if adapters.is_some_and(|layers| layers.iter().any(Adapters::drops)) {
                        parts.push(of_each(first));
                    } else {
                        cache = Some(llama.read_for_all(&first, rows, adapters)?);
                    }
                }
                parts.push(prefix);
                cache
            }
            Prefix::Cache(prefix) => {
                parts.extend(first.map(of_each));
                Some(prefix)
            }
        };
        if !self.prompt.between().is_empty() {
            parts.push(of_each(embed(self.prompt.between())));
        }
        let embeds = match parts.len() {
            0 => None,
            1 => parts.pop(),
            _ => Some(Tensor::cat(&parts, 1)),
        };
        Ok(Before { cache, embeds })
    }

    fn resident(&self, pairs: CaptionPairs<'_>) -> Result<Resident, LlmError> {
        let (device, limit) = (self.lm.device(), self.config.max_tokens);
        let (tokenizer, start) = (self.lm.tokenizer(), self.prompt.start());
        let captions = Captions::new(pairs.captions, tokenizer, start, limit, device)?;
        Ok(Resident { captions, embeddings: convert::tensor2(pairs.embeddings, device) })
    }

    /// The mean loss of all captions, each with the embedding of the item that `of` names.
    fn loss(&self, data: &Resident, of: impl Fn(usize) -> usize) -> Result<f64, LlmError> {
        self.loss_of(data, data.captions.len(), of)
    }

    /// The same over the first `count` captions.
    fn loss_of(
        &self,
        data: &Resident,
        count: usize,
        of: impl Fn(usize) -> usize,
    ) -> Result<f64, LlmError> {
        let llama = self.lm.llama();
        let adapters = self.adapters(None)?;
        let rows: Vec<usize> = (0..count).collect();
        let (batch, rows) = match self.config.micro_batch {
            0 => (self.config.train.batch, rows),
            size => (size, data.captions.by_length(&rows)),
        };
        tch::no_grad(|| {
            mean_loss(&data.captions, &rows, llama, adapters.as_deref(), batch, |rows| {
                let rows: Vec<usize> = rows.iter().map(|&row| of(row)).collect();
                self.before(&data.embeddings(&rows), adapters.as_deref())
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
        let data = self.resident(pairs)?;
        let other = others(seed, data.captions.len());
        Ok(PrefixSensitivity {
            own: self.loss(&data, |row| row)?,
            shuffled: self.loss(&data, |row| other[row])?,
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
        self.caption_as_told(embeddings, config, &mut |_, _| ())
    }

    /// As [`Captioner::caption`]; `told` hears of the tokens of each item, by its row, as they
    /// are found (of greedy search and sampling; a beam is not sure of any until its end).
    ///
    /// # Errors
    /// As [`Captioner::caption`].
    pub fn caption_as_told(
        &self,
        embeddings: &Array2<f32>,
        config: &DecodeConfig,
        told: &mut dyn FnMut(usize, u32),
    ) -> Result<Vec<String>, LlmError> {
        config.validate()?;
        check_embeddings(embeddings.view(), "captioning", self.dim as usize)?;
        let tokenizer = self.lm.tokenizer();
        let (marks, banned) = (tokenizer.marks(), tokenizer.special());
        let vocabulary = Vocabulary { bos: self.prompt.start(), eos: marks.eos, banned };
        let longest = self.prompt.len() as i64 + self.config.length + config.max_tokens as i64;
        self.lm.llama().check_length(longest)?;
        let merged = match (&self.lora, &self.merged) {
            (Some(lora), None) if config.merge_lora => Some(lora.merged(self.lm.llama())?),
            _ => None,
        };
        let adapters = || match &merged {
            Some(merged) => Ok(Some(merged.iter().map(Adapters::Merged).collect())),
            None => self.adapters(None),
        };
        let mut captions = Vec::with_capacity(embeddings.nrows());
        for rows in embeddings.axis_chunks_iter(Axis(0), config.batch) {
            let first = captions.len();
            let found = tch::no_grad(|| {
                let rows_tensor = convert::tensor2(rows, self.lm.device());
                let adapters = adapters()?;
                let before = self.before(&rows_tensor, adapters.as_deref())?;
                let begin = (rows.nrows(), vocabulary.bos);
                let mut steps = Steps::new(self.lm.llama(), adapters, before, begin)?;
                let mut told = |row, token| told(first + row, token);
                let (items, told) = (rows.nrows(), &mut told);
                decode::search_from(&mut steps, first, items, &vocabulary, config, told)
            })?;
            for tokens in found {
                captions.push(tokenizer.decode(&tokens)?);
            }
        }
        Ok(captions)
    }

    /// One caption per embedding: of `samples` drawn ones the one that is most like the others
    /// by `alike` (a metric of two captions, higher when better), which is the choice of least
    /// expected loss. `config.sample` says how they are drawn.
    ///
    /// # Errors
    /// As [`Captioner::caption`], and when `config` draws nothing or `samples` is 0.
    pub fn caption_of_least_risk(
        &self,
        embeddings: &Array2<f32>,
        config: &DecodeConfig,
        samples: u64,
        mut alike: impl FnMut(&str, &str) -> f64,
    ) -> Result<Vec<String>, LlmError> {
        let Some(sample) = config.sample.as_ref().filter(|_| samples > 0) else {
            let problem = "a choice among samples needs `sample` and at least one of them";
            return Err(LlmError::Input(problem.into()));
        };
        let mut candidates = vec![Vec::new(); embeddings.nrows()];
        for number in 0..samples {
            let sample = Some(SampleConfig { number, ..sample.clone() });
            let config = DecodeConfig { sample, ..config.clone() };
            let captions = self.caption(embeddings, &config)?;
            for (item, caption) in candidates.iter_mut().zip(captions) {
                item.push(caption);
            }
        }
        let best = |mut captions: Vec<String>| {
            let best = least_risk(&captions, |a, b| alike(a, b)).unwrap_or_default();
            captions.swap_remove(best)
        };
        Ok(candidates.into_iter().map(best).collect())
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
        let params = Params::stored(tensors, lm.device());
        let captioner = Self::new(Rc::clone(lm), about.dim, &about.config, params)
            .map_err(|error| LlmError::file(path, error.to_string()))?;
        captioner.params.check_stored(path)?;
        Ok(captioner)
    }
}

#[cfg(test)]
mod tests;
