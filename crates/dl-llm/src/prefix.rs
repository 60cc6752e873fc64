//! From one embedding to the prefix that steers a frozen decoder: a two-layer
//! network whose output is read as K vectors before the caption (Mokady et al.,
//! 2021, "ClipCap") or as K keys and values in every block (Li and Liang, 2021,
//! "Prefix-tuning").

use dl_core::{
    fault::{LONGEST, Under, WIDEST, check, check_size},
    noise::Noise,
};
use dl_torch::{
    Path, TrainConfig,
    layers::{Init, Linear, l2_normalise},
};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::{KvCache, Llama, LlamaConfig, LlmError, LoraConfig, PromptConfig};

/// Where the prefix enters the decoder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrefixKind {
    /// As vectors in place of token embeddings.
    Input,
    /// As keys and values of every block: cheaper, since the decoder need not read
    /// the prefix, and stronger where the decoder is small.
    #[default]
    Deep,
}

/// The network between an embedding and the prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Projector {
    /// Two layers with a GELU between them.
    #[default]
    Mlp,
    /// One layer.
    Linear,
}

impl Projector {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

fn is_zero(value: &usize) -> bool {
    *value == 0
}

/// The mapper and its training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrefixConfig {
    /// Where it enters.
    pub kind: PrefixKind,
    /// Number of prefix positions K, in 1..=65536.
    pub length: i64,
    /// The network that makes it.
    #[serde(skip_serializing_if = "Projector::is_default")]
    pub projector: Projector,
    /// What the model is told beside the prefix.
    #[serde(skip_serializing_if = "PromptConfig::is_default")]
    pub prompt: PromptConfig,
    /// Items of a batch that go through the model together, their gradients added up until
    /// the batch is whole; 0 takes the batch at once. They are put together by the length of
    /// their captions, so that little is padded. A result depends on it by rounding alone.
    #[serde(skip_serializing_if = "is_zero")]
    pub micro_batch: usize,
    /// Whether a training step keeps only what every block of the model reads, and computes
    /// the block again when its gradients are due: less memory, for about half more time. The
    /// gradients are the same.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub checkpoint_activations: bool,
    /// Width of the mapper's inner layer, in 1..=65536.
    pub hidden: i64,
    /// Standard deviation, per dimension, of Gaussian noise on the embeddings in
    /// training, which hardens the decoder against embeddings that are a little
    /// off; 0 for none.
    pub noise: f64,
    /// Whether noisy embeddings are brought back to unit length.
    pub renormalise: bool,
    /// Share of each target's probability that is spread over all tokens, in [0, 1).
    pub label_smoothing: f64,
    /// Captions are cut to this many tokens, in 2..=16777216, the end mark included.
    pub max_tokens: usize,
    /// Low-rank matrices in the decoder's attention, trained with the mapper; none
    /// leaves the decoder as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lora: Option<LoraConfig>,
    /// Steps, batch and rates.
    pub train: TrainConfig,
}

impl Default for PrefixConfig {
    fn default() -> Self {
        Self {
            kind: PrefixKind::default(),
            length: 8,
            projector: Projector::default(),
            prompt: PromptConfig::default(),
            micro_batch: 0,
            checkpoint_activations: false,
            hidden: 512,
            noise: 0.0,
            renormalise: true,
            label_smoothing: 0.0,
            max_tokens: 40,
            lora: None,
            train: TrainConfig {
                steps: 250,
                batch: 64,
                learning_rate: 2e-3,
                warmup_steps: 30,
                validate_every: 50,
                checkpoint_every: 100,
                patience: 3,
                ..TrainConfig::default()
            },
        }
    }
}

impl PrefixConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`LlmError::Config`] for the first field out of range.
    pub fn validate(&self) -> Result<(), LlmError> {
        check_size("length", self.length, WIDEST)?;
        check_size("hidden", self.hidden, WIDEST)?;
        let noise = self.noise >= 0.0 && self.noise.is_finite();
        check(noise, "noise", self.noise, "at least 0")?;
        let smoothing = (0.0..1.0).contains(&self.label_smoothing);
        check(smoothing, "label_smoothing", self.label_smoothing, "in [0, 1)")?;
        check_size("max_tokens", self.max_tokens, LONGEST)?;
        check(self.max_tokens > 1, "max_tokens", self.max_tokens, "at least 2")?;
        self.prompt.validate().under("prompt")?;
        self.lora.as_ref().map_or(Ok(()), LoraConfig::validate).under("lora")?;
        Ok(self.train.validate().under("train")?)
    }
}

