//! Low-rank adaptation of the frozen decoder (Hu et al., 2021, section 4.1): beside
//! a projection with weights W there stand two thin matrices, and `y = W x +
//! alpha / rank * B A x`. Only A and B are trained. They belong to whoever trains
//! them and are handed to the decoder at each forward pass, so that one decoder
//! serves many.

use std::collections::BTreeMap;

use dl_torch::{
    Path,
    layers::{Init, Linear},
};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::{LlamaConfig, LlmError, error::check};

/// A projection of the attention that can be adapted.
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
}

impl LoraTarget {
    /// Its name in published weight files.
    fn name(self) -> &'static str {
        match self {
            Self::Query => "q_proj",
            Self::Key => "k_proj",
            Self::Value => "v_proj",
            Self::Output => "o_proj",
        }
    }

    /// Inputs and outputs of the projection.
    fn shape(self, decoder: &LlamaConfig) -> (i64, i64) {
        let (wide, narrow) =
            (decoder.heads * decoder.head_dim(), decoder.kv_heads * decoder.head_dim());
        match self {
            Self::Query => (decoder.hidden, wide),
            Self::Key | Self::Value => (decoder.hidden, narrow),
            Self::Output => (wide, decoder.hidden),
        }
    }
}

/// What is adapted, and how strongly. The defaults are those of the captioners on
/// LLaMA-2-7B and Vicuna-7B that this line of work builds on (LOAE, LAMB, DRCap).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoraConfig {
    /// Inner width of the two matrices, at least 1.
    pub rank: i64,
    /// The product counts `alpha / rank` times; above 0.
    pub alpha: f64,
    /// The projections, of every block; each once, at least one.
    pub targets: Vec<LoraTarget>,
}

impl Default for LoraConfig {
    fn default() -> Self {
        Self { rank: 8, alpha: 32.0, targets: vec![LoraTarget::Query, LoraTarget::Value] }
    }
}

impl LoraConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`LlmError::Config`] for the first field out of range.
    pub fn validate(&self) -> Result<(), LlmError> {
        check(self.rank > 0, "lora.rank", self.rank, "at least 1")?;
        let strength = self.alpha > 0.0 && self.alpha.is_finite();
        check(strength, "lora.alpha", self.alpha, "above 0")?;
        let mut once = self.targets.clone();
        once.sort_unstable();
        once.dedup();
        let good = !once.is_empty() && once.len() == self.targets.len();
        let found = format!("{:?}", self.targets).to_lowercase();
        check(good, "lora.targets", found, "one or more of query, key, value, output, each once")
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
    /// What the projection `target` gives for `x`, `[.., in]`, on top of its own
    /// output: `[.., out]`, or nothing where it is not adapted.
    fn delta(&self, target: LoraTarget, x: &Tensor) -> Option<Tensor> {
        let adapter = self.adapters.get(&target)?;
        // Scaled where it is thin.
        Some(adapter.up.forward(&(adapter.down.forward(x) * self.scale)))
    }
}

/// A frozen projection with what a block's adapters, if any, add to it.
pub(crate) fn project(
    frozen: &Linear,
    lora: Option<&LayerLora>,
    target: LoraTarget,
    x: &Tensor,
) -> Tensor {
    let output = frozen.forward(x);
    match lora.and_then(|lora| lora.delta(target, x)) {
        Some(delta) => output + delta,
        None => output,
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
        config.validate()?;
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
            let block = &layers / layer.to_string().as_str() / "self_attn";
            let targets = config.targets.iter();
            LayerLora {
                adapters: targets.map(|&target| (target, adapter(&block, target))).collect(),
                scale: config.alpha / config.rank as f64,
            }
        };
        Ok(Self { layers: (0..decoder.layers).map(layer).collect(), decoder: decoder.clone() })
    }

    /// The matrices of each block of `decoder`.
    pub(crate) fn layers(&self, decoder: &LlamaConfig) -> Result<&[LayerLora], LlmError> {
        if self.decoder != *decoder {
            return Err(LlmError::Input(
                "low-rank matrices made for a decoder of another shape; make them for this one"
                    .into(),
            ));
        }
        Ok(&self.layers)
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
        let config = LoraConfig { rank: 1, alpha: 3.0, targets: vec![LoraTarget::Key] };
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
        let layer = &lora.layers(&shape).unwrap()[0];
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
            (LoraConfig { rank: 0, ..config() }, "lora.rank = 0: must be at least 1"),
            (LoraConfig { alpha: 0.0, ..config() }, "lora.alpha = 0: must be above 0"),
            (LoraConfig { alpha: f64::NAN, ..config() }, "lora.alpha = NaN: must be above 0"),
            (
                with(&[]),
                "lora.targets = []: must be one or more of query, key, value, output, each once",
            ),
            (
                with(&[LoraTarget::Key, LoraTarget::Key]),
                "lora.targets = [key, key]: must be one or more of query, key, value, output, \
                 each once",
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
