//! DPM-Solver++ (2M) (Lu et al. 2022, "DPM-Solver++", algorithm 2): a second-order
//! multistep solver of the probability-flow equation in terms of x_0, over a respaced
//! process. With lambda = log(sqrt(alpha_bar) / sqrt(1 - alpha_bar)), h = lambda_s -
//! lambda_t and r = h_before / h, a step from t to s is
//! x_s = sigma_s / sigma_t x_t - alpha_s (e^-h - 1) ((1 + 1/(2r)) x0 - 1/(2r) x0_before).
//! The first step has no step before it and is of first order; the last goes to clean
//! data, where h is infinite and a first-order step is x_0 itself.

use dl_core::ConfigError;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::sampler::{Denoiser, Sampler, check_span, noised};
use crate::{error::BridgeError, register_sampler};

/// DPM-Solver++ (2M) from t* in equal strides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DpmSolverPp2m {
    /// t*.
    pub timestep: usize,
    /// Network calls, in `1..=timestep + 1`.
    pub steps: usize,
}

register_sampler!(DpmSolverPp2m);

impl Sampler for DpmSolverPp2m {
    const KIND: &'static str = "dpm_solver_pp_2m";

    fn validate(&self, timesteps: usize) -> Result<(), ConfigError> {
        check_span(self.timestep, self.steps, timesteps)
    }

    fn sample(
        &self,
        denoiser: &Denoiser<'_>,
        start: &Tensor,
        noise: &dyn Fn(u64) -> Tensor,
    ) -> Result<Tensor, BridgeError> {
        let x_t = noised(denoiser, start, self.timestep, &noise(0))?;
        let kept = denoiser.process.respaced(self.timestep, self.steps)?;
        let lambda = |step: usize| {
            let (signal, spread) = kept.factors(step);
            (signal / spread).ln()
        };
        let mut before: Option<(Tensor, f64)> = None;
        Ok(denoiser.walk(&kept, x_t, |step, seen, x0| {
            let h = lambda(step - 1) - lambda(step);
            let direction = match &before {
                Some((x0_before, h_before)) => {
                    let half = h / (2.0 * h_before);
                    &x0 * (1.0 + half) - x0_before * half
                }
                None => x0.shallow_clone(),
            };
            before = Some((x0, h));
            let (signal, spread) = kept.factors(step - 1);
            seen * (spread / kept.factors(step).1) - direction * (signal * (-h).exp_m1())
        }))
    }
}
