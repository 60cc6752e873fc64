//! What sampling needs, in and after training.

use tch::Tensor;

use super::config::DiffusionLinkConfig;
use crate::{
    error::BridgeError,
    network::Network,
    noise::RowNoise,
    process::Process,
    samplers::{Denoiser, SamplerConfig},
};

/// A network with its process.
pub(super) struct Sampling<'a> {
    pub(super) config: &'a DiffusionLinkConfig,
    pub(super) process: &'a Process,
    pub(super) network: &'a Network,
}

impl Sampling<'_> {
    /// Unit rows `[rows, dim]` of audio or text to rows of the same shape, not normalised.
    pub(super) fn run(
        &self,
        sampler: &SamplerConfig,
        rows: &Tensor,
        noise: RowNoise<'_>,
    ) -> Result<Tensor, BridgeError> {
        let (dim, device) = (rows.size()[1] as usize, rows.device());
        let network = |x: &Tensor, timestep: usize| self.network.forward_at(x, timestep);
        let denoiser = Denoiser {
            process: self.process,
            prediction: self.config.prediction,
            network: &network,
            norm: None,
        };
        let start = rows * self.config.scale.factor(dim);
        let draw = |draw: u64| noise.draw(draw, dim, device);
        sampler.sample(&denoiser, &start, &draw)
    }
}
