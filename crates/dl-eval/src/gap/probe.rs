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

/// A linear probe: which side of a plane is audio.
struct Probe {
    mean: Array1<f64>,
    deviation: Array1<f64>,
    weights: Array1<f64>,
}

impl Probe {
    /// Fits to the rows `chosen` of both sides.
    fn fit(audio: &Array2<f32>, text: &Array2<f32>, chosen: &[usize]) -> Self {
        let rows = stack(audio, text, chosen);
        let mean = rows.sum_axis(Axis(0)) / rows.nrows() as f64;
        let centred = &rows - &mean;
        let variance = centred.mapv(|x| x * x).sum_axis(Axis(0)) / rows.nrows() as f64;
        let deviation = variance.mapv(|variance: f64| variance.sqrt().max(1e-12));
        let weights = fit(&(centred / &deviation), chosen.len());
        Self { mean, deviation, weights }
    }

    /// Above 0 for audio: one score for each row.
    fn scores(&self, rows: &Array2<f64>) -> Array1<f64> {
        ((rows - &self.mean) / &self.deviation).dot(&self.weights)
    }
}

/// The rows `chosen` of audio, then those of text.
fn stack(audio: &Array2<f32>, text: &Array2<f32>, chosen: &[usize]) -> Array2<f64> {
    ndarray::concatenate![Axis(0), audio.select(Axis(0), chosen), text.select(Axis(0), chosen)]
        .mapv(f64::from)
}

/// For each clip the share of its two points that a probe fitted to other clips puts on
/// the right side: 0, 0.5 or 1. The mean is the accuracy.
pub(super) fn correct(audio: &Array2<f32>, text: &Array2<f32>) -> Vec<f64> {
    let n = audio.nrows();
    let folds: Vec<Vec<(usize, f64)>> = (0..FOLDS)
        .into_par_iter()
        .map(|fold| {
            let (held, kept): (Vec<usize>, Vec<usize>) = (0..n).partition(|i| i % FOLDS == fold);
            let scores = Probe::fit(audio, text, &kept).scores(&stack(audio, text, &held));
            let right = |point: usize, is_audio: bool| {
                if (scores[point] > 0.0) == is_audio { 0.5 } else { 0.0 }
            };
            let both = |i: usize| right(i, true) + right(held.len() + i, false);
            held.iter().enumerate().map(|(i, &clip)| (clip, both(i))).collect()
        })
        .collect();
    let mut correct = vec![0.0; n];
    for (clip, share) in folds.into_iter().flatten() {
        correct[clip] = share;
    }
    correct
}

/// The unit vector along which the probe, fitted to all rows, tells audio (high)
/// from text (low); for figures.
pub(super) fn direction(audio: &Array2<f32>, text: &Array2<f32>) -> Array1<f64> {
    let all: Vec<usize> = (0..audio.nrows()).collect();
    let probe = Probe::fit(audio, text, &all);
    let direction = probe.weights / probe.deviation;
    let norm = direction.dot(&direction).sqrt().max(1e-12);
    direction / norm
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
