//! Diffusion-Link (arXiv 2510.11330): a diffusion model over text embeddings whose
//! input is a noised text or a noised audio embedding and whose target is, in both
//! cases, the clean paired text embedding. At use, noise is added to the audio
//! embedding and taken away again, and what comes out is a text embedding.
//!
//! Only the abstract and summaries of the paper are public. Three residual MLP
//! blocks, a frozen encoder's paired embeddings, cross-sample prediction and a
//! topology loss are theirs; every number below is a choice of ours, most of it
//! after SEED (arXiv 2505.16798), and those that differ from SEED were chosen on
//! validation: the cosine schedule, rate, weight decay, jitter of the audio side, and
//! the samplers.

mod training;

use dl_torch::{
    Params, TrainConfig, TrainContext, TrainReport, optim::AdamWConfig, tensor_file::Tensors,
    train::RateSchedule,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tch::Tensor;

use crate::{
    error::{BridgeError, check},
    loss::LossConfig,
    methods::{Method, MethodConfig, Stored},
    network::{Network, NetworkConfig},
    pairs::Pairs,
    process::{Prediction, Process},
    samplers::{Denoiser, RowNoise, SamplerConfig},
    schedule::{ScheduleConfig, ScheduleKind},
    scores::{Criterion, Scores, choose},
    space::Scale,
};

/// Everything about Diffusion-Link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiffusionLinkConfig {
    /// The noise levels.
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
    /// Standard deviation, per dimension of the unit vector, of normal noise added
    /// to the audio side in training (then unit norm again); at least 0.
    pub jitter: f64,
    /// Levels above this are not trained; at most `schedule.levels - 1`.
    pub max_level: usize,
    /// Decay of the running mean of the weights, in [0, 1); 0 switches it off.
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
        let ddim = |level, steps| SamplerConfig::Ddim { level, steps, eta: 0.0 };
        Self {
            schedule: ScheduleConfig { kind: ScheduleKind::Cosine, ..ScheduleConfig::default() },
            prediction: Prediction::X0,
            scale: Scale::SqrtDim,
            network: NetworkConfig::default(),
            loss: LossConfig::default(),
            jitter: 0.05,
            max_level: 999,
            ema: 0.0,
            train: default_training(),
            candidates: vec![
                SamplerConfig::OneStep { level: 50 },
                SamplerConfig::MeanOfDraws { level: 400, draws: 16 },
                ddim(100, 4),
                ddim(200, 8),
            ],
            select: Criterion::RemainingGap,
        }
    }
}

/// 2,000 steps of 256 pairs, AdamW at 1e-3 with warm-up and cosine, weight decay
/// 1e-2: what the learned bridges share.
pub(crate) fn default_training() -> TrainConfig {
    TrainConfig {
        steps: 2000,
        batch: 256,
        learning_rate: 1e-3,
        warmup_steps: 100,
        schedule: RateSchedule::Cosine,
        optimizer: AdamWConfig { weight_decay: 0.01, ..AdamWConfig::default() },
        clip_norm: 1.0,
        validate_every: 250,
        checkpoint_every: 250,
        patience: 0,
    }
}

pub(crate) fn check_jitter(value: f64) -> Result<(), BridgeError> {
    check(value >= 0.0 && value.is_finite(), "jitter", value, "at least 0")
}

#[derive(Serialize, Deserialize)]
struct Report {
    training: TrainReport,
    chosen: SamplerConfig,
    /// Every candidate's validation scores.
    tried: Vec<(SamplerConfig, Scores)>,
}

/// A trained network and how to sample with it.
struct DiffusionLink {
    config: DiffusionLinkConfig,
    process: Process,
    /// Sampled with: the running mean where there is one, else the trained one.
    network: Network,
    weights: Tensors,
    report: Report,
}

