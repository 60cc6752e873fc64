//! Orthogonal Procrustes (Schönemann 1966): the rotation (or reflection) that takes
//! the centred audio embeddings nearest to their centred captions in least squares,
//! then the mean of the captions is added back.

use dl_torch::{TrainContext, tensor_file::Tensors};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use crate::{
    bridge::{Method, MethodConfig, Stored},
    error::BridgeError,
    pairs::Pairs,
    samplers::RowNoise,
    scores::mean,
};

/// It has no settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcrustesConfig {}

struct Procrustes {
    /// `[dim, dim]`, orthogonal: a row times it.
    rotation: Tensor,
    /// `[dim]`, taken off before.
    audio_mean: Tensor,
    /// `[dim]`, added after.
    text_mean: Tensor,
}

impl MethodConfig for ProcrustesConfig {
    fn name(&self) -> &'static str {
        "procrustes"
    }

    fn validate(&self) -> Result<(), BridgeError> {
        Ok(())
    }

    fn fit(&self, pairs: &Pairs, _: &TrainContext<'_>) -> Result<Box<dyn Method>, BridgeError> {
        let exact = |rows: &Tensor| rows.to_device(Device::Cpu).to_kind(Kind::Double);
        let (x, y) = (exact(&pairs.train.paired_audio()), exact(&pairs.train.text));
        let (audio_mean, text_mean) = (mean(&x), mean(&y));
        let cross = (x - &audio_mean).tr().matmul(&(y - &text_mean));
        let (u, _, v) = cross.f_svd(true, true)?;
        let stored = |tensor: Tensor| tensor.to_kind(Kind::Float).to_device(pairs.device);
        Ok(Box::new(Procrustes {
            rotation: stored(u.matmul(&v.tr())),
            audio_mean: stored(audio_mean),
            text_mean: stored(text_mean),
        }))
    }

    fn load(&self, mut stored: Stored<'_>) -> Result<Box<dyn Method>, BridgeError> {
        let dim = stored.dim as i64;
        Ok(Box::new(Procrustes {
            rotation: stored.take("rotation", &[dim, dim])?,
            audio_mean: stored.take("audio_mean", &[dim])?,
            text_mean: stored.take("text_mean", &[dim])?,
        }))
    }
}

impl Method for Procrustes {
    fn apply(&self, audio: &Tensor, _: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        Ok((audio - &self.audio_mean).matmul(&self.rotation) + &self.text_mean)
    }

    fn tensors(&self) -> Tensors {
        Tensors::from([
            ("rotation".to_owned(), self.rotation.shallow_clone()),
            ("audio_mean".to_owned(), self.audio_mean.shallow_clone()),
            ("text_mean".to_owned(), self.text_mean.shallow_clone()),
        ])
    }

    fn report(&self) -> Value {
        json!({})
    }
}
