//! Diffusion Bridge (Lee et al., CVPR 2025, and its public code): a diffusion model
//! of captions alone. Captions are centred and brought to norm 5; a network learns
//! x_0 by squared error weighted by the signal-to-noise ratio. An audio embedding,
//! centred by the audio mean and brought to norm 5, is taken for a noised caption as
//! it is, entered at timestep M without noise, and denoised by DDIM; before every
//! network call the rows are brought back to norm 5. Decoders live in the centred
//! space and train on captions that went the same way from timestep A.
//!
//! The network is a choice: the code's 1-D U-Net (`kind = "unet"`), or, unless the
//! configuration says so, our three residual MLP blocks in its place.

use dl_core::{ConfigError, Under, fault::check, noise::Noise};
use dl_torch::{
    Params, TrainConfig, TrainContext, convert::indices, layers::l2_normalise, optim::AdamWConfig,
    tensor_file::Tensors, train::RateSchedule,
};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{
    centring::Centring,
    common::{Learning, check_all, default_training, items_of},
};
use crate::{
    data::Pairs,
    denoising_network::{DenoisingNetwork, DenoisingNetworkConfig},
    error::BridgeError,
    method::{BridgeMethod, Family, FittedMethod, MethodReport, Stored},
    noise::{RowNoise, normal, uniform},
    process::{Prediction, Process},
    register_bridge,
    samplers::{Ddim, Denoiser},
    schedule::{ScheduleConfig, ScheduleKind},
    scores::{Criterion, choose},
};

/// Everything about Diffusion Bridge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiffusionBridgeConfig {
    /// The noise schedule; the code's is cosine.
    pub schedule: ScheduleConfig,
    /// Norm of the centred embeddings, above 0.
    pub norm: f64,
    /// Which network, and its size.
    pub network: DenoisingNetworkConfig,
    /// Length, batches and rates. The code's rate is 8e-5 over 3,000,000 steps of 64.
    pub train: TrainConfig,
    /// Entries M (numbers of timesteps) that validation chooses among; M = 600 enters at
    /// timestep 599.
    pub entries: Vec<usize>,
    /// DDIM steps from M, at least 1 and at most the smallest entry.
    pub steps: usize,
    /// The entry A that captions are noised to for the decoder's training.
    pub augment: usize,
    /// What validation chooses by.
    pub select: Criterion,
}

impl Default for DiffusionBridgeConfig {
    fn default() -> Self {
        Self {
            schedule: ScheduleConfig { kind: ScheduleKind::Cosine, ..ScheduleConfig::default() },
            norm: 5.0,
            network: DenoisingNetworkConfig::default(),
            train: TrainConfig {
                schedule: RateSchedule::Constant,
                learning_rate: 3e-4,
                optimizer: AdamWConfig { weight_decay: 0.0, beta2: 0.99, ..AdamWConfig::default() },
                ..default_training()
            },
            entries: vec![200, 400, 600, 800],
            steps: 5,
            augment: 400,
            select: Criterion::default(),
        }
    }
}

struct DiffusionBridge {
    config: DiffusionBridgeConfig,
    process: Process,
    params: Params,
    network: DenoisingNetwork,
    centring: Centring,
    /// The chosen M.
    entry: usize,
    report: MethodReport,
}

impl DiffusionBridgeConfig {
    fn build(
        &self,
        params: Params,
        dim: usize,
        centring: Centring,
    ) -> Result<DiffusionBridge, BridgeError> {
        Ok(DiffusionBridge {
            config: self.clone(),
            process: Process::new(&self.schedule.build().under("schedule")?),
            network: self.network.build(&params.root(), dim).under("network")?,
            params,
            centring,
            entry: 0,
            report: MethodReport::default(),
        })
    }
}

register_bridge!(DiffusionBridgeConfig);

impl BridgeMethod for DiffusionBridgeConfig {
    const KIND: &'static str = "diffusion_bridge";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Diffusion;

    fn validate(&self) -> Result<(), ConfigError> {
        self.schedule.validate().under("schedule")?;
        self.network.validate().under("network")?;
        check(self.norm > 0.0 && self.norm.is_finite(), "norm", self.norm, "above 0")?;
        check(self.steps > 0, "steps", self.steps, "at least 1")?;
        let (steps, timesteps) = (self.steps, self.schedule.timesteps);
        let range = format!("in `steps`..={timesteps}, which is schedule.timesteps");
        let good = |entry: usize| (steps..=timesteps).contains(&entry);
        check_all("entries", &self.entries, good, &range)?;
        check(good(self.augment), "augment", self.augment, range)?;
        self.train.validate().under("train")
    }

    fn moves_text(&self) -> bool {
        true
    }

    fn bridges_text(&self) -> bool {
        true
    }

    /// Its decoder's captions are noised and denoised already; the code adds no more.
    fn decoder_noise(&self) -> Option<f64> {
        Some(0.0)
    }

