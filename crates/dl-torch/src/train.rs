//! The training loop: projection heads, bridges, language models and prefix
//! mappers are all trained here, and nowhere else.
//!
//! Batches are counter-based permutations of the items, one per epoch; what does
//! not fill a batch waits for another epoch. The parameters of the best
//! validation are kept. With a checkpoint file the loop goes on after an
//! interruption with the same bits as without one.

use std::path::PathBuf;

use dl_core::{Fingerprint, Progress, noise::Noise};
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use crate::{
    Params, TorchError,
    checkpoint::{Checkpoint, Position},
    optim::{AdamW, AdamWConfig},
    tensor_file::Tensors,
};

/// How the learning rate moves after warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateSchedule {
    /// It stays.
    Constant,
    /// Half a cosine down to zero at the last step.
    #[default]
    Cosine,
}

/// Length, batches and rates of one training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Optimiser steps, at least 1.
    pub steps: u64,
    /// Items in a batch, at least 1.
    pub batch: usize,
    /// Peak learning rate, above 0.
    pub learning_rate: f64,
    /// Steps of linear warm-up from zero.
    pub warmup_steps: u64,
    /// After warm-up.
    pub schedule: RateSchedule,
    /// Weight decay and moments.
    pub optimizer: AdamWConfig,
    /// Largest joint norm of the gradients; 0 switches clipping off.
    pub clip_norm: f64,
    /// Steps between validations, at least 1. The last step is always validated.
    pub validate_every: u64,
    /// Steps between checkpoints, at least 1.
    pub checkpoint_every: u64,
    /// Stop after this many validations without improvement; 0 never does.
    pub patience: u64,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            steps: 1000,
            batch: 256,
            learning_rate: 1e-3,
            warmup_steps: 50,
            schedule: RateSchedule::Cosine,
            optimizer: AdamWConfig::default(),
            clip_norm: 1.0,
            validate_every: 100,
            checkpoint_every: 100,
            patience: 0,
        }
    }
}

impl TrainConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`TorchError::Config`] for the first field out of range.
    pub fn validate(&self) -> Result<(), TorchError> {
        let check = |good: bool, field, value: String, range| {
            if good { Ok(()) } else { Err(TorchError::Config { field, value, range }) }
        };
        let unit = |x: f64| (0.0..1.0).contains(&x);
        let AdamWConfig { weight_decay, beta1, beta2, epsilon } = self.optimizer;
        check(self.steps > 0, "steps", self.steps.to_string(), "at least 1")?;
        check(self.batch > 0, "batch", self.batch.to_string(), "at least 1")?;
        let rate = self.learning_rate;
        check(rate > 0.0 && rate.is_finite(), "learning_rate", rate.to_string(), "above 0")?;
        let clip = self.clip_norm;
        check(clip >= 0.0, "clip_norm", clip.to_string(), "0 (off) or above")?;
        check(self.validate_every > 0, "validate_every", "0".into(), "at least 1")?;
        check(self.checkpoint_every > 0, "checkpoint_every", "0".into(), "at least 1")?;
        check(weight_decay >= 0.0, "weight_decay", weight_decay.to_string(), "at least 0")?;
        check(unit(beta1), "beta1", beta1.to_string(), "in [0, 1)")?;
        check(unit(beta2), "beta2", beta2.to_string(), "in [0, 1)")?;
        check(epsilon > 0.0, "epsilon", epsilon.to_string(), "above 0")
    }

    /// The learning rate of step `step`, counted from 0.
    pub fn rate(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return self.learning_rate * (step + 1) as f64 / self.warmup_steps as f64;
        }
        match self.schedule {
            RateSchedule::Constant => self.learning_rate,
            RateSchedule::Cosine => {
                let span = self.steps.saturating_sub(self.warmup_steps).max(1) as f64;
                let done = (step - self.warmup_steps) as f64 / span;
                self.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos())
            }
        }
    }
}

/// What surrounds a training: it says where, for whom and from which seed, and
/// changes no result but through the seed and the device.
pub struct TrainContext<'a> {
    /// What it is called on the progress line and in errors.
    pub task: &'a str,
    /// Seed of the order of items (and of whatever the caller draws).
    pub seed: u64,
    /// Where to compute.
    pub device: Device,
    /// Where to keep the checkpoint; `None` keeps none.
    pub checkpoint: Option<PathBuf>,
    /// Fingerprint of everything that goes into this training: a checkpoint made
    /// under another is refused.
    pub key: Fingerprint,
    /// Where progress goes.
    pub progress: &'a dyn Progress,
}

/// What a training did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainReport {
    /// Steps made.
    pub steps: u64,
    /// The step after which validation was best.
    pub best_step: u64,
    /// The best validation value (lower is better).
    pub best_validation: f64,
    /// After each validation: step, mean training loss since the last, validation.
    pub history: Vec<(u64, f64, f64)>,
}

