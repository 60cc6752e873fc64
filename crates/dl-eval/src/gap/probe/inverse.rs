//! Inverses of the second derivatives of regressions to parts of the same rows,
//! `X' C X + ridge` with the rows of the part.

use faer::{
    Mat, MatMut, Side,
    linalg::solvers::{Llt, Solve},
};
use ndarray::{Array2, ArrayView1, Axis};

use super::parts::{Parts, RIDGE};
use crate::gap::matrix;

/// With at least as many samples as dimensions, a factor of the matrix itself for each part,
/// `[D, D]`: the sum over all rows less that over those that the part lacks. With fewer, a
/// factor of `ridge + C^(1/2) X X' C^(1/2)`, `[samples, samples]`, of which a part has the
/// places of its samples: `(X' C X + ridge)^(-1)` is
/// `(1 - X' C^(1/2) (ridge + C^(1/2) X X' C^(1/2))^(-1) C^(1/2) X) / ridge`.
pub(super) enum Inverses {
    Dimensions(Vec<Llt<f64>>),
    Samples {
        /// Each part's, with its samples.
        factors: Vec<(Vec<usize>, Llt<f64>)>,
        /// `C^(1/2) X`.
        scaled: Array2<f64>,
    },
}

impl Inverses {
    /// Of `parts`, at curvatures `[samples]` that are alike in all of them.
    pub(super) fn of(parts: &Parts<'_>, curvature: ArrayView1<'_, f64>) -> Self {
        let scaled = &parts.rows.x * &curvature.mapv(f64::sqrt).insert_axis(Axis(1));
        if scaled.nrows() >= scaled.ncols() {
            Self::in_dimensions(parts, &scaled)
        } else {
            Self::in_samples(parts, scaled)
        }
    }

    fn in_dimensions(parts: &Parts<'_>, scaled: &Array2<f64>) -> Self {
        let gram = |part: usize| {
            let rows = scaled.select(Axis(0), &parts.lacking(part));
            matrix::lower_gram(matrix::view(&rows).transpose())
        };
        let lacking: Vec<Mat<f64>> = (0..parts.count()).map(gram).collect();
        // What no part lacks stands last.
        let whole = lacking.iter().fold(gram(parts.count()), |sum, gram| sum + gram);
        Self::Dimensions(lacking.iter().map(|lacking| factor(&whole - lacking)).collect())
    }

    fn in_samples(parts: &Parts<'_>, scaled: Array2<f64>) -> Self {
        let whole = matrix::lower_gram(matrix::view(&scaled));
        let of_part = |part: usize| {
            let kept = parts.kept(part);
            let lower = Mat::from_fn(kept.len(), kept.len(), |i, j| whole[(kept[i], kept[j])]);
            (kept, factor(lower))
        };
        Self::Samples { factors: (0..parts.count()).map(of_part).collect(), scaled }
    }

    /// Row k of `rows` `[K, D]` times the inverse of part k.
    pub(super) fn times(&self, rows: &Array2<f64>) -> Array2<f64> {
        match self {
            Self::Dimensions(factors) => {
                let mut solutions = rows.clone();
                for (mut row, factor) in solutions.rows_mut().into_iter().zip(factors) {
                    let row = row.as_slice_mut().expect("rows are in standard layout");
                    solve(factor, row);
                }
                solutions
            }
            Self::Samples { factors, scaled } => {
                let scaled = matrix::view(scaled);
                let inner = matrix::times(scaled, matrix::view(rows).transpose());
                let mut solved = Mat::zeros(inner.nrows(), inner.ncols());
                for (part, (kept, factor)) in factors.iter().enumerate() {
                    let mut of_part: Vec<f64> = kept.iter().map(|&i| inner[(i, part)]).collect();
                    solve(factor, &mut of_part);
                    for (&sample, value) in kept.iter().zip(of_part) {
                        solved[(sample, part)] = value;
                    }
                }
                let back = matrix::times(scaled.transpose(), solved.as_ref());
                Array2::from_shape_fn(rows.dim(), |(part, axis)| {
                    (rows[(part, axis)] - back[(axis, part)]) / RIDGE
                })
            }
        }
    }
}

/// Of a matrix with the ridge added, of which the lower half is given.
fn factor(mut lower: Mat<f64>) -> Llt<f64> {
    for i in 0..lower.nrows() {
        lower[(i, i)] += RIDGE;
    }
    // The largest eigenvalue of curved, standardised rows is at most a quarter of D: far from
    // 1e14 times the ridge, where rounding could win.
    lower.llt(Side::Lower).expect("a ridge makes it positive definite")
}

fn solve(factor: &Llt<f64>, right: &mut [f64]) {
    let size = right.len();
    factor.solve_in_place(MatMut::from_column_major_slice_mut(right, size, 1));
}
