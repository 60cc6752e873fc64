//! The parts of the same rows that regressions are fitted to: their samples, means and ridges.

use ndarray::{Array2, Zip};
use pulp::{Arch, Simd, WithSimd};

use super::Rows;

/// The ridge on weights of standardised features; the loss is a mean over samples.
pub(super) const RIDGE: f64 = 1e-2;
/// A feature does not vary over a part when its variance is below this share of its variance
/// over all rows.
const CONSTANT: f64 = 1e-12;

/// Regressions to K parts of the same rows.
pub(super) struct Parts<'a> {
    pub(super) rows: &'a Rows,
    /// The part that lacks each sample; K where none does.
    lacked_by: Vec<usize>,
    /// `[samples, K]`: one over the number of samples of the part, 0 for those it lacks.
    pub(super) shares: Array2<f64>,
    /// `[K, D]`, the part's.
    pub(super) means: Array2<f64>,
    /// `[K, D]`: [`RIDGE`] times the feature's variance over the part, so that the penalty is
    /// on weights of features that are standardised over it; 0 for a feature without weight.
    pub(super) ridge: Array2<f64>,
}

impl<'a> Parts<'a> {
    /// `count` parts; `lacked_by(sample)` is the part that lacks it, `count` where none does.
    pub(super) fn of(rows: &'a Rows, count: usize, lacked_by: impl Fn(usize) -> usize) -> Self {
        let lacked_by: Vec<usize> = (0..rows.samples()).map(lacked_by).collect();
        let mut shares = Array2::from_shape_fn((rows.samples(), count), |(sample, part)| {
            if lacked_by[sample] == part { 0.0 } else { 1.0 }
        });
        for mut share in shares.columns_mut() {
            share /= share.sum();
        }
        let mut means = Array2::zeros((count, rows.x.ncols()));
        let mut squares = means.clone();
        Arch::new().dispatch(Moments {
            rows,
            shares: &shares,
            means: &mut means,
            squares: &mut squares,
        });
        let ridge = Zip::from(&squares).and(&means).map_collect(|square, mean| {
            let variance = square - mean * mean;
            if variance > CONSTANT { RIDGE * variance } else { 0.0 }
        });
        Self { rows, lacked_by, shares, means, ridge }
    }

    /// How many parts there are.
    pub(super) fn count(&self) -> usize {
        self.shares.ncols()
    }

    /// The samples that a part lacks.
    pub(super) fn lacking(&self, part: usize) -> Vec<usize> {
        (0..self.lacked_by.len()).filter(|&sample| self.lacked_by[sample] == part).collect()
    }

    /// The samples of a part.
    pub(super) fn kept(&self, part: usize) -> Vec<usize> {
        (0..self.lacked_by.len()).filter(|&sample| self.lacked_by[sample] != part).collect()
    }

    /// The score of a sample by the probe of a part.
    pub(super) fn score(&self, weights: &Array2<f64>, part: usize, sample: usize) -> f64 {
        let weights = weights.row(part);
        (&self.rows.x.row(sample) - &self.means.row(part)).dot(&weights)
    }

    /// Takes the weight of features that do not vary over a part.
    pub(super) fn leave_out_constants(&self, weights: &mut Array2<f64>) {
        weights.zip_mut_with(&self.ridge, |weight, &ridge| {
            if ridge == 0.0 {
                *weight = 0.0;
            }
        });
    }
}

/// The means of rows and of their squares over each part.
struct Moments<'a> {
    rows: &'a Rows,
    shares: &'a Array2<f64>,
    means: &'a mut Array2<f64>,
    squares: &'a mut Array2<f64>,
}

impl WithSimd for Moments<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (sample, row) in self.rows.slices().enumerate() {
            for (part, &share) in self.shares.row(sample).iter().enumerate() {
                if share > 0.0 {
                    let (mut means, mut squares) =
                        (self.means.row_mut(part), self.squares.row_mut(part));
                    let means = means.as_slice_mut().expect("standard layout");
                    let squares = squares.as_slice_mut().expect("standard layout");
                    for ((mean, square), x) in means.iter_mut().zip(squares).zip(row) {
                        let shared = share * x;
                        *mean += shared;
                        *square = shared.mul_add(*x, *square);
                    }
                }
            }
        }
    }
}
