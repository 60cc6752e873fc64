//! The two factorisations that the gap metrics need, from nalgebra.

use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::Array2;

fn to_nalgebra(matrix: &Array2<f64>) -> DMatrix<f64> {
    DMatrix::from_row_iterator(matrix.nrows(), matrix.ncols(), matrix.iter().copied())
}

/// `tr((A B)^(1/2))` of two covariance matrices, through the symmetric
/// `(A^(1/2) B A^(1/2))^(1/2)`, which has the same trace. Eigenvalues that rounding
/// made negative count as zero.
pub(super) fn trace_of_root(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    let SymmetricEigen { eigenvectors, eigenvalues } = SymmetricEigen::new(to_nalgebra(a));
    let roots = DMatrix::from_diagonal(&eigenvalues.map(|value| value.max(0.0).sqrt()));
    let root = &eigenvectors * roots * eigenvectors.transpose();
    let product = &root * to_nalgebra(b) * &root;
    let symmetric = (&product + product.transpose()) * 0.5;
    symmetric.symmetric_eigenvalues().iter().map(|value| value.max(0.0).sqrt()).sum()
}

/// The solution of a symmetric positive definite system; `None` if it is not.
pub(super) fn solve(matrix: &Array2<f64>, right: &[f64]) -> Option<Vec<f64>> {
    let factor = to_nalgebra(matrix).cholesky()?;
    Some(factor.solve(&DMatrix::from_column_slice(right.len(), 1, right)).as_slice().to_vec())
}
