//! Diffusion Bridge (Lee et al., CVPR 2025, and its public code): a diffusion model
//! of captions alone. Captions are centred and brought to norm 5; a network learns
//! x_0 by squared error weighted by the signal-to-noise ratio. An audio embedding,
//! centred by the audio mean and brought to norm 5, is taken for a noised caption as
//! it is, entered at level M without noise, and denoised by DDIM; before every
//! network call the rows are brought back to norm 5. Decoders live in the centred
//! space and train on captions that went the same way from level A.
//!
//! The network is a choice: the code's 1-D U-Net (`kind = "unet"`), or, unless the
//! configuration says so, our three residual MLP blocks in its place.

use dl_core::noise::Noise;
use dl_torch::{
    Params, TrainConfig, TrainContext, TrainReport, convert::indices, layers::l2_normalise,
    optim::AdamWConfig, tensor_file::Tensors, train, train::RateSchedule,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tch::{Kind, Tensor};

use crate::{
    bridges::diffusion_link::default_training,
    denoising_network::{DenoisingNetwork, DenoisingNetworkConfig},
    draws::uniform_rows,
    error::{BridgeError, check},
    methods::{Method, MethodConfig, Stored},
    pairs::Pairs,
    process::{Prediction, Process},
    samplers::{Denoiser, RowNoise, SamplerConfig},
    schedule::{ScheduleConfig, ScheduleKind},
    scores::{Criterion, Scores, choose},
    space::Centring,
};

/// Everything about Diffusion Bridge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiffusionBridgeConfig {
    /// The noise levels; the code's are cosine.
    pub schedule: ScheduleConfig,
    /// Norm of the centred embeddings, above 0.
    pub norm: f64,
    /// Which network, and its size.
    pub network: DenoisingNetworkConfig,
    /// Length, batches and rates. The code's rate is 8e-5 over 3,000,000 steps of 64.
    pub train: TrainConfig,
    /// Entry levels M (as numbers of levels) that validation chooses among; M = 600
    /// enters at level 599.
    pub entries: Vec<usize>,
    /// DDIM steps from M, at least 1 and at most the smallest entry.
    pub steps: usize,
    /// The level A that captions are noised to for the decoder's training.
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

#[derive(Default, Serialize, Deserialize)]
struct Report {
    training: TrainReport,
    entry: usize,
    /// Every entry level tried, with its validation scores.
    tried: Vec<(usize, Scores)>,
}

struct DiffusionBridge {
    config: DiffusionBridgeConfig,
    process: Process,
    params: Params,
    network: DenoisingNetwork,
    centring: Centring,
    report: Report,
}

impl DiffusionBridgeConfig {
    fn build(
        &self,
        seed: u64,
        dim: usize,
        device: tch::Device,
        centring: Centring,
    ) -> Result<DiffusionBridge, BridgeError> {
        let params = Params::new(seed, device);
        Ok(DiffusionBridge {
            config: self.clone(),
            process: Process::new(&self.schedule.build()?),
            network: self.network.build(&params.root(), dim)?,
            params,
            centring,
            report: Report::default(),
        })
    }
}

impl MethodConfig for DiffusionBridgeConfig {
    fn name(&self) -> &'static str {
        "diffusion_bridge"
    }

    fn validate(&self) -> Result<(), BridgeError> {
        self.schedule.validate()?;
        self.network.validate()?;
        check(self.norm > 0.0 && self.norm.is_finite(), "norm", self.norm, "above 0")?;
        let levels = self.schedule.levels;
        let within = format!("in `steps`..={levels}, the levels of the schedule");
        check(self.steps > 0, "steps", self.steps, "at least 1")?;
        check(!self.entries.is_empty(), "entries", "[]", "a list of at least one")?;
        for (field, level) in
            self.entries.iter().map(|&m| ("entries", m)).chain([("augment", self.augment)])
        {
            check((self.steps..=levels).contains(&level), field, level, within.clone())?;
        }
        Ok(self.train.validate()?)
    }

    fn moves_text(&self) -> bool {
        true
    }

    fn fit(
        &self,
        pairs: &Pairs,
        context: &TrainContext<'_>,
    ) -> Result<Box<dyn Method>, BridgeError> {
        let centring = Centring::fit(&pairs.train);
        let mut model = self.build(context.seed, pairs.dim, pairs.device, centring)?;
        let clean = model.centring.text(&pairs.train.text) * self.norm;
        let held_out = model.centring.text(&pairs.validation.text) * self.norm;
        let noise = Noise::new(context.seed, "diffusion_bridge/train");
        let validation_noise = Noise::new(context.seed, "diffusion_bridge/validate");
        let loss = |step: u64, batch: &[usize]| {
            let rows = clean.index_select(0, &indices(batch, pairs.device));
            Ok(model.loss(&rows, &noise, step, batch))
        };
        // Text alone: pairs choose the entry level, not the weights.
        let everything: Vec<usize> = (0..pairs.validation.pairs()).collect();
        let validate =
            || Ok(model.loss(&held_out, &validation_noise, 0, &everything).double_value(&[]));
        let training = train::fit::<BridgeError>(
            &model.params,
            &self.train,
            context,
            pairs.train.pairs(),
            loss,
            validate,
        )?;
        model.params.freeze();
        model.network.freeze();
        let split = pairs.validation.with_text(model.centring.text(&pairs.validation.text));
        let candidates = self
            .entries
            .iter()
            .map(|&entry| tch::no_grad(|| model.cross(&pairs.validation.audio, entry)));
        let (best, scores) = choose(self.select, &pairs.validation, &split, candidates)?;
        let tried = self.entries.iter().copied().zip(scores).collect();
        model.report = Report { training, entry: self.entries[best], tried };
        Ok(Box::new(model))
    }

    fn load(&self, mut stored: Stored<'_>) -> Result<Box<dyn Method>, BridgeError> {
        let centring = Centring::load(&mut stored)?;
        let mut model = self.build(0, stored.dim, stored.device, centring)?;
        model.report = stored.report()?;
        let entry = model.report.entry;
        if !self.entries.contains(&entry) {
            let problem = format!("its header chose entry {entry}, which is not in `entries`");
            return Err(BridgeError::file(stored.path, problem));
        }
        model.params.restore(&stored.tensors, stored.path)?;
        model.params.freeze();
        model.network.freeze();
        Ok(Box::new(model))
    }
}

