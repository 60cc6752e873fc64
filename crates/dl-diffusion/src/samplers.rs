//! From a noised embedding back to a clean one.
//!
//! How Diffusion-Link samples is not public. All ways here add noise to the audio
//! embedding up to a level t* and denoise from there: in one network call (SEED's
//! official mode), in a few steps, or in one call for each of many noisings, averaged
//! (ours). Candidates are compared on validation.

mod ddim;
mod ddpm;
mod dpm_solver;

use dl_core::noise::Noise;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::{
    error::{BridgeError, check},
    process::{Prediction, Process},
};

/// A sampler and where it starts: `level` is t*, counted from 0; `steps` network
/// calls, in `1..=level + 1`, at equal strides.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
pub enum SamplerConfig {
    /// One network call at one noise level.
    #[serde(rename = "one_step")]
    OneStep {
        /// t*.
        level: usize,
    },
    /// The mean of what one network call predicts from each of several independent
    /// noisings: for each embedding the posterior mean given its neighbourhood, whose
    /// width t* sets. A single call from the same level is noisier, one from a lower
    /// level follows the training clips more closely than new ones deserve.
    #[serde(rename = "mean_of_draws")]
    MeanOfDraws {
        /// t*.
        level: usize,
        /// Noisings, each with its network call, at least 1.
        draws: usize,
    },
    /// DDIM (Song et al. 2021).
    #[serde(rename = "ddim")]
    Ddim {
        /// t*.
        level: usize,
        /// Network calls.
        steps: usize,
        /// Share of fresh noise at each step, in [0, 1]; 0 is deterministic.
        #[serde(default)]
        eta: f64,
    },
    /// Ancestral sampling (Ho et al. 2020) over the kept levels.
    #[serde(rename = "ddpm")]
    Ddpm {
        /// t*.
        level: usize,
        /// Network calls.
        steps: usize,
    },
    /// DPM-Solver++ (2M) (Lu et al. 2022).
    #[serde(rename = "dpm_solver_pp_2m")]
    DpmSolverPp2m {
        /// t*.
        level: usize,
        /// Network calls.
        steps: usize,
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
    /// Where given, rows are brought to this L2 norm before each network call
    /// (Diffusion Bridge's code does so; `None` is every textbook sampler).
    pub norm: Option<f64>,
}

impl Denoiser<'_> {
    /// The rows that the network sees, and the x_0 that it predicts from them at a
    /// step of the kept levels.
    fn predict(&self, kept: &Process, x: Tensor, step: usize) -> (Tensor, Tensor) {
        let x = match self.norm {
            Some(norm) => {
                let length = x.square().sum_dim_intlist(-1, true, None::<Kind>).sqrt();
                x * norm / length.clamp_min(1e-12)
            }
            None => x,
        };
        let output = (self.network)(&x, kept.level(step));
        let x0 = kept.predict_x0(self.prediction, &x, step, &output);
        (x, x0)
    }
}

impl SamplerConfig {
    /// Checks level, steps and eta against a schedule of `levels` levels.
    ///
    /// # Errors
    /// [`BridgeError::Config`] for the first field out of range.
    pub fn validate(&self, levels: usize) -> Result<(), BridgeError> {
        let (level, steps) = self.span();
        let last = levels.saturating_sub(1);
        check(level <= last, "sampler.level", level, format!("at most {last}, the last level"))?;
        let range = format!("in 1..={}, the levels up to `level`", level + 1);
        check((1..=level + 1).contains(&steps), "sampler.steps", steps, range)?;
        match *self {
            Self::Ddim { eta, .. } => {
                check((0.0..=1.0).contains(&eta), "sampler.eta", eta, "in [0, 1]")
            }
            Self::MeanOfDraws { draws, .. } => {
                check(draws > 0, "sampler.draws", draws, "at least 1")
            }
            _ => Ok(()),
        }
    }

    /// Noises clean rows up to the start level and denoises them: `[rows, dim]` to
    /// `[rows, dim]`, in the kind of `start`. `noise` gives standard normal rows:
    /// draw 0 for the start, draw k for the k-th step of a sampler that adds noise and
    /// for the k-th noising of a mean.
    ///
    /// # Errors
    /// [`BridgeError::Config`] when the sampler does not fit the process.
    pub fn sample(
        &self,
        denoiser: &Denoiser<'_>,
        start: &Tensor,
        noise: &dyn Fn(u64) -> Tensor,
    ) -> Result<Tensor, BridgeError> {
        let (level, _) = self.span();
        let one = |draw: u64| -> Result<Tensor, BridgeError> {
            let x_t = denoiser.process.respaced(level, 1)?.q_sample(start, 0, &noise(draw));
            self.denoise(denoiser, x_t, noise)
        };
        let mut x0 = one(0)?;
        if let Self::MeanOfDraws { draws, .. } = *self {
            for draw in 1..draws {
                x0 += one(draw as u64)?;
            }
            x0 /= draws as f64;
        }
        Ok(x0)
    }

    /// Denoises rows that stand at the start level already: as [`Self::sample`]
    /// without its first half.
    ///
    /// # Errors
    /// [`BridgeError::Config`] when the sampler does not fit the process.
    pub fn denoise(
        &self,
        denoiser: &Denoiser<'_>,
        x_t: Tensor,
        noise: &dyn Fn(u64) -> Tensor,
    ) -> Result<Tensor, BridgeError> {
        let (level, steps) = self.span();
        let kept = denoiser.process.respaced(level, steps)?;
        Ok(match *self {
            // One step is DDIM over a single kept level.
            Self::OneStep { .. } | Self::MeanOfDraws { .. } => {
                ddim::denoise(&kept, denoiser, x_t, 0.0, noise)
            }
            Self::Ddim { eta, .. } => ddim::denoise(&kept, denoiser, x_t, eta, noise),
            Self::Ddpm { .. } => ddpm::denoise(&kept, denoiser, x_t, noise),
            Self::DpmSolverPp2m { .. } => dpm_solver::denoise(&kept, denoiser, x_t),
        })
    }

    /// Start level and number of steps.
    fn span(&self) -> (usize, usize) {
        match *self {
            Self::OneStep { level } | Self::MeanOfDraws { level, .. } => (level, 1),
            Self::Ddim { level, steps, .. }
            | Self::Ddpm { level, steps }
            | Self::DpmSolverPp2m { level, steps } => (level, steps),
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
