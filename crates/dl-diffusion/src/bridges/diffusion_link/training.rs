//! Training of Diffusion-Link: embeddings resident on the device, batches by index,
//! noise by counter, through the one training loop of the project.

use std::cell::Cell;

use dl_core::noise::Noise;
use dl_torch::{
    Params, TrainContext, TrainReport, convert::indices, layers::l2_normalise, tensor_file::Tensors,
};
use tch::{Kind, Tensor};

use super::{config::DiffusionLinkConfig, sampling::Sampling};
use crate::{
    bridges::common::{Learning, augment, items_of},
    data::Pairs,
    error::BridgeError,
    loss::{Branch, topology},
    network::Network,
    noise::{RowNoise, normal, uniform},
    process::{Coefficients, Process},
    scores::Scores,
};

/// The trained network stands here in the tree of names, the mean there.
const TRAINED: &str = "network";
const MEAN: &str = "mean";

/// What training leaves behind.
pub(super) struct Trained {
    pub(super) network: Network,
    pub(super) weights: Tensors,
    pub(super) report: TrainReport,
}

/// Trains and returns the network to sample with.
pub(super) fn train(
    config: &DiffusionLinkConfig,
    pairs: &Pairs,
    context: &TrainContext<'_>,
) -> Result<Trained, BridgeError> {
    let params = Params::new(context.seed, context.device);
    let build =
        |name: &str| Network::new(&(&params.root() / name), pairs.dim, &config.network, true);
    let network = build(TRAINED);
    // The mean is a second network among the parameters: it gets no gradient, so
    // the optimiser leaves it alone, and checkpoints carry it.
    let mean = (config.decay() > 0.0).then(|| build(MEAN));
    let averages = Averages::new(&params, config.decay());
    let process = Process::new(&config.schedule.build()?);
    let trainer = Trainer {
        config,
        pairs,
        coefficients: process.coefficients(Kind::Float, context.device),
        factor: config.scale.factor(pairs.dim),
        noise: Noise::new(context.seed, "diffusion_link/train"),
    };
    let sampling =
        Sampling { config, process: &process, network: mean.as_ref().unwrap_or(&network) };
    let unbridged = Scores::of(&pairs.validation.audio, &pairs.validation)?;
    let begun = Cell::new(None);
    let loss = |step: u64, batch: &[usize]| {
        begun.set(Some(step));
        if step > 0 {
            averages.update(step);
        }
        Ok(trainer.loss(&network, step, batch))
    };
    let validate = || {
        // A mean of nothing yet: what the first step left stands for it.
        if begun.get() == Some(0) {
            averages.update(1);
        }
        best_candidate(&sampling, pairs, &unbridged, context.seed)
    };
    let learning = Learning {
        stream: "bridge/diffusion_link",
        configuration: config,
        train: &config.train,
        pairs,
    };
    let report = learning.fit(&params, context, loss, validate)?;
    params.freeze();
    let kept = if mean.is_some() { MEAN } else { TRAINED };
    let weights = params
        .named()
        .into_iter()
        .filter_map(|(name, value)| {
            let name = name.strip_prefix(kept)?.strip_prefix('.')?;
            Some((name.to_owned(), value))
        })
        .collect();
    let network = mean.unwrap_or(network);
    network.freeze();
    Ok(Trained { network, weights, report })
}

/// The criterion of the best candidate at the present weights. The noise is that
/// of the items, so two validations differ by the weights alone.
fn best_candidate(
    sampling: &Sampling<'_>,
    pairs: &Pairs,
    unbridged: &Scores,
    seed: u64,
) -> Result<f64, BridgeError> {
    let validation = &pairs.validation;
    let noise = RowNoise { seed, items: &validation.items };
    let mut best = f64::INFINITY;
    for candidate in &sampling.config.candidates {
        let bridged = l2_normalise(&sampling.run(candidate, &validation.audio, noise)?);
        let scores = Scores::of(&bridged, validation)?;
        best = best.min(sampling.config.select.value(&scores, unbridged));
    }
    Ok(best)
}

