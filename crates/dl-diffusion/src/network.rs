//! The network of Diffusion-Link and of MLP regression: three residual MLP blocks
//! with a time vector.
//!
//! The abstract of arXiv 2510.11330 fixes the three blocks; the rest follows the
//! RDM-MLP of SEED (arXiv 2505.16798), the same authors' nearest public code,
//! which takes it from RCG. Two linear layers of each block's end and of the
//! output begin at zero, so that an untrained network predicts zero.

use dl_torch::{
    Path,
    layers::{Init, LayerNorm, Linear},
};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::error::{BridgeError, check};

/// Longest period of the sinusoidal time embedding.
const MAX_PERIOD: f64 = 10_000.0;
/// PyTorch's default, which the blocks of RDM-MLP keep.
const BLOCK_EPSILON: f64 = 1e-5;
/// What its output layer says.
const OUTPUT_EPSILON: f64 = 1e-6;

/// Size of the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkConfig {
    /// Width of the blocks; 0 is twice the embedding size, as in RDM-MLP.
    pub hidden: usize,
    /// Number of residual blocks, at least 1.
    pub blocks: usize,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self { hidden: 0, blocks: 3 }
    }
}

impl NetworkConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`BridgeError::Config`] for the first field out of range.
    pub fn validate(&self) -> Result<(), BridgeError> {
        check(self.blocks > 0, "network.blocks", self.blocks, "at least 1")
    }
}

/// The residual MLP, with a time vector (diffusion) or without (regression).
#[derive(Debug)]
pub struct Network {
    input: Linear,
    time: Option<Time>,
    blocks: Vec<Block>,
    output_norm: LayerNorm,
    output: Linear,
}

#[derive(Debug)]
struct Time {
    dim: i64,
    first: Linear,
    second: Linear,
}

#[derive(Debug)]
struct Block {
    norm_in: LayerNorm,
    linear_in: Linear,
    time: Option<Linear>,
    norm_out: LayerNorm,
    linear_out: Linear,
}

impl Network {
    /// For embeddings of `dim` dimensions; `timed` gives it a time vector.
    pub fn new(path: &Path<'_>, dim: usize, config: &NetworkConfig, timed: bool) -> Self {
        let dim = dim as i64;
        let hidden = if config.hidden == 0 { 2 * dim } else { config.hidden as i64 };
        let time = timed.then(|| Time {
            dim,
            first: Linear::new(&(path / "time" / "0"), 2 * dim, dim, Init::Uniform),
            second: Linear::new(&(path / "time" / "1"), dim, dim, Init::Uniform),
        });
        let blocks = (0..config.blocks)
            .map(|index| {
                let path = path / "blocks" / &index.to_string();
                Block {
                    norm_in: LayerNorm::new(&(&path / "norm_in"), hidden, BLOCK_EPSILON),
                    linear_in: Linear::new(&(&path / "linear_in"), hidden, hidden, Init::Uniform),
                    time: timed.then(|| Linear::new(&(&path / "time"), dim, hidden, Init::Uniform)),
                    norm_out: LayerNorm::new(&(&path / "norm_out"), hidden, BLOCK_EPSILON),
                    linear_out: Linear::new(&(&path / "linear_out"), hidden, hidden, Init::Zeros),
                }
            })
            .collect();
        Self {
            input: Linear::new(&(path / "input"), dim, hidden, Init::Uniform),
            time,
            blocks,
            output_norm: LayerNorm::new(&(path / "output_norm"), hidden, OUTPUT_EPSILON),
            output: Linear::new(&(path / "output"), hidden, dim, Init::Zeros),
        }
    }

    /// `x` is `[rows, dim]`; `levels` i64 `[rows]`, or `[1]` when all rows stand at
    /// one level (the time vector is then computed once). Without a time vector
    /// `levels` is not looked at. Returns `[rows, dim]`.
    pub fn forward(&self, x: &Tensor, levels: &Tensor) -> Tensor {
        let time = self.time.as_ref().map(|time| time.forward(levels).silu());
        let mut h = self.input.forward(x);
        for block in &self.blocks {
            h = block.forward(&h, time.as_ref());
        }
        self.output.forward(&self.output_norm.forward(&h).silu())
    }
}

impl Time {
    fn forward(&self, levels: &Tensor) -> Tensor {
        let embedding = sinusoidal(levels, 2 * self.dim);
        self.second.forward(&self.first.forward(&embedding).silu())
    }
}

impl Block {
    /// `time` is the time vector after its activation, which all blocks share.
    fn forward(&self, x: &Tensor, time: Option<&Tensor>) -> Tensor {
        let mut h = self.linear_in.forward(&self.norm_in.forward(x).silu());
        if let (Some(linear), Some(time)) = (&self.time, time) {
            h += linear.forward(time);
        }
        x + self.linear_out.forward(&self.norm_out.forward(&h).silu())
    }
}

/// Sinusoidal embedding of i64 levels `[rows]`: `[rows, size]`, the cosines of
/// `size / 2` frequencies, then their sines. Angles are computed in f64.
pub fn sinusoidal(levels: &Tensor, size: i64) -> Tensor {
    let half = size / 2;
    let options = (Kind::Double, levels.device());
    let frequencies = (Tensor::arange(half, options) * (-MAX_PERIOD.ln() / half as f64)).exp();
    let angles = levels.to_kind(Kind::Double).unsqueeze(1) * frequencies.unsqueeze(0);
    Tensor::cat(&[angles.cos(), angles.sin()], 1).to_kind(Kind::Float)
}

/// One level for all rows.
pub fn one_level(level: usize, device: Device) -> Tensor {
    Tensor::from_slice(&[level as i64]).to_device(device)
}