/// Trains `params` and leaves them at their best validation.
///
/// `loss` gets the step and the indices of the batch (in `0..items`) and returns
/// a scalar; `validate` returns a value that is lower when better.
///
/// # Errors
/// Those of `loss` and `validate`; [`TorchError`] for a bad configuration, too
/// few items, a loss that is not finite, or a checkpoint that cannot be used.
pub fn fit<E: From<TorchError>>(
    params: &Params,
    config: &TrainConfig,
    context: &TrainContext<'_>,
    items: usize,
    mut loss: impl FnMut(u64, &[usize]) -> Result<Tensor, E>,
    mut validate: impl FnMut() -> Result<f64, E>,
) -> Result<TrainReport, E> {
    config.validate()?;
    if items < config.batch {
        let problem = format!(
            "{items} training items cannot fill a batch of {}; lower `batch` or give more data",
            config.batch
        );
        return Err(TorchError::Training { task: context.task.into(), problem }.into());
    }
    let mut optimizer = AdamW::new(params, config.optimizer);
    let mut run = Run { best: params.snapshot(), position: Position::default() };
    let checkpoint = context.checkpoint.as_deref().map(|path| Checkpoint::new(path, &context.key));
    if let Some(checkpoint) = &checkpoint {
        run.resume(checkpoint, params, &mut optimizer)?;
    }
    let mut order = Order::new(context, items, config.batch);
    context.progress.begin(context.task, config.steps);
    while run.position.step < config.steps && !run.position.finished {
        let step = run.position.step;
        optimizer.zero_grad();
        let value = loss(step, order.batch(step))?;
        value.f_backward().map_err(TorchError::from)?;
        let train_loss = value.double_value(&[]);
        if !train_loss.is_finite() {
            let problem = format!("the loss is {train_loss} at step {step}; lower `learning_rate`");
            return Err(TorchError::Training { task: context.task.into(), problem }.into());
        }
        if config.clip_norm > 0.0 {
            optimizer.clip_gradients(config.clip_norm);
        }
        optimizer.step(config.rate(step));
        run.position.step += 1;
        run.position.loss_sum += train_loss;
        run.position.loss_count += 1;
        let last = run.position.step == config.steps;
        if last || run.position.step.is_multiple_of(config.validate_every) {
            let validation = tch::no_grad(&mut validate)?;
            if !validation.is_finite() {
                let problem = format!("validation gave {validation} at step {step}");
                return Err(TorchError::Training { task: context.task.into(), problem }.into());
            }
            run.record(validation, params, config.patience);
        }
        if let Some(checkpoint) = &checkpoint
            && (last
                || run.position.finished
                || run.position.step.is_multiple_of(config.checkpoint_every))
        {
            checkpoint.save(&params.snapshot(), &run.best, &optimizer, &run.position)?;
        }
        context.progress.update(run.position.step, &run.note(train_loss));
    }
    context.progress.end();
    params.restore(&run.best, std::path::Path::new("best parameters"))?;
    Ok(run.position.report())
}

/// The state that a checkpoint holds beside parameters and moments.
struct Run {
    best: Tensors,
    position: Position,
}

impl Run {
    fn resume(
        &mut self,
        checkpoint: &Checkpoint<'_>,
        params: &Params,
        optimizer: &mut AdamW,
    ) -> Result<(), TorchError> {
        if let Some((best, position)) = checkpoint.load(params, optimizer)? {
            self.best = best;
            self.position = position;
        }
        Ok(())
    }

    fn record(&mut self, validation: f64, params: &Params, patience: u64) {
        let position = &mut self.position;
        let mean_loss = position.loss_sum / position.loss_count.max(1) as f64;
        position.history.push((position.step, mean_loss, validation));
        (position.loss_sum, position.loss_count) = (0.0, 0);
        if position.best_step == 0 || validation < position.best_validation {
            (position.best_step, position.best_validation) = (position.step, validation);
            position.stale = 0;
            self.best = params.snapshot();
        } else {
            position.stale += 1;
            position.finished = patience > 0 && position.stale >= patience;
        }
    }

    fn note(&self, loss: f64) -> String {
        match self.position.history.last() {
            Some((_, _, validation)) => format!("loss {loss:.4}, validation {validation:.4}"),
            None => format!("loss {loss:.4}"),
        }
    }
}

/// The batches of all steps, one permutation of the items per epoch.
struct Order<'a> {
    noise: Noise<'a>,
    items: usize,
    batch: usize,
    epoch: Option<u64>,
    order: Vec<usize>,
}

impl<'a> Order<'a> {
    fn new(context: &TrainContext<'a>, items: usize, batch: usize) -> Self {
        let noise = Noise::new(context.seed, context.task);
        Self { noise, items, batch, epoch: None, order: Vec::new() }
    }

    fn batch(&mut self, step: u64) -> &[usize] {
        let per_epoch = (self.items / self.batch) as u64;
        let epoch = step / per_epoch;
        if self.epoch != Some(epoch) {
            self.order = self.noise.permutation(epoch, self.items);
            self.epoch = Some(epoch);
        }
        let start = (step % per_epoch) as usize * self.batch;
        &self.order[start..start + self.batch]
    }
}
