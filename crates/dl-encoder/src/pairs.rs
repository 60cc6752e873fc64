//! What heads are trained on: features of both towers and who belongs to whom.

use ndarray::ArrayView2;
use tch::{Kind, Tensor};

use crate::EncoderError;

/// Features of clips and of their captions.
#[derive(Clone, Copy, Debug)]
pub struct Pairs<'a> {
    /// One row per clip: `[clips, audio dim]`.
    pub audio: ArrayView2<'a, f32>,
    /// One row per caption: `[captions, text dim]`.
    pub text: ArrayView2<'a, f32>,
    /// The clip of each caption: `[captions]`.
    pub owners: &'a [usize],
}

impl Pairs<'_> {
    pub(crate) fn validate(&self) -> Result<(), EncoderError> {
        let shape = |what, expected: String, found: String| {
            Err(EncoderError::Shape { what, expected, found })
        };
        if self.owners.is_empty() {
            return shape("captions", "at least one".into(), "none".into());
        }
        if self.owners.len() != self.text.nrows() {
            let (expected, found) = (self.text.nrows(), self.owners.len());
            return shape("owners", format!("one per caption ({expected})"), found.to_string());
        }
        if let Some(owner) = self.owners.iter().find(|&&owner| owner >= self.audio.nrows()) {
            let clips = self.audio.nrows();
            return shape("owners", format!("clips below {clips}"), format!("clip {owner}"));
        }
        let finite = |values: &ArrayView2<'_, f32>| values.iter().all(|value| value.is_finite());
        match (finite(&self.audio), finite(&self.text)) {
            (false, _) => {
                shape("audio features", "finite numbers".into(), "NaN or infinite".into())
            }
            (_, false) => shape("text features", "finite numbers".into(), "NaN or infinite".into()),
            _ => Ok(()),
        }
    }
}

/// Mean and standard deviation of each column: two `[dim]`. A column that never
/// changes (a dead unit) has deviation 1, so that it stays at zero.
pub(crate) fn moments(features: ArrayView2<'_, f32>) -> (Tensor, Tensor) {
    let count = features.nrows() as f64;
    let (mean, deviation): (Vec<f32>, Vec<f32>) = features
        .columns()
        .into_iter()
        .map(|column| {
            let mean = column.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
            let variance =
                column.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
            let deviation = variance.sqrt();
            (mean as f32, if deviation > 1e-6 { deviation as f32 } else { 1.0 })
        })
        .unzip();
    (Tensor::from_slice(&mean).to_kind(Kind::Float), Tensor::from_slice(&deviation))
}
