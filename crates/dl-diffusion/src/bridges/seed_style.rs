//! SEED's recipe (Interspeech 2025, arXiv 2505.16798, and its public code) on audio
//! and text: a noised audio embedding and a noised text embedding are both
//! reconstructed to the text embedding, L1, no topology loss, constant learning
//! rate, no clipping, one denoising step from one fixed timestep. In SEED one clean
//! and three corrupted copies share a target; here there is one of each.

use dl_core::{ConfigError, Under, fault::check};
use dl_torch::{TrainConfig, TrainContext, optim::AdamWConfig, train::RateSchedule};
use serde::{Deserialize, Serialize};

use super::{common::default_training, diffusion_link::DiffusionLinkConfig};
use crate::{
    data::Pairs,
    error::BridgeError,
    loss::{Distance, LossConfig, TopologyConfig},
    method::{BridgeMethod, Family, FittedMethod, Stored},
    network::NetworkConfig,
    process::Prediction,
    register_bridge,
    samplers::OneStep,
    schedule::{ScheduleConfig, ScheduleKind},
    scores::Criterion,
    space::Scale,
};

/// What SEED leaves to the user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SeedStyleConfig {
    /// Size of the network.
    pub network: NetworkConfig,
    /// Length, batches and rates.
    pub train: TrainConfig,
    /// The timestep t* that embeddings are taken to and denoised from.
    pub timestep: usize,
}

impl Default for SeedStyleConfig {
    fn default() -> Self {
        Self {
            network: NetworkConfig::default(),
            train: TrainConfig {
                learning_rate: 5e-4,
                warmup_steps: 0,
                schedule: RateSchedule::Constant,
                optimizer: AdamWConfig { weight_decay: 5e-5, ..AdamWConfig::default() },
                clip_norm: 0.0,
                ..default_training()
            },
            timestep: 50,
        }
    }
}

impl SeedStyleConfig {
    /// The same as a configuration of Diffusion-Link, which does the work.
    fn as_link(&self) -> DiffusionLinkConfig {
        DiffusionLinkConfig {
            network: self.network.clone(),
            train: self.train.clone(),
            candidates: vec![OneStep { timestep: self.timestep }.into()],
            // Said in full, so that new defaults of Diffusion-Link leave SEED's recipe be.
            schedule: ScheduleConfig { kind: ScheduleKind::ScaledLinear, ..Default::default() },
            prediction: Prediction::X0,
            scale: Scale::SqrtDim,
            loss: LossConfig {
                distance: Distance::L1,
                text_identity: 1.0,
                cross_sample: 1.0,
                topology: TopologyConfig { weight: 0.0, ..TopologyConfig::default() },
            },
            jitter: 0.0,
            max_timestep: ScheduleConfig::default().timesteps - 1,
            ema: 0.0,
            select: Criterion::default(),
        }
    }
}

register_bridge!(SeedStyleConfig);

impl BridgeMethod for SeedStyleConfig {
    const KIND: &'static str = "seed_style";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Diffusion;

    fn validate(&self) -> Result<(), ConfigError> {
        let last = ScheduleConfig::default().timesteps - 1;
        check(self.timestep <= last, "timestep", self.timestep, format!("at most {last}"))?;
        self.network.validate().under("network")?;
        self.train.validate().under("train")
    }

    fn version(&self) -> String {
        format!("{} {} of {}", Self::KIND, Self::VERSION, self.as_link().version())
    }

    fn bridges_text(&self) -> bool {
        true
    }

    fn fit(
        &self,
        pairs: &Pairs,
        context: &TrainContext<'_>,
    ) -> Result<Box<dyn FittedMethod>, BridgeError> {
        self.as_link().fit(pairs, context)
    }

    fn load(&self, stored: Stored<'_>) -> Result<Box<dyn FittedMethod>, BridgeError> {
        self.as_link().load(stored)
    }
}
