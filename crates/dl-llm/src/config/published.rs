//! The `config.json` of a published model directory, and the same facts in the metadata of a
//! GGUF file.

use std::path::Path;

use dl_torch::weights::GgufMetadata;
use serde_json::{Value, json};

use crate::{LlamaConfig, LlmError, RopeScaling, rope::yarn_scale};

impl LlamaConfig {
    /// Reads the `config.json` of a published model; `path` is for errors.
    ///
    /// # Errors
    /// [`LlmError::File`] when a field is missing, or asks for something that this decoder
    /// does not do: such a model would load and speak nonsense.
    pub fn from_published(text: &str, path: &Path) -> Result<Self, LlmError> {
        let file: Value = serde_json::from_str(text)
            .map_err(|error| LlmError::file(path, format!("not JSON ({error})")))?;
        let refuse = |problem: String| LlmError::file(path, problem);
        let integer = |key: &str| {
            file[key].as_i64().ok_or_else(|| refuse(format!("`{key}` is missing or no integer")))
        };
        let flag = |key: &str| file[key].as_bool().unwrap_or(false);
        let kind = file["model_type"].as_str().unwrap_or("none");
        if kind != "llama" {
            return Err(refuse(format!("`model_type` is {kind}; only llama is supported")));
        }
        let activation = file["hidden_act"].as_str().unwrap_or("silu");
        if activation != "silu" {
            return Err(refuse(format!("`hidden_act` is {activation}; only silu is supported")));
        }
        let heads = integer("num_attention_heads")?;
        let max_positions = file["max_position_embeddings"].as_i64().unwrap_or(2048);
        // Newer files hold all rotary settings in one table.
        let rotary = ["rope_parameters", "rope_scaling"].map(|key| &file[key]);
        let rotary = rotary.into_iter().find(|table| table.is_object());
        let rope_theta = file["rope_theta"]
            .as_f64()
            .or_else(|| rotary.and_then(|table| table["rope_theta"].as_f64()))
            .unwrap_or(10_000.0);
        let mut config = Self {
            vocab: integer("vocab_size")?,
            hidden: integer("hidden_size")?,
            layers: integer("num_hidden_layers")?,
            heads,
            kv_heads: file["num_key_value_heads"].as_i64().unwrap_or(heads),
            intermediate: integer("intermediate_size")?,
            rope_theta,
            norm_eps: file["rms_norm_eps"].as_f64().unwrap_or(1e-6),
            max_positions,
            tied_embeddings: flag("tie_word_embeddings"),
            head_dim: None,
            attention_bias: flag("attention_bias"),
            mlp_bias: flag("mlp_bias"),
            rope_scaling: match rotary {
                Some(table) => scaling(table, max_positions).map_err(refuse)?,
                None => RopeScaling::Default,
            },
        };
        config.set_head_dim(file["head_dim"].as_i64());
        config.validate().map_err(|error| refuse(error.to_string()))?;
        Ok(config)
    }

    /// Keeps a width of the heads that does not follow from the others.
    fn set_head_dim(&mut self, width: Option<i64>) {
        let follows = |width: &i64| width.checked_mul(self.heads) == Some(self.hidden);
        self.head_dim = width.filter(|width| self.heads <= 0 || !follows(width));
    }

    /// The same as a published model's `config.json`.
    pub fn to_published(&self) -> Value {
        let mut file = json!({
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
            "attention_bias": self.attention_bias,
            "mlp_bias": self.mlp_bias,
            "torch_dtype": "float32",
        });
        if let Some(width) = self.head_dim {
            file["head_dim"] = width.into();
        }
        if let Some(table) = published_scaling(&self.rope_scaling) {
            file["rope_scaling"] = table;
        }
        file
    }

