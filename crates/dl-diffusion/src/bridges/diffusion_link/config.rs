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
    /// about 1 / (1 - decay) steps, and never over more than a quarter of `train.steps`: in a
    /// shorter training the decay is 1 - 4 / steps.
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
    /// The decay that a training has: `ema`, or less where it would reach back to weights that
    /// had not learnt much.
    pub(crate) fn decay(&self) -> f64 {
        self.ema.min(1.0 - 4.0 / self.train.steps as f64).max(0.0)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_mean_reaches_back_a_quarter_of_the_training_at_most() {
        let decay = |ema, steps| {
            let train = TrainConfig { steps, ..default_training() };
            DiffusionLinkConfig { ema, train, ..DiffusionLinkConfig::default() }.decay()
        };
        // The default training has the default decay, to the bit.
        assert_eq!(decay(0.998, 2000), 0.998);
        assert_eq!(decay(0.998, 50_000), 0.998);
        assert_eq!(decay(0.998, 500), 0.992);
        assert_eq!(decay(0.9, 500), 0.9);
        assert_eq!(decay(0.998, 8), 0.5);
        assert_eq!(decay(0.998, 3), 0.0);
        assert_eq!(decay(0.0, 500), 0.0);
        let versions = [(0.0, 500), (0.998, 2000), (0.998, 500)].map(|(ema, steps)| {
            let train = TrainConfig { steps, ..default_training() };
            let config = DiffusionLinkConfig { ema, train, ..DiffusionLinkConfig::default() };
            crate::method::BridgeMethod::version(&config)
        });
        assert_eq!(versions, ["diffusion_link 1", "diffusion_link 2", "diffusion_link 3"]);
    }
}
