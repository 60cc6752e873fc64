//! Embedding shift: adds the mean text embedding less the mean audio embedding
//! (Liang et al. 2022, "Mind the Gap", section 4.2).

use dl_torch::{TrainContext, tensor_file::Tensors};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tch::{Kind, Tensor};

use crate::{
    error::BridgeError,
    methods::{Method, MethodConfig, Stored},
    pairs::Pairs,
    samplers::RowNoise,
};

/// It has no settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingShiftConfig {}

struct EmbeddingShift {
    /// `[dim]`.
    shift: Tensor,
}

impl MethodConfig for EmbeddingShiftConfig {
    fn name(&self) -> &'static str {
        "embedding_shift"
    }

    fn validate(&self) -> Result<(), BridgeError> {
        Ok(())
    }

    fn fit(&self, pairs: &Pairs, _: &TrainContext<'_>) -> Result<Box<dyn Method>, BridgeError> {
        let mean = |rows: &Tensor| rows.mean_dim(0, false, Kind::Float);
        let shift = mean(&pairs.train.text) - mean(&pairs.train.audio);
        Ok(Box::new(EmbeddingShift { shift }))
    }

    fn load(&self, mut stored: Stored<'_>) -> Result<Box<dyn Method>, BridgeError> {
        let shift = stored.take("shift", &[stored.dim as i64])?;
        Ok(Box::new(EmbeddingShift { shift }))
    }
}

impl Method for EmbeddingShift {
    fn apply(&self, audio: &Tensor, _: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        Ok(audio + &self.shift)
    }

    fn tensors(&self) -> Tensors {
        Tensors::from([("shift".to_owned(), self.shift.shallow_clone())])
    }

    fn report(&self) -> Value {
        json!({ "shift_norm": self.shift.norm().double_value(&[]) })
    }
}
