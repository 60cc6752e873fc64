//! What the gap metrics take from faer: products and factorisations, on the calling thread,
//! so that a result does not depend on the number of threads.

use faer::{
    Accum, ColMut, Mat, MatMut, MatRef, Par,
    linalg::matmul::{
        matmul,
        triangular::{self, BlockStructure},
    },
};
use ndarray::{Array2, ArrayViewMut2, Axis};
use rayon::prelude::*;

/// The same numbers, seen by faer.
pub(super) fn view(rows: &Array2<f64>) -> MatRef<'_, f64> {
    let (height, width) = rows.dim();
    let slice = rows.as_slice().expect("matrices of the gap metrics are in standard layout");
    MatRef::from_row_major_slice(slice, height, width)
}

/// `a b`.
pub(super) fn times(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Mat<f64> {
    let mut product = Mat::zeros(a.nrows(), b.ncols());
    put_times(product.as_mut(), a, b);
    product
}

/// `(a b)'`.
pub(super) fn times_transposed(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Mat<f64> {
    let mut product = Mat::zeros(b.ncols(), a.nrows());
    put_times(product.as_mut().transpose_mut(), a, b);
    product
}

/// Puts `a b` into `to`.
pub(super) fn put_times(to: MatMut<'_, f64>, a: MatRef<'_, f64>, b: MatRef<'_, f64>) {
    matmul(to, Accum::Replace, a, b, 1.0, Par::Seq);
}

/// A column of a matrix that faer made is one piece of memory.
pub(super) fn slice(column: ColMut<'_, f64>) -> &mut [f64] {
    column.try_as_col_major_mut().expect("columns are contiguous").as_slice_mut()
}

/// Rows of a product that one thread makes at a time; not a function of their number.
const BLOCK: usize = 64;

/// `a b'` of rows in single precision.
pub(super) fn similarity(a: &Array2<f32>, b: &Array2<f32>) -> Array2<f32> {
    let mut product = Array2::zeros((a.nrows(), b.nrows()));
    let blocks: Vec<ArrayViewMut2<'_, f32>> =
        product.axis_chunks_iter_mut(Axis(0), BLOCK).collect();
    let rows = a.axis_chunks_iter(Axis(0), BLOCK).collect::<Vec<_>>();
    blocks.into_par_iter().zip(rows).for_each(|(mut block, rows)| block.assign(&rows.dot(&b.t())));
    product
}

/// Takes `a b` off `from`.
pub(super) fn take_off(from: MatMut<'_, f64>, a: MatRef<'_, f64>, b: MatRef<'_, f64>) {
    matmul(from, Accum::Add, a, b, -1.0, Par::Seq);
}

/// The lower half of `a a'`; the upper is zero.
pub(super) fn lower_gram(a: MatRef<'_, f64>) -> Mat<f64> {
    let mut gram = Mat::zeros(a.nrows(), a.nrows());
    triangular::matmul(
        &mut gram,
        BlockStructure::TriangularLower,
        Accum::Replace,
        a,
        BlockStructure::Rectangular,
        a.transpose(),
        BlockStructure::Rectangular,
        1.0,
        Par::Seq,
    );
    gram
}

/// `a . b`, in as many sums as fill the processor's vectors: to be inlined where code is compiled
/// for these.
#[inline(always)]
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    const SUMS: usize = 16;
    let mut sums = [0.0_f64; SUMS];
    let (a, b) = (a.chunks_exact(SUMS), b.chunks_exact(SUMS));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum = a.mul_add(*b, *sum);
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// Participation ratio of the covariance of `rows` `[N, D]`, already centred:
/// `(tr C)^2 / tr(C^2)`; 0 where all rows are equal.
pub(super) fn participation_ratio(rows: &Array2<f64>) -> f64 {
    // `X X'` and `X' X` have the same trace, and so have their squares.
    let rows = view(rows);
    let gram = lower_gram(if rows.nrows() <= rows.ncols() { rows } else { rows.transpose() });
    let (mut trace, mut square) = (0.0, 0.0);
    for column in 0..gram.ncols() {
        let diagonal = gram[(column, column)];
        trace += diagonal;
        let below: f64 = (column + 1..gram.nrows()).map(|row| gram[(row, column)].powi(2)).sum();
        square += diagonal * diagonal + 2.0 * below;
    }
    if square > 0.0 { trace * trace / square } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn a_participation_ratio_by_hand() {
        // Variances in the ratio 9 to 1: (9 + 1)^2 / (81 + 1), whichever side is longer.
        let tall = array![[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]];
        let wide = array![[3.0, -3.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0]];
        for rows in [tall, wide] {
            assert!((participation_ratio(&rows) - 100.0 / 82.0).abs() < 1e-12);
        }
        assert_eq!(participation_ratio(&Array2::zeros((3, 2))), 0.0);
    }
}
