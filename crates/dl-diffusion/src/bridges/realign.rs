//! ReAlign (arXiv 2602.07026, and its public code): training-free, from the statistics of
//! either side alone, unpaired. With the means mu and s = sqrt(mean squared deviation of
//! text / that of audio), an audio embedding x goes to x1 = normalise(s (x - mu_audio) +
//! mu_text). Normalising moves the mean once more: the mean of x1 over the training clips is
//! taken away, mu_text is added, and the result is normalised again.

use dl_torch::{TrainContext, layers::l2_normalise, tensor_file::Tensors};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

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
pub struct ReAlignConfig {}

struct ReAlign {
    /// `[dim]`.
    audio_mean: Tensor,
    /// `[dim]`.
    text_mean: Tensor,
    /// s, `[1]`.
    scale: Tensor,
    /// The mean of x1 over the training clips, `[dim]`.
    moved_mean: Tensor,
}

register_bridge!(ReAlignConfig);

impl BridgeMethod for ReAlignConfig {
    const KIND: &'static str = "realign";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Moments;

    fn fit(
        &self,
        pairs: &Pairs,
        _: &TrainContext<'_>,
    ) -> Result<Box<dyn FittedMethod>, BridgeError> {
        let (audio, text) = (&pairs.train.audio, &pairs.train.text);
        let (audio_mean, text_mean) = (mean(audio), mean(text));
        // The constant keeps sounds that never vary from dividing by zero.
        let scale = (deviation(text, &text_mean) / (deviation(audio, &audio_mean) + 1e-12)).sqrt();
        let moved_mean = mean(&aligned(audio, &audio_mean, &text_mean, &scale));
        Ok(Box::new(ReAlign { audio_mean, text_mean, scale: scale.view([1]), moved_mean }))
    }

    fn load(&self, mut stored: Stored<'_>) -> Result<Box<dyn FittedMethod>, BridgeError> {
        let dim = stored.dim as i64;
        let mut take = |name: &str, size: i64| stored.take(name, &[size]);
        Ok(Box::new(ReAlign {
            audio_mean: take("audio_mean", dim)?,
            text_mean: take("text_mean", dim)?,
            scale: take("scale", 1)?,
            moved_mean: take("moved_mean", dim)?,
        }))
    }
}

fn mean(rows: &Tensor) -> Tensor {
    rows.mean_dim(0, false, Kind::Float)
}

/// The mean squared distance of rows from their mean.
fn deviation(rows: &Tensor, mean: &Tensor) -> Tensor {
    (rows - mean).square().sum_dim_intlist(-1, false, None::<Kind>).mean(Kind::Float)
}

/// x1: `[rows, dim]`, unit rows.
fn aligned(rows: &Tensor, audio_mean: &Tensor, text_mean: &Tensor, scale: &Tensor) -> Tensor {
    l2_normalise(&((rows - audio_mean) * scale + text_mean))
}

impl FittedMethod for ReAlign {
    fn apply(&self, audio: &Tensor, _: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        let moved = aligned(audio, &self.audio_mean, &self.text_mean, &self.scale);
        Ok(moved - &self.moved_mean + &self.text_mean)
    }

    fn tensors(&self) -> Tensors {
        let parts = [
            ("audio_mean", &self.audio_mean),
            ("text_mean", &self.text_mean),
            ("scale", &self.scale),
            ("moved_mean", &self.moved_mean),
        ];
        parts.map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone())).into()
    }

    fn report(&self) -> MethodReport {
        MethodReport::default()
    }
}