impl DiffusionBridge {
    /// The squared error of x_0 weighted by the signal-to-noise ratio, which is the
    /// squared error of the noise: a scalar. Computed as the latter, since the ratio
    /// itself spans ten orders of magnitude.
    fn loss(&self, clean: &Tensor, noise: &Noise<'_>, step: u64, batch: &[usize]) -> Tensor {
        let (rows, dim) = (batch.len() as i64, clean.size()[1]);
        let device = clean.device();
        let items: Vec<u64> = batch.iter().map(|&item| item as u64).collect();
        let eps = Tensor::from_slice(&noise.normal_rows(&items, step, dim as usize))
            .view([rows, dim])
            .to_device(device);
        let span = self.process.len() as f64;
        let shares = uniform_rows(noise, &items, step, 1);
        let levels: Vec<i64> = shares.iter().map(|&u| (f64::from(u) * span) as i64).collect();
        let levels = Tensor::from_slice(&levels).to_device(device);
        let coefficients = self.process.coefficients(Kind::Float, device);
        let x_t = coefficients.q_sample(clean, &levels, &eps);
        let x0 = self.network.forward(&x_t, &levels);
        let implied = coefficients.predict_eps(&x_t, &levels, &x0);
        (implied - eps).square().mean(Kind::Float)
    }

    /// Denoises rows of norm `norm` that are taken to stand at level `entry`.
    fn denoise(&self, rows: Tensor, entry: usize) -> Result<Tensor, BridgeError> {
        let device = rows.device();
        let network = |x: &Tensor, level: usize| self.network.forward_at(x, level);
        let denoiser = Denoiser {
            process: &self.process,
            prediction: Prediction::X0,
            network: &network,
            norm: Some(self.config.norm),
        };
        let sampler = SamplerConfig::Ddim { level: entry - 1, steps: self.config.steps, eta: 0.0 };
        // DDIM with eta 0 draws nothing.
        sampler.denoise(&denoiser, rows, &|_| Tensor::zeros([1], (Kind::Float, device)))
    }

    /// Unit audio rows to rows in the centred space.
    fn cross(&self, audio: &Tensor, entry: usize) -> Result<Tensor, BridgeError> {
        Ok(l2_normalise(&self.denoise(self.centring.audio(audio) * self.config.norm, entry)?))
    }
}

impl Method for DiffusionBridge {
    fn apply(&self, audio: &Tensor, _: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        self.cross(audio, self.report.entry)
    }

    fn text(&self, text: &Tensor) -> Tensor {
        self.centring.text(text)
    }

    fn decoder_text(&self, text: &Tensor, noise: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        let level = self.config.augment;
        let clean = self.centring.text(text) * self.config.norm;
        let draw = noise.draw(0, clean.size()[1] as usize, clean.device());
        self.denoise(self.process.q_sample(&clean, level - 1, &draw), level)
    }

    fn tensors(&self) -> Tensors {
        let mut tensors = self.params.named();
        tensors.extend(self.centring.tensors());
        tensors
    }

    fn report(&self) -> Value {
        json!(self.report)
    }
}
