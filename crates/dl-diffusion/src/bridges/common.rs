//! What the learned bridges share: the length of their training, noise augmentation of the
//! audio side, the training itself, and checks.

use dl_core::{ConfigError, Fingerprint, fault::check};
use dl_torch::{
    Params, Subject, TrainConfig, TrainContext, TrainReport,
    layers::l2_normalise,
    optim::AdamWConfig,
    train::{self, RateSchedule},
};
use serde::Serialize;
use tch::Tensor;

use crate::{data::Pairs, error::BridgeError};

/// Standard deviation, per dimension of the unit vector, of the noise augmentation of the
/// audio side, where the configuration does not say: one default for all who learn from
/// pairs, so that no rival trains under easier or harder conditions.
pub(super) const JITTER: f64 = 0.05;

/// 2,000 steps of 256 pairs, AdamW at 1e-3 with warm-up and cosine, weight decay 1e-2.
pub(super) fn default_training() -> TrainConfig {
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

pub(super) fn check_jitter(value: f64) -> Result<(), ConfigError> {
    check(value >= 0.0 && value.is_finite(), "jitter", value, "at least 0")
}

/// A list of candidates of which each is `good`.
pub(crate) fn check_all<T: Copy + ToString>(
    key: &str,
    values: &[T],
    good: impl Fn(T) -> bool,
    range: &str,
) -> Result<(), ConfigError> {
    check(!values.is_empty(), key, "[]", "a list of at least one")?;
    let each = |(place, &value): (usize, &T)| {
        check(good(value), format!("{key}[{place}]"), value.to_string(), range)
    };
    values.iter().enumerate().try_for_each(each)
}

/// Unit rows with normal noise of standard deviation `jitter` (`draws` are standard normal),
/// unit norm again.
pub(super) fn augment(rows: &Tensor, draws: &Tensor, jitter: f64) -> Tensor {
    l2_normalise(&(rows + draws * jitter))
}

/// The numbers for noise of a batch of pairs.
pub(super) fn items_of(batch: &[usize]) -> Vec<u64> {
    batch.iter().map(|&pair| pair as u64).collect()
}

/// A training of a bridge on its pairs.
pub(super) struct Learning<'a, C> {
    /// Of this kind of bridge, see [`Subject::stream`].
    pub(super) stream: &'static str,
    /// All of the bridge's configuration.
    pub(super) configuration: &'a C,
    /// The part of it that is the training's.
    pub(super) train: &'a TrainConfig,
    pub(super) pairs: &'a Pairs,
}

impl<C: Serialize> Learning<'_, C> {
    /// Trains `params` on the pairs and leaves them at their best validation, see
    /// [`train::fit`].
    pub(super) fn fit(
        &self,
        params: &Params,
        context: &TrainContext<'_>,
        loss: impl FnMut(u64, &[usize]) -> Result<Tensor, BridgeError>,
        validate: impl FnMut() -> Result<f64, BridgeError>,
    ) -> Result<TrainReport, BridgeError> {
        let subject = Subject {
            stream: self.stream,
            items: self.pairs.train.pairs(),
            configuration: &|| Fingerprint::of(self.configuration),
            data: &|| Ok(self.pairs.fingerprint()),
        };
        train::fit(params, self.train, context, &subject, loss, validate)
    }
}
