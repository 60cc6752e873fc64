//! The centred space of C3 and Diffusion Bridge.

use dl_torch::{layers::l2_normalise, tensor_file::Tensors};
use tch::{Kind, Tensor};

use crate::{data::Split, error::BridgeError, method::Stored};

/// Both sides without the mean of their own training embeddings, unit norm again
/// (C3 and Diffusion Bridge work in this space).
pub(super) struct Centring {
    /// `[dim]`.
    audio_mean: Tensor,
    /// `[dim]`.
    text_mean: Tensor,
}

impl Centring {
    pub(super) fn fit(train: &Split) -> Self {
        let mean = |rows: &Tensor| rows.mean_dim(0, false, Kind::Float);
        Self { audio_mean: mean(&train.audio), text_mean: mean(&train.text) }
    }

    pub(super) fn load(stored: &mut Stored<'_>) -> Result<Self, BridgeError> {
        let dim = stored.dim as i64;
        Ok(Self {
            audio_mean: stored.take("audio_mean", &[dim])?,
            text_mean: stored.take("text_mean", &[dim])?,
        })
    }

    /// Unit rows `[rows, dim]` of audio to unit rows.
    pub(super) fn audio(&self, audio: &Tensor) -> Tensor {
        centred(audio, &self.audio_mean)
    }

    /// Unit rows `[rows, dim]` of text to unit rows.
    pub(super) fn text(&self, text: &Tensor) -> Tensor {
        centred(text, &self.text_mean)
    }

    pub(super) fn tensors(&self) -> Tensors {
        Tensors::from([
            ("audio_mean".to_owned(), self.audio_mean.shallow_clone()),
            ("text_mean".to_owned(), self.text_mean.shallow_clone()),
        ])
    }
}

/// Rows without `mean`, unit norm again. A row that lies on the mean, up to rounding, has
/// no direction and becomes zero.
fn centred(rows: &Tensor, mean: &Tensor) -> Tensor {
    let difference = rows - mean;
    let length = difference.square().sum_dim_intlist(-1, true, None::<Kind>).sqrt();
    l2_normalise(&(difference * length.gt(1e-6).to_kind(Kind::Float)))
}
