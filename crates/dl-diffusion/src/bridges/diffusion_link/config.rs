//! The configuration of Diffusion-Link.

use dl_core::{ConfigError, Under, fault::check};
use dl_torch::TrainConfig;
use serde::{Deserialize, Serialize};

use crate::{
    bridges::common::{JITTER, check_jitter, default_training},
    loss::LossConfig,
    network::NetworkConfig,
    process::Prediction,
    samplers::{Ddim, MeanOfDraws, OneStep, SamplerConfig},
    schedule::{ScheduleConfig, ScheduleKind},
    scores::Criterion,
    space::Scale,
};

/// Everything about Diffusion-Link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiffusionLinkConfig {
    /// The noise schedule.
    pub schedule: ScheduleConfig,
    /// What the network's output means. Losses compare clean embeddings, whatever
    /// it is.
    pub prediction: Prediction,
    /// What unit vectors are multiplied by, on both sides.
    pub scale: Scale,
    /// Size of the network.
    pub network: NetworkConfig,
    /// Losses and their weights.
    pub loss: LossConfig,
    /// Noise augmentation: standard deviation, per dimension of the unit vector, of normal
    /// noise added to the audio side in training (then unit norm again); at least 0.
    pub jitter: f64,
    /// Timesteps above this are not trained, so no candidate may start above it; at most
    /// `schedule.timesteps - 1`.
    pub max_timestep: usize,
    /// Decay of the running mean of the weights, in [0, 1); 0 switches it off. It looks back over
    /// about 1 / (1 - decay) steps: a training of a few hundred wants less than the default.
    pub ema: f64,
    /// Length, batches and rates.
    pub train: TrainConfig,
    /// Ways of sampling that validation chooses among; at least one.
    pub candidates: Vec<SamplerConfig>,
    /// What validation chooses by: the best weights of a training (each candidate
    /// is tried at every validation), then the candidate.
    pub select: Criterion,
}

impl Default for DiffusionLinkConfig {
    fn default() -> Self {
        Self {
            schedule: ScheduleConfig { kind: ScheduleKind::Cosine, ..ScheduleConfig::default() },
            prediction: Prediction::X0,
            scale: Scale::SqrtDim,
            network: NetworkConfig::default(),
            loss: LossConfig::default(),
            jitter: JITTER,
            max_timestep: 999,
            ema: 0.998,
            train: default_training(),
            candidates: vec![
                OneStep { timestep: 50 }.into(),
                MeanOfDraws { timestep: 400, draws: 16 }.into(),
                Ddim { timestep: 100, steps: 4, eta: 0.0 }.into(),
            ],
            select: Criterion::RemainingGap,
        }
    }
}

impl DiffusionLinkConfig {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        self.schedule.validate().under("schedule")?;
        self.scale.validate().under("scale")?;
        self.network.validate().under("network")?;
        self.loss.validate().under("loss")?;
        check_jitter(self.jitter)?;
        let timesteps = self.schedule.timesteps;
        let range = format!("below schedule.timesteps, which is {timesteps}");
        check(self.max_timestep < timesteps, "max_timestep", self.max_timestep, range)?;
        check((0.0..1.0).contains(&self.ema), "ema", self.ema, "in [0, 1)")?;
        check(!self.candidates.is_empty(), "candidates", "[]", "a list of at least one")?;
        for (place, sampler) in self.candidates.iter().enumerate() {
            // The network has never seen timesteps above `max_timestep`.
            let seen = sampler.validate(self.max_timestep + 1);
            seen.under(&format!("candidates[{place}]"))?;
        }
        self.train.validate().under("train")
    }
}
