//! The shape of a Llama-architecture decoder, in the workspace's configuration
//! and in the `config.json` of a published model directory.

use dl_core::fault::{ConfigError, DEEPEST, LONGEST, WIDEST, check, check_size};
use serde::{Deserialize, Serialize};

use crate::RopeScaling;

mod published;

/// Shape and constants of a decoder (Touvron et al., 2023, section 2.2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LlamaConfig {
    /// Number of tokens. Not a choice: the tokenizer decides it.
    #[serde(skip)]
    pub vocab: i64,
    /// Width of the residual stream, at most 65,536; a multiple of `heads`.
    pub hidden: i64,
    /// Number of blocks, in 1..=1000.
    pub layers: i64,
    /// Query heads per block; the head width `hidden / heads` is even.
    pub heads: i64,
    /// Key-value heads per block (grouped-query attention); divides `heads`.
    pub kv_heads: i64,
    /// Inner width of the SwiGLU feed-forward layer, in 1..=65536.
    pub intermediate: i64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Added to the mean square in RMS normalisation.
    pub norm_eps: f64,
    /// Longest sequence, prefix included, in 2..=16777216.
    pub max_positions: i64,
    /// Whether the output layer is the token embedding itself.
    pub tied_embeddings: bool,
    /// Width of a head where it is not `hidden / heads`; even.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_dim: Option<i64>,
    /// Whether the projections of the attention have biases.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub attention_bias: bool,
    /// Whether those of the feed-forward layer have.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub mlp_bias: bool,
    /// How the rotary frequencies are stretched.
    #[serde(skip_serializing_if = "RopeScaling::is_default")]
    pub rope_scaling: RopeScaling,
}

impl Default for LlamaConfig {
    /// A decoder for a few thousand captions on two processor cores.
    fn default() -> Self {
        Self {
            vocab: 0,
            hidden: 192,
            layers: 3,
            heads: 4,
            kv_heads: 2,
            intermediate: 512,
            rope_theta: 10_000.0,
            norm_eps: 1e-5,
            max_positions: 128,
            tied_embeddings: true,
            head_dim: None,
            attention_bias: false,
            mlp_bias: false,
            rope_scaling: RopeScaling::Default,
        }
    }
}

impl LlamaConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`ConfigError`] for the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let Self { vocab, hidden, layers, heads, kv_heads, .. } = *self;
        check_size("vocab", vocab, LONGEST)?;
        check_size("hidden", hidden, WIDEST)?;
        check_size("layers", layers, DEEPEST)?;
        check_size("heads", heads, WIDEST)?;
        let groups = kv_heads > 0 && heads % kv_heads == 0;
        check(groups, "kv_heads", kv_heads, format!("a divisor of heads = {heads}"))?;
        match self.head_dim {
            Some(width) => {
                check_size("head_dim", width, WIDEST)?;
                check(width % 2 == 0, "head_dim", width, "even")?;
            }
            None => {
                let whole = hidden % (2 * heads) == 0;
                check(whole, "hidden", hidden, format!("a multiple of 2 * heads = {}", 2 * heads))?;
            }
        }
        check_size("intermediate", self.intermediate, WIDEST)?;
        let positive =
            |value: f64, field| check(value > 0.0 && value.is_finite(), field, value, "above 0");
        positive(self.rope_theta, "rope_theta")?;
        positive(self.norm_eps, "norm_eps")?;
        check_size("max_positions", self.max_positions, LONGEST)?;
        check(self.max_positions > 1, "max_positions", self.max_positions, "at least 2")?;
        self.rope_scaling.validate()
    }

    /// Width of one attention head.
    pub fn head_dim(&self) -> i64 {
        self.head_dim.unwrap_or(self.hidden / self.heads)
    }

    /// The longest sequence that it reads, prefix included: more than `max_positions` where
    /// the rotary frequencies stretch as they go.
    pub fn context(&self) -> i64 {
        match self.rope_scaling {
            RopeScaling::Dynamic { factor } => (self.max_positions as f64 * factor) as i64,
            _ => self.max_positions,
        }
    }

    /// Number of values in all parameters.
    pub fn parameters(&self) -> i64 {
        let Self { vocab, hidden, intermediate, heads, kv_heads, .. } = *self;
        let (wide, narrow) = (heads * self.head_dim(), kv_heads * self.head_dim());
        let attention = 2 * hidden * (wide + narrow)
            + i64::from(self.attention_bias) * (wide + 2 * narrow + hidden);
        let mlp =
            3 * hidden * intermediate + i64::from(self.mlp_bias) * (2 * intermediate + hidden);
        let tables = if self.tied_embeddings { 1 } else { 2 };
        tables * vocab * hidden + hidden + self.layers * (attention + mlp + 2 * hidden)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toy() -> LlamaConfig {
        LlamaConfig { vocab: 10, ..LlamaConfig::default() }
    }

    #[test]
    fn ranges_are_checked_and_named() {
        toy().validate().unwrap();
        let bad = [
            (LlamaConfig { vocab: 0, ..toy() }, "vocab = 0: must be in 1..=16777216"),
            (LlamaConfig { kv_heads: 3, ..toy() }, "kv_heads = 3: must be a divisor of heads = 4"),
            (
                LlamaConfig { hidden: 12, ..toy() },
                "hidden = 12: must be a multiple of 2 * heads = 8",
            ),
            (LlamaConfig { norm_eps: 0.0, ..toy() }, "norm_eps = 0: must be above 0"),
        ];
        for (config, message) in bad {
            assert_eq!(config.validate().unwrap_err().to_string(), message);
        }
    }
}
