//! Linear separability: logistic regression (Newton's method, ridge 1e-2 per
//! sample on standardised features) that tells audio from text, accuracy on clips
//! that it was not fitted on, five folds. Clip `i` is in fold `i mod 5` with both of
//! its points, so both classes are equally large everywhere and chance is 0.5.

use ndarray::{Array1, Array2, Axis};
use rayon::prelude::*;

use super::linear_algebra::solve;

const FOLDS: usize = 5;
const RIDGE: f64 = 1e-2;
const STEPS: usize = 20;

/// Mean accuracy over the folds.
pub(super) fn separability(audio: &Array2<f32>, text: &Array2<f32>) -> f64 {
    let n = audio.nrows();
    let correct: usize = (0..FOLDS)
        .into_par_iter()
        .map(|fold| {
            let (held, kept): (Vec<usize>, Vec<usize>) = (0..n).partition(|i| i % FOLDS == fold);
            let stack = |rows: &[usize]| {
                ndarray::concatenate![
                    Axis(0),
                    audio.select(Axis(0), rows),
                    text.select(Axis(0), rows)
                ]
                .mapv(f64::from)
            };
            let (train, test) = (stack(&kept), stack(&held));
            let mean = train.sum_axis(Axis(0)) / train.nrows() as f64;
            let deviation = ((&train - &mean).mapv(|x| x * x).sum_axis(Axis(0))
                / train.nrows() as f64)
                .mapv(|variance: f64| variance.sqrt().max(1e-12));
            let weights = fit(&((&train - &mean) / &deviation), kept.len());
            let scores = ((&test - &mean) / &deviation).dot(&weights);
            scores
                .iter()
                .enumerate()
                .filter(|&(i, score)| (*score > 0.0) == (i < held.len()))
                .count()
        })
        .sum();
    correct as f64 / (2 * n) as f64
}

/// Weights; the first `positive` rows are one class, the others the other. The
/// classes are balanced and the features centred, so there is no intercept.
fn fit(x: &Array2<f64>, positive: usize) -> Array1<f64> {
    let samples = x.nrows() as f64;
    let mut weights = Array1::zeros(x.ncols());
    for _ in 0..STEPS {
        let probability = x.dot(&weights).mapv(|score: f64| 1.0 / (1.0 + (-score).exp()));
        let residual = Array1::from_shape_fn(x.nrows(), |i| {
            probability[i] - if i < positive { 1.0 } else { 0.0 }
        });
        let gradient = x.t().dot(&residual) / samples + &weights * RIDGE;
        let curvature = probability.mapv(|p| (p * (1.0 - p)).max(1e-9) / samples);
        let scaled = x * &curvature.insert_axis(Axis(1));
        let mut hessian = x.t().dot(&scaled);
        hessian.diag_mut().mapv_inplace(|value| value + RIDGE);
        let Some(step) = solve(&hessian, gradient.as_slice().unwrap_or(&[])) else { break };
        let step = Array1::from(step);
        weights -= &step;
        if step.dot(&step) < 1e-16 {
            break;
        }
    }
    weights
}
