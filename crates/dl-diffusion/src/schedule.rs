//! Noise schedules: the variances beta_t of the forward process and their
//! cumulative products alpha_bar_t, in f64.
//!
//! Linear: Ho et al. 2020, section 4. Scaled linear (interpolated in the square
//! root): Rombach et al. 2022 and diffusers; the default, as in SEED (the source
//! of our defaults; Diffusion-Link's own schedule is not public). Cosine: Nichol
//! and Dhariwal 2021, equation 17. Sigmoid: Xu et al. 2022 (GeoDiff) and diffusers.

use std::f64::consts::FRAC_PI_2;

use dl_core::fault::{ConfigError, check};
use serde::{Deserialize, Serialize};

/// Most timesteps of a schedule; published ones have 1,000 to 4,000. It bounds the network
/// calls of every sampler, too.
const LONGEST: usize = 10_000;

/// The shape of a schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleKind {
    /// beta falls on a line from `beta_start` to `beta_end`.
    Linear,
    /// The square root of beta does.
    #[default]
    ScaledLinear,
    /// alpha_bar follows a squared cosine; `cosine_offset` and `max_beta` hold here.
    Cosine,
    /// beta rises along a sigmoid over [-6, 6] from `beta_start` to `beta_end`.
    Sigmoid,
}

/// A schedule of T timesteps, counted from 0 (least noise).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleConfig {
    /// Its shape.
    pub kind: ScheduleKind,
    /// Number of timesteps T, in 1..=10000.
    pub timesteps: usize,
    /// First beta of the kinds but cosine, in (0, 1].
    pub beta_start: f64,
    /// Last beta of the kinds but cosine, in (0, 1].
    pub beta_end: f64,
    /// The offset s of the cosine kind, at least 0.
    pub cosine_offset: f64,
    /// Betas of the cosine kind are cut to this, in (0, 1].
    pub max_beta: f64,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self {
            kind: ScheduleKind::ScaledLinear,
            timesteps: 1000,
            beta_start: 1e-4,
            beta_end: 0.02,
            cosine_offset: 0.008,
            max_beta: 0.999,
        }
    }
}

impl ScheduleConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`ConfigError`] for the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let unit = |x: f64| x > 0.0 && x <= 1.0;
        let range = format!("in 1..={LONGEST}");
        check((1..=LONGEST).contains(&self.timesteps), "timesteps", self.timesteps, range)?;
        check(unit(self.beta_start), "beta_start", self.beta_start, "in (0, 1]")?;
        check(unit(self.beta_end), "beta_end", self.beta_end, "in (0, 1]")?;
        check(
            self.cosine_offset >= 0.0 && self.cosine_offset.is_finite(),
            "cosine_offset",
            self.cosine_offset,
            "at least 0",
        )?;
        check(unit(self.max_beta), "max_beta", self.max_beta, "in (0, 1]")
    }

    /// Computes the schedule.
    ///
    /// # Errors
    /// [`ConfigError`] for a field out of range.
    pub fn build(&self) -> Result<Schedule, ConfigError> {
        self.validate()?;
        let last = (self.timesteps - 1).max(1) as f64;
        let line =
            |from: f64, to: f64, timestep: usize| from + (to - from) * timestep as f64 / last;
        let betas = (0..self.timesteps).map(|timestep| match self.kind {
            ScheduleKind::Linear => line(self.beta_start, self.beta_end, timestep),
            ScheduleKind::ScaledLinear => {
                line(self.beta_start.sqrt(), self.beta_end.sqrt(), timestep).powi(2)
            }
            ScheduleKind::Sigmoid => {
                let share = 1.0 / (1.0 + (-line(-6.0, 6.0, timestep)).exp());
                self.beta_start + (self.beta_end - self.beta_start) * share
            }
            ScheduleKind::Cosine => {
                let alpha_bar = |step: usize| {
                    let share = step as f64 / self.timesteps as f64;
                    let angle = (share + self.cosine_offset) / (1.0 + self.cosine_offset);
                    (angle * FRAC_PI_2).cos().powi(2)
                };
                (1.0 - alpha_bar(timestep + 1) / alpha_bar(timestep)).min(self.max_beta)
            }
        });
        Schedule::new(betas.collect())
    }
}

/// Betas and their cumulative products, computed once in f64.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    betas: Vec<f64>,
    alpha_bars: Vec<f64>,
}

impl Schedule {
    /// From betas of one's own.
    ///
    /// # Errors
    /// [`ConfigError`] when there is none or one lies outside (0, 1]: a
    /// beta of zero adds no noise, and an integer division that makes a whole
    /// schedule of zeros has passed unseen elsewhere.
    pub fn new(betas: Vec<f64>) -> Result<Self, ConfigError> {
        check(!betas.is_empty(), "betas", "[]", "a list of at least one beta")?;
        for (timestep, &beta) in betas.iter().enumerate() {
            let value = format!("{beta} at timestep {timestep}");
            check(beta > 0.0 && beta <= 1.0, "beta", value, "in (0, 1]")?;
        }
        let alpha_bars = betas
            .iter()
            .scan(1.0, |product, beta| {
                *product *= 1.0 - beta;
                Some(*product)
            })
            .collect();
        Ok(Self { betas, alpha_bars })
    }

    /// Number of timesteps T.
    pub fn timesteps(&self) -> usize {
        self.betas.len()
    }

    /// beta_t, for each timestep.
    pub fn betas(&self) -> &[f64] {
        &self.betas
    }

    /// alpha_bar_t, the product of (1 - beta) up to and with timestep t.
    pub fn alpha_bars(&self) -> &[f64] {
        &self.alpha_bars
    }
}
