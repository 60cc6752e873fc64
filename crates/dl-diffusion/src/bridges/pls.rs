//! Partial least squares regression from audio to text embeddings (Wold's NIPALS for
//! several targets, both blocks deflated by the audio scores), centred, not scaled.
//! COMET (arXiv 2605.29628) uses it with 100 components over the same gap. Validation
//! chooses the number of components.

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

#[derive(Serialize, Deserialize)]
struct Report {
    components: usize,
    /// Every number tried, with its validation scores.
    tried: Vec<(usize, Scores)>,
}

struct Pls {
    map: LinearMap,
    report: Report,
}

impl MethodConfig for PlsConfig {
    fn name(&self) -> &'static str {
        "pls"
    }

    fn validate(&self) -> Result<(), BridgeError> {
        check(!self.components.is_empty(), "components", "[]", "a list of at least one")?;
        self.components.iter().try_for_each(|&n| check(n > 0, "components", n, "at least 1"))
    }

    fn fit(&self, pairs: &Pairs, _: &TrainContext<'_>) -> Result<Box<dyn Method>, BridgeError> {
        let counts: Vec<usize> = self.components.iter().map(|&n| n.min(pairs.dim)).collect();
        let mut maps = solve(CentredPairs::of(&pairs.train), &counts, pairs.device)?;
        let audio = &pairs.validation.audio;
        let candidates = maps.iter().map(|map| Ok(map.apply(audio)));
        let (best, scores) = choose(self.select, &pairs.validation, &pairs.validation, candidates)?;
        let tried = counts.iter().copied().zip(scores).collect();
        Ok(Box::new(Pls {
            map: maps.swap_remove(best),
            report: Report { components: counts[best], tried },
        }))
    }

    fn load(&self, mut stored: Stored<'_>) -> Result<Box<dyn Method>, BridgeError> {
        Ok(Box::new(Pls { map: LinearMap::load(&mut stored)?, report: stored.report()? }))
    }
}

impl Method for Pls {
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

/// The map for each number of components. Components are found one after the other, so
/// the first n serve every candidate.
fn solve(
    pairs: CentredPairs,
    counts: &[usize],
    device: Device,
) -> Result<Vec<LinearMap>, BridgeError> {
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
            Ok(LinearMap::around(&weight, &x_mean, &y_mean, device))
        })
        .collect()
}
