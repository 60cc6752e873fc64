//! Orthogonal Procrustes (Schönemann 1966): the rotation (or reflection) that takes
//! the centred audio embeddings nearest to their centred captions in least squares,
//! then the mean of the captions is added back.

use dl_torch::{TrainContext, tensor_file::Tensors};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tch::Tensor;

use super::linear::{CentredPairs, LinearMap};
use crate::{
    error::BridgeError,
    methods::{Method, MethodConfig, Stored},
    pairs::Pairs,
    samplers::RowNoise,
};

/// It has no settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcrustesConfig {}

struct Procrustes(LinearMap);

impl MethodConfig for ProcrustesConfig {
    fn name(&self) -> &'static str {
        "procrustes"
    }

    fn validate(&self) -> Result<(), BridgeError> {
        Ok(())
    }

    fn fit(&self, pairs: &Pairs, _: &TrainContext<'_>) -> Result<Box<dyn Method>, BridgeError> {
        let CentredPairs { x, y, x_mean, y_mean } = CentredPairs::of(&pairs.train);
        let (u, _, v) = x.tr().matmul(&y).f_svd(true, true)?;
        let rotation = u.matmul(&v.tr());
        Ok(Box::new(Procrustes(LinearMap::around(&rotation, &x_mean, &y_mean, pairs.device))))
    }

    fn load(&self, mut stored: Stored<'_>) -> Result<Box<dyn Method>, BridgeError> {
        Ok(Box::new(Procrustes(LinearMap::load(&mut stored)?)))
    }
}

impl Method for Procrustes {
    fn apply(&self, audio: &Tensor, _: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        Ok(self.0.apply(audio))
    }

    fn tensors(&self) -> Tensors {
        self.0.tensors()
    }

    fn report(&self) -> Value {
        json!({})
    }
}
