//! Ridge regression from audio to text embeddings, with an intercept, solved in
//! f64 on the CPU: W = (X'X + lambda tr(X'X)/D I)^-1 X'Y over centred pairs. Validation
//! chooses lambda.

use dl_core::ConfigError;
use dl_torch::TrainContext;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::{
    affine::{self, AffineMap, CentredPairs},
    common::check_all,
};
use crate::{
    data::Pairs,
    error::BridgeError,
    method::{BridgeMethod, Family, FittedMethod, MethodReport, Stored},
    register_bridge,
    scores::{Criterion, choose},
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

register_bridge!(RidgeConfig);

impl BridgeMethod for RidgeConfig {
    const KIND: &'static str = "ridge";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Linear;

    fn validate(&self) -> Result<(), ConfigError> {
        check_all("lambdas", &self.lambdas, |x| x > 0.0 && x.is_finite(), "above 0")
    }

    fn fit(
        &self,
        pairs: &Pairs,
        _: &TrainContext<'_>,
    ) -> Result<Box<dyn FittedMethod>, BridgeError> {
        let train = CentredPairs::of(&pairs.train);
        let lambdas = self.lambdas.iter();
        let mut maps = lambdas
            .map(|&lambda| solve(&train, lambda, pairs.device))
            .collect::<Result<Vec<_>, _>>()?;
        let split = &pairs.validation;
        let candidates = maps.iter().map(|map| Ok(map.apply(&split.audio)));
        let (best, scores) = choose(self.select, split, split, candidates)?;
        let report = MethodReport::choice(&self.lambdas, scores, best);
        Ok(maps.swap_remove(best).fitted(report))
    }

    fn load(&self, stored: Stored<'_>) -> Result<Box<dyn FittedMethod>, BridgeError> {
        affine::load(stored)
    }
}

fn solve(pairs: &CentredPairs, lambda: f64, device: Device) -> Result<AffineMap, BridgeError> {
    let CentredPairs { x, y, x_mean, y_mean } = pairs;
    let gram = x.tr().matmul(x);
    let dim = gram.size()[0];
    // The added constant keeps the matrix positive when the audio side never varies.
    let penalty = gram.trace() * (lambda / dim as f64) + 1e-12;
    let gram = gram + Tensor::eye(dim, (Kind::Double, Device::Cpu)) * penalty;
    let factor = gram.f_linalg_cholesky(false)?;
    let weight = x.tr().matmul(y).f_cholesky_solve(&factor, false)?;
    Ok(AffineMap::around(&weight, x_mean, y_mean, device))
}