    fn fit(
        &self,
        pairs: &Pairs,
        context: &TrainContext<'_>,
    ) -> Result<Box<dyn FittedMethod>, BridgeError> {
        let centring = Centring::fit(&pairs.train);
        let params = Params::new(context.seed, pairs.device);
        let mut model = self.build(params, pairs.dim, centring)?;
        let clean = model.centring.text(&pairs.train.text) * self.norm;
        let held_out = model.centring.text(&pairs.validation.text) * self.norm;
        let noise = Noise::new(context.seed, "diffusion_bridge/train");
        let validation_noise = Noise::new(context.seed, "diffusion_bridge/validate");
        let loss = |step: u64, batch: &[usize]| {
            let rows = clean.index_select(0, &indices(batch, pairs.device));
            Ok(model.loss(&rows, &noise, step, batch))
        };
        // Text alone: pairs choose the entry, not the weights.
        let everything: Vec<usize> = (0..pairs.validation.pairs()).collect();
        let validate =
            || Ok(model.loss(&held_out, &validation_noise, 0, &everything).double_value(&[]));
        let learning = Learning {
            stream: "bridge/diffusion_bridge",
            configuration: self,
            train: &self.train,
            pairs,
        };
        let training = learning.fit(&model.params, context, loss, validate)?;
        model.params.freeze();
        model.network.freeze();
        let split = pairs.validation.with_text(model.centring.text(&pairs.validation.text));
        let candidates = self
            .entries
            .iter()
            .map(|&entry| tch::no_grad(|| model.cross(&pairs.validation.audio, entry)));
        let (best, scores) = choose(self.select, &pairs.validation, &split, candidates)?;
        model.entry = self.entries[best];
        model.report = MethodReport::choice(&self.entries, scores, best).after(training);
        Ok(Box::new(model))
    }

    fn load(&self, mut stored: Stored<'_>) -> Result<Box<dyn FittedMethod>, BridgeError> {
        let centring = Centring::load(&mut stored)?;
        let entry = stored.chosen("entries", |entry| self.entries.contains(entry))?;
        let params = Params::stored(stored.tensors, stored.device);
        let mut model = self.build(params, stored.dim, centring)?;
        model.params.check_stored(stored.path)?;
        (model.entry, model.report) = (entry, stored.report);
        model.network.freeze();
        Ok(Box::new(model))
    }
}

impl DiffusionBridge {
    /// The squared error of x_0 weighted by the signal-to-noise ratio, which is the
    /// squared error of the noise: a scalar. Computed as the latter, since the ratio
    /// itself spans ten orders of magnitude.
    fn loss(&self, clean: &Tensor, noise: &Noise<'_>, step: u64, batch: &[usize]) -> Tensor {
        let (dim, device, items) = (clean.size()[1] as usize, clean.device(), items_of(batch));
        let eps = normal(noise, &items, step, dim, device);
        let span = self.process.len() as f64;
        let shares = uniform(noise, &items, step, 1);
        let timesteps: Vec<i64> = shares.iter().map(|&u| (f64::from(u) * span) as i64).collect();
        let timesteps = Tensor::from_slice(&timesteps).to_device(device);
        let coefficients = self.process.coefficients(Kind::Float, device);
        let x_t = coefficients.q_sample(clean, &timesteps, &eps);
        let x0 = self.network.forward(&x_t, &timesteps);
        let implied = coefficients.predict_eps(&x_t, &timesteps, &x0);
        (implied - eps).square().mean(Kind::Float)
    }

    /// Denoises rows of norm `norm` that are taken to stand at entry `entry`.
    fn denoise(&self, rows: Tensor, entry: usize) -> Result<Tensor, BridgeError> {
        let network = |x: &Tensor, timestep: usize| self.network.forward_at(x, timestep);
        let denoiser = Denoiser {
            process: &self.process,
            prediction: Prediction::X0,
            network: &network,
            norm: Some(self.config.norm),
        };
        let sampler = Ddim { timestep: entry - 1, steps: self.config.steps, eta: 0.0 };
        // DDIM with eta 0 draws nothing.
        let none = |_| Tensor::zeros([1], (Kind::Float, rows.device()));
        sampler.denoise(&denoiser, rows.shallow_clone(), &none)
    }

    /// Unit audio rows to rows in the centred space.
    fn cross(&self, audio: &Tensor, entry: usize) -> Result<Tensor, BridgeError> {
        Ok(l2_normalise(&self.denoise(self.centring.audio(audio) * self.config.norm, entry)?))
    }
}

impl FittedMethod for DiffusionBridge {
    fn apply(&self, audio: &Tensor, _: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        self.cross(audio, self.entry)
    }

    fn text(&self, text: &Tensor) -> Tensor {
        self.centring.text(text)
    }

    fn decoder_text(&self, text: &Tensor, noise: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        let entry = self.config.augment;
        let clean = self.centring.text(text) * self.config.norm;
        let draw = noise.draw(0, clean.size()[1] as usize, clean.device());
        self.denoise(self.process.q_sample(&clean, entry - 1, &draw), entry)
    }

    /// Captions go as their decoder's training inputs do: noised to A, then denoised.
    fn text_through(
        &self,
        text: &Tensor,
        noise: RowNoise<'_>,
    ) -> Option<Result<Tensor, BridgeError>> {
        Some(self.decoder_text(text, noise))
    }

    fn tensors(&self) -> Tensors {
        let mut tensors = self.params.named();
        tensors.extend(self.centring.tensors());
        tensors
    }

    fn report(&self) -> MethodReport {
        self.report.clone()
    }
}
