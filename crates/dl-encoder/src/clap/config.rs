//! The shape of a CLAP model, as Hugging Face's `config.json` says it
//! (`ClapConfig`, `ClapAudioConfig`, `ClapTextConfig`; keys that the file leaves
//! out have that library's defaults, those of `laion/clap-htsat-unfused`).

use dl_core::{
    ConfigError, Under,
    fault::{DEEPEST, WIDEST, check, check_size},
};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Value, json};

use crate::transformer::TransformerConfig;

/// `torch.nn.LayerNorm`'s default: what everything outside of HTSAT's blocks has.
pub(crate) const LAYER_NORM_EPSILON: f64 = 1e-5;

/// No attention window is wider, in tokens: an attention has values for all pairs within one.
const WIDEST_WINDOW: i64 = 64;
/// Most patches along one side of the square; the published models have 64.
const MOST_PATCHES: i64 = 256;
/// No HTSAT has more stages; the published ones have four.
const MOST_STAGES: usize = 8;

/// Both towers and the space they share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct ModelConfig {
    /// Always "clap": what other programs know the file by.
    pub model_type: String,
    /// HTSAT.
    pub audio_config: AudioConfig,
    /// RoBERTa.
    pub text_config: TextConfig,
    /// Values per embedding.
    pub projection_dim: i64,
    /// Activation inside of both projection heads: `relu` or `gelu`.
    pub projection_hidden_act: Activation,
}

/// The activations that CLAP models use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// The exact GELU.
    Gelu,
}

impl Activation {
    pub(crate) fn apply(self, x: &tch::Tensor) -> tch::Tensor {
        match self {
            Self::Relu => x.relu(),
            Self::Gelu => x.gelu("none"),
        }
    }
}

/// HTSAT (Chen et al., ICASSP 2022): a Swin transformer over a spectrogram that is
/// folded into a square.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AudioConfig {
    /// Tokens along one side of an attention window.
    pub window_size: i64,
    /// Mel bands of the spectrogram.
    pub num_mel_bins: i64,
    /// Side of the square in cells; a multiple of `num_mel_bins`.
    pub spec_size: i64,
    /// Activation of the feed-forward parts.
    pub hidden_act: Activation,
    /// Side of a patch in cells.
    #[serde(deserialize_with = "side")]
    pub patch_size: i64,
    /// Cells from one patch to the next.
    #[serde(deserialize_with = "side")]
    pub patch_stride: i64,
    /// Values per sound before the head: `patch_embeds_hidden_size 2^(stages - 1)`.
    pub hidden_size: i64,
    /// Blocks in each stage.
    pub depths: Vec<i64>,
    /// Heads in each stage.
    pub num_attention_heads: Vec<i64>,
    /// Whether the front end gives four channels and the patches fuse them.
    pub enable_fusion: bool,
    /// Kind of fusion; attentional feature fusion has no name here.
    pub fusion_type: Option<String>,
    /// Channels of the spectrogram that are patched together.
    pub patch_embed_input_channels: i64,
    /// Patches as one sequence; always true.
    pub flatten_patch_embeds: bool,
    /// Values per token of the first stage.
    pub patch_embeds_hidden_size: i64,
    /// Normalise patches; always true.
    pub enable_patch_layer_norm: bool,
    /// Query, key and value with a bias.
    pub qkv_bias: bool,
    /// Width of feed-forward parts over that of tokens.
    pub mlp_ratio: f64,
    /// Reduction inside of the fusion.
    pub aff_block_r: i64,
    /// Added to the variance in the normalisations of the blocks.
    pub layer_norm_eps: f64,
}

/// RoBERTa (Liu et al., 2019).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextConfig {
    /// The transformer.
    #[serde(flatten)]
    pub transformer: TransformerConfig,
    /// The token that fills rows; positions begin one above it.
    pub pad_token_id: i64,
}

/// A number, or a pair of equal numbers.
fn side<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Side {
        One(i64),
        Two([i64; 2]),
    }
    match Side::deserialize(deserializer)? {
        Side::One(side) => Ok(side),
        Side::Two([height, width]) if height == width => Ok(height),
        Side::Two(sides) => Err(D::Error::custom(format!("{sides:?} is no square"))),
    }
}

