//! The mean of what one network call predicts from each of several independent noisings
//! (ours): for each embedding the posterior mean given its neighbourhood, whose width t*
//! sets. A single call from the same timestep is noisier; one from a lower timestep follows
//! the training clips more closely than new ones deserve.

use dl_core::{ConfigError, fault::check};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{
    one_step::OneStep,
    sampler::{Denoiser, Sampler, check_span},
};
use crate::{error::BridgeError, register_sampler};

/// The mean of so many is off by a hundredth of the spread of the draws.
const MOST_DRAWS: usize = 10_000;

/// How many noisings, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeanOfDraws {
    /// t*.
    pub timestep: usize,
    /// Noisings, each with its network call, in 1..=10000.
    pub draws: usize,
}

register_sampler!(MeanOfDraws);

impl Sampler for MeanOfDraws {
    const KIND: &'static str = "mean_of_draws";

    fn validate(&self, timesteps: usize) -> Result<(), ConfigError> {
        check_span(self.timestep, 1, timesteps)?;
        let range = format!("in 1..={MOST_DRAWS}");
        check((1..=MOST_DRAWS).contains(&self.draws), "draws", self.draws, range)
    }

    /// Draw k of `noise` is that of the k-th noising.
    fn sample(
        &self,
        denoiser: &Denoiser<'_>,
        start: &Tensor,
        noise: &dyn Fn(u64) -> Tensor,
    ) -> Result<Tensor, BridgeError> {
        let one = OneStep { timestep: self.timestep };
        let draw = |number: u64| one.sample(denoiser, start, &|_| noise(number));
        let mut x0 = draw(0)?;
        for number in 1..self.draws as u64 {
            x0 += draw(number)?;
        }
        x0 /= self.draws as f64;
        Ok(x0)
    }
}
