//! The sum of the singular values of a square matrix, without making them.
//!
//! 1. [`band`]: orthogonal transformations on both sides leave an upper band matrix with the
//!    same singular values. Nearly all of it is products of matrices (Grosser and Lang, 1999),
//!    where the reduction to two diagonals that precedes a singular value decomposition is
//!    bound by memory.
//! 2. [`integral`]: the sum for the band matrix, as an integral of determinants.
//!
//! Where squares would cost digits, nothing is squared: each singular value is exact to about
//! 5e-13 of the root of the sum of their squares, whether others are zero or not. With n = 616
//! (the different clips of a resample of 975) the ways were compared on one thread of an Intel
//! Xeon (Sapphire Rapids or later), in processor time, the least of 30 runs beside other work
//! (faer 0.24): this way 14 + 3 ms, before squares and missing rank were made use of; singular
//! values by faer 67 ms, of which 48 ms are the reduction to two diagonals; roots of the
//! eigenvalues of the Gram matrix 4 + 27 ms, and half of the digits lost.

mod band;
mod integral;

use faer::Mat;

/// The nuclear norm of `matrix` `[n, n]`.
pub(super) fn nuclear_norm(matrix: Mat<f64>) -> f64 {
    integral::sum_of_singular_values(&band::reduce(matrix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dl_core::noise::Noise;
    use nalgebra::DMatrix;

    fn normal(stream: &str, rows: usize, columns: usize) -> DMatrix<f64> {
        let items: Vec<u64> = (0..rows as u64).collect();
        let values = Noise::new(0, stream).normal_rows(&items, 0, columns);
        DMatrix::from_row_iterator(rows, columns, values.into_iter().map(f64::from))
    }

    fn of(matrix: &DMatrix<f64>) -> f64 {
        nuclear_norm(Mat::from_fn(matrix.nrows(), matrix.ncols(), |i, j| matrix[(i, j)]))
    }

    #[test]
    fn small_ones_by_hand() {
        assert_eq!(of(&DMatrix::zeros(4, 4)), 0.0);
        assert!((of(&DMatrix::from_element(1, 1, -3.0)) - 3.0).abs() < 1e-11);
        // 3 and -4 on the diagonal, their places exchanged: 7.
        let exchanged = DMatrix::from_row_slice(2, 2, &[0.0, 3.0, -4.0, 0.0]);
        assert!((of(&exchanged) - 7.0).abs() < 1e-11);
        // Rank one: the product of the norms, 5 * 13.
        let thin = DMatrix::from_column_slice(2, 1, &[3.0, 4.0])
            * DMatrix::from_row_slice(1, 2, &[5.0, 12.0]);
        assert!((of(&thin) - 65.0).abs() < 1e-10);
    }

    #[test]
    fn every_size_is_that_of_a_singular_value_decomposition() {
        for n in [3, 15, 16, 17, 31, 32, 33, 48, 75] {
            let matrix = normal("square", n, n);
            let want = matrix.singular_values().sum();
            assert!((of(&matrix) / want - 1.0).abs() < 1e-12, "{n}: {} {want}", of(&matrix));
        }
    }

    #[test]
    fn neither_missing_rank_nor_tiny_singular_values_cost_digits() {
        let (n, rank) = (70, 20);
        let low = normal("left", n, rank) * normal("right", rank, n);
        let want = low.singular_values().sum();
        assert!((of(&low) / want - 1.0).abs() < 1e-12, "{} {want}", of(&low));
        // Singular values 1, 1/2, 1/4, ...: their sum is 2.
        let (left, right) = (normal("left", n, n).qr().q(), normal("right", n, n).qr().q());
        let graded =
            DMatrix::from_fn(n, n, |i, j| if i == j { 0.5_f64.powi(i as i32) } else { 0.0 });
        let graded = left * graded * right;
        assert!((of(&graded) - 2.0).abs() < 1e-11, "{}", of(&graded));
        // The unit does not matter.
        assert!((of(&(graded * 1e-9)) * 1e9 - 2.0).abs() < 1e-11);
    }
}
