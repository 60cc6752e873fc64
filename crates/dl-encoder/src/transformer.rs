//! The BERT encoder (Devlin et al., 2019) with the parameter names of Hugging
//! Face `BertModel`, which `RobertaModel` shares: the two differ in the first
//! position number and in what they make of the result.

use dl_torch::weights::WeightMap;
use serde::Deserialize;
use tch::{Device, Kind, Tensor};

use crate::{EncoderError, error::check};

/// The numbers of a model's `config.json`; other keys of that file are not used.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct TransformerConfig {
    /// Tokens in the vocabulary.
    pub vocab_size: i64,
    /// Values per token.
    pub hidden_size: i64,
    /// Number of layers.
    pub num_hidden_layers: i64,
    /// Heads of each attention; they divide `hidden_size`.
    pub num_attention_heads: i64,
    /// Values inside of each feed-forward part.
    pub intermediate_size: i64,
    /// Rows of the table of positions.
    pub max_position_embeddings: i64,
    /// Rows of the table of segments.
    pub type_vocab_size: i64,
    /// Added to the variance in layer normalisation.
    pub layer_norm_eps: f64,
    /// Activation; only `gelu` (the exact one) is built.
    pub hidden_act: String,
    /// The number of the first position: 0 for BERT, `pad_token_id + 1` for RoBERTa.
    #[serde(skip)]
    pub first_position: i64,
}

impl TransformerConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`EncoderError::Config`] for the first one out of range.
    pub fn validate(&self) -> Result<(), EncoderError> {
        let positive = |value: i64, field| check(value > 0, field, value, "at least 1");
        positive(self.vocab_size, "vocab_size")?;
        positive(self.hidden_size, "hidden_size")?;
        positive(self.num_attention_heads, "num_attention_heads")?;
        positive(self.intermediate_size, "intermediate_size")?;
        positive(self.type_vocab_size, "type_vocab_size")?;
        check(
            self.hidden_size % self.num_attention_heads == 0,
            "num_attention_heads",
            self.num_attention_heads,
            "a divisor of hidden_size",
        )?;
        check(self.hidden_act == "gelu", "hidden_act", &self.hidden_act, "gelu")
    }

    /// The longest sequence that the table of positions allows, in tokens.
    pub fn max_tokens(&self) -> usize {
        usize::try_from(self.max_position_embeddings - self.first_position).unwrap_or(0)
    }
}

/// A frozen linear layer.
struct Dense {
    weight: Tensor,
    bias: Tensor,
}

impl Dense {
    fn new(weights: &mut WeightMap, name: &str, inputs: i64, outputs: i64) -> Self {
        Self {
            weight: weights.take(&format!("{name}.weight"), &[outputs, inputs]),
            bias: weights.take(&format!("{name}.bias"), &[outputs]),
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        x.linear(&self.weight, Some(&self.bias))
    }
}

/// A frozen layer normalisation.
struct Norm {
    weight: Tensor,
    bias: Tensor,
    epsilon: f64,
}

impl Norm {
    fn new(weights: &mut WeightMap, name: &str, dim: i64, epsilon: f64) -> Self {
        Self {
            weight: weights.take(&format!("{name}.weight"), &[dim]),
            bias: weights.take(&format!("{name}.bias"), &[dim]),
            epsilon,
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        x.layer_norm(self.weight.size(), Some(&self.weight), Some(&self.bias), self.epsilon, true)
    }
}

struct Layer {
    heads: i64,
    query: Dense,
    key: Dense,
    value: Dense,
    attention_out: Dense,
    attention_norm: Norm,
    feed_in: Dense,
    feed_out: Dense,
    feed_norm: Norm,
}

impl Layer {
    fn new(weights: &mut WeightMap, config: &TransformerConfig, index: i64) -> Self {
        let TransformerConfig { hidden_size: dim, intermediate_size: inner, .. } = *config;
        let name = |part: &str| format!("encoder.layer.{index}.{part}");
        let epsilon = config.layer_norm_eps;
        Self {
            heads: config.num_attention_heads,
            query: Dense::new(weights, &name("attention.self.query"), dim, dim),
            key: Dense::new(weights, &name("attention.self.key"), dim, dim),
            value: Dense::new(weights, &name("attention.self.value"), dim, dim),
            attention_out: Dense::new(weights, &name("attention.output.dense"), dim, dim),
            attention_norm: Norm::new(weights, &name("attention.output.LayerNorm"), dim, epsilon),
            feed_in: Dense::new(weights, &name("intermediate.dense"), dim, inner),
            feed_out: Dense::new(weights, &name("output.dense"), inner, dim),
            feed_norm: Norm::new(weights, &name("output.LayerNorm"), dim, epsilon),
        }
    }

