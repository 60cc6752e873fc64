//! A Schrödinger bridge from the audio embedding itself: no timestep to enter at,
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

use dl_core::{ConfigError, Under, fault::check, noise::Noise};
use dl_torch::{
    Params, TrainConfig, TrainContext, convert::indices, layers::l2_normalise, tensor_file::Tensors,
};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::common::{
    JITTER, Learning, augment, check_all, check_jitter, default_training, items_of,
};
use crate::{
    data::Pairs,
    error::BridgeError,
    loss::Distance,
    method::{BridgeMethod, Family, FittedMethod, MethodReport, Stored},
    network::{Network, NetworkConfig},
    noise::{RowNoise, normal, uniform},
    register_bridge,
    scores::{Criterion, Scores, choose},
    space::Scale,
};

/// Times in [0, 1) are told to the network as timesteps of this many.
const TIMESTEPS: f64 = 1000.0;

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
    /// Numbers of steps that validation chooses among, each in 1..=1000: the network knows
    /// no more times.
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
            jitter: JITTER,
            train: default_training(),
            steps: vec![1, 2, 4],
            select: Criterion::default(),
        }
    }
}

struct BrownianBridge {
    config: BrownianBridgeConfig,
    params: Params,
    network: Network,
    /// The chosen number of steps.
    steps: usize,
    report: MethodReport,
}

impl BrownianBridgeConfig {
    fn build(&self, params: Params, dim: usize) -> BrownianBridge {
        let network = Network::new(&params.root(), dim, &self.network, true);
        let report = MethodReport::default();
        BrownianBridge { config: self.clone(), params, network, steps: 1, report }
    }
}

register_bridge!(BrownianBridgeConfig);

impl BridgeMethod for BrownianBridgeConfig {
    const KIND: &'static str = "brownian_bridge";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Diffusion;

    fn validate(&self) -> Result<(), ConfigError> {
        self.scale.validate().under("scale")?;
        self.network.validate().under("network")?;
        check_jitter(self.jitter)?;
        let sigma = self.sigma;
        check(sigma >= 0.0 && sigma.is_finite(), "sigma", sigma, "at least 0")?;
        check_all("steps", &self.steps, |n| (1..=1000).contains(&n), "in 1..=1000")?;
        self.train.validate().under("train")
    }

    fn fit(
        &self,
        pairs: &Pairs,
        context: &TrainContext<'_>,
    ) -> Result<Box<dyn FittedMethod>, BridgeError> {
        let mut model = self.build(Params::new(context.seed, pairs.device), pairs.dim);
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
        let learning = Learning {
            stream: "bridge/brownian_bridge",
            configuration: self,
            train: &self.train,
            pairs,
        };
        let training = learning.fit(&model.params, context, loss, validate)?;
        model.params.freeze();
        model.network.freeze();
        let candidates = self.steps.iter().map(|&steps| Ok(tch::no_grad(|| rows(steps))));
        let (best, scores) = choose(self.select, validation, validation, candidates)?;
        model.steps = self.steps[best];
        model.report = MethodReport::choice(&self.steps, scores, best).after(training);
        Ok(Box::new(model))
    }

    fn load(&self, stored: Stored<'_>) -> Result<Box<dyn FittedMethod>, BridgeError> {
        let steps = stored.chosen("steps", |steps| self.steps.contains(steps))?;
        let mut model = self.build(Params::stored(stored.tensors, stored.device), stored.dim);
        model.params.check_stored(stored.path)?;
        (model.steps, model.report) = (steps, stored.report);
        model.network.freeze();
        Ok(Box::new(model))
    }
}

impl BrownianBridge {
    /// The distance of prediction and text over a batch of pairs: a scalar.
    fn loss(&self, pairs: &Pairs, noise: &Noise<'_>, step: u64, batch: &[usize]) -> Tensor {
        let (config, split, dim) = (&self.config, &pairs.train, pairs.dim);
        let (rows, items) = (indices(batch, pairs.device), items_of(batch));
        let mut audio = split.audio.index_select(0, &split.owners.index_select(0, &rows));
        let draws = normal(noise, &items, step, 2 * dim, pairs.device).chunk(2, 1);
        if config.jitter > 0.0 {
            audio = augment(&audio, &draws[1], config.jitter);
        }
        let times = Tensor::from_slice(&uniform(noise, &items, step, 1)).to_device(pairs.device);
        let factor = config.scale.factor(dim);
        let target = split.text.index_select(0, &rows) * factor;
        let x = between(&(audio * factor), &target, &times.unsqueeze(1), &draws[0], config.sigma);
        let timesteps = (times * TIMESTEPS).to_kind(Kind::Int64);
        config.distance.between(&self.network.forward(&x, &timesteps), &target)
    }

