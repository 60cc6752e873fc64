//! SEED's recipe (Interspeech 2025, arXiv 2505.16798, and its public code) on audio
//! and text: a noised audio embedding and a noised text embedding are both
//! reconstructed to the text embedding, L1, no topology loss, constant learning
//! rate, no clipping, one denoising step from one fixed level. In SEED one clean
//! and three corrupted copies share a target; here there is one of each.

use dl_torch::{TrainConfig, TrainContext, optim::AdamWConfig, train::RateSchedule};
use serde::{Deserialize, Serialize};

use crate::{
    bridges::diffusion_link::{DiffusionLinkConfig, default_training},
    error::BridgeError,
    loss::{Distance, LossConfig, TopologyConfig},
    methods::{Method, MethodConfig, Stored},
    network::NetworkConfig,
    pairs::Pairs,
    process::Prediction,
    samplers::SamplerConfig,
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
    /// The noise level that embeddings are taken to and denoised from.
    pub level: usize,
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
            level: 50,
        }
    }
}

impl SeedStyleConfig {
    /// The same as a configuration of Diffusion-Link, which does the work.
    fn as_link(&self) -> DiffusionLinkConfig {
        DiffusionLinkConfig {
            network: self.network.clone(),
            train: self.train.clone(),
            candidates: vec![SamplerConfig::OneStep { level: self.level }],
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
            max_level: ScheduleConfig::default().levels - 1,
            ema: 0.0,
            select: Criterion::default(),
        }
    }
}

impl MethodConfig for SeedStyleConfig {
    fn name(&self) -> &'static str {
        "seed_style"
    }

    fn validate(&self) -> Result<(), BridgeError> {
        self.as_link().validate()
    }

    fn fit(
        &self,
        pairs: &Pairs,
        context: &TrainContext<'_>,
    ) -> Result<Box<dyn Method>, BridgeError> {
        self.as_link().fit(pairs, context)
    }

    fn load(&self, stored: Stored<'_>) -> Result<Box<dyn Method>, BridgeError> {
        self.as_link().load(stored)
    }
}
