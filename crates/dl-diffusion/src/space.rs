//! The space that the learned bridges work in: unit vectors times a factor.
//!
//! Unit-norm vectors times sqrt(D) have about unit variance per dimension, which
//! gives timesteps their meaning (the convention of the DALL-E 2 prior and of
//! SEED). What Diffusion-Link does is not public; the factor is a choice of ours.

use dl_core::fault::{ConfigError, check};
use serde::{Deserialize, Serialize};

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
    /// [`ConfigError`] for a factor that is not above 0.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let factor = self.factor(1);
        check(factor > 0.0 && factor.is_finite(), "factor", factor, "above 0")
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
