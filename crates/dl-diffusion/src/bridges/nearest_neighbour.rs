//! Nearest-neighbour decoding: each audio embedding becomes the closest training
//! caption's embedding (DeCap, Li et al. 2023; for audio, WSAC).

use dl_torch::{TrainContext, tensor_file::Tensors};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::support::Support;
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
pub struct NearestNeighbourConfig {}

struct NearestNeighbour {
    support: Support,
}

register_bridge!(NearestNeighbourConfig);

impl BridgeMethod for NearestNeighbourConfig {
    const KIND: &'static str = "nearest_neighbour";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Decoding;

    fn fit(
        &self,
        pairs: &Pairs,
        _: &TrainContext<'_>,
    ) -> Result<Box<dyn FittedMethod>, BridgeError> {
        Ok(Box::new(NearestNeighbour { support: Support::of(pairs) }))
    }

    fn load(&self, mut stored: Stored<'_>) -> Result<Box<dyn FittedMethod>, BridgeError> {
        Ok(Box::new(NearestNeighbour { support: Support::load(&mut stored)? }))
    }
}

impl FittedMethod for NearestNeighbour {
    fn apply(&self, audio: &Tensor, _: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        Ok(self.support.nearest(audio))
    }

    fn tensors(&self) -> Tensors {
        self.support.tensors()
    }

    fn report(&self) -> MethodReport {
        MethodReport::default()
    }
}
