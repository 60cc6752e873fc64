//! Low-rank adaptation of the frozen decoder (Hu et al., 2021, section 4.1): beside
//! a projection with weights W there stand two thin matrices, and `y = W x +
//! alpha / rank * B A x`. Only A and B are trained. They belong to whoever trains
//! them and are handed to the decoder at each forward pass, so that one decoder
//! serves many. For use they can be added to copies of the projections, which are handed
//! to the decoder in the same way: the decoder itself is never changed.

use std::collections::BTreeMap;

use dl_core::fault::{ConfigError, Under, WIDEST, check, check_size};
use dl_torch::{
    Path,
    layers::{Init, Linear},
};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::{Llama, LlamaConfig, LlmError, dropout::Dropout};

/// A projection that can be adapted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoraTarget {
    /// To the queries.
    Query,
    /// To the keys.
    Key,
    /// To the values.
    Value,
    /// From the joined heads back to the residual stream.
    Output,
    /// To the gate of the feed-forward layer.
    Gate,
    /// To what the gate multiplies.
    Up,
    /// From the feed-forward layer back to the residual stream.
    Down,
}

impl LoraTarget {
    /// Its name in published weight files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Query => "q_proj",
            Self::Key => "k_proj",
            Self::Value => "v_proj",
            Self::Output => "o_proj",
            Self::Gate => "gate_proj",
            Self::Up => "up_proj",
            Self::Down => "down_proj",
        }
    }

    /// The half of the block that it belongs to.
    fn half(self) -> &'static str {
        match self {
            Self::Query | Self::Key | Self::Value | Self::Output => "self_attn",
            Self::Gate | Self::Up | Self::Down => "mlp",
        }
    }

    /// Inputs and outputs of the projection.
    pub(crate) fn shape(self, decoder: &LlamaConfig) -> (i64, i64) {
        let (wide, narrow) =
            (decoder.heads * decoder.head_dim(), decoder.kv_heads * decoder.head_dim());
        match self {
            Self::Query => (decoder.hidden, wide),
            Self::Key | Self::Value => (decoder.hidden, narrow),
            Self::Output => (wide, decoder.hidden),
            Self::Gate | Self::Up => (decoder.hidden, decoder.intermediate),
            Self::Down => (decoder.intermediate, decoder.hidden),
        }
    }
}

/// What is adapted, and how strongly. The defaults are those of the captioners on
/// LLaMA-2-7B and Vicuna-7B that this line of work builds on (LOAE, LAMB, DRCap).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoraConfig {
    /// Inner width of the two matrices, in 1..=65536.
    pub rank: i64,
    /// The product counts `alpha / rank` times; above 0.
    pub alpha: f64,
    /// The projections, of every block; each once, at least one.
    pub targets: Vec<LoraTarget>,
    /// Share of the inputs of A that fall out in each training step, in [0, 1).
    #[serde(skip_serializing_if = "is_zero")]
    pub dropout: f64,
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl Default for LoraConfig {
    fn default() -> Self {
        let targets = vec![LoraTarget::Query, LoraTarget::Value];
        Self { rank: 8, alpha: 32.0, targets, dropout: 0.0 }
    }
}

impl LoraConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`ConfigError`] for the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_size("rank", self.rank, WIDEST)?;
        let strength = self.alpha > 0.0 && self.alpha.is_finite();
        check(strength, "alpha", self.alpha, "above 0")?;
        check((0.0..1.0).contains(&self.dropout), "dropout", self.dropout, "in [0, 1)")?;
        let mut once = self.targets.clone();
        once.sort_unstable();
        once.dedup();
        let good = !once.is_empty() && once.len() == self.targets.len();
        let found = format!("{:?}", self.targets).to_lowercase();
        let range = "one or more of query, key, value, output, gate, up, down, each once";
        check(good, "targets", found, range)
    }
}

/// The two matrices of one projection.
#[derive(Debug)]
struct Adapter {
    /// A, `[rank, in]`.
    down: Linear,
    /// B, `[out, rank]`.
    up: Linear,
}

/// The matrices of one block.
#[derive(Debug)]
pub(crate) struct LayerLora {
    adapters: BTreeMap<LoraTarget, Adapter>,
    scale: f64,
}

