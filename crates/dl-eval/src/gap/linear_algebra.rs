//! The two factorisations that the gap metrics need, from nalgebra.

use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::Array2;

fn to_nalgebra(matrix: &Array2<f64>) -> DMatrix<f64> {
    DMatrix::from_row_iterator(matrix.nrows(), matrix.ncols(), matrix.iter().copied())
}

/// `tr((A B)^(1/2))` of two covariance matrices. With any `L L' = B` it is the trace of
/// the root of the symmetric `L' A L`, since that has the eigenvalues of `A B`.
/// Eigenvalues that rounding made negative count as zero.
pub(super) fn trace_of_root(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    let factor = factor(to_nalgebra(b));
    let product = factor.tr_mul(&(to_nalgebra(a) * &factor));
    let symmetric = (&product + product.transpose()) * 0.5;
    symmetric.symmetric_eigenvalues().iter().map(|value| value.max(0.0).sqrt()).sum()
}

/// Some `L` with `L L' = matrix`: Cholesky's, or, of a matrix without full rank,
/// eigenvectors times roots of eigenvalues.
fn factor(matrix: DMatrix<f64>) -> DMatrix<f64> {
    if let Some(cholesky) = matrix.clone().cholesky() {
        return cholesky.unpack();
    }
    let SymmetricEigen { eigenvectors, eigenvalues } = SymmetricEigen::new(matrix);
    let roots = DMatrix::from_diagonal(&eigenvalues.map(|value| value.max(0.0).sqrt()));
    eigenvectors * roots
}

/// The solution of a symmetric positive definite system; `None` if it is not.
pub(super) fn solve(matrix: &Array2<f64>, right: &[f64]) -> Option<Vec<f64>> {
    let factor = to_nalgebra(matrix).cholesky()?;
    Some(factor.solve(&DMatrix::from_column_slice(right.len(), 1, right)).as_slice().to_vec())
}
