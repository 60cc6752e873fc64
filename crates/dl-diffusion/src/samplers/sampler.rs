//! What a sampler is, and the registration.

use dl_core::{ConfigError, fault::check, tagged, tagged_config};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tch::{Kind, Tensor};

use crate::{
    error::BridgeError,
    process::{Prediction, Process},
};

/// A way of sampling and where it starts: plain data, as a configuration file has it.
pub trait Sampler: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What `kind` says in a configuration.
    const KIND: &'static str;

    /// Checks every range against a schedule (or the trained part of it) of `timesteps`.
    ///
    /// # Errors
    /// [`ConfigError`] for the first value out of range.
    fn validate(&self, timesteps: usize) -> Result<(), ConfigError>;

    /// Noises clean rows up to the start t* and denoises them: `[rows, dim]` to
    /// `[rows, dim]`, in the kind of `start`. `noise` gives standard normal rows, other
    /// ones for each number; draw 0 is that of the start.
    ///
    /// # Errors
    /// [`BridgeError::Config`] when the sampler does not fit the process.
    fn sample(
        &self,
        denoiser: &Denoiser<'_>,
        start: &Tensor,
        noise: &dyn Fn(u64) -> Tensor,
    ) -> Result<Tensor, BridgeError>;
}

/// What a sampler denoises with: a process, and a network whose output at a timestep
/// of the full schedule means `prediction`.
pub struct Denoiser<'a> {
    /// The full process that the network was trained on.
    pub process: &'a Process,
    /// What the output means.
    pub prediction: Prediction,
    /// x_t `[rows, dim]` and the timestep of all rows, to `[rows, dim]`.
    pub network: &'a dyn Fn(&Tensor, usize) -> Tensor,
    /// Where given, rows are brought to this L2 norm before each network call
    /// (Diffusion Bridge's code does so; `None` is every textbook sampler).
    pub norm: Option<f64>,
}

impl Denoiser<'_> {
    /// The rows that the network sees, and the x_0 that it predicts from them, at step
    /// `step` of a respaced process.
    pub fn predict(&self, kept: &Process, x: Tensor, step: usize) -> (Tensor, Tensor) {
        let x = match self.norm {
            Some(norm) => {
                let length = x.square().sum_dim_intlist(-1, true, None::<Kind>).sqrt();
                x * norm / length.clamp_min(1e-12)
            }
            None => x,
        };
        let output = (self.network)(&x, kept.timestep(step));
        let x0 = kept.predict_x0(self.prediction, &x, step, &output);
        (x, x0)
    }

    /// From x at the last step of a respaced process down to clean. `next` makes the x of
    /// the step before out of a step, the rows that the network saw and the x_0 that it
    /// predicted; the last x_0 is the answer.
    pub fn walk(
        &self,
        kept: &Process,
        mut x: Tensor,
        mut next: impl FnMut(usize, Tensor, Tensor) -> Tensor,
    ) -> Tensor {
        for step in (1..kept.len()).rev() {
            let (seen, x0) = self.predict(kept, x, step);
            x = next(step, seen, x0);
        }
        self.predict(kept, x, 0).1
    }
}

/// Clean rows noised up to `timestep` with draw `draw`: `[rows, dim]`.
///
/// # Errors
/// [`BridgeError::Config`] for a timestep that is not there.
pub fn noised(
    denoiser: &Denoiser<'_>,
    start: &Tensor,
    timestep: usize,
    noise: &Tensor,
) -> Result<Tensor, BridgeError> {
    Ok(denoiser.process.respaced(timestep, 1)?.q_sample(start, 0, noise))
}

/// Checks the start t* (`timestep`) and the number of network calls (`steps`) against a
/// schedule of `timesteps`.
///
/// # Errors
/// [`ConfigError`] for the first of them out of range.
pub fn check_span(timestep: usize, steps: usize, timesteps: usize) -> Result<(), ConfigError> {
    let last = timesteps.saturating_sub(1);
    check(
        timestep <= last,
        "timestep",
        timestep,
        format!("at most {last}, the last timestep trained"),
    )?;
    let range = format!("in 1..={}, the timesteps up to `timestep`", timestep + 1);
    check((1..=timestep + 1).contains(&steps), "steps", steps, range)
}

/// A sampler of any registered kind.
pub struct SamplerConfig(Box<dyn AnySampler>);

tagged_config!(SamplerConfig, SamplerKind);

impl<S: Sampler> From<S> for SamplerConfig {
    fn from(sampler: S) -> Self {
        Self(Box::new(sampler))
    }
}

impl SamplerConfig {
    /// The kinds of all registered samplers, by name.
    pub fn kinds() -> Vec<&'static str> {
        let entries = inventory::iter::<SamplerKind>.into_iter();
        let mut kinds: Vec<&str> = entries.map(|entry| entry.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    /// As [`Sampler::validate`].
    ///
    /// # Errors
    /// As [`Sampler::validate`].
    pub fn validate(&self, timesteps: usize) -> Result<(), ConfigError> {
        self.0.validate(timesteps)
    }

    /// As [`Sampler::sample`].
    ///
    /// # Errors
    /// As [`Sampler::sample`].
    pub fn sample(
        &self,
        denoiser: &Denoiser<'_>,
        start: &Tensor,
        noise: &dyn Fn(u64) -> Tensor,
    ) -> Result<Tensor, BridgeError> {
        self.0.sample(denoiser, start, noise)
    }
}

/// A registered sampler. [`crate::register_sampler`] makes it.
pub struct SamplerKind {
    kind: &'static str,
    read: fn(Value) -> Result<SamplerConfig, String>,
}

inventory::collect!(SamplerKind);

impl SamplerKind {
    /// The entry of sampler `S`.
    pub const fn of<S: Sampler>() -> Self {
        let read = |fields| tagged::fields::<S>(fields).map(SamplerConfig::from);
        Self { kind: S::KIND, read }
    }

    fn find(kind: &str) -> Option<&'static Self> {
        inventory::iter::<Self>.into_iter().find(|entry| entry.kind == kind)
    }
}

/// Registers a [`Sampler`](crate::samplers::Sampler), as [`crate::register_bridge`] does a
/// bridge method.
#[macro_export]
macro_rules! register_sampler {
    ($sampler:ty) => {
        $crate::inventory::submit! { $crate::samplers::SamplerKind::of::<$sampler>() }
    };
}

/// [`Sampler`] as an object.
trait AnySampler: Send + Sync {
    fn kind(&self) -> &'static str;
    fn fields(&self) -> Value;
    fn boxed(&self) -> Box<dyn AnySampler>;
    fn validate(&self, timesteps: usize) -> Result<(), ConfigError>;
    fn sample(
        &self,
        denoiser: &Denoiser<'_>,
        start: &Tensor,
        noise: &dyn Fn(u64) -> Tensor,
    ) -> Result<Tensor, BridgeError>;
}

impl<S: Sampler> AnySampler for S {
    fn kind(&self) -> &'static str {
        S::KIND
    }

    fn fields(&self) -> Value {
        tagged::value(self)
    }

    fn boxed(&self) -> Box<dyn AnySampler> {
        Box::new(self.clone())
    }

    fn validate(&self, timesteps: usize) -> Result<(), ConfigError> {
        S::validate(self, timesteps)
    }

    fn sample(
        &self,
        denoiser: &Denoiser<'_>,
        start: &Tensor,
        noise: &dyn Fn(u64) -> Tensor,
    ) -> Result<Tensor, BridgeError> {
        S::sample(self, denoiser, start, noise)
    }
}