impl PrefixConfig {
    /// Changes of the program by which the same configuration gives another captioner than
    /// before, by rounding at least: what they concern and their number. They are part of the
    /// key of a checkpoint; keys of stored results include them.
    pub fn versions(&self) -> Vec<(&'static str, u32)> {
        let parts = (self.micro_batch > 0).then_some(("batches in parts", 1));
        let first = self.kind == PrefixKind::Input && self.prompt.may_begin_before_prefix();
        let prompt = first.then_some(("prompt read once", 1));
        parts.into_iter().chain(prompt).collect()
    }

    /// Values that the mapper gives for one embedding.
    fn outputs(&self, shape: &LlamaConfig) -> i64 {
        let per_position = match self.kind {
            PrefixKind::Input => shape.hidden,
            PrefixKind::Deep => 2 * shape.layers * shape.kv_heads * shape.head_dim(),
        };
        self.length * per_position
    }

    /// Number of values in the mapper's parameters, for embeddings of `dim`.
    pub fn parameters(&self, dim: i64, shape: &LlamaConfig) -> i64 {
        let outputs = self.outputs(shape);
        match self.projector {
            Projector::Linear => (dim + 1) * outputs,
            Projector::Mlp => (dim + 1) * self.hidden + (self.hidden + 1) * outputs,
        }
    }
}

/// Parameters of a mapper above which something is wrong: the deep prefix of a model of
/// seven billion has a billion of them.
const MOST_PARAMETERS: i64 = 200_000_000;

/// The mapper.
#[derive(Debug)]
pub(crate) struct Mapper {
    inner: Option<Linear>,
    outer: Linear,
    config: PrefixConfig,
    dim: i64,
    scale: f64,
}

/// What a mapper made of a batch of embeddings.
pub(crate) enum Prefix {
    /// `[batch, length, hidden]`.
    Embeds(Tensor),
    /// Keys and values of every block.
    Cache(KvCache),
}

impl Mapper {
    pub(crate) fn new(
        path: &Path<'_>,
        dim: i64,
        config: &PrefixConfig,
        llama: &Llama,
    ) -> Result<Self, LlmError> {
        let (outputs, parameters) =
            (config.outputs(llama.config()), config.parameters(dim, llama.config()));
        if parameters > MOST_PARAMETERS {
            return Err(LlmError::Input(format!(
                "the prefix would train {} million parameters; set kind = \"input\", or a smaller \
                 length or hidden",
                parameters / 1_000_000
            )));
        }
        let layer = |name: &str, inputs, outputs| {
            Linear::new(&(path / name), inputs, outputs, Init::Uniform)
        };
        let (inner, width) = match config.projector {
            Projector::Mlp => (Some(layer("inner", dim, config.hidden)), config.hidden),
            Projector::Linear => (None, dim),
        };
        Ok(Self {
            inner,
            outer: layer("outer", width, outputs),
            config: config.clone(),
            dim,
            scale: match config.kind {
                PrefixKind::Input => llama.embedding_scale(),
                PrefixKind::Deep => 1.0,
            },
        })
    }

    /// Embeddings `[batch, dim]` of unit length to the prefix of a caption, in the kind of
    /// the decoder.
    pub(crate) fn forward(&self, embeddings: &Tensor, llama: &Llama) -> Prefix {
        // Unit vectors in many dimensions have tiny entries; the network wants
        // entries of about one, and the decoder vectors as long as its own.
        let mut x = embeddings * (self.dim as f64).sqrt();
        if let Some(inner) = &self.inner {
            x = inner.forward(&x).gelu("none");
        }
        let x = (self.outer.forward(&x) * self.scale).to_kind(llama.kind());
        let batch = embeddings.size()[0];
        let shape = llama.config();
        match self.config.kind {
            PrefixKind::Input => Prefix::Embeds(x.view([batch, self.config.length, shape.hidden])),
            PrefixKind::Deep => {
                let (heads, dim) = (shape.kv_heads, shape.head_dim());
                let all = x.view([batch, shape.layers, 2, heads, self.config.length, dim]);
                let layer = |layer: i64| {
                    let pair = all.select(1, layer);
                    (pair.select(1, 0), pair.select(1, 1))
                };
                Prefix::Cache(KvCache::from_layers((0..shape.layers).map(layer).collect()))
            }
        }
    }

    /// The embeddings of training items `items` at `step`, hardened with noise.
    pub(crate) fn harden(
        &self,
        embeddings: &Tensor,
        items: &[usize],
        step: u64,
        noise: Noise<'_>,
    ) -> Tensor {
        if self.config.noise == 0.0 {
            return embeddings.shallow_clone();
        }
        let items: Vec<u64> = items.iter().map(|&item| item as u64).collect();
        let draws = noise.normal_rows(&items, step, self.dim as usize);
        let draws = Tensor::from_slice(&draws).view_as(embeddings).to_device(embeddings.device());
        let noisy = embeddings + draws * self.config.noise;
        if self.config.renormalise { l2_normalise(&noisy) } else { noisy }
    }
}
