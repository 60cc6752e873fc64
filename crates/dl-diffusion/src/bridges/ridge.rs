//! Ridge regression from audio to text embeddings, with an intercept, solved in
//! f64 on the CPU: W = (X'X + lambda tr(X'X)/D I)^-1 X'Y over centred pairs. Validation
//! chooses lambda.

use dl_torch::{TrainContext, tensor_file::Tensors};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use super::linear::{CentredPairs, LinearMap};
use crate::{
    error::{BridgeError, check},
    methods::{Method, MethodConfig, Stored},
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
    map: LinearMap,
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
        let train = CentredPairs::of(&pairs.train);
        let lambdas = self.lambdas.iter();
        let mut maps = lambdas
            .map(|&lambda| solve(&train, lambda, pairs.device))
            .collect::<Result<Vec<_>, _>>()?;
        let audio = &pairs.validation.audio;
        let candidates = maps.iter().map(|map| Ok(map.apply(audio)));
        let (best, scores) = choose(self.select, &pairs.validation, &pairs.validation, candidates)?;
        let tried = self.lambdas.iter().copied().zip(scores).collect();
        Ok(Box::new(Ridge {
            map: maps.swap_remove(best),
            report: Report { lambda: self.lambdas[best], tried },
        }))
    }

    fn load(&self, mut stored: Stored<'_>) -> Result<Box<dyn Method>, BridgeError> {
        Ok(Box::new(Ridge { map: LinearMap::load(&mut stored)?, report: stored.report()? }))
    }
}

impl Method for Ridge {
    fn apply(&self, audio: &Tensor, _: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        Ok(self.map.apply(audio))
    }

    fn tensors(&self) -> Tensors {
        self.map.tensors()
    }

    fn report(&self) -> Value {
        json!(self.report)
    }
}

fn solve(pairs: &CentredPairs, lambda: f64, device: Device) -> Result<LinearMap, BridgeError> {
    let CentredPairs { x, y, x_mean, y_mean } = pairs;
    let gram = x.tr().matmul(x);
    let dim = gram.size()[0];
    // The added constant keeps the matrix positive when the audio side never varies.
    let penalty = gram.trace() * (lambda / dim as f64) + 1e-12;
    let gram = gram + Tensor::eye(dim, (Kind::Double, Device::Cpu)) * penalty;
    let factor = gram.f_linalg_cholesky(false)?;
    let weight = x.tr().matmul(y).f_cholesky_solve(&factor, false)?;
    Ok(LinearMap::around(&weight, x_mean, y_mean, device))
}
