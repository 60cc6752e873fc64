//! Length, batches and rates of a training, as a configuration file has them.

use dl_core::fault::{ConfigError, Under, check};
use serde::{Deserialize, Serialize};

use crate::optim::AdamWConfig;

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
    /// [`ConfigError`] for the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check(self.steps > 0, "steps", self.steps, "at least 1")?;
        check(self.batch > 0, "batch", self.batch, "at least 1")?;
        let rate = self.learning_rate;
        check(rate > 0.0 && rate.is_finite(), "learning_rate", rate, "above 0")?;
        let clip = self.clip_norm;
        check(clip >= 0.0 && clip.is_finite(), "clip_norm", clip, "0 (off) or above")?;
        check(self.validate_every > 0, "validate_every", self.validate_every, "at least 1")?;
        check(self.checkpoint_every > 0, "checkpoint_every", self.checkpoint_every, "at least 1")?;
        self.optimizer.validate().under("optimizer")
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
