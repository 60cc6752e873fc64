//! A Schrödinger bridge from the audio embedding itself: no noise level to enter at,
//! no text branch. Pairs are the ends of Brownian bridges, and the network learns
//! the text end from any point between.
//!
//! x_s = (1 - s) audio + s text + sigma sqrt(s (1 - s)) noise, and the network
//! predicts the text embedding from (x_s, s) (I2SB, Liu et al. 2023, equation 11 with
//! a constant diffusion; Albergo et al. 2023, section 2.2). At use, x goes from s = 0
//! in equal steps by the bridge's own posterior; a single step is the network's
//! answer to the audio embedding. sigma = 0 is flow matching between the pairs
//! (Lipman et al. 2023; Liu et al. 2023). No published system uses it over the gap of a
//! contrastive encoder.

use dl_core::noise::Noise;
use dl_torch::{
    Params, TrainConfig, TrainContext, TrainReport, convert::indices, layers::l2_normalise,
    tensor_file::Tensors, train,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tch::Tensor;

use crate::{
    bridges::diffusion_link::{check_jitter, default_training},
    draws::uniform_rows,
    error::{BridgeError, check},
    loss::Distance,
    methods::{Method, MethodConfig, Stored},
    network::{Network, NetworkConfig},
    pairs::Pairs,
    samplers::RowNoise,
    scores::{Criterion, Scores, choose},
    space::Scale,
};

/// Times in [0, 1) are told to the network as levels of this many.
const LEVELS: f64 = 1000.0;

/// Everything about the bridge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BrownianBridgeConfig {
    /// Spread of the bridges, per dimension of the scaled embeddings; at least 0.
    pub sigma: f64,
    /// What unit vectors are multiplied by, on both sides.
    pub scale: Scale,
    /// Size of the network.
    pub network: NetworkConfig,
    /// How predictions are compared with text embeddings.
    pub distance: Distance,
    /// Standard deviation, per dimension of the unit vector, of normal noise added
    /// to the audio side in training; at least 0.
    pub jitter: f64,
    /// Length, batches and rates.
    pub train: TrainConfig,
    /// Numbers of steps that validation chooses among, each at least 1.
    pub steps: Vec<usize>,
    /// What validation chooses by.
    pub select: Criterion,
}

