//! No bridge: the baseline of every table.

use dl_torch::{TrainContext, tensor_file::Tensors};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tch::Tensor;

use crate::{
    error::BridgeError,
    methods::{Method, MethodConfig, Stored},
    pairs::Pairs,
    samplers::RowNoise,
};

/// It has no settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoneConfig {}

struct Unbridged;

impl MethodConfig for NoneConfig {
    fn name(&self) -> &'static str {
        "none"
    }

    fn validate(&self) -> Result<(), BridgeError> {
        Ok(())
    }

    fn fit(&self, _: &Pairs, _: &TrainContext<'_>) -> Result<Box<dyn Method>, BridgeError> {
        Ok(Box::new(Unbridged))
    }

    fn load(&self, _: Stored<'_>) -> Result<Box<dyn Method>, BridgeError> {
        Ok(Box::new(Unbridged))
    }
}

impl Method for Unbridged {
    fn apply(&self, audio: &Tensor, _: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        Ok(audio.shallow_clone())
    }

    fn tensors(&self) -> Tensors {
        Tensors::new()
    }

    fn report(&self) -> Value {
        json!({})
    }
}
