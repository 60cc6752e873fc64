//! Orthogonal Procrustes (Schönemann 1966): the rotation (or reflection) that takes
//! the centred audio embeddings nearest to their centred captions in least squares,
//! then the mean of the captions is added back.

use dl_torch::TrainContext;
use serde::{Deserialize, Serialize};

use super::affine::{self, AffineMap, CentredPairs};
use crate::{
    data::Pairs,
    error::BridgeError,
    method::{BridgeMethod, Family, FittedMethod, MethodReport, Stored},
    register_bridge,
};

/// It has no settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcrustesConfig {}

register_bridge!(ProcrustesConfig);

impl BridgeMethod for ProcrustesConfig {
    const KIND: &'static str = "procrustes";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Linear;

    fn fit(
        &self,
        pairs: &Pairs,
        _: &TrainContext<'_>,
    ) -> Result<Box<dyn FittedMethod>, BridgeError> {
        let CentredPairs { x, y, x_mean, y_mean } = CentredPairs::of(&pairs.train);
        let (u, _, v) = x.tr().matmul(&y).f_svd(true, true)?;
        let rotation = u.matmul(&v.tr());
        let map = AffineMap::around(&rotation, &x_mean, &y_mean, pairs.device);
        Ok(map.fitted(MethodReport::default()))
    }

    fn load(&self, stored: Stored<'_>) -> Result<Box<dyn FittedMethod>, BridgeError> {
        affine::load(stored)
    }
}