impl MethodConfig for DiffusionLinkConfig {
    fn name(&self) -> &'static str {
        "diffusion_link"
    }

    fn validate(&self) -> Result<(), BridgeError> {
        self.schedule.validate()?;
        self.scale.validate()?;
        self.network.validate()?;
        self.loss.validate()?;
        check_jitter(self.jitter)?;
        let levels = self.schedule.levels;
        let range = format!("below schedule.levels, which is {levels}");
        check(self.max_level < levels, "max_level", self.max_level, range)?;
        check((0.0..1.0).contains(&self.ema), "ema", self.ema, "in [0, 1)")?;
        check(!self.candidates.is_empty(), "candidates", "[]", "a list of at least one")?;
        self.candidates.iter().try_for_each(|sampler| sampler.validate(levels))?;
        Ok(self.train.validate()?)
    }

    fn fit(
        &self,
        pairs: &Pairs,
        context: &TrainContext<'_>,
    ) -> Result<Box<dyn Method>, BridgeError> {
        let trained = training::train(self, pairs, context)?;
        let mut model = DiffusionLink {
            process: Process::new(&self.schedule.build()?),
            config: self.clone(),
            network: trained.network,
            weights: trained.weights,
            report: Report { training: trained.report, chosen: self.candidates[0], tried: vec![] },
        };
        model.choose_candidate(pairs, context.seed)?;
        Ok(Box::new(model))
    }

    fn load(&self, stored: Stored<'_>) -> Result<Box<dyn Method>, BridgeError> {
        let report: Report = stored.report()?;
        report.chosen.validate(self.schedule.levels)?;
        let params = Params::new(0, stored.device);
        let network = Network::new(&params.root(), stored.dim, &self.network, true);
        params.restore(&stored.tensors, stored.path)?;
        params.freeze();
        network.freeze();
        Ok(Box::new(DiffusionLink {
            process: Process::new(&self.schedule.build()?),
            config: self.clone(),
            network,
            weights: params.named(),
            report,
        }))
    }
}

impl DiffusionLink {
    fn choose_candidate(&mut self, pairs: &Pairs, seed: u64) -> Result<(), BridgeError> {
        let validation = &pairs.validation;
        let noise = RowNoise { seed, items: &validation.items };
        let sampler =
            Sampling { config: &self.config, process: &self.process, network: &self.network };
        let candidates = &self.config.candidates;
        let rows = candidates
            .iter()
            .map(|candidate| tch::no_grad(|| sampler.run(candidate, &validation.audio, noise)));
        let (best, scores) = choose(self.config.select, validation, validation, rows)?;
        self.report.chosen = candidates[best];
        self.report.tried = candidates.iter().copied().zip(scores).collect();
        Ok(())
    }
}

impl Method for DiffusionLink {
    fn apply(&self, audio: &Tensor, noise: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        let sampling =
            Sampling { config: &self.config, process: &self.process, network: &self.network };
        sampling.run(&self.report.chosen, audio, noise)
    }

    fn tensors(&self) -> Tensors {
        self.weights.iter().map(|(k, v)| (k.clone(), v.shallow_clone())).collect()
    }

    fn report(&self) -> Value {
        json!(self.report)
    }
}

/// What sampling needs, in and after training.
struct Sampling<'a> {
    config: &'a DiffusionLinkConfig,
    process: &'a Process,
    network: &'a Network,
}

impl Sampling<'_> {
    /// Unit audio rows `[rows, dim]` to rows of the same shape, not normalised.
    fn run(
        &self,
        sampler: &SamplerConfig,
        audio: &Tensor,
        noise: RowNoise<'_>,
    ) -> Result<Tensor, BridgeError> {
        let (dim, device) = (audio.size()[1] as usize, audio.device());
        let network = |x: &Tensor, level: usize| self.network.forward_at(x, level);
        let denoiser = Denoiser {
            process: self.process,
            prediction: self.config.prediction,
            network: &network,
            norm: None,
        };
        let start = audio * self.config.scale.factor(dim);
        let draw = |draw: u64| noise.draw(draw, dim, device);
        sampler.sample(&denoiser, &start, &draw)
    }
}
