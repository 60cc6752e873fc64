//! Distances between the two clouds of unit vectors.

use ndarray::{Array1, Array2, ArrayView2, Axis};
use rayon::prelude::*;

use super::linear_algebra::trace_of_root;

/// The Gaussian fitted to a cloud, of which a clip may be drawn several times.
pub(super) struct Moments {
    mean: Array1<f64>,
    /// Unbiased: `[D, D]`.
    covariance: Array2<f64>,
}

impl Moments {
    /// Of `rows` `[N, D]`, each as often as `counts` says; at least two in all.
    pub(super) fn of(rows: ArrayView2<'_, f64>, counts: &[usize]) -> Self {
        let chosen: Vec<usize> = (0..counts.len()).filter(|&row| counts[row] > 0).collect();
        let weights = Array1::from_iter(chosen.iter().map(|&row| counts[row] as f64));
        let (rows, total) = (rows.select(Axis(0), &chosen), weights.sum());
        let mean = weights.dot(&rows) / total;
        let scaled = (rows - &mean) * &weights.mapv(f64::sqrt).insert_axis(Axis(1));
        Self { mean, covariance: scaled.t().dot(&scaled) / (total - 1.0) }
    }

    /// Euclidean distance of the means.
    pub(super) fn centroid_distance(&self, other: &Self) -> f64 {
        let difference = &self.mean - &other.mean;
        difference.dot(&difference).sqrt()
    }

    /// Fréchet distance of Gaussian fits, see [`super::GapReport::frechet`].
    pub(super) fn frechet(&self, other: &Self) -> f64 {
        let (a, b) = (&self.covariance, &other.covariance);
        let traces = a.diag().sum() + b.diag().sum();
        let centroids = self.centroid_distance(other);
        (centroids * centroids + traces - 2.0 * trace_of_root(a, b)).max(0.0)
    }
}

/// See [`super::GapReport::knn_mixing`]. Each point's own partner is a neighbour like any other.
pub(super) fn knn_mixing(audio: &Array2<f32>, text: &Array2<f32>, k: usize) -> f64 {
    let n = audio.nrows();
    let points = ndarray::concatenate![Axis(0), *audio, *text];
    let similarity = points.dot(&points.t());
    let others: f64 = (0..2 * n)
        .into_par_iter()
        .map(|point| {
            let row = similarity.row(point);
            let mut order: Vec<usize> = (0..2 * n).filter(|&other| other != point).collect();
            order.select_nth_unstable_by(k - 1, |&a, &b| row[b].total_cmp(&row[a]).then(a.cmp(&b)));
            let foreign = order[..k].iter().filter(|&&other| (other < n) != (point < n)).count();
            foreign as f64 / k as f64
        })
        .collect::<Vec<_>>()
        .iter()
        .sum();
    let expected = n as f64 / (2 * n - 1) as f64;
    others / (2 * n) as f64 / expected
}

/// Mean of (1 - cosine) / 2 over all pairs of different rows.
fn mean_distance(rows: &Array2<f32>) -> f64 {
    // The sum of all cosines is the squared norm of the sum of the unit vectors.
    let n = rows.nrows() as f64;
    let sum = rows.mapv(f64::from).sum_axis(Axis(0));
    let own: f64 = rows.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    (1.0 - (sum.dot(&sum) - own) / (n * (n - 1.0))) / 2.0
}

/// See [`super::GapReport::relative_gap`].
pub(super) fn relative_gap(audio: &Array2<f32>, text: &Array2<f32>, paired: &[f64]) -> f64 {
    let distance = (1.0 - paired.iter().sum::<f64>() / paired.len() as f64) / 2.0;
    let within = (mean_distance(audio) + mean_distance(text)) / 2.0;
    distance / (distance + within).max(f64::MIN_POSITIVE)
}