fn audio_defaults() -> Value {
    json!({
        "window_size": 8, "num_mel_bins": 64, "spec_size": 256, "hidden_act": "gelu",
        "patch_size": 4, "patch_stride": 4, "hidden_size": 768, "depths": [2, 2, 6, 2],
        "num_attention_heads": [4, 8, 16, 32], "enable_fusion": false, "fusion_type": null,
        "patch_embed_input_channels": 1, "flatten_patch_embeds": true,
        "patch_embeds_hidden_size": 96, "enable_patch_layer_norm": true, "qkv_bias": true,
        "mlp_ratio": 4.0, "aff_block_r": 4, "layer_norm_eps": 1e-5,
    })
}

fn text_defaults() -> Value {
    json!({
        "vocab_size": 50265, "hidden_size": 768, "num_hidden_layers": 12,
        "num_attention_heads": 12, "intermediate_size": 3072, "max_position_embeddings": 514,
        "type_vocab_size": 1, "layer_norm_eps": 1e-12, "hidden_act": "gelu", "pad_token_id": 1,
    })
}

/// `defaults` with the keys that `given` has.
fn over<T: for<'de> Deserialize<'de>>(
    mut defaults: Value,
    given: Option<&Value>,
) -> serde_json::Result<T> {
    if let (Some(all), Some(given)) = (defaults.as_object_mut(), given.and_then(Value::as_object)) {
        all.extend(given.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    serde_json::from_value(defaults)
}

impl TryFrom<Value> for ModelConfig {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Head {
            projection_dim: i64,
            projection_hidden_act: Activation,
        }
        let kind = value.get("model_type").and_then(Value::as_str).unwrap_or_default();
        if kind != "clap" {
            return Err(format!("`model_type` is \"{kind}\", not \"clap\""));
        }
        let part = |name: &'static str| move |error: serde_json::Error| format!("{name}: {error}");
        let head = json!({ "projection_dim": 512, "projection_hidden_act": "relu" });
        let head: Head = over(head, Some(&value)).map_err(|error| error.to_string())?;
        let mut text: TextConfig =
            over(text_defaults(), value.get("text_config")).map_err(part("text_config"))?;
        text.transformer = (text.transformer.with_positions_above(text.pad_token_id))
            .under("text_config")
            .map_err(|error| error.to_string())?;
        let config = Self {
            model_type: kind.into(),
            audio_config: over(audio_defaults(), value.get("audio_config"))
                .map_err(part("audio_config"))?,
            text_config: text,
            projection_dim: head.projection_dim,
            projection_hidden_act: head.projection_hidden_act,
        };
        config.validate().map_err(|error| error.to_string())?;
        Ok(config)
    }
}

impl ModelConfig {
    /// Reads the text of a `config.json`.
    ///
    /// # Errors
    /// The key at fault in words.
    pub fn from_json(text: &str) -> Result<Self, String> {
        serde_json::from_str::<Value>(text).map_err(|error| error.to_string())?.try_into()
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`ConfigError`] for the first one out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_size("projection_dim", self.projection_dim, WIDEST)?;
        check(self.projection_dim > 1, "projection_dim", self.projection_dim, "at least 2")?;
        self.text_config.transformer.validate().under("text_config")?;
        self.audio_config.validate().under("audio_config")
    }
}