    /// Reads the metadata of a GGUF file; `tied` says whether the file lacks an output
    /// layer, `vocab` how many rows its token table has.
    pub(crate) fn from_gguf(
        metadata: &GgufMetadata,
        vocab: i64,
        tied: bool,
        path: &Path,
    ) -> Result<Self, LlmError> {
        let refuse = |problem: String| LlmError::file(path, problem);
        let kind = metadata.get("general.architecture").and_then(Value::as_str).unwrap_or("none");
        if kind != "llama" {
            let problem = format!("`general.architecture` is {kind}; only llama is supported");
            return Err(refuse(problem));
        }
        let value = |key: &str| metadata.get(&format!("llama.{key}"));
        let integer = |key: &str| {
            value(key)
                .and_then(Value::as_i64)
                .ok_or_else(|| refuse(format!("`llama.{key}` is missing or no integer")))
        };
        let float = |key: &str| value(key).and_then(Value::as_f64);
        let heads = integer("attention.head_count")?;
        let max_positions = integer("context_length")?;
        if value("expert_count").and_then(Value::as_i64).unwrap_or(0) > 0 {
            return Err(refuse(
                "a mixture of experts; only dense Llama models are supported".into(),
            ));
        }
        let factor = float("rope.scaling.factor").unwrap_or(1.0);
        let original = value("rope.scaling.original_context_length").and_then(Value::as_i64);
        let rope_scaling = match value("rope.scaling.type").and_then(Value::as_str) {
            None | Some("none") => RopeScaling::Default,
            Some("linear") => RopeScaling::Linear { factor },
            Some("yarn") => RopeScaling::Yarn {
                factor,
                original_max_positions: original.unwrap_or(max_positions),
                beta_fast: 32.0,
                beta_slow: 1.0,
                attention_factor: yarn_scale(factor, 1.0),
                truncate: true,
            },
            Some(other) => {
                let problem = format!(
                    "`llama.rope.scaling.type` is {other}; none, linear and yarn are supported"
                );
                return Err(refuse(problem));
            }
        };
        let mut config = Self {
            vocab,
            hidden: integer("embedding_length")?,
            layers: integer("block_count")?,
            heads,
            kv_heads: value("attention.head_count_kv").and_then(Value::as_i64).unwrap_or(heads),
            intermediate: integer("feed_forward_length")?,
            rope_theta: float("rope.freq_base").unwrap_or(10_000.0),
            norm_eps: float("attention.layer_norm_rms_epsilon").unwrap_or(1e-5),
            max_positions,
            tied_embeddings: tied,
            head_dim: None,
            attention_bias: false,
            mlp_bias: false,
            rope_scaling,
        };
        config.set_head_dim(value("attention.key_length").and_then(Value::as_i64));
        config.validate().map_err(|error| refuse(error.to_string()))?;
        Ok(config)
    }
}

fn scaling(table: &Value, max_positions: i64) -> Result<RopeScaling, String> {
    let kind = table["rope_type"].as_str().or_else(|| table["type"].as_str());
    let number = |key: &str| table[key].as_f64();
    let needed = |key: &str| {
        number(key).ok_or_else(|| format!("the rotary scaling's `{key}` is missing or no number"))
    };
    let original = table["original_max_position_embeddings"].as_i64();
    if number("partial_rotary_factor").is_some_and(|share| share != 1.0) {
        return Err("`partial_rotary_factor` is not 1; only whole heads are rotated here".into());
    }
    Ok(match kind.unwrap_or("default") {
        "default" => RopeScaling::Default,
        "linear" => RopeScaling::Linear { factor: needed("factor")? },
        "dynamic" => RopeScaling::Dynamic { factor: needed("factor")? },
        "llama3" => RopeScaling::Llama3 {
            factor: needed("factor")?,
            low_freq_factor: needed("low_freq_factor")?,
            high_freq_factor: needed("high_freq_factor")?,
            original_max_positions: original.unwrap_or(max_positions),
        },
        "yarn" => {
            let original_max_positions = original.unwrap_or(max_positions);
            let stretch = max_positions as f64 / original_max_positions as f64;
            let factor = number("factor").unwrap_or(stretch);
            let positive = |key: &str| number(key).filter(|value| *value > 0.0);
            let own = match (positive("mscale"), positive("mscale_all_dim")) {
                (Some(a), Some(b)) => yarn_scale(factor, a) / yarn_scale(factor, b),
                _ => yarn_scale(factor, 1.0),
            };
            RopeScaling::Yarn {
                factor,
                original_max_positions,
                beta_fast: positive("beta_fast").unwrap_or(32.0),
                beta_slow: positive("beta_slow").unwrap_or(1.0),
                attention_factor: number("attention_factor").unwrap_or(own),
                truncate: table["truncate"].as_bool().unwrap_or(true),
            }
        }
        other => {
            return Err(format!(
                "the rotary scaling is of type {other}; default, linear, dynamic, llama3 and yarn \
                 are supported"
            ));
        }
    })
}

