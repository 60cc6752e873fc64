//! Training of Diffusion-Link: embeddings resident on the device, batches by index,
//! noise by counter, through the one training loop of the project.

use dl_core::noise::Noise;
use dl_torch::{
    Params, TrainContext, TrainReport, convert::indices, layers::l2_normalise,
    tensor_file::Tensors, train,
};
use tch::{Kind, Tensor};

use super::{DiffusionLinkConfig, Sampling};
use crate::{
    draws::uniform_rows,
    error::BridgeError,
    loss::{Branch, topology},
    network::Network,
    pairs::Pairs,
    process::{Coefficients, Process},
    samplers::RowNoise,
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
    let mean = (config.ema > 0.0).then(|| build(MEAN));
    let averages = Averages::new(&params, config.ema);
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
    let loss = |step: u64, batch: &[usize]| {
        if step > 0 {
            averages.update();
        }
        Ok(trainer.loss(&network, step, batch))
    };
    let validate = || best_candidate(&sampling, pairs, &unbridged, context.seed);
    let items = pairs.train.pairs();
    let report = train::fit::<BridgeError>(&params, &config.train, context, items, loss, validate)?;
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
/// the step before left.
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

    fn update(&self) {
        tch::no_grad(|| {
            for (mean, trained) in &self.slots {
                let _ = mean.shallow_clone().lerp_(trained, 1.0 - self.decay);
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
    levels: Tensor,
    /// `[batch, 2 or 3, dim]`: text noise, audio noise, and the jitter if any.
    normal: Tensor,
}

impl Trainer<'_> {
    fn draws(&self, step: u64, batch: &[usize]) -> Draws {
        let dim = self.pairs.dim;
        let blocks = if self.config.jitter > 0.0 { 3 } else { 2 };
        let items: Vec<u64> = batch.iter().map(|&pair| pair as u64).collect();
        let normal = self.noise.normal_rows(&items, step, blocks * dim);
        let span = (self.config.max_level + 1) as f64;
        let uniform = uniform_rows(&self.noise, &items, step, 2);
        // Of all text rows first, then of all audio rows.
        let levels: Vec<i64> = (0..2)
            .flat_map(|side| uniform.iter().skip(side).step_by(2))
            .map(|&u| (f64::from(u) * span) as i64)
            .collect();
        let rows = items.len() as i64;
        let device = self.pairs.device;
        Draws {
            levels: Tensor::from_slice(&levels).view([2, rows]).to_device(device),
            normal: Tensor::from_slice(&normal)
                .view([rows, blocks as i64, dim as i64])
                .to_device(device),
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
            audio = l2_normalise(&(audio + draws.normal.select(1, 2) * config.jitter));
        }
        let audio = audio * self.factor;
        let (x0, levels, noise) = if config.loss.text_identity > 0.0 {
            let noise = [draws.normal.select(1, 0), draws.normal.select(1, 1)];
            (Tensor::cat(&[&target, &audio], 0), draws.levels.view([-1]), Tensor::cat(&noise, 0))
        } else {
            (audio, draws.levels.select(0, 1), draws.normal.select(1, 1))
        };
        let x_t = self.coefficients.q_sample(&x0, &levels, &noise);
        let output = network.forward(&x_t, &levels);
        let predicted = self.coefficients.predict_x0(config.prediction, &x_t, &levels, &output);
        self.compare(&predicted, &target, &levels)
    }

    /// `predicted` holds the text rows' predictions, where trained, then the audio
    /// rows'; both have the same target.
    fn compare(&self, predicted: &Tensor, target: &Tensor, levels: &Tensor) -> Tensor {
        let loss = &self.config.loss;
        let batch = target.size()[0];
        let from_audio = predicted.size()[0] - batch;
        let branch = |start: i64, weight: f64, wants_topology: bool| {
            let rows = predicted.narrow(0, start, batch);
            let mut sum = loss.distance.between(&rows, target) * weight;
            if wants_topology && loss.topology.weight > 0.0 {
                let gate = self.coefficients.alpha_bar(&levels.narrow(0, start, batch));
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