    /// `x` is `[batch, tokens, dim]`; `visible` is `[batch, 1, 1, tokens]`, false at padding.
    fn forward(&self, x: &Tensor, visible: &Tensor) -> Tensor {
        let (batch, tokens, dim) = (x.size()[0], x.size()[1], x.size()[2]);
        let split = |dense: &Dense| {
            dense.forward(x).view([batch, tokens, self.heads, dim / self.heads]).transpose(1, 2)
        };
        let attended = Tensor::scaled_dot_product_attention(
            &split(&self.query),
            &split(&self.key),
            &split(&self.value),
            Some(visible),
            0.0,
            false,
            None,
            false,
        );
        let attended = attended.transpose(1, 2).reshape([batch, tokens, dim]);
        let x = self.attention_norm.forward(&(x + self.attention_out.forward(&attended)));
        let inner = self.feed_in.forward(&x).gelu("none");
        self.feed_norm.forward(&(&x + self.feed_out.forward(&inner)))
    }
}

/// A frozen encoder.
pub struct Transformer {
    device: Device,
    first_position: i64,
    words: Tensor,
    positions: Tensor,
    segments: Tensor,
    norm: Norm,
    layers: Vec<Layer>,
}

impl Transformer {
    /// Takes its tensors out of `weights`.
    ///
    /// # Errors
    /// As [`TransformerConfig::validate`]. What does not fit in `weights` is told
    /// by [`WeightMap::finish`].
    pub fn new(
        weights: &mut WeightMap,
        config: &TransformerConfig,
        device: Device,
    ) -> Result<Self, EncoderError> {
        config.validate()?;
        let dim = config.hidden_size;
        let mut table = |name: &str, rows| {
            weights.take(&format!("embeddings.{name}_embeddings.weight"), &[rows, dim])
        };
        let words = table("word", config.vocab_size);
        let positions = table("position", config.max_position_embeddings);
        let segments = table("token_type", config.type_vocab_size);
        let norm = Norm::new(weights, "embeddings.LayerNorm", dim, config.layer_norm_eps);
        let layers =
            (0..config.num_hidden_layers).map(|i| Layer::new(weights, config, i)).collect();
        let first_position = config.first_position;
        Ok(Self { device, first_position, words, positions, segments, norm, layers })
    }

    /// Hidden states `[batch, tokens, dim]` of token ids `[batch, tokens]` (i64)
    /// whose real tokens `mask` (bool, the same shape) marks; padding follows them.
    pub fn forward(&self, ids: &Tensor, mask: &Tensor) -> Tensor {
        let tokens = ids.size()[1];
        let numbers = Tensor::arange_start(
            self.first_position,
            self.first_position + tokens,
            (Kind::Int64, self.device),
        );
        let words = Tensor::embedding(&self.words, ids, -1, false, false);
        let positions = Tensor::embedding(&self.positions, &numbers, -1, false, false);
        // A single text is all in the first segment.
        let x = words + positions.unsqueeze(0) + self.segments.get(0);
        let visible = mask.unsqueeze(1).unsqueeze(1);
        self.layers.iter().fold(self.norm.forward(&x), |x, layer| layer.forward(&x, &visible))
    }
}
