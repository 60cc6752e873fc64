//! Projection decoding: a mean of the training captions' embeddings, weighted by
//! softmax(cosine / temperature) (DeCap, Li et al. 2023, equation 4; WSAC uses
//! temperature 1/100). Validation chooses the temperature.

use dl_core::ConfigError;
use dl_torch::{TrainContext, tensor_file::Tensors};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{
    common::check_all,
    support::{Support, check_temperature},
};
use crate::{
    data::Pairs,
    error::BridgeError,
    method::{BridgeMethod, Family, FittedMethod, MethodReport, Stored},
    noise::RowNoise,
    register_bridge,
    scores::{Criterion, choose},
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

struct Projection {
    support: Support,
    temperature: f64,
    report: MethodReport,
}

register_bridge!(ProjectionConfig);

impl BridgeMethod for ProjectionConfig {
    const KIND: &'static str = "projection";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Decoding;

    fn validate(&self) -> Result<(), ConfigError> {
        check_all("temperatures", &self.temperatures, check_temperature, "above 0")
    }

    fn fit(
        &self,
        pairs: &Pairs,
        _: &TrainContext<'_>,
    ) -> Result<Box<dyn FittedMethod>, BridgeError> {
        let support = Support::of(pairs);
        let split = &pairs.validation;
        let temperatures = &self.temperatures;
        let candidates = temperatures.iter().map(|&t| Ok(support.project(&split.audio, t)));
        let (best, scores) = choose(self.select, split, split, candidates)?;
        let report = MethodReport::choice(temperatures, scores, best);
        Ok(Box::new(Projection { support, temperature: temperatures[best], report }))
    }

    fn load(&self, mut stored: Stored<'_>) -> Result<Box<dyn FittedMethod>, BridgeError> {
        let support = Support::load(&mut stored)?;
        let temperature = stored.chosen("temperatures", |t| self.temperatures.contains(t))?;
        Ok(Box::new(Projection { support, temperature, report: stored.report }))
    }
}

impl FittedMethod for Projection {
    fn apply(&self, audio: &Tensor, _: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        Ok(self.support.project(audio, self.temperature))
    }

    fn tensors(&self) -> Tensors {
        self.support.tensors()
    }

    fn report(&self) -> MethodReport {
        self.report.clone()
    }
}