    /// From the audio ends (unit rows) to the text ends in `steps` equal steps; the
    /// last is the network's answer.
    fn walk(&self, audio: &Tensor, steps: usize, noise: RowNoise<'_>) -> Tensor {
        let (dim, device) = (audio.size()[1] as usize, audio.device());
        let mut x = audio * self.config.scale.factor(dim);
        for step in 0..steps {
            let (now, next) = (step as f64 / steps as f64, (step + 1) as f64 / steps as f64);
            let answer = self.network.forward_at(&x, (now * TIMESTEPS) as usize);
            if step + 1 == steps {
                return answer;
            }
            let (weight, spread) = posterior(now, next, self.config.sigma);
            x = x * (1.0 - weight) + answer * weight;
            if spread > 0.0 {
                x += noise.draw(step as u64, dim, device) * spread;
            }
        }
        x
    }
}

/// A point of the bridges from `start` to `end` at `times` `[rows, 1]`:
/// (1 - t) start + t end + sigma sqrt(t (1 - t)) noise.
fn between(start: &Tensor, end: &Tensor, times: &Tensor, noise: &Tensor, sigma: f64) -> Tensor {
    let rest: Tensor = 1.0 - times;
    let spread = (times * &rest).sqrt() * sigma;
    start * rest + end * times + noise * spread
}

/// The bridge's own posterior at time `next` given x at time `now` and its end: the weight w
/// of the end in the mean (1 - w) x + w end, w = (t - s) / (1 - s), and the standard
/// deviation, the root of sigma^2 (t - s) (1 - t) / (1 - s).
fn posterior(now: f64, next: f64, sigma: f64) -> (f64, f64) {
    let weight = (next - now) / (1.0 - now);
    (weight, sigma * (weight * (1.0 - next)).sqrt())
}

impl FittedMethod for BrownianBridge {
    fn apply(&self, audio: &Tensor, noise: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        Ok(self.walk(audio, self.steps, noise))
    }

    fn tensors(&self) -> Tensors {
        self.params.named()
    }

    fn report(&self) -> MethodReport {
        self.report.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_posterior_by_hand() {
        // From time 1/4 to 1/2 with sigma 3: weight (1/4) / (3/4) = 1/3, variance
        // 9 (1/4) (1/2) / (3/4) = 3/2.
        let (weight, spread) = posterior(0.25, 0.5, 3.0);
        assert!((weight - 1.0 / 3.0).abs() < 1e-15 && (spread * spread - 1.5).abs() < 1e-14);
        // The last step ends where the bridge ends.
        let (weight, spread) = posterior(0.5, 1.0, 3.0);
        assert_eq!((weight, spread), (1.0, 0.0));
    }

    #[test]
    fn a_step_of_the_posterior_has_the_marginal_of_the_bridge() {
        // x_s is (1 - s) a + s b with variance sigma^2 s (1 - s); after a step to t by the
        // posterior the mean must be (1 - t) a + t b and the variance sigma^2 t (1 - t).
        let (a, b, sigma, s, t) = (2.0, -1.0, 1.5, 0.2, 0.7);
        let (weight, spread) = posterior(s, t, sigma);
        let mean = (1.0 - weight) * ((1.0 - s) * a + s * b) + weight * b;
        assert!((mean - ((1.0 - t) * a + t * b)).abs() < 1e-12, "{mean}");
        let before = sigma * sigma * s * (1.0 - s);
        let variance = (1.0_f64 - weight).powi(2) * before + spread * spread;
        assert!((variance - sigma * sigma * t * (1.0 - t)).abs() < 1e-12, "{variance}");
    }

    #[test]
    fn points_between_by_hand() {
        let row = |x: f64| Tensor::from_slice(&[x]).view([1, 1]);
        // At time 1/4: 3/4 of 4, 1/4 of 8, and 2 sqrt(3/16) of the noise 1.
        let got = between(&row(4.0), &row(8.0), &row(0.25), &row(1.0), 2.0).double_value(&[0, 0]);
        assert!((got - (3.0 + 2.0 + 0.75_f64.sqrt())).abs() < 1e-12, "{got}");
    }
}
