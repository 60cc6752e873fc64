//! LAION's original CLAP checkpoints (`630k-audioset-best.pt` and their like,
//! saved by `LAION-AI/CLAP`) under the names that Hugging Face's `ClapModel` gives
//! the same tensors, and the shape of the model, which such a file says only
//! through its tensors.
//!
//! The names are those of `laion_clap/clap_module/{model,htsat,feature_fusion}.py`.

use dl_torch::{tensor_file::Tensors, weights::unwrapped_name};
use serde_json::{Value, json};

use crate::EncoderError;

/// Tensors that embeddings do not depend on: the front end inside of the unfused
/// model (ours computes the same), what classifies, and what shifted windows mask.
const AUDIO_UNUSED: [&str; 5] =
    ["spectrogram_extractor.", "logmel_extractor.", "spec_augmenter.", "tscam_conv.", "head."];

/// Parts of the audio branch that both libraries call the same.
const AUDIO_SAME: [&str; 6] = [
    "norm.",
    "patch_embed.proj.",
    "patch_embed.norm.",
    "patch_embed.mel_conv2d.",
    "patch_embed.fusion_model.local_att.",
    "patch_embed.fusion_model.global_att.",
];

/// Parts of an attention block: LAION's name and Hugging Face's.
const BLOCK: [(&str, &str); 7] = [
    ("norm1.", "layernorm_before."),
    ("norm2.", "layernorm_after."),
    ("attn.proj.", "attention.output.dense."),
    ("attn.relative_position_bias_table", "attention.self.relative_position_bias_table"),
    ("attn.relative_position_index", "attention.self.relative_position_index"),
    ("mlp.fc1.", "intermediate.dense."),
    ("mlp.fc2.", "output.dense."),
];

/// What becomes of a tensor of a LAION checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renamed {
    /// It has this name.
    To(String),
    /// Its rows, in three equal parts, have the names of query, key and value.
    Split([String; 3]),
    /// Embeddings do not depend on it.
    Unused,
    /// No CLAP that is known here has it; it keeps its name, for the loader to tell.
    Unknown,
}

/// The name of one tensor.
pub fn rename(name: &str) -> Renamed {
    let name = unwrapped_name(name);
    let name = name.as_str();
    if name.ends_with(".num_batches_tracked") {
        return Renamed::Unused;
    }
    let Some((part, rest)) = name.split_once('.') else {
        return match name {
            "logit_scale_a" | "logit_scale_t" => Renamed::To(name.into()),
            _ => Renamed::Unknown,
        };
    };
    match part {
        "audio_branch" => in_audio(rest),
        "text_branch" => in_text(rest),
        "audio_projection" | "text_projection" => match rest.split_once('.') {
            Some(("0", kind)) => Renamed::To(format!("{part}.linear1.{kind}")),
            Some(("2", kind)) => Renamed::To(format!("{part}.linear2.{kind}")),
            _ => Renamed::Unknown,
        },
        // Heads of a second loss; embeddings are taken before them.
        "audio_transform" | "text_transform" => Renamed::Unused,
        _ => Renamed::Unknown,
    }
}

fn in_audio(name: &str) -> Renamed {
    let to = |name: String| Renamed::To(format!("audio_model.audio_encoder.{name}"));
    if AUDIO_UNUSED.iter().any(|part| name.starts_with(part)) {
        return Renamed::Unused;
    }
    if AUDIO_SAME.iter().any(|part| name.starts_with(part)) {
        return to(name.into());
    }
    if let Some(rest) = name.strip_prefix("bn0.") {
        return to(format!("batch_norm.{rest}"));
    }
    let parts: Vec<&str> = name.splitn(5, '.').collect();
    match parts.as_slice() {
        ["layers", _, "downsample", "reduction" | "norm", _] => to(name.into()),
        ["layers", stage, "blocks", block, rest] => {
            let prefix = format!("layers.{stage}.blocks.{block}");
            if *rest == "attn_mask" {
                return Renamed::Unused;
            }
            if let Some(kind) = rest.strip_prefix("attn.qkv.") {
                return Renamed::Split(["query", "key", "value"].map(|which| {
                    format!("audio_model.audio_encoder.{prefix}.attention.self.{which}.{kind}")
                }));
            }
            BLOCK
                .iter()
                .find_map(|(from, into)| Some((rest.strip_prefix(from)?, into)))
                .map_or(Renamed::Unknown, |(kind, into)| to(format!("{prefix}.{into}{kind}")))
        }
        _ => Renamed::Unknown,
    }
}

fn in_text(name: &str) -> Renamed {
    match name {
        // Buffers of 0, 1, 2 and so on, and of zeros.
        "embeddings.position_ids" | "embeddings.token_type_ids" => Renamed::Unused,
        _ if ["embeddings.", "encoder.layer.", "pooler.dense."]
            .iter()
            .any(|part| name.starts_with(part)) =>
        {
            Renamed::To(format!("text_model.{name}"))
        }
        _ => Renamed::Unknown,
    }
}

