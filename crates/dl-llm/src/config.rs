//! The shape of a Llama-architecture decoder, in the workspace's configuration
//! and in the `config.json` of a published model directory.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{LlmError, error::check};

/// Shape and constants of a decoder (Touvron et al., 2023, section 2.2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LlamaConfig {
    /// Number of tokens. Not a choice: the tokenizer decides it.
    #[serde(skip)]
    pub vocab: i64,
    /// Width of the residual stream; a multiple of `heads`.
    pub hidden: i64,
    /// Number of blocks.
    pub layers: i64,
    /// Query heads per block; the head width `hidden / heads` is even.
    pub heads: i64,
    /// Key-value heads per block (grouped-query attention); divides `heads`.
    pub kv_heads: i64,
    /// Inner width of the SwiGLU feed-forward layer.
    pub intermediate: i64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Added to the mean square in RMS normalisation.
    pub norm_eps: f64,
    /// Longest sequence, prefix included.
    pub max_positions: i64,
    /// Whether the output layer is the token embedding itself.
    pub tied_embeddings: bool,
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
        }
    }
}

impl LlamaConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`LlmError::Config`] for the first field out of range.
    pub fn validate(&self) -> Result<(), LlmError> {
        let Self { vocab, hidden, layers, heads, kv_heads, .. } = *self;
        check(vocab > 0, "vocab", vocab, "at least 1")?;
        check(layers > 0, "layers", layers, "at least 1")?;
        check(heads > 0, "heads", heads, "at least 1")?;
        let groups = kv_heads > 0 && heads % kv_heads == 0;
        check(groups, "kv_heads", kv_heads, format!("a divisor of heads = {heads}"))?;
        let whole = hidden > 0 && hidden % (2 * heads) == 0;
        check(whole, "hidden", hidden, format!("a multiple of 2 * heads = {}", 2 * heads))?;
        check(self.intermediate > 0, "intermediate", self.intermediate, "at least 1")?;
        check(self.rope_theta > 0.0, "rope_theta", self.rope_theta, "above 0")?;
        check(self.norm_eps > 0.0, "norm_eps", self.norm_eps, "above 0")?;
        check(self.max_positions > 1, "max_positions", self.max_positions, "at least 2")
    }

    /// Width of one attention head.
    pub fn head_dim(&self) -> i64 {
        self.hidden / self.heads
    }

    /// Reads the `config.json` of a published model; `path` is for errors.
    ///
    /// # Errors
    /// [`LlmError::File`] when a field is missing, or asks for something that
    /// this decoder does not do (biases, scaled rotary frequencies, another
    /// activation): such a model would load and speak nonsense.
    pub fn from_published(text: &str, path: &Path) -> Result<Self, LlmError> {
        let file: Value = serde_json::from_str(text)
            .map_err(|error| LlmError::file(path, format!("not JSON ({error})")))?;
        let refuse = |problem: String| LlmError::file(path, problem);
        let integer = |key: &str| {
            file[key].as_i64().ok_or_else(|| refuse(format!("`{key}` is missing or no integer")))
        };
        let kind = file["model_type"].as_str().unwrap_or("none");
        if kind != "llama" {
            return Err(refuse(format!("`model_type` is {kind}; only llama is supported")));
        }
        let activation = file["hidden_act"].as_str().unwrap_or("silu");
        if activation != "silu" {
            return Err(refuse(format!("`hidden_act` is {activation}; only silu is supported")));
        }
        for key in ["attention_bias", "mlp_bias"] {
            if file[key].as_bool() == Some(true) {
                return Err(refuse(format!("`{key}` is true; biases are not supported")));
            }
        }
        // Newer files hold the rotary settings in a table of their own.
        for key in ["rope_scaling", "rope_parameters"] {
            let kind = file[key]["rope_type"].as_str().or_else(|| file[key]["type"].as_str());
            if let Some(kind) = kind.filter(|kind| *kind != "default") {
                return Err(refuse(format!(
                    "`{key}` is of type {kind}; only default is supported"
                )));
            }
        }
        let rope_theta = file["rope_theta"]
            .as_f64()
            .or_else(|| file["rope_parameters"]["rope_theta"].as_f64())
            .unwrap_or(10_000.0);
        let heads = integer("num_attention_heads")?;
        let config = Self {
            vocab: integer("vocab_size")?,
            hidden: integer("hidden_size")?,
            layers: integer("num_hidden_layers")?,
            heads,
            kv_heads: file["num_key_value_heads"].as_i64().unwrap_or(heads),
            intermediate: integer("intermediate_size")?,
            rope_theta,
            norm_eps: file["rms_norm_eps"].as_f64().unwrap_or(1e-6),
            max_positions: file["max_position_embeddings"].as_i64().unwrap_or(2048),
            tied_embeddings: file["tie_word_embeddings"].as_bool().unwrap_or(false),
        };
        config.validate().map_err(|error| refuse(error.to_string()))?;
        if let Some(dim) = file["head_dim"].as_i64()
            && dim != config.head_dim()
        {
            let expected = config.head_dim();
            return Err(refuse(format!(
                "`head_dim` is {dim}; only hidden_size / num_attention_heads = {expected} is \
                 supported"
            )));
        }
        Ok(config)
    }

    /// The same as a published model's `config.json`.
    pub fn to_published(&self) -> Value {
        json!({
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": self.vocab,
            "hidden_size": self.hidden,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "intermediate_size": self.intermediate,
            "hidden_act": "silu",
            "rope_theta": self.rope_theta,
            "rms_norm_eps": self.norm_eps,
            "max_position_embeddings": self.max_positions,
            "tie_word_embeddings": self.tied_embeddings,
            "attention_bias": false,
            "mlp_bias": false,
            "torch_dtype": "float32",
        })
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
            (LlamaConfig { vocab: 0, ..toy() }, "vocab = 0: must be at least 1"),
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

    #[test]
    fn the_published_form_round_trips() {
        let config = LlamaConfig { rope_theta: 5e5, tied_embeddings: false, ..toy() };
        let text = config.to_published().to_string();
        assert_eq!(LlamaConfig::from_published(&text, Path::new("config.json")).unwrap(), config);
    }

    #[test]
    fn published_models_of_other_kinds_are_refused() {
        let cases = [
            ("model_type", json!("gpt2"), "`model_type` is gpt2"),
            ("attention_bias", json!(true), "biases are not supported"),
            ("rope_scaling", json!({"rope_type": "llama3"}), "type llama3"),
            ("head_dim", json!(7), "`head_dim` is 7"),
            ("hidden_size", json!(null), "`hidden_size` is missing"),
        ];
        for (key, value, message) in cases {
            let mut file = toy().to_published();
            file[key] = value;
            let error = LlamaConfig::from_published(&file.to_string(), Path::new("m/config.json"));
            let error = error.unwrap_err().to_string();
            assert!(error.starts_with("m/config.json: ") && error.contains(message), "{error}");
        }
    }
}