impl AudioConfig {
    fn validate(&self) -> Result<(), ConfigError> {
        check_size("window_size", self.window_size, WIDEST_WINDOW)?;
        check_size("num_mel_bins", self.num_mel_bins, WIDEST)?;
        check_size("patch_size", self.patch_size, WIDEST)?;
        check_size("patch_stride", self.patch_stride, WIDEST)?;
        check_size("patch_embeds_hidden_size", self.patch_embeds_hidden_size, WIDEST)?;
        check_size("aff_block_r", self.aff_block_r, WIDEST)?;
        check_size("spec_size", self.spec_size, MOST_PATCHES * self.patch_stride)?;
        let ratio = self.mlp_ratio;
        check(ratio > 0.0 && ratio <= 64.0, "mlp_ratio", ratio, "above 0 and at most 64")?;
        check(
            self.spec_size % self.num_mel_bins == 0,
            "spec_size",
            self.spec_size,
            "a multiple of num_mel_bins",
        )?;
        check(
            self.patch_size >= self.patch_stride,
            "patch_size",
            self.patch_size,
            "at least patch_stride",
        )?;
        let stages = self.depths.len();
        let depths = format!("{:?}", self.depths);
        let one_each = self.depths.iter().all(|depth| (1..=DEEPEST).contains(depth));
        let range = format!("1 to {MOST_STAGES} stages of 1 to {DEEPEST} blocks");
        check(one_each && (1..=MOST_STAGES).contains(&stages), "depths", depths, range)?;
        let whole = (self.patch_stride * self.window_size).checked_shl(stages as u32 - 1);
        check(
            whole.is_some_and(|whole| whole > 0 && self.spec_size % whole == 0),
            "spec_size",
            self.spec_size,
            "a multiple of patch_stride times window_size times 2^(stages - 1)",
        )?;
        let heads = &self.num_attention_heads;
        let fits = |(stage, &heads): (usize, &i64)| {
            heads > 0 && (self.patch_embeds_hidden_size << stage) % heads == 0
        };
        check(
            heads.len() == stages && heads.iter().enumerate().all(fits),
            "num_attention_heads",
            format!("{heads:?}"),
            "one for each stage, a divisor of its width",
        )?;
        let width = self.patch_embeds_hidden_size << (stages - 1);
        check(
            self.hidden_size == width,
            "hidden_size",
            self.hidden_size,
            "patch_embeds_hidden_size times 2^(stages - 1)",
        )?;
        let built =
            |good, field: &str, value: String| check(good, field, value, "what this model has");
        let channels = self.patch_embed_input_channels;
        check(channels == 1, "patch_embed_input_channels", channels, "1")?;
        built(self.flatten_patch_embeds, "flatten_patch_embeds", "false".into())?;
        built(self.enable_patch_layer_norm, "enable_patch_layer_norm", "false".into())?;
        let fusion = self.fusion_type.as_deref().unwrap_or("none");
        check(fusion != "channel_map", "fusion_type", fusion, "attentional feature fusion (null)")
    }

    /// How often the spectrogram is folded: pieces of time, one above the other.
    pub fn folds(&self) -> i64 {
        self.spec_size / self.num_mel_bins
    }

    /// Frames that fill the square.
    pub fn frames(&self) -> i64 {
        self.spec_size * self.folds()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_model_is_the_published_one() {
        let config = ModelConfig::from_json(r#"{"model_type": "clap"}"#).unwrap();
        assert_eq!(config.audio_config.frames(), 1024);
        assert_eq!(config.text_config.transformer.first_position, 2);
        assert_eq!(config.projection_dim, 512);
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(ModelConfig::from_json(&text).unwrap(), config);
    }

    #[test]
    fn faults_name_the_key() {
        let fault = |text: &str| ModelConfig::from_json(text).unwrap_err();
        assert!(fault(r#"{"model_type": "bert"}"#).contains("\"bert\", not \"clap\""));
        for (audio, part) in [
            (r#"{"spec_size": 100}"#, "spec_size = 100: must be a multiple of num_mel_bins"),
            (r#"{"depths": [2, 2]}"#, "num_attention_heads = [4, 8, 16, 32]: must be one for"),
            (r#"{"hidden_size": 12}"#, "hidden_size = 12"),
            (r#"{"patch_size": [4, 8]}"#, "[4, 8] is no square"),
            (r#"{"hidden_act": "swish"}"#, "swish"),
            (r#"{"fusion_type": "channel_map"}"#, "fusion_type = channel_map"),
            (r#"{"depths": []}"#, "depths = []"),
            (r#"{"depths": [2, 1000000000]}"#, "depths = [2, 1000000000]: must be 1 to 8 stages"),
            (r#"{"window_size": 4611686018427387904}"#, "window_size = 4611686018427387904: must"),
            (r#"{"spec_size": 65536}"#, "spec_size = 65536: must be in 1..=1024"),
            (r#"{"patch_embeds_hidden_size": 65537}"#, "patch_embeds_hidden_size = 65537: must be"),
            (r#"{"mlp_ratio": 1e300}"#, "must be above 0 and at most 64"),
        ] {
            let fault = fault(&format!(r#"{{"model_type": "clap", "audio_config": {audio}}}"#));
            assert!(fault.contains(part), "{fault}");
        }
    }
}
