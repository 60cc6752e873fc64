//! The 1-D U-Net of Diffusion Bridge (Lee et al., CVPR 2025): an embedding is taken
//! for a sequence of one channel, as long as it has dimensions.
//!
//! It is `Unet1D` of the package denoising-diffusion-pytorch with one change of
//! Diffusion Bridge's code: the sinusoidal embedding of the timestep is as wide as the
//! embedding, not as the first level. Each level of resolution is two residual blocks
//! and linear attention, both ways; between them stands full attention. Parameters
//! have the package's names, so that its weights fit.

use std::f64::consts::LN_10;

use dl_core::fault::{ConfigError, WIDEST, check, check_size};
use dl_torch::{
    Path,
    layers::{Conv1d, Init, Linear},
};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::bridges::check_all;

mod blocks;

use blocks::{Attending, Attention, ResidualBlock};

/// Natural logarithm of the longest period of the sinusoidal embedding over 2 pi.
const LOG_MAX_PERIOD: f64 = 4.0 * LN_10;
/// Rows that go through the network at once. A row of the published size has
/// activations of 800 kB in one attention alone.
const CHUNK: i64 = 256;

/// Values of one row in the largest attention are at most this many (64 MB); at the
/// published size they are 196,608.
const MOST_VALUES: usize = 1 << 24;

/// Size of the U-Net. No size is above 65,536.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UnetConfig {
    /// Channels that a multiplier of 1 stands for, at least 1.
    pub width: usize,
    /// Channels of the levels in multiples of the width, from the full length down;
    /// each at least 1. Every level but the last halves the length.
    pub multipliers: Vec<usize>,
    /// Heads of every attention, at least 1; the package fixes those of linear
    /// attention at 4.
    pub heads: usize,
    /// Channels of a head, at least 1; the package fixes those of linear attention
    /// at 32.
    pub head_dim: usize,
    /// Size of the sinusoidal embedding of the timestep, even and at least 4; 0 is the
    /// embedding size, as in Diffusion Bridge's code. The package's is the width.
    pub sinusoid: usize,
}

impl Default for UnetConfig {
    fn default() -> Self {
        Self { width: 32, multipliers: vec![1, 2, 4, 8], heads: 4, head_dim: 32, sinusoid: 0 }
    }
}

impl UnetConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`ConfigError`] for the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_size("width", self.width, WIDEST)?;
        let range = format!("in 1..={WIDEST}");
        check_all(
            "multipliers",
            &self.multipliers,
            |m| (1..=WIDEST as usize).contains(&m),
            &range,
        )?;
        check_size("heads", self.heads, WIDEST)?;
        check_size("head_dim", self.head_dim, WIDEST)?;
        let sinusoid = self.sinusoid;
        let even = (4..=WIDEST as usize).contains(&sinusoid) && sinusoid.is_multiple_of(2);
        let good = sinusoid == 0 || even;
        let range = format!("0 (the embedding size), or even and in 4..={WIDEST}");
        check(good, "sinusoid", sinusoid, range)
    }

    /// Checks that the levels halve `dim` evenly, that it can be `sinusoid`, and that its
    /// attentions fit into memory.
    fn check_dim(&self, dim: usize) -> Result<(), ConfigError> {
        let halvings = self.multipliers.len() as u32 - 1;
        let whole = 1_usize.checked_shl(halvings).filter(|&whole| dim.is_multiple_of(whole));
        let range = format!(
            "so short that the embedding size {dim} can be halved evenly once for each but the \
             last"
        );
        check(whole.is_some(), "multipliers", format!("{:?}", self.multipliers), range)?;
        let good = self.sinusoid > 0 || dim >= 4 && dim.is_multiple_of(2);
        let range = format!("even and at least 4, as the embedding size {dim} is not");
        check(good, "sinusoid", self.sinusoid, range)?;
        // The pairs of places of the full attention; queries, keys and values of the first
        // linear one.
        let deepest = dim / whole.unwrap_or(1);
        let values = self.heads * (deepest * deepest).max(3 * self.head_dim * dim);
        let range = format!(
            "so few that the attentions need at most {MOST_VALUES} values for an embedding of \
             size {dim}, not {values}"
        );
        check(values <= MOST_VALUES, "heads", self.heads, range)
    }
}

/// The U-Net.
#[derive(Debug)]
pub struct Unet {
    input: Conv1d,
    time: Time,
    down: Vec<Level>,
    middle: (ResidualBlock, Attention, ResidualBlock),
    up: Vec<Level>,
    last: ResidualBlock,
    output: Conv1d,
}

#[derive(Debug)]
struct Time {
    size: i64,
    first: Linear,
    second: Linear,
}

/// Two residual blocks, linear attention, and the way to the next level.
#[derive(Debug)]
struct Level {
    first: ResidualBlock,
    second: ResidualBlock,
    attention: Attention,
    /// Doubles the length before `resize`.
    doubles: bool,
    resize: Conv1d,
}

