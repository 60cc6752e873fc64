//! From a noised embedding back to a clean one.
//!
//! How Diffusion-Link samples is not public. Both ways here add noise to the audio
//! embedding up to a level t* and denoise from there: in one network call (SEED's
//! official mode), or by DDIM (Song et al. 2021, equation 12) in a few steps. The
//! candidates are compared on validation.

mod ddim;

use dl_core::noise::Noise;
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use crate::{
    error::{BridgeError, check},
    process::{Prediction, Process},
};

/// A sampler and where it starts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum SamplerConfig {
    /// One network call at one noise level.
    OneStep {
        /// The level t*, counted from 0.
        level: usize,
    },
    /// Several steps from a level down to clean.
    Ddim {
        /// The level t*, counted from 0.
        level: usize,
        /// Network calls, in `1..=level + 1`, at equal strides.
        steps: usize,
        /// Share of fresh noise at each step, in [0, 1]; 0 is deterministic.
        #[serde(default)]
        eta: f64,
    },
}

/// What a sampler denoises with: a process, and a network whose output at a level
/// of the full schedule means `prediction`.
pub struct Denoiser<'a> {
    /// The full process that the network was trained on.
    pub process: &'a Process,
    /// What the output means.
    pub prediction: Prediction,
    /// x_t `[rows, dim]` and the level that all rows stand at, to `[rows, dim]`.
    pub network: &'a dyn Fn(&Tensor, usize) -> Tensor,
}

impl SamplerConfig {
    /// Checks level, steps and eta against a schedule of `levels` levels.
    ///
    /// # Errors
    /// [`BridgeError::Config`] for the first field out of range.
    pub fn validate(&self, levels: usize) -> Result<(), BridgeError> {
        let (level, steps, eta) = self.parts();
        let last = levels.saturating_sub(1);
        check(level <= last, "sampler.level", level, format!("at most {last}, the last level"))?;
        let range = format!("in 1..={}, the levels up to `level`", level + 1);
        check((1..=level + 1).contains(&steps), "sampler.steps", steps, range)?;
        check((0.0..=1.0).contains(&eta), "sampler.eta", eta, "in [0, 1]")
    }

    /// Noises clean rows up to the start level and denoises them: `[rows, dim]` to
    /// `[rows, dim]`, in the kind of `start`. `noise` gives standard normal rows:
    /// draw 0 for the start, draw k for the k-th step where eta is above 0.
    ///
    /// # Errors
    /// [`BridgeError::Config`] when the sampler does not fit the process.
    pub fn sample(
        &self,
        denoiser: &Denoiser<'_>,
        start: &Tensor,
        noise: &dyn Fn(u64) -> Tensor,
    ) -> Result<Tensor, BridgeError> {
        let (level, steps, eta) = self.parts();
        let kept = denoiser.process.respaced(level, steps)?;
        let x_t = kept.q_sample(start, steps - 1, &noise(0));
        Ok(ddim::denoise(&kept, denoiser, x_t, eta, noise))
    }

    /// One step is DDIM over a single kept level.
    fn parts(&self) -> (usize, usize, f64) {
        match *self {
            Self::OneStep { level } => (level, 1, 0.0),
            Self::Ddim { level, steps, eta } => (level, steps, eta),
        }
    }
}

/// Standard normal rows that belong to items: a function of (seed, item, draw)
/// alone, whatever the batch, its order, the thread or the device.
#[derive(Clone, Copy, Debug)]
pub struct RowNoise<'a> {
    /// The seed of the application.
    pub seed: u64,
    /// One number per row, see [`dl_core::noise::item_of`].
    pub items: &'a [u64],
}

impl RowNoise<'_> {
    /// Draw number `draw`: f32 `[rows, dim]`.
    pub fn draw(&self, draw: u64, dim: usize, device: Device) -> Tensor {
        let rows = Noise::new(self.seed, "bridge/sample").normal_rows(self.items, draw, dim);
        Tensor::from_slice(&rows).view([self.items.len() as i64, dim as i64]).to_device(device)
    }
}
