//! Ancestral sampling (Ho et al. 2020, equation 7) over a respaced process: the next
//! x is drawn from the posterior q(x_s | x_t, x_0) at the predicted x_0, whose variance
//! is (1 - alpha_bar_s) / (1 - alpha_bar_t) beta with beta = 1 - alpha_bar_t / alpha_bar_s.

use dl_core::ConfigError;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::sampler::{Denoiser, Sampler, check_span, noised};
use crate::{error::BridgeError, register_sampler};

/// Ancestral sampling over the kept timesteps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ddpm {
    /// t*.
    pub timestep: usize,
    /// Network calls, in `1..=timestep + 1`.
    pub steps: usize,
}

register_sampler!(Ddpm);

impl Sampler for Ddpm {
    const KIND: &'static str = "ddpm";

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
        Ok(denoiser.walk(&kept, x_t, |step, seen, x0| {
            let (of_x0, of_x, variance) =
                posterior(kept.alpha_bar(step), kept.alpha_bar_before(step));
            x0 * of_x0 + seen * of_x + noise((kept.len() - step) as u64) * variance.sqrt()
        }))
    }
}

/// Weights of x_0 and x_t in the posterior's mean, and its variance.
fn posterior(now: f64, before: f64) -> (f64, f64, f64) {
    let alpha = now / before;
    let beta = 1.0 - alpha;
    let of_x0 = before.sqrt() * beta / (1.0 - now);
    let of_x = alpha.sqrt() * (1.0 - before) / (1.0 - now);
    (of_x0, of_x, (1.0 - before) / (1.0 - now) * beta)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_posterior_by_hand() {
        // alpha_bar 0.32 after 0.64: alpha 1/2, beta 1/2.
        let (of_x0, of_x, variance) = super::posterior(0.32, 0.64);
        assert!((of_x0 - 0.8 * 0.5 / 0.68).abs() < 1e-15);
        assert!((of_x - 0.5_f64.sqrt() * 0.36 / 0.68).abs() < 1e-15);
        assert!((variance - 0.36 / 0.68 * 0.5).abs() < 1e-15);
    }
}