impl Default for BrownianBridgeConfig {
    fn default() -> Self {
        Self {
            sigma: 3.0,
            scale: Scale::SqrtDim,
            network: NetworkConfig::default(),
            distance: Distance::L1,
            jitter: 0.05,
            train: default_training(),
            steps: vec![1, 2, 4],
            select: Criterion::default(),
        }
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Report {
    training: TrainReport,
    steps: usize,
    /// Every number of steps tried, with its validation scores.
    tried: Vec<(usize, Scores)>,
}

struct BrownianBridge {
    config: BrownianBridgeConfig,
    params: Params,
    network: Network,
    report: Report,
}

impl BrownianBridgeConfig {
    fn build(&self, seed: u64, dim: usize, device: tch::Device) -> BrownianBridge {
        let params = Params::new(seed, device);
        let network = Network::new(&params.root(), dim, &self.network, true);
        BrownianBridge { config: self.clone(), params, network, report: Report::default() }
    }
}

impl MethodConfig for BrownianBridgeConfig {
    fn name(&self) -> &'static str {
        "brownian_bridge"
    }

    fn validate(&self) -> Result<(), BridgeError> {
        self.scale.validate()?;
        self.network.validate()?;
        check_jitter(self.jitter)?;
        let sigma = self.sigma;
        check(sigma >= 0.0 && sigma.is_finite(), "sigma", sigma, "at least 0")?;
        check(!self.steps.is_empty(), "steps", "[]", "a list of at least one")?;
        self.steps.iter().try_for_each(|&n| check(n > 0, "steps", n, "at least 1"))?;
        Ok(self.train.validate()?)
    }

    fn fit(
        &self,
        pairs: &Pairs,
        context: &TrainContext<'_>,
    ) -> Result<Box<dyn Method>, BridgeError> {
        let mut model = self.build(context.seed, pairs.dim, pairs.device);
        let validation = &pairs.validation;
        let unbridged = Scores::of(&validation.audio, validation)?;
        let noise = Noise::new(context.seed, "brownian_bridge/train");
        let row_noise = RowNoise { seed: context.seed, items: &validation.items };
        let rows = |steps: usize| model.walk(&validation.audio, steps, row_noise);
        let validate = || {
            let mut best = f64::INFINITY;
            for &steps in &self.steps {
                let scores = Scores::of(&l2_normalise(&rows(steps)), validation)?;
                best = best.min(self.select.value(&scores, &unbridged));
            }
            Ok(best)
        };
        let loss = |step: u64, batch: &[usize]| Ok(model.loss(pairs, &noise, step, batch));
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
        let candidates = self.steps.iter().map(|&steps| Ok(tch::no_grad(|| rows(steps))));
        let (best, scores) = choose(self.select, validation, validation, candidates)?;
        let tried = self.steps.iter().copied().zip(scores).collect();
        model.report = Report { training, steps: self.steps[best], tried };
        Ok(Box::new(model))
    }

    fn load(&self, stored: Stored<'_>) -> Result<Box<dyn Method>, BridgeError> {
        let mut model = self.build(0, stored.dim, stored.device);
        model.report = stored.report()?;
        model.params.restore(&stored.tensors, stored.path)?;
        model.params.freeze();
        model.network.freeze();
        Ok(Box::new(model))
    }
}

impl BrownianBridge {
    /// The distance of prediction and text over a batch of pairs: a scalar.
    fn loss(&self, pairs: &Pairs, noise: &Noise<'_>, step: u64, batch: &[usize]) -> Tensor {
        let (config, split, dim) = (&self.config, &pairs.train, pairs.dim);
        let rows = indices(batch, pairs.device);
        let mut audio = split.audio.index_select(0, &split.owners.index_select(0, &rows));
        let items: Vec<u64> = batch.iter().map(|&pair| pair as u64).collect();
        let draws = Tensor::from_slice(&noise.normal_rows(&items, step, 2 * dim))
            .view([items.len() as i64, 2, dim as i64])
            .to_device(pairs.device);
        if config.jitter > 0.0 {
            audio = l2_normalise(&(audio + draws.select(1, 1) * config.jitter));
        }
        let times = uniform_rows(noise, &items, step, 1);
        let times = Tensor::from_slice(&times).to_device(pairs.device).unsqueeze(1);
        let factor = config.scale.factor(dim);
        let target = split.text.index_select(0, &rows) * factor;
        let rest: Tensor = 1.0 - &times;
        let spread = (&times * &rest).sqrt() * config.sigma;
        let x = audio * factor * rest + &target * &times + draws.select(1, 0) * spread;
        let levels = (times.squeeze_dim(1) * LEVELS).to_kind(tch::Kind::Int64);
        config.distance.between(&self.network.forward(&x, &levels), &target)
    }

    /// From the audio ends (unit rows) to the text ends in `steps` equal steps; the
    /// last is the network's answer. The step to time t from s goes to the posterior
    /// of the bridge that ends at the answer: mean (1 - w) x + w answer with
    /// w = (t - s) / (1 - s), variance sigma^2 (t - s) (1 - t) / (1 - s).
    fn walk(&self, audio: &Tensor, steps: usize, noise: RowNoise<'_>) -> Tensor {
        let (dim, device) = (audio.size()[1] as usize, audio.device());
        let mut x = audio * self.config.scale.factor(dim);
        for step in 0..steps {
            let (now, next) = (step as f64 / steps as f64, (step + 1) as f64 / steps as f64);
            let answer = self.network.forward_at(&x, (now * LEVELS) as usize);
            if step + 1 == steps {
                return answer;
            }
            let weight = (next - now) / (1.0 - now);
            x = x * (1.0 - weight) + answer * weight;
            let spread = self.config.sigma * (weight * (1.0 - next)).sqrt();
            if spread > 0.0 {
                x += noise.draw(step as u64, dim, device) * spread;
            }
        }
        x
    }
}

impl Method for BrownianBridge {
    fn apply(&self, audio: &Tensor, noise: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        Ok(self.walk(audio, self.report.steps, noise))
    }

    fn tensors(&self) -> Tensors {
        self.params.named()
    }

    fn report(&self) -> Value {
        json!(self.report)
    }
}
