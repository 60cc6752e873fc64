//! Partial least squares regression from audio to text embeddings (Wold's NIPALS for
//! several targets, both blocks deflated by the audio scores), centred, not scaled.
//! COMET (arXiv 2605.29628) uses it with 100 components over the same gap. Validation
//! chooses the number of components.

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

/// How many components to try.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlsConfig {
    /// Candidates, each at least 1; those beyond the embedding size count as it.
    pub components: Vec<usize>,
    /// What validation chooses by.
    pub select: Criterion,
}

impl Default for PlsConfig {
    fn default() -> Self {
        Self { components: vec![5, 10, 20, 40, 70, 100], select: Criterion::default() }
    }
}

register_bridge!(PlsConfig);

impl BridgeMethod for PlsConfig {
    const KIND: &'static str = "pls";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Linear;

    fn validate(&self) -> Result<(), ConfigError> {
        check_all("components", &self.components, |n| n > 0, "at least 1")
    }

    fn fit(
        &self,
        pairs: &Pairs,
        _: &TrainContext<'_>,
    ) -> Result<Box<dyn FittedMethod>, BridgeError> {
        let counts: Vec<usize> = self.components.iter().map(|&n| n.min(pairs.dim)).collect();
        let mut maps = solve(CentredPairs::of(&pairs.train), &counts, pairs.device)?;
        let split = &pairs.validation;
        let candidates = maps.iter().map(|map| Ok(map.apply(&split.audio)));
        let (best, scores) = choose(self.select, split, split, candidates)?;
        let report = MethodReport::choice(&counts, scores, best);
        Ok(maps.swap_remove(best).fitted(report))
    }

    fn load(&self, stored: Stored<'_>) -> Result<Box<dyn FittedMethod>, BridgeError> {
        affine::load(stored)
    }
}

/// The map for each number of components. Components are found one after the other, so
/// the first n serve every candidate.
fn solve(
    pairs: CentredPairs,
    counts: &[usize],
    device: Device,
) -> Result<Vec<AffineMap>, BridgeError> {
    let CentredPairs { mut x, y, x_mean, y_mean } = pairs;
    let (mut weights, mut x_loadings, mut y_loadings) = (vec![], vec![], vec![]);
    let mut first = 0.0_f64;
    let most = counts.iter().copied().max().unwrap_or(0);
    for _ in 0..most {
        // The fixed point of NIPALS: the first left singular vector of X'Y. Deflating X
        // alone gives the same scores as deflating both.
        let cross = x.tr().matmul(&y);
        let (u, s, _) = cross.f_svd(true, true)?;
        // What deflation leaves of nothing is rounding.
        let largest = s.double_value(&[0]);
        first = first.max(largest);
        if largest <= first * 1e-12 {
            break;
        }
        let weight = u.narrow(1, 0, 1);
        let score = x.matmul(&weight);
        let norm = score.square().sum(Kind::Double);
        let x_loading = x.tr().matmul(&score) / &norm;
        y_loadings.push(y.tr().matmul(&score) / &norm);
        x -= score.matmul(&x_loading.tr());
        weights.push(weight);
        x_loadings.push(x_loading);
    }
    let columns = |list: &[Tensor], n: usize| Tensor::cat(&list[..n.min(list.len())], 1);
    counts
        .iter()
        .map(|&count| {
            let weight = if weights.is_empty() {
                // One side never varies: the mean of the captions is all there is to say.
                Tensor::zeros([x.size()[1], y.size()[1]], (Kind::Double, Device::Cpu))
            } else {
                let (w, p) = (columns(&weights, count), columns(&x_loadings, count));
                // The rotation W (P'W)^-1 takes rows to scores without deflation.
                let scores = w.matmul(&p.tr().matmul(&w).f_inverse()?);
                scores.matmul(&columns(&y_loadings, count).tr())
            };
            Ok(AffineMap::around(&weight, &x_mean, &y_mean, device))
        })
        .collect()
}
