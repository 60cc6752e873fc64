//! A square matrix reduced to an upper band matrix with the same singular values.
//!
//! A block of columns is made triangular from the left by reflections `I - V T V'` (Schreiber
//! and Van Loan, 1989), then the block of rows beside it from the right by `I - W S W'`; what
//! is left is updated by both in one product of matrices. Products with few columns are made
//! as products with few rows, which are two to three times as fast.

use faer::Mat;
use pulp::{Arch, Simd, WithSimd};

use crate::gap::matrix::{dot, put_times, slice, take_off, times, times_transposed};

/// Diagonals above the main one. Wider makes the reduction faster and the determinants
/// slower, with the square.
pub(super) const WIDTH: usize = 16;

/// An upper band matrix; row `i` holds the columns `i ..= i + WIDTH`, of which those beyond
/// the last are zero.
pub(super) type Band = Vec<[f64; WIDTH + 1]>;

/// What is left is taken for zero when it is at most this share of the whole (in the Frobenius
/// norm), as it is behind as many columns as there are dimensions. Its singular values add up
/// to at most `sqrt(n)` times as much.
const NOTHING: f64 = 1e-14;

/// The band of `matrix` `[n, n]`, of as many rows as are not zero.
pub(super) fn reduce(mut matrix: Mat<f64>) -> Band {
    let n = matrix.nrows();
    let nothing = NOTHING * matrix.norm_l2();
    let mut band = vec![[0.0; WIDTH + 1]; n];
    for start in (0..n).step_by(WIDTH) {
        let width = WIDTH.min(n - start);
        let rest = n - start - width;
        let block = matrix.as_ref().submatrix(start, start, n - start, width);
        let left = Reflections::of(block.to_owned());
        for row in 0..width {
            for column in row..width {
                band[start + row][column - row] = left.triangle[(row, column)];
            }
        }
        let beside = matrix.as_ref().submatrix(start, start + width, n - start, rest);
        let is_last = left.triangle.norm_l2() <= nothing && beside.norm_l2() <= nothing;
        if rest == 0 || is_last {
            band.truncate(start + width);
            break;
        }
        let v = left.vectors.as_ref();
        let wide = width + width.min(rest);
        let (mut lefts, mut rights) = (Mat::zeros(wide, rest), Mat::zeros(wide, rest));
        // (I - V T V')' C = C - V Z with Z = T' V' C.
        let of_left = times(v.transpose(), beside);
        put_times(rights.subrows_mut(0, width), left.factor.transpose(), of_left.as_ref());
        let z = rights.subrows(0, width);
        let mut top = beside.subrows(0, width).transpose().to_owned();
        take_off(top.as_mut(), z.transpose(), v.subrows(0, width).transpose());
        let right = Reflections::of(top);
        for column in 0..right.triangle.nrows() {
            for row in column..width {
                band[start + row][width + column - row] = right.triangle[(column, row)];
            }
        }
        // The rest is C - V Z - Y' W' with Y = S' W' (C - V Z)'.
        let (v, w) = (v.subrows(width, rest), right.vectors.as_ref());
        let mut y = times_transposed(beside.subrows(width, rest), w);
        take_off(y.as_mut(), times(z, w).transpose(), v.transpose());
        lefts.subrows_mut(0, width).copy_from(v.transpose());
        put_times(lefts.subrows_mut(width, w.ncols()), right.factor.transpose(), y.as_ref());
        rights.subrows_mut(width, w.ncols()).copy_from(w.transpose());
        let corner = start + width;
        let what_is_left = matrix.as_mut().submatrix_mut(corner, corner, rest, rest);
        take_off(what_is_left, lefts.transpose(), rights.as_ref());
    }
    band
}

/// `Q = I - V T V'` with `Q' A = [R; 0]`, for `A` `[m, n]` with n up to [`WIDTH`].
struct Reflections {
    /// `V` `[m, min(m, n)]`, ones on and zeros above the diagonal.
    vectors: Mat<f64>,
    /// `T`, upper triangular.
    factor: Mat<f64>,
    /// `R` `[min(m, n), n]`.
    triangle: Mat<f64>,
}

impl Reflections {
    fn of(mut a: Mat<f64>) -> Self {
        let (m, n) = a.shape();
        let count = m.min(n);
        let mut columns: Vec<&mut [f64]> = a.as_mut().col_iter_mut().map(slice).collect();
        let (mut scales, mut products) = ([0.0; WIDTH], [[0.0; WIDTH]; WIDTH]);
        let (columns, to) = (&mut columns, (&mut scales, &mut products));
        Arch::new().dispatch(Reflect { columns, count, scales: to.0, products: to.1 });
        let triangle = Mat::from_fn(
            count,
            n,
            |row, column| if row <= column { a[(row, column)] } else { 0.0 },
        );
        let mut vectors = Mat::zeros(m, count);
        for (index, vector) in vectors.col_iter_mut().enumerate() {
            let vector = slice(vector);
            vector[index] = 1.0;
            vector[index + 1..].copy_from_slice(&a.col_as_slice(index)[index + 1..]);
        }
        let mut factor = Mat::<f64>::zeros(count, count);
        for column in 0..count {
            factor[(column, column)] = scales[column];
            for row in 0..column {
                let sum: f64 = (row..column).map(|i| factor[(row, i)] * products[i][column]).sum();
                factor[(row, column)] = -scales[column] * sum;
            }
        }
        Self { vectors, factor, triangle }
    }
}

/// [`reflect`], to be compiled for the vectors that the processor has.
struct Reflect<'a, 'b> {
    columns: &'a mut [&'b mut [f64]],
    count: usize,
    scales: &'a mut [f64; WIDTH],
    products: &'a mut [[f64; WIDTH]; WIDTH],
}

impl WithSimd for Reflect<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        reflect(self.columns, self.count, self.scales, self.products);
    }
}

/// One reflection for each of the first `count` columns, `I - scale v v'` with `v` 1 on the
/// diagonal; `v` below the diagonal takes the place of what it makes zero. `products` are
/// those of earlier vectors with later ones.
#[inline(always)]
fn reflect(
    columns: &mut [&mut [f64]],
    count: usize,
    scales: &mut [f64; WIDTH],
    products: &mut [[f64; WIDTH]; WIDTH],
) {
    for index in 0..count {
        let (before, rest) = columns.split_at_mut(index);
        let Some((column, after)) = rest.split_first_mut() else { break };
        let (top, v) = column.split_at_mut(index + 1);
        let (head, tail) = (top[index], dot(v, v));
        if tail > 0.0 {
            // Away from the head, so that nothing cancels.
            let norm = (head * head + tail).sqrt().copysign(-head);
            let divisor = head - norm;
            v.iter_mut().for_each(|x| *x /= divisor);
            (top[index], scales[index]) = (norm, (norm - head) / norm);
        }
        for other in after.iter_mut() {
            let (top, bottom) = other.split_at_mut(index + 1);
            let along = scales[index] * (top[index] + dot(v, bottom));
            top[index] -= along;
            bottom.iter_mut().zip(v.iter()).for_each(|(x, v)| *x = (-along).mul_add(*v, *x));
        }
        for (earlier, vector) in before.iter().enumerate() {
            products[earlier][index] = vector[index] + dot(&vector[index + 1..], v);
        }
    }
}
