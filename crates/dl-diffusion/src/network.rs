//! The network of Diffusion-Link and of MLP regression: three residual MLP blocks
//! with a time vector.
//!
//! The abstract of arXiv 2510.11330 fixes the three blocks; the rest follows the
//! RDM-MLP of SEED (arXiv 2505.16798), the same authors' nearest public code,
//! which takes it from RCG. Two linear layers of each block's end and of the
//! output begin at zero, so that an untrained network predicts zero.

use std::{
    cell::{OnceCell, RefCell},
    collections::HashMap,
};

use dl_core::fault::{self, ConfigError, DEEPEST, check, check_size};
use dl_torch::{
    Path,
    layers::{Init, LayerNorm, Linear, Precision},
};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// Longest period of the sinusoidal time embedding.
const MAX_PERIOD: f64 = 10_000.0;
/// PyTorch's default, which the blocks of RDM-MLP keep.
const BLOCK_EPSILON: f64 = 1e-5;
/// What its output layer says.
const OUTPUT_EPSILON: f64 = 1e-6;

/// [`fault::WIDEST`] as a length.
const WIDEST: usize = fault::WIDEST as usize;

/// Size of the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkConfig {
    /// Width of the blocks, at most 65,536; 0 is twice the embedding size, as in RDM-MLP.
    pub hidden: usize,
    /// Number of residual blocks, in 1..=1000.
    pub blocks: usize,
    /// What the linear layers multiply in, in training and in use.
    pub precision: Precision,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self { hidden: 0, blocks: 3, precision: Precision::F32 }
    }
}

impl NetworkConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`ConfigError`] for the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check(self.hidden <= WIDEST, "hidden", self.hidden, format!("at most {WIDEST}"))?;
        check_size("blocks", self.blocks, DEEPEST)
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
    /// What the blocks add at a timestep, by timestep; not set while weights may change.
    known: OnceCell<RefCell<HashMap<usize, Shifts>>>,
}

/// What each block adds between its layers: `[1 or rows, hidden]`; empty without a time
/// vector.
type Shifts = Vec<Tensor>;

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
        let linear = |path: &Path<'_>, inputs, outputs, init| {
            Linear::new(path, inputs, outputs, init).in_precision(config.precision)
        };
        let time = timed.then(|| Time {
            dim,
            first: linear(&(path / "time" / "0"), 2 * dim, dim, Init::Uniform),
            second: linear(&(path / "time" / "1"), dim, dim, Init::Uniform),
        });
        let blocks = (0..config.blocks)
            .map(|index| {
                let path = path / "blocks" / &index.to_string();
                Block {
                    norm_in: LayerNorm::new(&(&path / "norm_in"), hidden, BLOCK_EPSILON),
                    linear_in: linear(&(&path / "linear_in"), hidden, hidden, Init::Uniform),
                    time: timed.then(|| linear(&(&path / "time"), dim, hidden, Init::Uniform)),
                    norm_out: LayerNorm::new(&(&path / "norm_out"), hidden, BLOCK_EPSILON),
                    linear_out: linear(&(&path / "linear_out"), hidden, hidden, Init::Zeros),
                }
            })
            .collect();
        Self {
            input: linear(&(path / "input"), dim, hidden, Init::Uniform),
            time,
            blocks,
            output_norm: LayerNorm::new(&(path / "output_norm"), hidden, OUTPUT_EPSILON),
            output: linear(&(path / "output"), hidden, dim, Init::Zeros),
            known: OnceCell::new(),
        }
    }

    /// From now on the weights stay as they are, so that what the network makes of a
    /// timestep (a quarter of its weights) is computed once for each, and weights in
    /// bfloat16 are rounded once.
    pub fn freeze(&self) {
        let _ = self.known.set(RefCell::default());
        let time = self.time.iter().flat_map(|time| [&time.first, &time.second]);
        let blocks = self
            .blocks
            .iter()
            .flat_map(|block| [&block.linear_in, &block.linear_out].into_iter().chain(&block.time));
        for layer in [&self.input, &self.output].into_iter().chain(time).chain(blocks) {
            layer.freeze();
        }
    }

    /// `x` is `[rows, dim]`, `timesteps` i64 `[rows]`; a network without a time vector
    /// ignores them. Returns `[rows, dim]`.
    pub fn forward(&self, x: &Tensor, timesteps: &Tensor) -> Tensor {
        self.forward_shifted(x, &self.shifts(timesteps))
    }

    /// All rows at one timestep: `[rows, dim]` to `[rows, dim]`.
    pub fn forward_at(&self, x: &Tensor, timestep: usize) -> Tensor {
        let make = || self.shifts(&Tensor::from_slice(&[timestep as i64]).to_device(x.device()));
        match self.known.get() {
            Some(known) => {
                let mut known = known.borrow_mut();
                self.forward_shifted(x, known.entry(timestep).or_insert_with(make))
            }
            None => self.forward_shifted(x, &make()),
        }
    }

    fn shifts(&self, timesteps: &Tensor) -> Shifts {
        let Some(time) = &self.time else { return Vec::new() };
        let time = time.forward(timesteps).silu();
        self.blocks
            .iter()
            .flat_map(|block| &block.time)
            .map(|linear| linear.forward(&time))
            .collect()
    }

    fn forward_shifted(&self, x: &Tensor, shifts: &[Tensor]) -> Tensor {
        let mut h = self.input.forward(x);
        for (place, block) in self.blocks.iter().enumerate() {
            h = block.forward(&h, shifts.get(place));
        }
        self.output.forward(&self.output_norm.forward(&h).silu())
    }
}

impl Time {
    fn forward(&self, timesteps: &Tensor) -> Tensor {
        let embedding = sinusoidal(timesteps, 2 * self.dim);
        self.second.forward(&self.first.forward(&embedding).silu())
    }
}

impl Block {
    fn forward(&self, x: &Tensor, shift: Option<&Tensor>) -> Tensor {
        let mut h = self.linear_in.forward(&self.norm_in.forward(x).silu());
        if let Some(shift) = shift {
            h += shift;
        }
        x + self.linear_out.forward(&self.norm_out.forward(&h).silu())
    }
}

/// Sinusoidal embedding of i64 timesteps `[rows]`: `[rows, size]`, the cosines of
/// `size / 2` frequencies, then their sines. Angles are computed in f64.
pub fn sinusoidal(timesteps: &Tensor, size: i64) -> Tensor {
    let half = size / 2;
    let options = (Kind::Double, timesteps.device());
    let frequencies = (Tensor::arange(half, options) * (-MAX_PERIOD.ln() / half as f64)).exp();
    let angles = timesteps.to_kind(Kind::Double).unsqueeze(1) * frequencies.unsqueeze(0);
    Tensor::cat(&[angles.cos(), angles.sin()], 1).to_kind(Kind::Float)
}
