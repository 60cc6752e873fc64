//! Projection decoding: a mean of the training captions' embeddings, weighted by
//! softmax(cosine / temperature) (DeCap, Li et al. 2023, equation 4; WSAC uses
//! temperature 1/100). Validation chooses the temperature.

use dl_torch::{TrainContext, tensor_file::Tensors};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tch::{Kind, Tensor};

use crate::{
    error::{BridgeError, check},
    methods::{Method, MethodConfig, Stored},
    pairs::Pairs,
    samplers::RowNoise,
    scores::{Criterion, Scores, choose},
};

/// Which temperatures to try.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProjectionConfig {
    /// Candidates, each above 0; at least one.
    pub temperatures: Vec<f64>,
    /// What validation chooses by.
    pub select: Criterion,
}

impl Default for ProjectionConfig {
    fn default() -> Self {
        Self {
            temperatures: vec![0.005, 0.01, 0.02, 0.035, 0.05, 0.07, 0.1],
            select: Criterion::default(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Report {
    temperature: f64,
    /// Every temperature tried, with its validation scores.
    tried: Vec<(f64, Scores)>,
}

struct Projection {
    support: Tensor,
    report: Report,
}

impl MethodConfig for ProjectionConfig {
    fn name(&self) -> &'static str {
        "projection"
    }

    fn validate(&self) -> Result<(), BridgeError> {
        check(!self.temperatures.is_empty(), "temperatures", "[]", "a list of at least one")?;
        self.temperatures.iter().try_for_each(|&t| check_temperature("temperatures", t))
    }

    fn fit(&self, pairs: &Pairs, _: &TrainContext<'_>) -> Result<Box<dyn Method>, BridgeError> {
        let support = pairs.train.text.shallow_clone();
        let audio = &pairs.validation.audio;
        let candidates = self.temperatures.iter().map(|&t| Ok(project(audio, &support, t)));
        let (best, scores) = choose(self.select, &pairs.validation, &pairs.validation, candidates)?;
        let tried = self.temperatures.iter().copied().zip(scores).collect();
        let report = Report { temperature: self.temperatures[best], tried };
        Ok(Box::new(Projection { support, report }))
    }

    fn load(&self, mut stored: Stored<'_>) -> Result<Box<dyn Method>, BridgeError> {
        let support = stored.take("support", &[-1, stored.dim as i64])?;
        Ok(Box::new(Projection { support, report: stored.report()? }))
    }
}

impl Method for Projection {
    fn apply(&self, audio: &Tensor, _: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        Ok(project(audio, &self.support, self.report.temperature))
    }

    fn tensors(&self) -> Tensors {
        Tensors::from([("support".to_owned(), self.support.shallow_clone())])
    }

    fn report(&self) -> Value {
        json!(self.report)
    }
}

pub(crate) fn check_temperature(field: &'static str, value: f64) -> Result<(), BridgeError> {
    check(value > 0.0 && value.is_finite(), field, value, "above 0")
}

/// Unit rows `[rows, dim]` to weighted means of unit support rows
/// `[captions, dim]`: `[rows, dim]`, not normalised.
pub(crate) fn project(rows: &Tensor, support: &Tensor, temperature: f64) -> Tensor {
    let cosines = rows.matmul(&support.tr());
    (cosines / temperature).softmax(-1, Kind::Float).matmul(support)
}
