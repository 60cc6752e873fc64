//! The inverse of the second derivatives of a regression's loss, `X' C X + ridge`.

use faer::{
    Mat, MatRef, Side,
    linalg::solvers::{Llt, Solve},
};
use ndarray::{Array2, ArrayView1, Axis};

use super::newton::RIDGE;
use crate::gap::matrix;

/// As a factor of the matrix itself, `[D, D]`, or, with fewer samples than dimensions, of
/// `ridge + C^(1/2) X X' C^(1/2)`, `[samples, samples]`:
/// `(X' C X + ridge)^(-1) = (1 - X' C^(1/2) (ridge + C^(1/2) X X' C^(1/2))^(-1) C^(1/2) X) / ridge`.
pub(super) enum Inverse {
    Dimensions(Llt<f64>),
    Samples {
        factor: Llt<f64>,
        /// `C^(1/2) X`.
        scaled: Array2<f64>,
    },
}

impl Inverse {
    /// At the curvatures `[samples]` of the rows `x` `[samples, D]`.
    pub(super) fn of(x: &Array2<f64>, curvature: ArrayView1<'_, f64>) -> Self {
        let scaled = x * &curvature.mapv(f64::sqrt).insert_axis(Axis(1));
        let view = matrix::view(&scaled);
        if x.nrows() >= x.ncols() {
            return Self::Dimensions(factor(view.transpose()));
        }
        Self::Samples { factor: factor(view), scaled }
    }

    /// Applied to each row of `rows` `[K, D]`.
    pub(super) fn times(&self, rows: &Array2<f64>) -> Array2<f64> {
        let right = matrix::view(rows).transpose();
        match self {
            Self::Dimensions(factor) => {
                let solution = factor.solve(right);
                Array2::from_shape_fn(rows.dim(), |(k, axis)| solution[(axis, k)])
            }
            Self::Samples { factor, scaled } => {
                let scaled = matrix::view(scaled);
                let inner = factor.solve(matrix::times(scaled, right));
                let back = matrix::times(scaled.transpose(), inner.as_ref());
                Array2::from_shape_fn(rows.dim(), |(k, axis)| {
                    (rows[(k, axis)] - back[(axis, k)]) / RIDGE
                })
            }
        }
    }
}

/// Of `a a' + ridge`.
fn factor(a: MatRef<'_, f64>) -> Llt<f64> {
    let mut lower: Mat<f64> = matrix::lower_gram(a);
    for i in 0..lower.nrows() {
        lower[(i, i)] += RIDGE;
    }
    // The largest eigenvalue of curved, standardised rows is at most a quarter of D: far from
    // 1e14 times the ridge, where rounding could win.
    lower.llt(Side::Lower).expect("a ridge makes it positive definite")
}
