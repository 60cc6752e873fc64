//! Linear separability: logistic regression (Newton's method, ridge 1e-2 per
//! sample on standardised features) that tells audio from text, accuracy on clips
//! that it was not fitted on, five folds. Without clusters clip `i` is in fold `i mod 5`,
//! with them all clips of a cluster are in one. A clip's two points stand together, so both
//! classes are equally large everywhere and chance is 0.5.

use faer::Mat;
use ndarray::{Array1, Array2, Axis};
use rayon::prelude::*;

use super::{FOLDS, matrix};

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
        let mut rows = stack(audio, text, chosen);
        let mean = rows.sum_axis(Axis(0)) / rows.nrows() as f64;
        rows -= &mean;
        let variance = rows.mapv(|x| x * x).sum_axis(Axis(0)) / rows.nrows() as f64;
        let deviation = variance.mapv(|variance: f64| variance.sqrt().max(1e-12));
        rows /= &deviation;
        let weights = fit(&rows, chosen.len());
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
/// the right side: 0, 0.5 or 1. The mean is the accuracy. `folds` `[N]` says which of
/// [`FOLDS`] probes a clip is held out of.
pub(super) fn correct(audio: &Array2<f32>, text: &Array2<f32>, folds: &[usize]) -> Vec<f64> {
    let n = audio.nrows();
    let found: Vec<Vec<(usize, f64)>> = (0..FOLDS)
        .into_par_iter()
        .map(|fold| {
            let (held, kept): (Vec<usize>, Vec<usize>) = (0..n).partition(|&i| folds[i] == fold);
            let scores = Probe::fit(audio, text, &kept).scores(&stack(audio, text, &held));
            let right = |point: usize, is_audio: bool| {
                if (scores[point] > 0.0) == is_audio { 0.5 } else { 0.0 }
            };
            let both = |i: usize| right(i, true) + right(held.len() + i, false);
            held.iter().enumerate().map(|(i, &clip)| (clip, both(i))).collect()
        })
        .collect();
    let mut correct = vec![0.0; n];
    for (clip, share) in found.into_iter().flatten() {
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
///
/// Both ways are the same Newton steps; they differ in the size of the system that a step
/// solves. In dimensions it has to be made anew at each step (`N D^2`), in samples it is
/// a matrix of products scaled anew, so that one pays up to more samples than dimensions.
fn fit(x: &Array2<f64>, positive: usize) -> Array1<f64> {
    if 2 * x.nrows() <= 3 * x.ncols() {
        in_samples(x, positive)
    } else {
        in_dimensions(x, positive)
    }
}

/// What a Newton step needs of one sample: its residual and its curvature, both over the
/// number of samples.
fn slopes(scores: &Array1<f64>, positive: usize) -> (Array1<f64>, Array1<f64>) {
    let samples = scores.len() as f64;
    let probability = scores.mapv(|score| 1.0 / (1.0 + (-score).exp()));
    let residual = Array1::from_shape_fn(scores.len(), |i| {
        (probability[i] - if i < positive { 1.0 } else { 0.0 }) / samples
    });
    (residual, probability.mapv(|p| (p * (1.0 - p)).max(1e-9) / samples))
}

fn in_dimensions(x: &Array2<f64>, positive: usize) -> Array1<f64> {
    let across = matrix::view(x).transpose();
    let mut weights = Array1::zeros(x.ncols());
    for _ in 0..STEPS {
        let (residual, curvature) = slopes(&x.dot(&weights), positive);
        let along = matrix::times_vector(across, &residual.to_vec());
        let gradient = Array1::from(along) + &weights * RIDGE;
        let scaled = x * &curvature.mapv(f64::sqrt).insert_axis(Axis(1));
        let mut hessian = matrix::lower_gram(matrix::view(&scaled).transpose());
        add_ridge(&mut hessian);
        let Some(step) = matrix::solve(&hessian, &gradient.to_vec()) else { break };
        let step = Array1::from(step);
        weights -= &step;
        if step.dot(&step) < 1e-16 {
            break;
        }
    }
    weights
}

/// With weights `X' a`, curvatures `C` and `G = X X'`, a Newton step leads to
/// `a = C^(1/2) (ridge + C^(1/2) G C^(1/2))^(-1) C^(-1/2) (C G a - residual)`.
fn in_samples(x: &Array2<f64>, positive: usize) -> Array1<f64> {
    let n = x.nrows();
    let lower = matrix::lower_gram(matrix::view(x));
    let gram = Array2::from_shape_fn((n, n), |(i, j)| lower[(i.max(j), i.min(j))]);
    let mut at = Array1::<f64>::zeros(n);
    for _ in 0..STEPS {
        let scores = gram.dot(&at);
        let (residual, curvature) = slopes(&scores, positive);
        let roots = curvature.mapv(f64::sqrt);
        let mut system =
            Mat::from_fn(
                n,
                n,
                |i, j| {
                    if i < j { 0.0 } else { lower[(i, j)] * roots[i] * roots[j] }
                },
            );
        add_ridge(&mut system);
        let right = (&curvature * &scores - &residual) / &roots;
        let Some(solution) = matrix::solve(&system, &right.to_vec()) else { break };
        let next = Array1::from(solution) * &roots;
        let step = &next - &at;
        at = next;
        if step.dot(&gram.dot(&step)) < 1e-16 {
            break;
        }
    }
    x.t().dot(&at)
}

fn add_ridge(system: &mut Mat<f64>) {
    for i in 0..system.nrows() {
        system[(i, i)] += RIDGE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dl_core::noise::Noise;

    #[test]
    fn both_ways_lead_to_the_weights_at_which_the_slope_is_zero() {
        for (n, dim) in [(40, 12), (24, 30)] {
            let normal = Noise::new(4, "probe").normal_rows(&(0..n).collect::<Vec<_>>(), 0, dim);
            let mut x = Array2::from_shape_vec((n as usize, dim), normal).unwrap().mapv(f64::from);
            let positive = n as usize / 2;
            x.column_mut(0).iter_mut().take(positive).for_each(|x| *x += 1.0);
            for weights in [in_samples(&x, positive), in_dimensions(&x, positive)] {
                let (residual, _) = slopes(&x.dot(&weights), positive);
                let slope = x.t().dot(&residual) + &weights * RIDGE;
                assert!(slope.iter().all(|slope| slope.abs() < 1e-12), "{slope}");
                assert!(weights[0] > 0.1);
            }
        }
    }

    #[test]
    fn clips_of_a_cluster_are_held_out_together() {
        // Three clips in each of ten clusters; a cluster's audio and text lie on a line of
        // their own at opposite ends, and in odd clusters the ends are exchanged. Who has
        // seen a clip of the cluster is always right, who has not is never told the end.
        let rows = |sign: f32| {
            Array2::from_shape_fn((30, 10), |(clip, axis)| {
                let end = if clip / 3 % 2 == 0 { sign } else { -sign };
                if axis == clip / 3 { end } else { 0.0 }
            })
        };
        let (audio, text) = (rows(1.0), rows(-1.0));
        let apart: Vec<usize> = (0..30).map(|clip| clip % FOLDS).collect();
        let together: Vec<usize> = (0..30).map(|clip| clip / 3 % FOLDS).collect();
        assert_eq!(correct(&audio, &text, &apart), [1.0; 30]);
        // A score of 0 is called text: of each clip one point is right.
        assert_eq!(correct(&audio, &text, &together), [0.5; 30]);
    }
}
