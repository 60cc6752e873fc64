//! Embedding shift: adds the mean text embedding less the mean audio embedding
//! (Liang et al. 2022, "Mind the Gap", section 4.2).

use dl_torch::TrainContext;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::affine::{self, AffineMap};
use crate::{
    data::Pairs,
    error::BridgeError,
    method::{BridgeMethod, Family, FittedMethod, MethodReport, Stored},
    moments, register_bridge,
};

/// It has no settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingShiftConfig {}

register_bridge!(EmbeddingShiftConfig);

impl BridgeMethod for EmbeddingShiftConfig {
    const KIND: &'static str = "embedding_shift";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Moments;

    fn fit(
        &self,
        pairs: &Pairs,
        _: &TrainContext<'_>,
    ) -> Result<Box<dyn FittedMethod>, BridgeError> {
        let mean = |rows: &Tensor| moments::mean(rows).to_device(Device::Cpu);
        let rotation = Tensor::eye(pairs.dim as i64, (Kind::Double, Device::Cpu));
        let (audio, text) = (mean(&pairs.train.audio), mean(&pairs.train.text));
        let map = AffineMap::around(&rotation, &audio, &text, pairs.device);
        Ok(map.fitted(MethodReport::default()))
    }

    fn load(&self, stored: Stored<'_>) -> Result<Box<dyn FittedMethod>, BridgeError> {
        affine::load(stored)
    }
}
