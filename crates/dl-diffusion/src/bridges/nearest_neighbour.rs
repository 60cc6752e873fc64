//! Nearest-neighbour decoding: each audio embedding becomes the closest training
//! caption's embedding (DeCap, Li et al. 2023; for audio, WSAC).

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
pub struct NearestNeighbourConfig {}

struct NearestNeighbour {
    /// Training captions, unit rows `[captions, dim]`.
    support: Tensor,
}

impl MethodConfig for NearestNeighbourConfig {
    fn name(&self) -> &'static str {
        "nearest_neighbour"
    }

    fn validate(&self) -> Result<(), BridgeError> {
        Ok(())
    }

    fn fit(&self, pairs: &Pairs, _: &TrainContext<'_>) -> Result<Box<dyn Method>, BridgeError> {
        Ok(Box::new(NearestNeighbour { support: pairs.train.text.shallow_clone() }))
    }

    fn load(&self, mut stored: Stored<'_>) -> Result<Box<dyn Method>, BridgeError> {
        let support = stored.take("support", &[-1, stored.dim as i64])?;
        Ok(Box::new(NearestNeighbour { support }))
    }
}

impl Method for NearestNeighbour {
    fn apply(&self, audio: &Tensor, _: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        let nearest = audio.matmul(&self.support.tr()).argmax(1, false);
        Ok(self.support.index_select(0, &nearest))
    }

    fn tensors(&self) -> Tensors {
        Tensors::from([("support".to_owned(), self.support.shallow_clone())])
    }

    fn report(&self) -> Value {
        json!({ "captions": self.support.size()[0] })
    }
}
