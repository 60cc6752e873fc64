//! DDIM (Song et al. 2021, equations 12 and 16) over a respaced process.

use dl_core::{ConfigError, fault::check};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::sampler::{Denoiser, Sampler, check_span, noised};
use crate::{error::BridgeError, register_sampler};

/// DDIM from t* in equal strides.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ddim {
    /// t*.
    pub timestep: usize,
    /// Network calls, in `1..=timestep + 1`.
    pub steps: usize,
    /// Share of fresh noise at each step, in [0, 1]; 0 is deterministic.
    #[serde(default)]
    pub eta: f64,
}

register_sampler!(Ddim);

impl Sampler for Ddim {
    const KIND: &'static str = "ddim";

    fn validate(&self, timesteps: usize) -> Result<(), ConfigError> {
        check_span(self.timestep, self.steps, timesteps)?;
        check((0.0..=1.0).contains(&self.eta), "eta", self.eta, "in [0, 1]")
    }

    fn sample(
        &self,
        denoiser: &Denoiser<'_>,
        start: &Tensor,
        noise: &dyn Fn(u64) -> Tensor,
    ) -> Result<Tensor, BridgeError> {
        self.denoise(denoiser, noised(denoiser, start, self.timestep, &noise(0))?, noise)
    }
}

impl Ddim {
    /// Denoises rows that stand at t* already: as [`Sampler::sample`] without its first
    /// half. Draw k of `noise` is that of the k-th step.
    ///
    /// # Errors
    /// [`BridgeError::Config`] when the sampler does not fit the process.
    pub fn denoise(
        &self,
        denoiser: &Denoiser<'_>,
        x_t: Tensor,
        noise: &dyn Fn(u64) -> Tensor,
    ) -> Result<Tensor, BridgeError> {
        let kept = denoiser.process.respaced(self.timestep, self.steps)?;
        Ok(denoiser.walk(&kept, x_t, |step, seen, x0| {
            let (now, before) = (kept.alpha_bar(step), kept.alpha_bar_before(step));
            let fresh = ((1.0 - before) / (1.0 - now)).sqrt() * (1.0 - now / before).sqrt();
            let sigma = self.eta * fresh;
            let eps = kept.predict_eps(&seen, step, &x0);
            let x = x0 * before.sqrt() + eps * (1.0 - before - sigma * sigma).max(0.0).sqrt();
            if sigma > 0.0 { x + noise((kept.len() - step) as u64) * sigma } else { x }
        }))
    }
}