/// Whether these tensors are named as LAION's checkpoints name them.
pub fn is_laion(tensors: &Tensors) -> bool {
    tensors.keys().any(|name| {
        let name = unwrapped_name(name);
        name.starts_with("audio_branch.") || name.starts_with("text_branch.")
    })
}

/// The tensors under Hugging Face's names, without those that embeddings do not
/// depend on. Unknown ones keep their names.
///
/// # Errors
/// [`EncoderError::Shape`] when query, key and value are not of one size.
pub fn to_hugging_face(tensors: Tensors) -> Result<Tensors, EncoderError> {
    let mut named = Tensors::new();
    for (name, tensor) in tensors {
        match rename(&name) {
            Renamed::To(to) => {
                named.insert(to, tensor);
            }
            Renamed::Split(names) => {
                let rows = tensor.size().first().copied().unwrap_or(0);
                if rows == 0 || rows % 3 != 0 {
                    return Err(EncoderError::Shape {
                        what: "rows of query, key and value in a LAION checkpoint",
                        expected: "a multiple of 3".into(),
                        found: format!("{rows} in `{name}`"),
                    });
                }
                for (part, to) in (0..).zip(names) {
                    named.insert(to, tensor.narrow(0, part * rows / 3, rows / 3).contiguous());
                }
            }
            Renamed::Unused => {}
            Renamed::Unknown => {
                named.insert(name, tensor);
            }
        }
    }
    Ok(named)
}

/// The shape of a model, read off its tensors. What tensors do not show is as in
/// all of LAION's models: spectrograms folded into a square of 256 cells, patches
/// that do not overlap, and the text tower of `roberta-base`.
#[derive(Clone, Debug, PartialEq)]
pub struct LaionShape {
    /// Whether the patches fuse four channels.
    pub fused: bool,
    /// Mel bands.
    pub num_mel_bins: i64,
    /// Side of a patch.
    pub patch_size: i64,
    /// Side of an attention window.
    pub window_size: i64,
    /// Values per token of the first stage: 96 (tiny) or 128 (base).
    pub patch_embeds_hidden_size: i64,
    /// Blocks in each stage.
    pub depths: Vec<i64>,
    /// Heads in each stage.
    pub num_attention_heads: Vec<i64>,
    /// Whether query, key and value have a bias.
    pub qkv_bias: bool,
    /// Width of the audio tower's feed-forward parts over that of tokens.
    pub mlp_ratio: f64,
    /// Reduction inside of the fusion.
    pub aff_block_r: i64,
    /// Layers of the text tower.
    pub text_layers: i64,
    /// Values per text token.
    pub text_hidden_size: i64,
    /// Width of the text tower's feed-forward parts.
    pub text_intermediate_size: i64,
    /// Tokens of the vocabulary.
    pub vocab_size: i64,
    /// Positions, with the two that padding takes.
    pub max_position_embeddings: i64,
    /// Kinds of token.
    pub type_vocab_size: i64,
    /// Values per embedding.
    pub projection_dim: i64,
}

/// Side of the square that LAION folds spectrograms into.
const SPEC_SIZE: i64 = 256;
/// Width of one head in `roberta-base`.
const TEXT_HEAD: i64 = 64;

