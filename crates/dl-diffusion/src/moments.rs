//! Means, covariances and their powers, in f64.

use tch::{Device, Kind, Tensor};

use crate::error::BridgeError;

/// The same rows in f64 on the CPU.
pub(crate) fn exact(rows: &Tensor) -> Tensor {
    rows.to_device(Device::Cpu).to_kind(Kind::Double)
}

/// `[dim]`, in f64.
pub(crate) fn mean(rows: &Tensor) -> Tensor {
    rows.mean_dim(0, false, Kind::Double)
}

/// Covariance with the divisor n, `[dim, dim]`.
pub(crate) fn covariance(rows: &Tensor) -> Tensor {
    let centred = rows - mean(rows).unsqueeze(0);
    centred.tr().matmul(&centred) / rows.size()[0] as f64
}

/// A power of a symmetric matrix without negative eigenvalues; those that rounding
/// makes negative count as 0, or as a trillionth of the largest where the power is
/// negative.
pub(crate) fn symmetric_power(matrix: &Tensor, power: f64) -> Result<Tensor, BridgeError> {
    let (values, vectors) = matrix.f_linalg_eigh("L")?;
    let floor = if power < 0.0 { values.max().double_value(&[]) * 1e-12 } else { 0.0 };
    let values = values.clamp_min(floor).pow_tensor_scalar(power).unsqueeze(0);
    Ok((&vectors * values).matmul(&vectors.tr()))
}