/// Running means of the weights, updated when a step begins, from the weights that
/// the step before left. The weights that a training began with have no share in them, however
/// short it is (Adam's correction of bias, Kingma and Ba 2015).
struct Averages {
    decay: f64,
    slots: Vec<(Tensor, Tensor)>,
}

impl Averages {
    fn new(params: &Params, decay: f64) -> Self {
        let mut slots = Vec::new();
        let named = params.named();
        for (name, trained) in &named {
            let mean =
                name.strip_prefix(TRAINED).and_then(|rest| named.get(&format!("{MEAN}{rest}")));
            if let Some(mean) = mean {
                slots.push((mean.shallow_clone(), trained.shallow_clone()));
            }
        }
        tch::no_grad(|| {
            for (mean, trained) in &mut slots {
                mean.copy_(trained);
            }
        });
        Self { decay, slots }
    }

    /// After `steps` steps, at least 1.
    fn update(&self, steps: u64) {
        let share = (1.0 - self.decay) / (1.0 - self.decay.powf(steps as f64));
        tch::no_grad(|| {
            for (mean, trained) in &self.slots {
                let _ = mean.shallow_clone().lerp_(trained, share);
            }
        });
    }
}

struct Trainer<'a> {
    config: &'a DiffusionLinkConfig,
    pairs: &'a Pairs,
    coefficients: Coefficients,
    factor: f64,
    noise: Noise<'a>,
}

/// The random numbers of one batch.
struct Draws {
    /// i64 `[2, batch]`: of the text rows, of the audio rows.
    timesteps: Tensor,
    /// `[batch, 2 or 3, dim]`: text noise, audio noise, and the augmentation if any.
    normal: Tensor,
}

