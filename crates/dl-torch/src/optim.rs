//! AdamW (Loshchilov and Hutter, 2019, algorithm 2) in tensor operations, with
//! moments that can be named, saved and restored to the last bit: tch's own
//! optimisers have no way to.

use dl_core::fault::{ConfigError, check};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::{Params, TorchError, tensor_file::Tensors};

/// Constants of AdamW. The learning rate is given at each step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamWConfig {
    /// Decoupled weight decay, times the learning rate at each step. At least 0.
    pub weight_decay: f64,
    /// Decay of the first moment, in [0, 1).
    pub beta1: f64,
    /// Decay of the second moment, in [0, 1).
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self { weight_decay: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
    }
}

impl AdamWConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`ConfigError`] for the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let Self { weight_decay, beta1, beta2, epsilon } = *self;
        let unit = |x: f64| (0.0..1.0).contains(&x);
        let decay = weight_decay >= 0.0 && weight_decay.is_finite();
        check(decay, "weight_decay", weight_decay, "at least 0")?;
        check(unit(beta1), "beta1", beta1, "in [0, 1)")?;
        check(unit(beta2), "beta2", beta2, "in [0, 1)")?;
        check(epsilon > 0.0 && epsilon.is_finite(), "epsilon", epsilon, "above 0")
    }
}

struct Slot {
    name: String,
    parameter: Tensor,
    first: Tensor,
    second: Tensor,
}

/// AdamW over all parameters of a [`Params`].
pub struct AdamW {
    config: AdamWConfig,
    slots: Vec<Slot>,
    steps: u64,
}

impl AdamW {
    /// Zero moments.
    pub fn new(params: &Params, config: AdamWConfig) -> Self {
        let slots = params
            .named()
            .into_iter()
            .map(|(name, parameter)| {
                let (first, second) = (parameter.zeros_like(), parameter.zeros_like());
                // The moments are state, not part of any graph.
                let (first, second) = (first.detach(), second.detach());
                Slot { name, parameter, first, second }
            })
            .collect();
        Self { config, slots, steps: 0 }
    }

    /// Sets all gradients to none, so that the next backward pass writes fresh ones.
    pub fn zero_grad(&mut self) {
        for slot in &mut self.slots {
            slot.parameter.zero_grad();
        }
    }

    /// Scales all gradients down so that their joint norm is at most `limit`;
    /// returns the norm before.
    pub fn clip_gradients(&self, limit: f64) -> f64 {
        tch::no_grad(|| {
            let norms = self.slots.iter().map(|slot| slot.parameter.grad());
            let norms: Vec<Tensor> =
                norms.filter(Tensor::defined).map(|gradient| gradient.norm()).collect();
            if norms.is_empty() {
                return 0.0;
            }
            let norm = Tensor::stack(&norms, 0).to_kind(tch::Kind::Double).norm().double_value(&[]);
            if norm > limit {
                for slot in &self.slots {
                    let mut gradient = slot.parameter.grad();
                    if gradient.defined() {
                        let _ = gradient.g_mul_scalar_(limit / norm);
                    }
                }
            }
            norm
        })
    }

    /// One update at learning rate `rate` from the gradients at hand.
    ///
    /// The corrections of both moments are folded into the denominator,
    /// m' / (sqrt(v') + e) = m (sqrt(1 - b2^t) / (1 - b1^t)) / (sqrt(v) + e sqrt(1 - b2^t)),
    /// since an update costs the passes it makes over memory.
    pub fn step(&mut self, rate: f64) {
        self.steps += 1;
        let AdamWConfig { weight_decay, beta1, beta2, epsilon } = self.config;
        let correction1 = 1.0 - beta1.powf(self.steps as f64);
        let correction2 = (1.0 - beta2.powf(self.steps as f64)).sqrt();
        tch::no_grad(|| {
            for slot in &mut self.slots {
                let gradient = slot.parameter.grad();
                if !gradient.defined() {
                    continue;
                }
                let _ = slot.first.lerp_(&gradient, 1.0 - beta1);
                let _ = slot.second.lerp_(&gradient.square(), 1.0 - beta2);
                if rate == 0.0 {
                    continue;
                }
                if weight_decay > 0.0 {
                    let _ = slot.parameter.g_mul_scalar_(1.0 - rate * weight_decay);
                }
                let mut denominator = slot.second.sqrt();
                let _ = denominator.g_add_scalar_(epsilon * correction2);
                let _ = denominator.g_mul_scalar_(-correction1 / (rate * correction2));
                let _ = slot.parameter.addcdiv_(&slot.first, &denominator);
            }
        });
    }

    /// Updates made so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The moments by name: `first.<parameter>` and `second.<parameter>`.
    pub fn state(&self) -> Tensors {
        self.slots
            .iter()
            .flat_map(|slot| {
                [
                    (format!("first.{}", slot.name), slot.first.shallow_clone()),
                    (format!("second.{}", slot.name), slot.second.shallow_clone()),
                ]
            })
            .collect()
    }

    /// Restores what [`AdamW::state`] gave, after `steps` updates.
    ///
    /// # Errors
    /// [`TorchError::Torch`] naming a moment that is missing or of another shape.
    pub fn restore(&mut self, state: &Tensors, steps: u64) -> Result<(), TorchError> {
        let copy = |target: &mut Tensor, name: String| -> Result<(), TorchError> {
            let value = state
                .get(&name)
                .filter(|value| value.size() == target.size())
                .ok_or_else(|| TorchError::Torch(format!("moment `{name}` does not fit")))?;
            target.f_copy_(value)?;
            Ok(())
        };
        for slot in &mut self.slots {
            copy(&mut slot.first, format!("first.{}", slot.name))?;
            copy(&mut slot.second, format!("second.{}", slot.name))?;
        }
        self.steps = steps;
        Ok(())
    }
}
