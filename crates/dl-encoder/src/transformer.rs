//! The BERT encoder (Devlin et al., 2019) with the parameter names of Hugging
//! Face `BertModel`, which `RobertaModel` shares: the two differ in the first
//! position number and in what they make of the result.

use dl_core::{
    ConfigError,
    fault::{DEEPEST, LONGEST, WIDEST, check, check_size},
};
use dl_torch::{
    layers::{LayerNorm, Linear},
    weights::Source,
};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::EncoderError;

/// A text is never cut to fewer.
const FEWEST_TOKENS: i64 = 3;

/// The numbers of a model's `config.json`; other keys of that file are not used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// Added to the variance in layer normalisation. Some BERTs leave it to the default of
    /// their code.
    #[serde(default = "bert_epsilon")]
    pub layer_norm_eps: f64,
    /// Activation; only `gelu` (the exact one) is built.
    pub hidden_act: String,
    /// The number of the first position: 0 for BERT, `pad_token_id + 1` for RoBERTa.
    #[serde(skip)]
    pub first_position: i64,
}

fn bert_epsilon() -> f64 {
    1e-12
}

impl TransformerConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`ConfigError`] for the first one out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_size("vocab_size", self.vocab_size, LONGEST)?;
        check_size("hidden_size", self.hidden_size, WIDEST)?;
        check_size("num_hidden_layers", self.num_hidden_layers, DEEPEST)?;
        check_size("num_attention_heads", self.num_attention_heads, WIDEST)?;
        check_size("intermediate_size", self.intermediate_size, WIDEST)?;
        check_size("max_position_embeddings", self.max_position_embeddings, LONGEST)?;
        check_size("type_vocab_size", self.type_vocab_size, WIDEST)?;
        check(
            self.hidden_size % self.num_attention_heads == 0,
            "num_attention_heads",
            self.num_attention_heads,
            "a divisor of hidden_size",
        )?;
        let fewest = self.first_position + FEWEST_TOKENS;
        check(
            self.max_position_embeddings >= fewest,
            "max_position_embeddings",
            self.max_position_embeddings,
            format!("at least {fewest}, for a text of one token between its two marks"),
        )?;
        check(self.hidden_act == "gelu", "hidden_act", &self.hidden_act, "gelu")
    }

    /// Positions that begin one above the token that fills rows, as RoBERTa's do.
    ///
    /// # Errors
    /// [`ConfigError`] when no vocabulary has that token.
    pub fn with_positions_above(mut self, pad_token_id: i64) -> Result<Self, ConfigError> {
        let known = (0..LONGEST).contains(&pad_token_id);
        check(known, "pad_token_id", pad_token_id, format!("in 0..={}", LONGEST - 1))?;
        self.first_position = pad_token_id + 1;
        Ok(self)
    }

    /// The longest sequence that the table of positions allows, in tokens.
    pub fn max_tokens(&self) -> usize {
        usize::try_from(self.max_position_embeddings - self.first_position).unwrap_or(0)
    }
}

struct Layer {
    heads: i64,
    query: Linear,
    key: Linear,
    value: Linear,
    attention_out: Linear,
    attention_norm: LayerNorm,
    feed_in: Linear,
    feed_out: Linear,
    feed_norm: LayerNorm,
}

impl Layer {
    fn take(source: &mut dyn Source, prefix: &str, config: &TransformerConfig, index: i64) -> Self {
        let TransformerConfig { hidden_size: dim, intermediate_size: inner, .. } = *config;
        let name = |part: &str| format!("{prefix}encoder.layer.{index}.{part}");
        let epsilon = config.layer_norm_eps;
        Self {
            heads: config.num_attention_heads,
            query: Linear::take(source, &name("attention.self.query"), dim, dim),
            key: Linear::take(source, &name("attention.self.key"), dim, dim),
            value: Linear::take(source, &name("attention.self.value"), dim, dim),
            attention_out: Linear::take(source, &name("attention.output.dense"), dim, dim),
            attention_norm: LayerNorm::take(
                source,
                &name("attention.output.LayerNorm"),
                dim,
                epsilon,
            ),
            feed_in: Linear::take(source, &name("intermediate.dense"), dim, inner),
            feed_out: Linear::take(source, &name("output.dense"), inner, dim),
            feed_norm: LayerNorm::take(source, &name("output.LayerNorm"), dim, epsilon),
        }
    }

    /// `x` is `[batch, tokens, dim]`; `visible` is `[batch, 1, 1, tokens]`, false at padding.
    fn forward(&self, x: &Tensor, visible: &Tensor) -> Tensor {
        let (batch, tokens, dim) = (x.size()[0], x.size()[1], x.size()[2]);
        let split = |dense: &Linear| {
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

/// The encoder.
pub struct Transformer {
    device: Device,
    first_position: i64,
    words: Tensor,
    positions: Tensor,
    segments: Tensor,
    norm: LayerNorm,
    layers: Vec<Layer>,
}

impl Transformer {
    /// Takes its tensors, whose names begin with `prefix`, out of `source`.
    ///
    /// # Errors
    /// As [`TransformerConfig::validate`]. What does not fit in a file is told by
    /// [`WeightMap::finish`](dl_torch::weights::WeightMap::finish).
    pub fn new(
        source: &mut dyn Source,
        prefix: &str,
        config: &TransformerConfig,
        device: Device,
    ) -> Result<Self, EncoderError> {
        config.validate()?;
        let dim = config.hidden_size;
        let mut table = |name: &str, rows| {
            source.take(&format!("{prefix}embeddings.{name}_embeddings.weight"), &[rows, dim])
        };
        let words = table("word", config.vocab_size);
        let positions = table("position", config.max_position_embeddings);
        let segments = table("token_type", config.type_vocab_size);
        let name = format!("{prefix}embeddings.LayerNorm");
        let norm = LayerNorm::take(source, &name, dim, config.layer_norm_eps);
        let layers = (0..config.num_hidden_layers)
            .map(|index| Layer::take(source, prefix, config, index))
            .collect();
        let first_position = config.first_position;
        Ok(Self { device, first_position, words, positions, segments, norm, layers })
    }

    /// The table of words, `[vocabulary, dim]`.
    pub fn words(&self) -> &Tensor {
        &self.words
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

    /// Leaves out the layers after the first `count`.
    pub fn truncate(&mut self, count: usize) {
        self.layers.truncate(count);
    }
}