impl LaionShape {
    /// Reads the shape off tensors that have Hugging Face's names.
    ///
    /// # Errors
    /// [`EncoderError::Shape`] for a tensor without which it cannot be told, or
    /// whose shape no such model has.
    pub fn of(tensors: &Tensors) -> Result<Self, EncoderError> {
        let audio = "audio_model.audio_encoder";
        let count = |prefix: String| {
            (0..).take_while(|i| has(tensors, &format!("{prefix}.{i}."))).count() as i64
        };
        let stages = count(format!("{audio}.layers"));
        let depths: Vec<i64> =
            (0..stages).map(|stage| count(format!("{audio}.layers.{stage}.blocks"))).collect();
        let block = |stage: i64| format!("{audio}.layers.{stage}.blocks.0");
        let [_, side] = heads_and_side(tensors, &block(0))?;
        let heads: Result<Vec<i64>, EncoderError> = (0..stages)
            .map(|stage| heads_and_side(tensors, &block(stage)).map(|[heads, _]| heads))
            .collect();
        let patches = size(tensors, &format!("{audio}.patch_embed.proj.weight"))?;
        let [width, .., patch_size] = patches[..] else {
            return Err(odd("a kernel of rank 4", "patch_embed.proj.weight", &patches));
        };
        let fused = has(tensors, &format!("{audio}.patch_embed.fusion_model."));
        let fusion = format!("{audio}.patch_embed.fusion_model.local_att.0.weight");
        let aff_block_r = if fused { width / size(tensors, &fusion)?[0].max(1) } else { 4 };
        let inner = size(tensors, &format!("{}.intermediate.dense.weight", block(0)))?[0];
        let table = |name: &str| {
            let name = format!("text_model.embeddings.{name}_embeddings.weight");
            let found = size(tensors, &name)?;
            match found[..] {
                [rows, columns] => Ok([rows, columns]),
                _ => Err(odd("a table", &name, &found)),
            }
        };
        let [vocab_size, text_hidden_size] = table("word")?;
        Ok(Self {
            fused,
            num_mel_bins: size(tensors, &format!("{audio}.batch_norm.weight"))?[0],
            patch_size,
            window_size: side,
            patch_embeds_hidden_size: width,
            depths,
            num_attention_heads: heads?,
            qkv_bias: has(tensors, &format!("{}.attention.self.query.bias", block(0))),
            mlp_ratio: inner as f64 / width.max(1) as f64,
            aff_block_r,
            text_layers: count("text_model.encoder.layer".into()),
            text_hidden_size,
            text_intermediate_size: size(
                tensors,
                "text_model.encoder.layer.0.intermediate.dense.weight",
            )?[0],
            vocab_size,
            max_position_embeddings: table("position")?[0],
            type_vocab_size: table("token_type")?[0],
            projection_dim: size(tensors, "audio_projection.linear2.weight")?[0],
        })
    }

    /// The same as Hugging Face's `config.json`.
    pub fn config_json(&self) -> Value {
        let last = self.depths.len().saturating_sub(1) as u32;
        json!({
            "model_type": "clap",
            "projection_dim": self.projection_dim,
            "projection_hidden_act": "relu",
            "audio_config": {
                "window_size": self.window_size,
                "num_mel_bins": self.num_mel_bins,
                "spec_size": SPEC_SIZE,
                "hidden_act": "gelu",
                "patch_size": self.patch_size,
                "patch_stride": self.patch_size,
                "hidden_size": self.patch_embeds_hidden_size << last,
                "depths": self.depths,
                "num_attention_heads": self.num_attention_heads,
                "enable_fusion": self.fused,
                "patch_embeds_hidden_size": self.patch_embeds_hidden_size,
                "qkv_bias": self.qkv_bias,
                "mlp_ratio": self.mlp_ratio,
                "aff_block_r": self.aff_block_r,
                "layer_norm_eps": 1e-5,
            },
            "text_config": {
                "vocab_size": self.vocab_size,
                "hidden_size": self.text_hidden_size,
                "num_hidden_layers": self.text_layers,
                "num_attention_heads": (self.text_hidden_size / TEXT_HEAD).max(1),
                "intermediate_size": self.text_intermediate_size,
                "max_position_embeddings": self.max_position_embeddings,
                "type_vocab_size": self.type_vocab_size,
                // As `roberta-base` has it; Hugging Face's ClapTextConfig says 1e-12.
                "layer_norm_eps": 1e-5,
                "hidden_act": "gelu",
                "pad_token_id": 1,
            },
        })
    }
}

/// Heads and window side of a block, from the table of relative positions:
/// `[(2 side - 1)^2, heads]`.
fn heads_and_side(tensors: &Tensors, block: &str) -> Result<[i64; 2], EncoderError> {
    let name = format!("{block}.attention.self.relative_position_bias_table");
    let found = size(tensors, &name)?;
    let [rows, heads] = found[..] else { return Err(odd("a table", &name, &found)) };
    let side = (1..=64).find(|side| (2 * side - 1) * (2 * side - 1) == rows);
    side.map(|side| [heads, side]).ok_or_else(|| odd("(2 side - 1)^2 rows", &name, &found))
}

fn has(tensors: &Tensors, prefix: &str) -> bool {
    tensors.range(prefix.to_owned()..).next().is_some_and(|(name, _)| name.starts_with(prefix))
}

/// The size of a tensor that has at least one dimension.
fn size(tensors: &Tensors, name: &str) -> Result<Vec<i64>, EncoderError> {
    match tensors.get(name).map(tch::Tensor::size) {
        Some(size) if !size.is_empty() => Ok(size),
        Some(size) => Err(odd("at least one dimension", name, &size)),
        None => Err(EncoderError::Shape {
            what: "tensors of a LAION checkpoint",
            expected: format!("`{name}`, from which the model's shape is read"),
            found: "none of that name".into(),
        }),
    }
}

fn odd(expected: &str, name: &str, found: &[i64]) -> EncoderError {
    EncoderError::Shape {
        what: "tensors of a LAION checkpoint",
        expected: expected.into(),
        found: format!("{found:?} in `{name}`"),
    }
}
