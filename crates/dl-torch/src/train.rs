//! The training loop: projection heads, bridges, language models and captioners are all
//! trained here, and nowhere else.
//!
//! Batches are counter-based permutations of the items, one per epoch; what does not fill
//! a batch waits for another epoch. The parameters of the best validation are kept. With
//! a checkpoint file the loop goes on after an interruption with the same bits as without
//! one.
//!
//! A training that computes with one thread of libtorch gives the same bits on any number
//! of cores. So a program calls `tch::set_num_threads(1)` once and runs small trainings
//! side by side, each on a thread of its own: nothing here is shared between them.

mod config;
mod order;

use std::{borrow::Cow, path::PathBuf};

use dl_core::{Fingerprint, Progress, Silent};
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

pub use config::{RateSchedule, TrainConfig};

use crate::{
    Params, TorchError,
    checkpoint::{Checkpoint, Origin, Position},
    device,
    optim::AdamW,
    tensor_file::Tensors,
};
use order::Order;

/// Changes whenever the same configuration, data and seed give other parameters than
/// before. It is part of the key of every checkpoint; keys of stored results include it.
pub const VERSION: u32 = 1;

/// What surrounds a training: its seed, and where and for whom it runs. Only the seed and
/// the device change a result.
///
/// ```
/// use dl_torch::TrainContext;
///
/// // On the CPU, silent, without a checkpoint.
/// let context = TrainContext::new(7).named("heads of the urban corpus");
/// assert_eq!(context.seed, 7);
/// ```
#[derive(Clone)]
pub struct TrainContext<'a> {
    /// Seed of initial values, of the order of items and of every draw.
    pub seed: u64,
    /// Where to compute.
    pub device: Device,
    /// Where to keep the checkpoint; `None` keeps none.
    pub checkpoint: Option<PathBuf>,
    /// Where progress goes.
    pub progress: &'a dyn Progress,
    /// What the training is called on the progress line and in errors; where it is empty,
    /// the name of its kind is shown.
    pub label: Cow<'a, str>,
}

impl<'a> TrainContext<'a> {
    /// On the CPU, silent, without a checkpoint.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            device: Device::Cpu,
            checkpoint: None,
            progress: &Silent,
            label: Cow::Borrowed(""),
        }
    }

    /// Computes on `device`.
    #[must_use]
    pub fn device(self, device: Device) -> Self {
        Self { device, ..self }
    }

    /// Reports to `progress`.
    #[must_use]
    pub fn progress(self, progress: &'a dyn Progress) -> Self {
        Self { progress, ..self }
    }

    /// Calls the training `label` on the progress line and in errors. No result depends
    /// on it.
    #[must_use]
    pub fn named(self, label: impl Into<Cow<'a, str>>) -> Self {
        Self { label: label.into(), ..self }
    }

    /// Keeps a checkpoint in the file `path`, and goes on from it when it is there. A
    /// checkpoint of another training (other data, configuration, seed or device) is
    /// refused, never returned as if it were this one's.
    #[must_use]
    pub fn checkpoint(self, path: impl Into<PathBuf>) -> Self {
        Self { checkpoint: Some(path.into()), ..self }
    }
}

/// What a training is of: everything that its result depends on beside [`TrainConfig`], the
/// initial parameters, the seed and the kind of device, which [`fit`] knows itself.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The constant name of this kind of training, for example `"bridge/diffusion_link"`:
    /// the random stream that the order of items is drawn from.
    pub stream: &'static str,
    /// Number of training items.
    pub items: usize,
    /// Fingerprint of the configuration beyond [`TrainConfig`].
    pub configuration: &'a dyn Fn() -> Fingerprint,
    /// Fingerprint of the data, those for training and those for validation. It is asked
    /// for only when there is a checkpoint.
    pub data: &'a dyn Fn() -> Result<Fingerprint, TorchError>,
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
/// `loss` gets the step and the indices of the batch (below `subject.items`) and returns
/// a scalar; `validate` returns a value that is lower when better.
///
/// # Errors
/// Those of `loss` and `validate`; [`TorchError`] for a bad configuration, too
/// few items, a loss that is not finite, or a checkpoint that cannot be used.
pub fn fit<E: From<TorchError>>(
    params: &Params,
    config: &TrainConfig,
    context: &TrainContext<'_>,
    subject: &Subject<'_>,
    mut loss: impl FnMut(u64, &[usize]) -> Result<Tensor, E>,
    mut validate: impl FnMut() -> Result<f64, E>,
) -> Result<TrainReport, E> {
    config.validate().map_err(TorchError::from)?;
    let label = if context.label.is_empty() { subject.stream } else { &context.label };
    let fault = |problem| E::from(TorchError::Training { label: label.to_owned(), problem });
    if subject.items < config.batch {
        return Err(fault(format!(
            "{} training items cannot fill a batch of {}; lower `train.batch` or give more data",
            subject.items, config.batch
        )));
    }
    let mut optimizer = AdamW::new(params, config.optimizer);
    let mut run = Run { best: params.snapshot(), position: Position::default() };
    let checkpoint = match &context.checkpoint {
        Some(path) => Some(Checkpoint::new(path, origin(params, config, context, subject)?)),
        None => None,
    };
    if let Some(checkpoint) = &checkpoint {
        run.resume(checkpoint, params, &mut optimizer)?;
    }
    let mut order = Order::new(context.seed, subject.stream, subject.items, config.batch);
    context.progress.begin(label, config.steps);
    while run.position.step < config.steps && !run.position.finished {
        let step = run.position.step;
        optimizer.zero_grad();
        let value = loss(step, order.batch(step))?;
        value.f_backward().map_err(TorchError::from)?;
        let train_loss = value.double_value(&[]);
        if !train_loss.is_finite() {
            return Err(fault(format!(
                "the loss is {train_loss} at step {step}; lower `train.learning_rate`"
            )));
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
                return Err(fault(format!(
                    "validation gave {validation} at step {step}; lower `train.learning_rate`"
                )));
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
    let Position { step, best_step, best_validation, history, .. } = run.position;
    Ok(TrainReport { steps: step, best_step, best_validation, history })
}

/// Everything that makes this training what it is. `params` still have their initial
/// values.
fn origin(
    params: &Params,
    config: &TrainConfig,
    context: &TrainContext<'_>,
    subject: &Subject<'_>,
) -> Result<Origin, TorchError> {
    Ok(Origin {
        version: VERSION,
        training: subject.stream.to_owned(),
        seed: context.seed,
        device: device::kind(context.device).to_owned(),
        configuration: Fingerprint::combine([
            &Fingerprint::of(config),
            &(subject.configuration)(),
            &params.fingerprint()?,
        ]),
        data: Fingerprint::combine([&Fingerprint::of(&subject.items), &(subject.data)()?]),
    })
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
