//! One network call at one timestep (SEED's official mode).

use dl_core::ConfigError;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::sampler::{Denoiser, Sampler, check_span, noised};
use crate::{error::BridgeError, register_sampler};

/// The prediction of x_0 from the rows noised to one timestep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneStep {
    /// t*.
    pub timestep: usize,
}

register_sampler!(OneStep);

impl Sampler for OneStep {
    const KIND: &'static str = "one_step";

    fn validate(&self, timesteps: usize) -> Result<(), ConfigError> {
        check_span(self.timestep, 1, timesteps)
    }

    fn sample(
        &self,
        denoiser: &Denoiser<'_>,
        start: &Tensor,
        noise: &dyn Fn(u64) -> Tensor,
    ) -> Result<Tensor, BridgeError> {
        let x_t = noised(denoiser, start, self.timestep, &noise(0))?;
        let kept = denoiser.process.respaced(self.timestep, 1)?;
        Ok(denoiser.predict(&kept, x_t, 0).1)
    }
}
