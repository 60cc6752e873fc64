//! The forward process and the three ways to say what a network predicts.
//!
//! q(x_t | x_0) = N(sqrt(alpha_bar_t) x_0, (1 - alpha_bar_t) I) (Ho et al. 2020,
//! equation 4); v = sqrt(alpha_bar_t) eps - sqrt(1 - alpha_bar_t) x_0 (Salimans
//! and Ho 2022, section 4). Fewer steps are a derived process over the kept
//! timesteps (Nichol and Dhariwal 2021, section 4), so that no sampler holds stride
//! arithmetic.

use dl_core::{ConfigError, fault::check};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::schedule::Schedule;

/// What the network's output means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prediction {
    /// The clean embedding x_0. The default: SEED and Diffusion Bridge agree on it.
    #[default]
    X0,
    /// The noise.
    Eps,
    /// The velocity v.
    V,
}

/// A process over some timesteps of a schedule: each step knows the timestep that the
/// network was trained with.
#[derive(Clone, Debug)]
pub struct Process {
    timesteps: Vec<usize>,
    alpha_bars: Vec<f64>,
}

impl Process {
    /// Every timestep of the schedule.
    pub fn new(schedule: &Schedule) -> Self {
        Self {
            timesteps: (0..schedule.timesteps()).collect(),
            alpha_bars: schedule.alpha_bars().to_vec(),
        }
    }

    /// The derived process that starts at `timestep` and takes `steps` equal strides
    /// down to clean data: from 599 in 5 steps, the timesteps 599, 479, 359, 239, 119
    /// (the spacing of Diffusion Bridge's code and of diffusers' `trailing`).
    ///
    /// # Errors
    /// [`ConfigError`] for a timestep that is not there or steps outside
    /// `1..=timestep + 1`.
    pub fn respaced(&self, timestep: usize, steps: usize) -> Result<Self, ConfigError> {
        let top = self.timesteps.len() - 1;
        check(timestep <= top, "timestep", timestep, format!("at most {top}, the last timestep"))?;
        let range = format!("in 1..={}, the timesteps up to {timestep}", timestep + 1);
        check((1..=timestep + 1).contains(&steps), "steps", steps, range)?;
        let kept = (1..=steps).map(|step| (timestep + 1) * step / steps - 1);
        let (timesteps, alpha_bars) =
            kept.map(|kept| (self.timesteps[kept], self.alpha_bars[kept])).unzip();
        Ok(Self { timesteps, alpha_bars })
    }

    /// Number of steps.
    pub fn len(&self) -> usize {
        self.timesteps.len()
    }

    /// Never: a process has at least one step.
    pub fn is_empty(&self) -> bool {
        self.timesteps.is_empty()
    }

    /// The timestep of the full schedule that step `step` stands for.
    pub fn timestep(&self, step: usize) -> usize {
        self.timesteps[step]
    }

    /// alpha_bar of a step.
    pub fn alpha_bar(&self, step: usize) -> f64 {
        self.alpha_bars[step]
    }

    /// alpha_bar of the step below; 1 (clean data) below the first.
    pub fn alpha_bar_before(&self, step: usize) -> f64 {
        if step == 0 { 1.0 } else { self.alpha_bars[step - 1] }
    }

    /// Coefficients of all steps for rows at different timesteps.
    pub fn coefficients(&self, kind: Kind, device: Device) -> Coefficients {
        let column = |f: fn(f64) -> f64| {
            let values: Vec<f64> = self.alpha_bars.iter().map(|&a| f(a)).collect();
            Tensor::from_slice(&values).to_kind(kind).to_device(device).unsqueeze(1)
        };
        Coefficients { signal: column(f64::sqrt), noise: column(|a| (1.0 - a).sqrt()) }
    }

    /// Signal and noise factor of one step.
    pub fn factors(&self, step: usize) -> (f64, f64) {
        let alpha_bar = self.alpha_bars[step];
        (alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt())
    }

    /// x_t from x_0 and noise at one step, `[rows, dim]`.
    pub fn q_sample(&self, x0: &Tensor, step: usize, noise: &Tensor) -> Tensor {
        let (signal, spread) = self.factors(step);
        x0 * signal + noise * spread
    }

    /// x_0 from the network's output at one step, `[rows, dim]`.
    pub fn predict_x0(
        &self,
        prediction: Prediction,
        x_t: &Tensor,
        step: usize,
        output: &Tensor,
    ) -> Tensor {
        let (signal, spread) = self.factors(step);
        match prediction {
            Prediction::X0 => output.shallow_clone(),
            Prediction::Eps => (x_t - output * spread) / signal,
            Prediction::V => x_t * signal - output * spread,
        }
    }

    /// The noise that x_t and x_0 imply at one step, `[rows, dim]`.
    pub fn predict_eps(&self, x_t: &Tensor, step: usize, x0: &Tensor) -> Tensor {
        let (signal, spread) = self.factors(step);
        (x_t - x0 * signal) / spread
    }

    /// The velocity that x_t and x_0 imply at one step, `[rows, dim]`.
    pub fn predict_v(&self, x_t: &Tensor, step: usize, x0: &Tensor) -> Tensor {
        let (signal, spread) = self.factors(step);
        (x_t * signal - x0) / spread
    }
}

/// Signal and noise factors as `[steps, 1]` tensors, for batches whose rows have
/// different timesteps.
#[derive(Debug)]
pub struct Coefficients {
    signal: Tensor,
    noise: Tensor,
}

impl Coefficients {
    /// x_t for rows at `timesteps` (i64 `[rows]`): `[rows, dim]`.
    pub fn q_sample(&self, x0: &Tensor, timesteps: &Tensor, noise: &Tensor) -> Tensor {
        x0 * self.signal.index_select(0, timesteps) + noise * self.noise.index_select(0, timesteps)
    }

    /// x_0 from the network's output for rows at `timesteps`: `[rows, dim]`.
    pub fn predict_x0(
        &self,
        prediction: Prediction,
        x_t: &Tensor,
        timesteps: &Tensor,
        output: &Tensor,
    ) -> Tensor {
        let factor = |column: &Tensor| column.index_select(0, timesteps);
        match prediction {
            Prediction::X0 => output.shallow_clone(),
            Prediction::Eps => (x_t - output * factor(&self.noise)) / factor(&self.signal),
            Prediction::V => x_t * factor(&self.signal) - output * factor(&self.noise),
        }
    }

    /// The noise that x_t and x_0 imply for rows at `timesteps`: `[rows, dim]`.
    pub fn predict_eps(&self, x_t: &Tensor, timesteps: &Tensor, x0: &Tensor) -> Tensor {
        let factor = |column: &Tensor| column.index_select(0, timesteps);
        (x_t - x0 * factor(&self.signal)) / factor(&self.noise)
    }

    /// alpha_bar for rows at `timesteps`: `[rows, 1]`.
    pub fn alpha_bar(&self, timesteps: &Tensor) -> Tensor {
        self.signal.index_select(0, timesteps).square()
    }
}
