//! Diffusion-Link (arXiv 2510.11330): a diffusion model over text embeddings whose
//! input is a noised text or a noised audio embedding and whose target is, in both
//! cases, the clean paired text embedding. At use, noise is added to the audio
//! embedding and taken away again, and what comes out is a text embedding.
//!
//! Only the abstract and summaries of the paper are public. Three residual MLP
//! blocks, a frozen encoder's paired embeddings, cross-sample prediction and a
//! topology loss are theirs; every number below is a choice of ours, most of it
//! after SEED (arXiv 2505.16798), and those that differ from SEED were chosen on
//! validation: the cosine schedule, squared differences in place of absolute ones, the running
//! mean of the weights, rate, weight decay, noise augmentation of the audio side, and the
//! samplers.

mod config;
mod sampling;
mod training;

use dl_core::{ConfigError, Under};
use dl_torch::{Params, TrainContext, tensor_file::Tensors};
use tch::Tensor;

pub use config::DiffusionLinkConfig;

use crate::{
    data::Pairs,
    error::BridgeError,
    method::{BridgeMethod, Family, FittedMethod, MethodReport, Stored},
    network::Network,
    noise::RowNoise,
    process::Process,
    register_bridge,
    samplers::SamplerConfig,
    scores::choose,
};
use sampling::Sampling;

/// A trained network and how to sample with it.
struct DiffusionLink {
    config: DiffusionLinkConfig,
    process: Process,
    /// Sampled with: the running mean where there is one, else the trained one.
    network: Network,
    weights: Tensors,
    sampler: SamplerConfig,
    report: MethodReport,
}

register_bridge!(DiffusionLinkConfig);

impl BridgeMethod for DiffusionLinkConfig {
    const KIND: &'static str = "diffusion_link";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Diffusion;

    fn validate(&self) -> Result<(), ConfigError> {
        self.check()
    }

    /// The running mean was mended twice, once for short trainings alone; other fits stayed as
    /// they were.
    fn version(&self) -> String {
        let version = match self.decay() {
            decay if decay < self.ema => 3,
            decay if decay > 0.0 => 2,
            _ => Self::VERSION,
        };
        format!("{} {version}", Self::KIND)
    }

    /// A network that was trained on audio alone knows nothing of noised text.
    fn bridges_text(&self) -> bool {
        self.loss.text_identity > 0.0
    }

    fn fit(
        &self,
        pairs: &Pairs,
        context: &TrainContext<'_>,
    ) -> Result<Box<dyn FittedMethod>, BridgeError> {
        let trained = training::train(self, pairs, context)?;
        let process = Process::new(&self.schedule.build()?);
        let validation = &pairs.validation;
        let noise = RowNoise { seed: context.seed, items: &validation.items };
        let sampling = Sampling { config: self, process: &process, network: &trained.network };
        let candidates = self
            .candidates
            .iter()
            .map(|candidate| tch::no_grad(|| sampling.run(candidate, &validation.audio, noise)));
        let (best, scores) = choose(self.select, validation, validation, candidates)?;
        let report = MethodReport::choice(&self.candidates, scores, best).after(trained.report);
        Ok(Box::new(DiffusionLink {
            config: self.clone(),
            process,
            network: trained.network,
            weights: trained.weights,
            sampler: self.candidates[best].clone(),
            report,
        }))
    }

    fn load(&self, stored: Stored<'_>) -> Result<Box<dyn FittedMethod>, BridgeError> {
        let sampler = stored.chosen("candidates", |chosen| self.candidates.contains(chosen))?;
        let params = Params::stored(stored.tensors, stored.device);
        let network = Network::new(&params.root(), stored.dim, &self.network, true);
        params.check_stored(stored.path)?;
        network.freeze();
        Ok(Box::new(DiffusionLink {
            process: Process::new(&self.schedule.build().under("schedule")?),
            config: self.clone(),
            network,
            weights: params.named(),
            sampler,
            report: stored.report,
        }))
    }
}

impl FittedMethod for DiffusionLink {
    fn apply(&self, audio: &Tensor, noise: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        let Self { config, process, network, sampler, .. } = self;
        Sampling { config, process, network }.run(sampler, audio, noise)
    }

    /// The network has learned both ways: noised text is denoised to itself as noised audio
    /// is to its text.
    fn text_through(
        &self,
        text: &Tensor,
        noise: RowNoise<'_>,
    ) -> Option<Result<Tensor, BridgeError>> {
        self.config.bridges_text().then(|| self.apply(text, noise))
    }

    fn tensors(&self) -> Tensors {
        self.weights.iter().map(|(k, v)| (k.clone(), v.shallow_clone())).collect()
    }

    fn report(&self) -> MethodReport {
        self.report.clone()
    }
}
