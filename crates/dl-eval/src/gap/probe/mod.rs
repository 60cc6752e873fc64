//! Linear separability: logistic regression (ridge 1e-2 per sample on standardised features)
//! that tells audio from text, accuracy on clips that it was not fitted on, five folds.
//! Without clusters clip `i` is in fold `i mod 5`, with them all clips of a cluster are in one.
//! A clip's two points stand together, so both classes are equally large everywhere and chance
//! is 0.5; since features are centred, too, there is no intercept.
//!
//! A feature that does not vary over the samples of a fit has no weight in it.

mod inverse;
mod newton;
mod parts;

use ndarray::{Array1, Array2, Axis};

use self::parts::Parts;
use super::FOLDS;

/// Samples of both classes, audio first, their features standardised over all of them.
struct Rows {
    /// `[2 N, D]`.
    x: Array2<f64>,
    /// `[D]`, before.
    deviation: Array1<f64>,
}

impl Rows {
    fn of(audio: &Array2<f32>, text: &Array2<f32>) -> Self {
        let mut x = ndarray::concatenate![Axis(0), *audio, *text].mapv(f64::from);
        let samples = x.nrows() as f64;
        x -= &(x.sum_axis(Axis(0)) / samples);
        let mut variance = Array1::zeros(x.ncols());
        for row in x.rows() {
            variance.zip_mut_with(&row, |sum: &mut f64, x| *sum += x * x);
        }
        let deviation = variance.mapv(|sum: f64| (sum / samples).sqrt().max(1e-12));
        x /= &deviation;
        Self { x, deviation }
    }

    fn samples(&self) -> usize {
        self.x.nrows()
    }

    /// One row after the other.
    fn slices(&self) -> impl Iterator<Item = &[f64]> {
        let rows = self.x.as_slice().expect("rows are made in standard layout");
        rows.chunks_exact(self.x.ncols())
    }

    fn is_audio(&self, sample: usize) -> bool {
        sample < self.samples() / 2
    }
}

/// For each clip the share of its two points that a probe fitted to other clips puts on
/// the right side: 0, 0.5 or 1. The mean is the accuracy. `folds` `[N]` says which of
/// [`FOLDS`] probes a clip is held out of.
pub(super) fn correct(audio: &Array2<f32>, text: &Array2<f32>, folds: &[usize]) -> Vec<f64> {
    let rows = Rows::of(audio, text);
    let scores = held_out(&rows, folds);
    let right = |sample: usize| {
        if (scores[sample] > 0.0) == rows.is_audio(sample) { 0.5 } else { 0.0 }
    };
    (0..folds.len()).map(|clip| right(clip) + right(folds.len() + clip)).collect()
}

/// The score of each sample by the probe that its clip is held out of: above 0 for audio.
fn held_out(rows: &Rows, folds: &[usize]) -> Vec<f64> {
    let fold = |sample: usize| folds[sample % folds.len()];
    let whole = Parts::of(rows, 1, |_| 1);
    let guide = whole.roughly();
    let parts = Parts::of(rows, FOLDS, fold);
    let weights = parts.exactly(&guide);
    (0..rows.samples()).map(|sample| parts.score(&weights, fold(sample), sample)).collect()
}

/// The unit vector along which the probe, fitted to all rows, tells audio (high)
/// from text (low); for figures.
pub(super) fn direction(audio: &Array2<f32>, text: &Array2<f32>) -> Array1<f64> {
    let rows = Rows::of(audio, text);
    let whole = Parts::of(&rows, 1, |_| 1);
    let weights = whole.exactly(&whole.roughly());
    let direction = &weights.row(0) / &rows.deviation;
    let norm = direction.dot(&direction).sqrt().max(1e-12);
    direction / norm
}

#[cfg(test)]
mod tests {
    use super::*;
    use dl_core::noise::Noise;
    use nalgebra::{DMatrix, DVector};

    /// The scores of held-out samples by the definition: features standardised on the fitting
    /// rows, Newton's method with every system solved anew.
    fn by_definition(audio: &Array2<f32>, text: &Array2<f32>, folds: &[usize]) -> Vec<f64> {
        let n = audio.nrows();
        let all = ndarray::concatenate![Axis(0), *audio, *text].mapv(f64::from);
        let mut scores = vec![0.0; 2 * n];
        for fold in 0..FOLDS {
            let kept: Vec<usize> = (0..2 * n).filter(|i| folds[i % n] != fold).collect();
            let fitting = all.select(Axis(0), &kept);
            let mean = fitting.mean_axis(Axis(0)).unwrap();
            let rows = (&all - &mean) / &fitting.std_axis(Axis(0), 0.0);
            let x = DMatrix::from_fn(kept.len(), all.ncols(), |i, axis| rows[(kept[i], axis)]);
            let mut weights = DVector::<f64>::zeros(all.ncols());
            for _ in 0..30 {
                let p = (&x * &weights).map(|score| 1.0 / (1.0 + (-score).exp()));
                let residual = DVector::from_fn(kept.len(), |i, _| {
                    (p[i] - if kept[i] < n { 1.0 } else { 0.0 }) / kept.len() as f64
                });
                let curved = DMatrix::from_fn(kept.len(), all.ncols(), |i, axis| {
                    x[(i, axis)] * p[i] * (1.0 - p[i]) / kept.len() as f64
                });
                let hessian =
                    x.tr_mul(&curved) + DMatrix::identity(all.ncols(), all.ncols()) * parts::RIDGE;
                let gradient = x.tr_mul(&residual) + &weights * parts::RIDGE;
                weights -= hessian.cholesky().unwrap().solve(&gradient);
            }
            let weights = Array1::from_iter(weights.iter().copied());
            for i in (0..2 * n).filter(|i| folds[i % n] == fold) {
                scores[i] = rows.row(i).dot(&weights);
            }
        }
        scores
    }

    #[test]
    fn held_out_scores_are_those_of_the_definition_with_many_rows_and_with_few() {
        // Two cones far apart, nearly mixed, and with fewer samples than dimensions.
        for (n, dim, offset) in [(60, 12, 3.0), (60, 12, 0.1), (100, 70, 1.0), (20, 60, 0.5)] {
            let side = |stream: &str, offset: f32| {
                let items: Vec<u64> = (0..n as u64).collect();
                let normal = Noise::new(4, stream).normal_rows(&items, 0, dim);
                let mut rows = Array2::from_shape_vec((n, dim), normal).unwrap();
                rows.column_mut(0).mapv_inplace(|x| x + offset);
                rows.column_mut(1).mapv_inplace(|x| 1e-3 * x);
                rows
            };
            let (audio, text) = (side("audio", offset), side("text", 0.0));
            let folds: Vec<usize> = (0..n).map(|clip| clip / 3 % FOLDS).collect();
            let got = held_out(&Rows::of(&audio, &text), &folds);
            for (got, want) in got.iter().zip(by_definition(&audio, &text, &folds)) {
                assert!((got - want).abs() < 1e-7, "{n} {dim}: {got} {want}");
            }
        }
    }

    #[test]
    fn the_direction_is_along_the_offset_alone() {
        // Four corners of a square, once more beside them.
        let corners = [[1.0_f32, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]];
        let side = |offset: f32| {
            Array2::from_shape_fn((12, 2), |(row, axis)| {
                corners[row % 4][axis] + if axis == 1 { offset } else { 0.0 }
            })
        };
        let direction = direction(&side(1.0), &side(0.0));
        assert!(direction[0].abs() < 1e-12 && (direction[1] - 1.0).abs() < 1e-12, "{direction}");
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
