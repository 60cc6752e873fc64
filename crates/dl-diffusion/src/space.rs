//! The space that the learned bridges work in: unit vectors times a factor; and the
//! centred space of C3 and Diffusion Bridge.
//!
//! Unit-norm vectors times sqrt(D) have about unit variance per dimension, which
//! gives noise levels their meaning (the convention of the DALL-E 2 prior and of
//! SEED). What Diffusion-Link does is not public; the factor is a choice of ours.

use dl_torch::{layers::l2_normalise, tensor_file::Tensors};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::{
    error::{BridgeError, check},
    methods::Stored,
    pairs::Split,
};

/// What unit vectors are multiplied by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// 1.
    None,
    /// The root of the embedding size.
    #[default]
    SqrtDim,
    /// A number of one's own, above 0.
    Factor(f64),
}

impl Scale {
    /// Checks the range of a factor.
    ///
    /// # Errors
    /// [`BridgeError::Config`] for a factor that is not above 0.
    pub fn validate(&self) -> Result<(), BridgeError> {
        let factor = self.factor(1);
        check(factor > 0.0 && factor.is_finite(), "scale.factor", factor, "above 0")
    }

    /// The number for embeddings of `dim` dimensions.
    pub fn factor(&self, dim: usize) -> f64 {
        match self {
            Self::None => 1.0,
            Self::SqrtDim => (dim as f64).sqrt(),
            Self::Factor(factor) => *factor,
        }
    }
}

/// Both sides without the mean of their own training embeddings, unit norm again
/// (C3 and Diffusion Bridge work in this space).
pub(crate) struct Centring {
    /// `[dim]`.
    audio_mean: Tensor,
    /// `[dim]`.
    text_mean: Tensor,
}

impl Centring {
    pub(crate) fn fit(train: &Split) -> Self {
        let mean = |rows: &Tensor| rows.mean_dim(0, false, Kind::Float);
        Self { audio_mean: mean(&train.audio), text_mean: mean(&train.text) }
    }

    pub(crate) fn load(stored: &mut Stored<'_>) -> Result<Self, BridgeError> {
        let dim = stored.dim as i64;
        Ok(Self {
            audio_mean: stored.take("audio_mean", &[dim])?,
            text_mean: stored.take("text_mean", &[dim])?,
        })
    }

    /// Unit rows `[rows, dim]` of audio to unit rows.
    pub(crate) fn audio(&self, audio: &Tensor) -> Tensor {
        centred(audio, &self.audio_mean)
    }

    /// Unit rows `[rows, dim]` of text to unit rows.
    pub(crate) fn text(&self, text: &Tensor) -> Tensor {
        centred(text, &self.text_mean)
    }

    pub(crate) fn tensors(&self) -> Tensors {
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