impl Unet {
    /// For embeddings of `dim` dimensions.
    ///
    /// # Errors
    /// [`ConfigError`] for a field out of range, or when the levels cannot
    /// halve `dim` evenly.
    pub fn new(path: &Path<'_>, dim: usize, config: &UnetConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        config.check_dim(dim)?;
        let width = config.width as i64;
        let time = 4 * width;
        let size = if config.sinusoid == 0 { dim } else { config.sinusoid } as i64;
        let block =
            |name: &str, inputs, outputs| ResidualBlock::new(&(path / name), inputs, outputs, time);
        let attention = |name: &str, channels, attending| {
            let (heads, head_dim) = (config.heads as i64, config.head_dim as i64);
            Attention::new(&(path / name), channels, heads, head_dim, attending)
        };
        let channels: Vec<i64> = config.multipliers.iter().map(|&m| width * m as i64).collect();
        let from: Vec<i64> =
            [width].into_iter().chain(channels.iter().copied()).take(channels.len()).collect();
        let pairs: Vec<(i64, i64)> = from.into_iter().zip(channels.iter().copied()).collect();
        let bottom = pairs.len() - 1;
        let down = pairs.iter().enumerate().map(|(index, &(inputs, outputs))| {
            let name = |part: usize| format!("downs.{index}.{part}");
            let resize = path / &name(3);
            Level {
                first: block(&name(0), inputs, inputs),
                second: block(&name(1), inputs, inputs),
                attention: attention(&name(2), inputs, Attending::Linear),
                doubles: false,
                resize: match index == bottom {
                    true => Conv1d::new(&resize, inputs, outputs, 3),
                    false => Conv1d::halving(&resize, inputs, outputs),
                },
            }
        });
        // Each block on the way up also takes the skip of one on the way down.
        let up = pairs.iter().rev().enumerate().map(|(index, &(outputs, inputs))| {
            let name = |part: usize| format!("ups.{index}.{part}");
            let (resize, doubles) = (path / &name(3), index < bottom);
            // The package has the doubling itself as part 0.
            let resize = if doubles { resize / "1" } else { resize };
            Level {
                first: block(&name(0), inputs + outputs, inputs),
                second: block(&name(1), inputs + outputs, inputs),
                attention: attention(&name(2), inputs, Attending::Linear),
                doubles,
                resize: Conv1d::new(&resize, inputs, outputs, 3),
            }
        });
        let deepest = channels[bottom];
        Ok(Self {
            input: Conv1d::new(&(path / "init_conv"), 1, width, 7),
            time: Time {
                size,
                first: Linear::new(&(path / "time_mlp.1"), size, time, Init::Uniform),
                second: Linear::new(&(path / "time_mlp.3"), time, time, Init::Uniform),
            },
            down: down.collect(),
            middle: (
                block("mid_block1", deepest, deepest),
                attention("mid_attn", deepest, Attending::Full),
                block("mid_block2", deepest, deepest),
            ),
            up: up.collect(),
            last: block("final_res_block", 2 * width, width),
            output: Conv1d::new(&(path / "final_conv"), width, 1, 1),
        })
    }

    /// `x` is `[rows, dim]`; `timesteps` i64 `[rows]`, or `[1]` when all rows stand at
    /// one (the time vector is then computed once). Returns `[rows, dim]`.
    pub fn forward(&self, x: &Tensor, timesteps: &Tensor) -> Tensor {
        let time = self.time.forward(timesteps).silu();
        let shared = time.size()[0] == 1;
        let rows = x.size()[0];
        let chunks = (0..rows).step_by(CHUNK as usize).map(|start| {
            let count = CHUNK.min(rows - start);
            let x = x.narrow(0, start, count).unsqueeze(1);
            let time = if shared { time.shallow_clone() } else { time.narrow(0, start, count) };
            self.chunk(&x, &time).squeeze_dim(1)
        });
        match rows {
            0 => x.shallow_clone(),
            _ => Tensor::cat(&chunks.collect::<Vec<_>>(), 0),
        }
    }

    /// `x` is `[rows, 1, dim]`; `time` the time vector after its activation, which all
    /// blocks share.
    fn chunk(&self, x: &Tensor, time: &Tensor) -> Tensor {
        let entry = self.input.forward(x);
        let mut x = entry.shallow_clone();
        let mut skips = Vec::new();
        for level in &self.down {
            x = level.first.forward(&x, time);
            skips.push(x.shallow_clone());
            x = level.attention.forward(&level.second.forward(&x, time));
            skips.push(x.shallow_clone());
            x = level.resize.forward(&x);
        }
        let (first, attention, second) = &self.middle;
        x = second.forward(&attention.forward(&first.forward(&x, time)), time);
        // The way up takes the skips in reverse, one for each of its blocks.
        let mut join = |x: Tensor| {
            let skip = skips.pop();
            Tensor::cat(&[Some(x), skip].into_iter().flatten().collect::<Vec<_>>(), 1)
        };
        for level in &self.up {
            x = level.first.forward(&join(x), time);
            x = level.attention.forward(&level.second.forward(&join(x), time));
            if level.doubles {
                x = x.upsample_nearest1d([2 * x.size()[2]], None);
            }
            x = level.resize.forward(&x);
        }
        self.output.forward(&self.last.forward(&Tensor::cat(&[x, entry], 1), time))
    }
}

impl Time {
    fn forward(&self, timesteps: &Tensor) -> Tensor {
        let embedding = sinusoidal(timesteps, self.size);
        self.second.forward(&self.first.forward(&embedding).gelu("none"))
    }
}

/// `[rows, size]`: the sines of `size / 2` frequencies from 1 down to 1e-4, then their
/// cosines. Angles are computed in f64.
fn sinusoidal(timesteps: &Tensor, size: i64) -> Tensor {
    let half = size / 2;
    let options = (Kind::Double, timesteps.device());
    let frequencies = (Tensor::arange(half, options) * (-LOG_MAX_PERIOD / (half - 1) as f64)).exp();
    let angles = timesteps.to_kind(Kind::Double).unsqueeze(1) * frequencies.unsqueeze(0);
    Tensor::cat(&[angles.sin(), angles.cos()], 1).to_kind(Kind::Float)
}