fn published_scaling(scaling: &RopeScaling) -> Option<Value> {
    match *scaling {
        RopeScaling::Default => None,
        RopeScaling::Linear { factor } => Some(json!({ "rope_type": "linear", "factor": factor })),
        RopeScaling::Dynamic { factor } => {
            Some(json!({ "rope_type": "dynamic", "factor": factor }))
        }
        RopeScaling::Llama3 {
            factor,
            low_freq_factor,
            high_freq_factor,
            original_max_positions,
        } => Some(json!({
            "rope_type": "llama3",
            "factor": factor,
            "low_freq_factor": low_freq_factor,
            "high_freq_factor": high_freq_factor,
            "original_max_position_embeddings": original_max_positions,
        })),
        RopeScaling::Yarn {
            factor,
            original_max_positions,
            beta_fast,
            beta_slow,
            attention_factor,
            truncate,
        } => Some(json!({
            "rope_type": "yarn",
            "factor": factor,
            "original_max_position_embeddings": original_max_positions,
            "beta_fast": beta_fast,
            "beta_slow": beta_slow,
            "attention_factor": attention_factor,
            "truncate": truncate,
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toy() -> LlamaConfig {
        LlamaConfig { vocab: 10, ..LlamaConfig::default() }
    }

    fn again(config: &LlamaConfig) -> LlamaConfig {
        let text = config.to_published().to_string();
        LlamaConfig::from_published(&text, Path::new("config.json")).unwrap()
    }

    #[test]
    fn the_published_form_round_trips() {
        let config = LlamaConfig { rope_theta: 5e5, tied_embeddings: false, ..toy() };
        assert_eq!(again(&config), config);
        let wide =
            LlamaConfig { head_dim: Some(20), attention_bias: true, mlp_bias: true, ..toy() };
        assert_eq!(again(&wide), wide);
        let kinds = [
            RopeScaling::Linear { factor: 2.0 },
            RopeScaling::Dynamic { factor: 3.0 },
            RopeScaling::Llama3 {
                factor: 32.0,
                low_freq_factor: 1.0,
                high_freq_factor: 4.0,
                original_max_positions: 8192,
            },
            RopeScaling::Yarn {
                factor: 4.0,
                original_max_positions: 64,
                beta_fast: 30.0,
                beta_slow: 2.0,
                attention_factor: 1.1,
                truncate: false,
            },
        ];
        for rope_scaling in kinds {
            let config = LlamaConfig { rope_scaling, ..toy() };
            assert_eq!(again(&config), config);
        }
    }

    #[test]
    fn a_head_width_that_follows_from_the_others_is_not_kept() {
        let mut file = toy().to_published();
        file["head_dim"] = 48.into();
        let config = LlamaConfig::from_published(&file.to_string(), Path::new("config.json"));
        assert_eq!(config.unwrap(), toy());
    }

    #[test]
    fn published_models_of_other_kinds_are_refused() {
        let cases = [
            ("model_type", json!("gpt2"), "`model_type` is gpt2"),
            ("hidden_act", json!("gelu"), "`hidden_act` is gelu"),
            ("rope_scaling", json!({"rope_type": "longrope"}), "type longrope"),
            ("rope_scaling", json!({"type": "linear"}), "`factor` is missing"),
            ("rope_scaling", json!({"type": "linear", "factor": 0.5}), "factor = 0.5"),
            ("head_dim", json!(7), "head_dim = 7: must be even"),
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

    #[test]
    fn parameters_of_published_shapes() {
        // Llama-2-7B has 6,738,415,616 of them, SmolLM2-135M 134,515,008.
        let llama = LlamaConfig {
            vocab: 32_000,
            hidden: 4096,
            layers: 32,
            heads: 32,
            kv_heads: 32,
            intermediate: 11_008,
            tied_embeddings: false,
            ..LlamaConfig::default()
        };
        assert_eq!(llama.parameters(), 6_738_415_616);
        let smol = LlamaConfig {
            vocab: 49_152,
            hidden: 576,
            layers: 30,
            heads: 9,
            kv_heads: 3,
            intermediate: 1536,
            ..LlamaConfig::default()
        };
        assert_eq!(smol.parameters(), 134_515_008);
    }
}
