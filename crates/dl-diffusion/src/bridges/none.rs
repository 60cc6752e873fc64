//! No bridge: the baseline of every table.

use dl_torch::{TrainContext, tensor_file::Tensors};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::{
    data::Pairs,
    error::BridgeError,
    method::{BridgeMethod, Family, FittedMethod, MethodReport, Stored},
    noise::RowNoise,
    register_bridge,
};

/// It has no settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoneConfig {}

struct Unbridged;

register_bridge!(NoneConfig);

impl BridgeMethod for NoneConfig {
    const KIND: &'static str = "none";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::None;

    fn fit(&self, _: &Pairs, _: &TrainContext<'_>) -> Result<Box<dyn FittedMethod>, BridgeError> {
        Ok(Box::new(Unbridged))
    }

    fn load(&self, _: Stored<'_>) -> Result<Box<dyn FittedMethod>, BridgeError> {
        Ok(Box::new(Unbridged))
    }
}

impl FittedMethod for Unbridged {
    fn apply(&self, audio: &Tensor, _: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        Ok(audio.shallow_clone())
    }

    fn tensors(&self) -> Tensors {
        Tensors::new()
    }

    fn report(&self) -> MethodReport {
        MethodReport::default()
    }
}
