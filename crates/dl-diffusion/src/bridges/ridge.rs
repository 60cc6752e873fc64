//! Ridge regression from audio to text embeddings, with an intercept, solved in
//! f64 on the CPU: W = (X'X + lambda tr(X'X)/D I)^-1 X'Y over centred pairs. Validation
//! chooses lambda.

use dl_torch::{TrainContext, tensor_file::Tensors};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use crate::{
    bridge::{Method, MethodConfig, Stored},
    error::{BridgeError, check},
    pairs::Pairs,
    samplers::RowNoise,
    scores::{Criterion, Scores, choose},
};

/// Which penalties to try.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RidgeConfig {
    /// Candidates, as shares of the mean variance of the audio side; above 0.
    pub lambdas: Vec<f64>,
    /// What validation chooses by.
    pub select: Criterion,
}

impl Default for RidgeConfig {
    fn default() -> Self {
        Self {
            lambdas: vec![0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0],
            select: Criterion::default(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Report {
    lambda: f64,
    /// Every lambda tried, with its validation scores.
    tried: Vec<(f64, Scores)>,
}

struct Ridge {
    /// `[dim, dim]`: a row times it.
    weight: Tensor,
    /// `[dim]`.
    bias: Tensor,
    report: Report,
}

impl MethodConfig for RidgeConfig {
    fn name(&self) -> &'static str {
        "ridge"
    }

    fn validate(&self) -> Result<(), BridgeError> {
        check(!self.lambdas.is_empty(), "lambdas", "[]", "a list of at least one")?;
        let good = |x: f64| x > 0.0 && x.is_finite();
        self.lambdas.iter().try_for_each(|&x| check(good(x), "lambdas", x, "above 0"))
    }

    fn fit(&self, pairs: &Pairs, _: &TrainContext<'_>) -> Result<Box<dyn Method>, BridgeError> {
        let solutions = self
            .lambdas
            .iter()
            .map(|&lambda| solve(&pairs.train.paired_audio(), &pairs.train.text, lambda))
            .collect::<Result<Vec<_>, _>>()?;
        let audio = &pairs.validation.audio;
        let candidates = solutions.iter().map(|(weight, bias)| Ok(audio.matmul(weight) + bias));
        let (best, scores) = choose(self.select, &pairs.validation, &pairs.validation, candidates)?;
        let (weight, bias) = &solutions[best];
        let tried = self.lambdas.iter().copied().zip(scores).collect();
        Ok(Box::new(Ridge {
            weight: weight.shallow_clone(),
            bias: bias.shallow_clone(),
            report: Report { lambda: self.lambdas[best], tried },
        }))
    }

    fn load(&self, mut stored: Stored<'_>) -> Result<Box<dyn Method>, BridgeError> {
        let dim = stored.dim as i64;
        Ok(Box::new(Ridge {
            weight: stored.take("weight", &[dim, dim])?,
            bias: stored.take("bias", &[dim])?,
            report: stored.report()?,
        }))
    }
}

impl Method for Ridge {
    fn apply(&self, audio: &Tensor, _: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        Ok(audio.matmul(&self.weight) + &self.bias)
    }

    fn tensors(&self) -> Tensors {
        Tensors::from([
            ("weight".to_owned(), self.weight.shallow_clone()),
            ("bias".to_owned(), self.bias.shallow_clone()),
        ])
    }

    fn report(&self) -> Value {
        json!(self.report)
    }
}

/// Weight and bias in f32, on the device of `x`. Both sides are `[pairs, dim]`.
fn solve(x: &Tensor, y: &Tensor, lambda: f64) -> Result<(Tensor, Tensor), BridgeError> {
    let device = x.device();
    let exact = |rows: &Tensor| rows.to_device(Device::Cpu).to_kind(Kind::Double);
    let mean = |rows: &Tensor| rows.mean_dim(0, true, Kind::Double);
    let (x, y) = (exact(x), exact(y));
    let (x_mean, y_mean) = (mean(&x), mean(&y));
    let (x, y) = (x - &x_mean, y - &y_mean);
    let gram = x.tr().matmul(&x);
    let dim = gram.size()[0];
    // The added constant keeps the matrix positive when the audio side never varies.
    let penalty = gram.trace() * (lambda / dim as f64) + 1e-12;
    let gram = gram + Tensor::eye(dim, (Kind::Double, Device::Cpu)) * penalty;
    let factor = gram.f_linalg_cholesky(false)?;
    let weight = x.tr().matmul(&y).f_cholesky_solve(&factor, false)?;
    let bias = (y_mean - x_mean.matmul(&weight)).squeeze_dim(0);
    let stored = |tensor: Tensor| tensor.to_kind(Kind::Float).to_device(device);
    Ok((stored(weight), stored(bias)))
}