impl Trainer<'_> {
    fn draws(&self, step: u64, batch: &[usize]) -> Draws {
        let (dim, device) = (self.pairs.dim, self.pairs.device);
        let blocks = if self.config.jitter > 0.0 { 3 } else { 2 };
        let (items, rows) = (items_of(batch), batch.len() as i64);
        let span = (self.config.max_timestep + 1) as f64;
        let uniform = uniform(&self.noise, &items, step, 2);
        // Of all text rows first, then of all audio rows.
        let timesteps: Vec<i64> = (0..2)
            .flat_map(|side| uniform.iter().skip(side).step_by(2))
            .map(|&u| (f64::from(u) * span) as i64)
            .collect();
        Draws {
            timesteps: Tensor::from_slice(&timesteps).view([2, rows]).to_device(device),
            normal: normal(&self.noise, &items, step, blocks * dim, device).view([
                rows,
                blocks as i64,
                dim as i64,
            ]),
        }
    }

    /// The weighted sum of the losses over a batch of pairs: a scalar.
    fn loss(&self, network: &Network, step: u64, batch: &[usize]) -> Tensor {
        let (split, config) = (&self.pairs.train, self.config);
        let rows = indices(batch, self.pairs.device);
        let draws = self.draws(step, batch);
        let target = split.text.index_select(0, &rows) * self.factor;
        let mut audio = split.audio.index_select(0, &split.owners.index_select(0, &rows));
        if config.jitter > 0.0 {
            audio = augment(&audio, &draws.normal.select(1, 2), config.jitter);
        }
        let audio = audio * self.factor;
        let (x0, timesteps, noise) = if config.loss.text_identity > 0.0 {
            let noise = [draws.normal.select(1, 0), draws.normal.select(1, 1)];
            (Tensor::cat(&[&target, &audio], 0), draws.timesteps.view([-1]), Tensor::cat(&noise, 0))
        } else {
            (audio, draws.timesteps.select(0, 1), draws.normal.select(1, 1))
        };
        let x_t = self.coefficients.q_sample(&x0, &timesteps, &noise);
        let output = network.forward(&x_t, &timesteps);
        let predicted = self.coefficients.predict_x0(config.prediction, &x_t, &timesteps, &output);
        self.compare(&predicted, &target, &timesteps)
    }

    /// `predicted` holds the text rows' predictions, where trained, then the audio
    /// rows'; both have the same target.
    fn compare(&self, predicted: &Tensor, target: &Tensor, timesteps: &Tensor) -> Tensor {
        let loss = &self.config.loss;
        let batch = target.size()[0];
        let from_audio = predicted.size()[0] - batch;
        let branch = |start: i64, weight: f64, wants_topology: bool| {
            let rows = predicted.narrow(0, start, batch);
            let mut sum = loss.distance.between(&rows, target) * weight;
            if wants_topology && loss.topology.weight > 0.0 {
                let gate = self.coefficients.alpha_bar(&timesteps.narrow(0, start, batch));
                let gate = loss.topology.gated.then_some(&gate);
                sum +=
                    topology(&rows, target, gate, loss.topology.neighbours) * loss.topology.weight;
            }
            sum
        };
        let both = loss.topology.branch == Branch::Both;
        let sum = branch(from_audio, loss.cross_sample, both);
        if from_audio > 0 { sum + branch(0, loss.text_identity, true) } else { sum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        data::Split,
        loss::{Distance, LossConfig, TopologyConfig},
        network::NetworkConfig,
        process::Prediction,
        space::Scale,
    };
    use tch::Device;

    /// Two clips; captions 0 and 2 belong to clip 1, caption 1 to clip 0. In two dimensions.
    fn pairs() -> Pairs {
        let rows = |values: &[f32]| Tensor::from_slice(values).view([-1, 2]);
        let split = || Split {
            audio: rows(&[1.0, 0.0, 0.0, 1.0]),
            text: rows(&[-1.0, 0.0, 0.0, -1.0, 0.6, 0.8]),
            owners: Tensor::from_slice(&[1_i64, 0, 1]),
            items: vec![0, 1],
        };
        Pairs { train: split(), validation: split(), dim: 2, device: Device::Cpu }
    }

    fn config(loss: LossConfig) -> DiffusionLinkConfig {
        DiffusionLinkConfig { loss, jitter: 0.0, scale: Scale::None, ..Default::default() }
    }

    fn trainer<'a>(config: &'a DiffusionLinkConfig, pairs: &'a Pairs) -> Trainer<'a> {
        let process = Process::new(&config.schedule.build().unwrap());
        Trainer {
            config,
            pairs,
            coefficients: process.coefficients(Kind::Float, Device::Cpu),
            factor: config.scale.factor(pairs.dim),
            noise: Noise::new(0, "test"),
        }
    }

    fn close(got: &Tensor, expected: f64) {
        let got = got.double_value(&[]);
        assert!((got - expected).abs() < 1e-5, "{got}, expected {expected}");
    }

    #[test]
    fn the_running_mean_has_none_of_the_first_weights() {
        let mean = Tensor::from(5.0_f32);
        let trained = Tensor::from(5.0_f32);
        let averages =
            Averages { decay: 0.5, slots: vec![(mean.shallow_clone(), trained.shallow_clone())] };
        // Weights 1 and then 4: (0.5 * 1 + 4) / (0.5 + 1) = 3.
        for (step, weight, expected) in [(1, 1.0, 1.0), (2, 4.0, 3.0)] {
            let _ = trained.shallow_clone().fill_(weight);
            averages.update(step);
            close(&mean, expected);
        }
    }

    #[test]
    fn both_branches_meet_their_own_text() {
        let loss = LossConfig {
            distance: Distance::L2,
            text_identity: 2.0,
            cross_sample: 3.0,
            topology: TopologyConfig::default(),
        };
        let (config, pairs) = (config(loss), pairs());
        let trainer = trainer(&config, &pairs);
        let target = pairs.train.text.index_select(0, &Tensor::from_slice(&[2_i64, 1]));
        let timesteps = Tensor::from_slice(&[0_i64, 0, 0, 0]);
        // Text rows off by 1 in every value, audio rows by 2: 2 times 1 and 3 times 4.
        let predicted = Tensor::cat(&[&target + 1.0, &target + 2.0], 0);
        close(&trainer.compare(&predicted, &target, &timesteps), 14.0);
        // The audio branch alone.
        let alone = &target + 2.0;
        close(&trainer.compare(&alone, &target, &timesteps.narrow(0, 0, 2)), 12.0);
    }

    #[test]
    fn noised_rows_are_those_of_the_pair_and_have_its_noise() {
        // The loss with a network that predicts nothing is the mean square of the targets;
        // what reaches the network is told by a network whose output is read as noise.
        let loss = LossConfig { distance: Distance::L2, ..LossConfig::default() };
        let eps = DiffusionLinkConfig { prediction: Prediction::Eps, ..config(loss) };
        let pairs = pairs();
        let trainer = trainer(&eps, &pairs);
        let params = Params::new(0, Device::Cpu);
        let tiny = NetworkConfig { hidden: 4, ..NetworkConfig::default() };
        // Untrained it predicts zero noise, so that the predicted x_0 is x_t / sqrt(alpha_bar).
        let network = Network::new(&params.root(), 2, &tiny, true);
        let batch = [2_usize, 1];
        let got = trainer.loss(&network, 5, &batch);
        let draws = trainer.draws(5, &batch);
        let process = Process::new(&eps.schedule.build().unwrap());
        // Captions 2 and 1 belong to clips 1 and 0.
        let text = [[0.6, 0.8], [0.0, -1.0]];
        let audio = [[0.0, 1.0], [1.0, 0.0]];
        let mut expected = 0.0;
        for (side, clean) in [text, audio].into_iter().enumerate() {
            for row in 0..2 {
                let timestep = draws.timesteps.int64_value(&[side as i64, row as i64]);
                let (signal, spread) = process.factors(timestep as usize);
                for column in 0..2 {
                    let place = [row as i64, side as i64, column as i64];
                    let noise = draws.normal.double_value(&place);
                    let x0 = (signal * clean[row][column] + spread * noise) / signal;
                    expected += (x0 - text[row][column]).powi(2) / 4.0;
                }
            }
        }
        let got = got.double_value(&[]);
        assert!((got / expected - 1.0).abs() < 1e-4, "{got}, expected {expected}");
    }

    #[test]
    fn the_gate_is_the_signal_of_each_row() {
        let topology = TopologyConfig {
            weight: 1.0,
            branch: Branch::TextIdentity,
            gated: true,
            neighbours: 0,
        };
        let loss = LossConfig { topology, cross_sample: 1e-9, ..LossConfig::default() };
        let (config, pairs) = (config(loss), pairs());
        let trainer = trainer(&config, &pairs);
        let rows = |values: &[f32]| Tensor::from_slice(values).view([3, 2]);
        // Cosines of the pairs 01, 02, 12: 0, 0, 1 predicted, 1, 0, 0 wanted; the distance
        // of the rows themselves counts too.
        let predicted = rows(&[1.0, 0.0, 0.0, 1.0, 0.0, 1.0]);
        let target = rows(&[1.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
        let both = Tensor::cat(&[&predicted, &predicted], 0);
        let identity = Distance::L1.between(&predicted, &target).double_value(&[]);
        let process = Process::new(&config.schedule.build().unwrap());
        for timesteps in [[0_i64, 0, 0], [10, 400, 900], [900, 900, 10]] {
            let given = Tensor::from_slice(&[timesteps, timesteps].concat());
            let signal = timesteps.map(|t| process.alpha_bar(t as usize));
            let (a, b, c) = (signal[0] * signal[1], signal[0] * signal[2], signal[1] * signal[2]);
            let expected = identity + (a + c) / (a + b + c);
            close(&trainer.compare(&both, &target, &given), expected);
        }
    }
}