impl LayerLora {
    /// What the projection `target` of block `layer` gives for `x`, `[batch, len, in]`, on top
    /// of its own output: `[batch, len, out]`, or nothing where it is not adapted. The matrices
    /// are f32, and so is what passes between them.
    fn delta(
        &self,
        layer: u32,
        target: LoraTarget,
        x: &Tensor,
        dropout: Option<&Dropout>,
    ) -> Option<Tensor> {
        let adapter = self.adapters.get(&target)?;
        let mut wide = x.to_kind(Kind::Float);
        if let Some(dropout) = dropout {
            wide = dropout.apply(layer * 8 + target as u32, &wide);
        }
        // Scaled where it is thin.
        let delta = adapter.up.forward(&(adapter.down.forward(&wide) * self.scale));
        Some(delta.to_kind(x.kind()))
    }
}

/// Copies of the adapted projections of one block, with the matrices added.
pub(crate) type Merged = BTreeMap<LoraTarget, Linear>;

/// What stands beside or in place of the projections of one block in one forward pass.
#[derive(Debug)]
pub(crate) enum Adapters<'a> {
    /// The matrices.
    Apart {
        lora: &'a LayerLora,
        /// The number of the block.
        layer: u32,
        dropout: Option<&'a Dropout>,
    },
    /// The projections that have them within.
    Merged(&'a Merged),
}

impl Adapters<'_> {
    /// Whether inputs fall out, which ones depending on their row.
    pub(crate) fn drops(&self) -> bool {
        matches!(self, Self::Apart { dropout: Some(_), .. })
    }
}

/// A frozen projection with what a block's adapters, if any, add to it.
pub(crate) fn project(
    frozen: &Linear,
    adapters: Option<&Adapters<'_>>,
    target: LoraTarget,
    x: &Tensor,
) -> Tensor {
    match adapters {
        None => frozen.forward(x),
        Some(Adapters::Merged(merged)) => merged.get(&target).unwrap_or(frozen).forward(x),
        Some(Adapters::Apart { lora, layer, dropout }) => {
            let output = frozen.forward(x);
            match lora.delta(*layer, target, x, *dropout) {
                Some(delta) => output + delta,
                None => output,
            }
        }
    }
}

/// The matrices for a whole decoder.
#[derive(Debug)]
pub struct Lora {
    layers: Vec<LayerLora>,
    decoder: LlamaConfig,
}

impl Lora {
    /// Fresh matrices for a decoder of this shape, under `root`, by the names that
    /// PEFT gives them behind its own `base_model.model`. A begins uniform within
    /// 1/sqrt(inputs), which is PyTorch's `kaiming_uniform_(a = sqrt(5))`, and B
    /// zero: as long as they are untrained the decoder is what it was.
    ///
    /// # Errors
    /// [`LlmError::Config`] when a configuration is out of range.
    pub fn new(
        root: &Path<'_>,
        config: &LoraConfig,
        decoder: &LlamaConfig,
    ) -> Result<Self, LlmError> {
        config.validate().under("lora")?;
        decoder.validate()?;
        let layers = root / "model" / "layers";
        let adapter = |block: &Path<'_>, target: LoraTarget| {
            let (inputs, outputs) = target.shape(decoder);
            let path = block / target.name();
            Adapter {
                down: Linear::without_bias(&(&path / "lora_A"), inputs, config.rank, Init::Uniform),
                up: Linear::without_bias(&(&path / "lora_B"), config.rank, outputs, Init::Zeros),
            }
        };
        let layer = |layer: i64| {
            let block = &layers / layer.to_string().as_str();
            let adapter =
                |&target: &LoraTarget| (target, adapter(&(&block / target.half()), target));
            LayerLora {
                adapters: config.targets.iter().map(adapter).collect(),
                scale: config.alpha / config.rank as f64,
            }
        };
        Ok(Self { layers: (0..decoder.layers).map(layer).collect(), decoder: decoder.clone() })
    }

    /// The matrices of each block of `decoder` for a pass in which `dropout` falls out.
    pub(crate) fn adapters<'a>(
        &'a self,
        decoder: &LlamaConfig,
        dropout: Option<&'a Dropout>,
    ) -> Result<Vec<Adapters<'a>>, LlmError> {
        self.check(decoder)?;
        let numbered = self.layers.iter().zip(0..);
        Ok(numbered.map(|(lora, layer)| Adapters::Apart { lora, layer, dropout }).collect())
    }

    fn check(&self, decoder: &LlamaConfig) -> Result<(), LlmError> {
        if self.decoder == *decoder {
            return Ok(());
        }
        Err(LlmError::Input(
            "low-rank matrices made for a decoder of another shape; make them for this one".into(),
        ))
    }

    /// Copies of the adapted projections of every block of `decoder` that have the matrices
    /// added to them: the sum is made in f32 and rounded once to the kind of the decoder.
    pub(crate) fn merged(&self, decoder: &Llama) -> Result<Vec<Merged>, LlmError> {
        self.check(decoder.config())?;
        let layers = self.layers.iter().enumerate().map(|(layer, lora)| {
            let adapters = lora.adapters.iter();
            let merged = adapters.map(|(&target, adapter)| {
                let delta = adapter.up.weight().matmul(adapter.down.weight()) * lora.scale;
                (target, decoder.projection(layer, target).plus(&delta))
            });
            merged.collect()
        });
        Ok(tch::no_grad(|| layers.collect()))
    }
}

