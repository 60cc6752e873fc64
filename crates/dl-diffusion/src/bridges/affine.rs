//! The affine bridges (embedding shift, Procrustes, ridge, partial least squares) once they
//! are fitted: a matrix and a bias. Any method that fits such a map can use it.

use dl_torch::tensor_file::Tensors;
use tch::{Device, Kind, Tensor};

use crate::{
    data::Split,
    error::BridgeError,
    method::{FittedMethod, MethodReport, Stored},
    moments,
    noise::RowNoise,
};

/// A row times `weight`, plus `bias`.
pub struct AffineMap {
    /// `[dim, dim]`.
    weight: Tensor,
    /// `[dim]`.
    bias: Tensor,
}

impl AffineMap {
    /// The map around two means (`[dim]`): what is left of x without the first goes
    /// through `weight`, then the second is added. All in f64 on the CPU; kept as f32 on
    /// `device`.
    pub fn around(weight: &Tensor, x_mean: &Tensor, y_mean: &Tensor, device: Device) -> Self {
        let bias = y_mean - x_mean.unsqueeze(0).matmul(weight).squeeze_dim(0);
        let kept = |tensor: &Tensor| tensor.to_kind(Kind::Float).to_device(device);
        Self { weight: kept(weight), bias: kept(&bias) }
    }

    /// `[rows, dim]` to `[rows, dim]`.
    pub fn apply(&self, rows: &Tensor) -> Tensor {
        rows.matmul(&self.weight) + &self.bias
    }

    /// The fitted method; [`load`] reads it back.
    pub fn fitted(self, report: MethodReport) -> Box<dyn FittedMethod> {
        Box::new(Affine { map: self, report })
    }
}

/// Any of the affine bridges.
struct Affine {
    map: AffineMap,
    report: MethodReport,
}

/// Any of the affine bridges from its file.
///
/// # Errors
/// [`BridgeError::File`] for a tensor that is missing or of another shape.
pub fn load(mut stored: Stored<'_>) -> Result<Box<dyn FittedMethod>, BridgeError> {
    let dim = stored.dim as i64;
    let map = AffineMap {
        weight: stored.take("weight", &[dim, dim])?,
        bias: stored.take("bias", &[dim])?,
    };
    Ok(map.fitted(stored.report))
}

impl FittedMethod for Affine {
    fn apply(&self, audio: &Tensor, _: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        Ok(self.map.apply(audio))
    }

    fn tensors(&self) -> Tensors {
        Tensors::from([
            ("weight".to_owned(), self.map.weight.shallow_clone()),
            ("bias".to_owned(), self.map.bias.shallow_clone()),
        ])
    }

    fn report(&self) -> MethodReport {
        self.report.clone()
    }
}

/// The pairs of a split in f64 on the CPU, each side without its mean.
pub struct CentredPairs {
    /// Audio, `[pairs, dim]`.
    pub x: Tensor,
    /// Text, `[pairs, dim]`.
    pub y: Tensor,
    /// `[dim]`.
    pub x_mean: Tensor,
    /// `[dim]`.
    pub y_mean: Tensor,
}

impl CentredPairs {
    /// Of all pairs of a split; a clip counts once for each of its captions.
    pub fn of(split: &Split) -> Self {
        let (x, y) = (moments::exact(&split.paired_audio()), moments::exact(&split.text));
        let (x_mean, y_mean) = (moments::mean(&x), moments::mean(&y));
        Self { x: x - &x_mean, y: y - &y_mean, x_mean, y_mean }
    }
}
