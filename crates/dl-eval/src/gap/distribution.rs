//! Distances between the two clouds of unit vectors.

use ndarray::{Array1, Array2, Axis};
use rayon::prelude::*;

use super::linear_algebra::trace_of_root;

fn mean(rows: &Array2<f32>) -> Array1<f64> {
    rows.mapv(f64::from).sum_axis(Axis(0)) / rows.nrows() as f64
}

/// Unbiased covariance: `[D, D]`.
fn covariance(rows: &Array2<f32>, mean: &Array1<f64>) -> Array2<f64> {
    let centred = rows.mapv(f64::from) - mean;
    centred.t().dot(&centred) / (rows.nrows() - 1) as f64
}

/// Euclidean distance of the means.
pub(super) fn centroid_distance(audio: &Array2<f32>, text: &Array2<f32>) -> f64 {
    let difference = mean(audio) - mean(text);
    difference.dot(&difference).sqrt()
}

/// Fréchet distance of Gaussian fits, see [`super::GapReport::frechet`].
pub(super) fn frechet(audio: &Array2<f32>, text: &Array2<f32>) -> f64 {
    let (mean_a, mean_t) = (mean(audio), mean(text));
    let (a, t) = (covariance(audio, &mean_a), covariance(text, &mean_t));
    let difference = &mean_a - &mean_t;
    let traces = a.diag().sum() + t.diag().sum();
    (difference.dot(&difference) + traces - 2.0 * trace_of_root(&a, &t)).max(0.0)
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