#[cfg(test)]
mod tests {
    use dl_torch::Params;
    use tch::Device;

    use super::*;

    #[test]
    fn one_projection_by_hand() {
        let shape = LlamaConfig {
            vocab: 3,
            hidden: 2,
            layers: 1,
            heads: 1,
            kv_heads: 1,
            ..LlamaConfig::default()
        };
        let targets = vec![LoraTarget::Key];
        let config = LoraConfig { rank: 1, alpha: 3.0, targets, ..LoraConfig::default() };
        let params = Params::new(0, Device::Cpu);
        let lora = Lora::new(&(params.root() / "lora"), &config, &shape).unwrap();
        let frozen = Linear::without_bias(&(params.root() / "w"), 2, 2, Init::Zeros);
        let values = [
            ("w.weight", Tensor::from_slice(&[1_f32, 2.0, 3.0, 4.0]).view([2, 2])),
            (
                "lora.model.layers.0.self_attn.k_proj.lora_A.weight",
                Tensor::from_slice(&[2_f32, -1.0]).view([1, 2]),
            ),
            (
                "lora.model.layers.0.self_attn.k_proj.lora_B.weight",
                Tensor::from_slice(&[0.5_f32, -2.0]).view([2, 1]),
            ),
        ];
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        params.restore(&values, std::path::Path::new("toy")).unwrap();
        let adapters = lora.adapters(&shape, None).unwrap();
        let layer = &adapters[0];
        let x = Tensor::from_slice(&[3_f32, 1.0]);
        // W x = (5, 13); A x = 5; B A x = (2.5, -10), three times.
        let adapted = project(&frozen, Some(layer), LoraTarget::Key, &x);
        assert_eq!(adapted, Tensor::from_slice(&[12.5_f32, -17.0]));
        // Not a target, and without matrices.
        let plain = Tensor::from_slice(&[5_f32, 13.0]);
        assert_eq!(project(&frozen, Some(layer), LoraTarget::Value, &x), plain);
        assert_eq!(project(&frozen, None, LoraTarget::Key, &x), plain);
    }

    #[test]
    fn ranges_are_checked_and_named() {
        LoraConfig::default().validate().unwrap();
        let with = |targets: &[LoraTarget]| LoraConfig { targets: targets.into(), ..config() };
        let bad = [
            (LoraConfig { rank: 0, ..config() }, "rank = 0: must be in 1..=65536"),
            (LoraConfig { alpha: 0.0, ..config() }, "alpha = 0: must be above 0"),
            (LoraConfig { dropout: 1.0, ..config() }, "dropout = 1: must be in [0, 1)"),
            (LoraConfig { alpha: f64::NAN, ..config() }, "alpha = NaN: must be above 0"),
            (
                with(&[]),
                "targets = []: must be one or more of query, key, value, output, gate, up, down, \
                 each once",
            ),
            (
                with(&[LoraTarget::Key, LoraTarget::Key]),
                "targets = [key, key]: must be one or more of query, key, value, output, gate, \
                 up, down, each once",
            ),
        ];
        for (config, message) in bad {
            assert_eq!(config.validate().unwrap_err().to_string(), message);
        }
    }

    fn config() -> LoraConfig {
        LoraConfig::default()
    }
}
