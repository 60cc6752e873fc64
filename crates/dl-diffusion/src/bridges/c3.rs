//! C3: Connect, Collapse, Corrupt (Zhang, Sui and Yeung-Levy 2024). Each side loses
//! the mean of its own training embeddings and gets unit norm again ("collapse");
//! the decoder is trained on captions of that space with normal noise ("corrupt"),
//! which is why this method moves the captions and asks for decoder noise.

use dl_core::{ConfigError, fault::check};
use dl_torch::{TrainContext, tensor_file::Tensors};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::centring::Centring;
use crate::{
    data::Pairs,
    error::BridgeError,
    method::{BridgeMethod, Family, FittedMethod, MethodReport, Stored},
    noise::RowNoise,
    register_bridge,
};

/// The noise that its decoder is trained with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct C3Config {
    /// Standard deviation per dimension of the unit vector, at least 0. The default
    /// is the root of the code's variance 0.016.
    pub decoder_noise: f64,
}

impl Default for C3Config {
    fn default() -> Self {
        Self { decoder_noise: 0.016_f64.sqrt() }
    }
}

struct C3 {
    centring: Centring,
}

register_bridge!(C3Config);

impl BridgeMethod for C3Config {
    const KIND: &'static str = "c3";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Moments;

    fn validate(&self) -> Result<(), ConfigError> {
        let noise = self.decoder_noise;
        check(noise >= 0.0 && noise.is_finite(), "decoder_noise", noise, "at least 0")
    }

    fn moves_text(&self) -> bool {
        true
    }

    fn decoder_noise(&self) -> Option<f64> {
        Some(self.decoder_noise)
    }

    fn fit(
        &self,
        pairs: &Pairs,
        _: &TrainContext<'_>,
    ) -> Result<Box<dyn FittedMethod>, BridgeError> {
        Ok(Box::new(C3 { centring: Centring::fit(&pairs.train) }))
    }

    fn load(&self, mut stored: Stored<'_>) -> Result<Box<dyn FittedMethod>, BridgeError> {
        Ok(Box::new(C3 { centring: Centring::load(&mut stored)? }))
    }
}

impl FittedMethod for C3 {
    fn apply(&self, audio: &Tensor, _: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        Ok(self.centring.audio(audio))
    }

    fn text(&self, text: &Tensor) -> Tensor {
        self.centring.text(text)
    }

    fn tensors(&self) -> Tensors {
        self.centring.tensors()
    }

    fn report(&self) -> MethodReport {
        MethodReport::default()
    }
}
