//! Logistic regressions to parts of the same rows, side by side.
//!
//! Parts differ little from the whole. So the whole is fitted first, roughly; the inverse of
//! its second derivatives then guides the conjugate gradients by which Newton's steps of all
//! parts are made (Nocedal and Wright, 2006, section 7.1). One pass over the rows serves
//! all parts, and nothing is made for one part alone but vectors. What comes out is what
//! Newton's method comes to with any other way to solve for its steps.

use ndarray::{Array1, Array2};
use pulp::{Arch, Simd, WithSimd};

use super::{inverse::Inverses, parts::Parts};
use crate::gap::matrix::dot;

/// Newton's steps at most; about ten are made.
const STEPS: usize = 50;
/// Rounds of conjugate gradients in one of Newton's steps at most.
const ROUNDS: usize = 200;
/// Halvings of a step that would raise the loss.
const HALVINGS: usize = 30;
/// A step is not made any more when its square, measured by the curvature of the loss, is
/// below this: scores are exact to about 1e-7.
const EXACT: f64 = 1e-16;
/// The same of the fit to the whole, which only guides.
const ROUGH: f64 = 1e-4;
/// Rounds that take as long as new second derivatives.
const PATIENCE: usize = 6;
/// A fit that is near those of the parts.
pub(super) struct Guide {
    /// `[1, D]`.
    weights: Array2<f64>,
    /// Of each sample.
    curvature: Array1<f64>,
}

/// The loss at some weights.
struct Place {
    /// `[samples, K]`.
    scores: Array2<f64>,
    /// Second derivatives by the scores, `[samples, K]`.
    curvature: Array2<f64>,
    /// `[K, D]`.
    gradient: Array2<f64>,
}

/// One of Newton's steps.
struct Step {
    /// `[K, D]`.
    weights: Array2<f64>,
    /// What it adds to the scores, `[samples, K]`.
    scores: Array2<f64>,
    rounds: usize,
}

impl Parts<'_> {
    /// A rough fit to a single part, from nothing.
    pub(super) fn roughly(&self) -> Guide {
        let mut weights = Array2::zeros(self.means.dim());
        let mut place = self.place(&weights);
        let mut inverses = Inverses::of(self, place.curvature.column(0));
        for _ in 0..STEPS {
            let Some(step) = self.step(&place, &inverses, ROUGH) else { break };
            self.walk(&mut weights, &place, &step);
            place = self.place(&weights);
            if step.rounds > PATIENCE {
                inverses = Inverses::of(self, place.curvature.column(0));
            }
        }
        Guide { weights, curvature: place.curvature.column(0).to_owned() }
    }

    /// The weights `[K, D]`.
    pub(super) fn exactly(&self, guide: &Guide) -> Array2<f64> {
        let mut weights = Array2::zeros(self.means.dim());
        weights += &guide.weights;
        self.leave_out_constants(&mut weights);
        let inverses = Inverses::of(self, guide.curvature.view());
        for _ in 0..STEPS {
            let place = self.place(&weights);
            let Some(step) = self.step(&place, &inverses, EXACT) else { break };
            self.walk(&mut weights, &place, &step);
        }
        weights
    }

    fn place(&self, weights: &Array2<f64>) -> Place {
        let mut scores = Array2::zeros(self.shares.dim());
        let mut curvature = Array2::zeros(self.shares.dim());
        let mut gradient = self.pass(weights, &vec![true; weights.nrows()], |at, score| {
            let share = self.shares[at];
            let probability = 1.0 / (1.0 + (-score).exp());
            scores[at] = score;
            curvature[at] = share * probability * (1.0 - probability);
            share * (probability - if self.rows.is_audio(at.0) { 1.0 } else { 0.0 })
        });
        gradient += &(weights * &self.ridge);
        Place { scores, curvature, gradient }
    }

    /// Newton's step, by conjugate gradients; `None` where no part has one as long as `least`.
    fn step(&self, place: &Place, inverses: &Inverses, least: f64) -> Option<Step> {
        let guided = |rows: &Array2<f64>| {
            let mut guided = inverses.times(rows);
            self.leave_out_constants(&mut guided);
            guided
        };
        let mut rest = place.gradient.mapv(|x| -x);
        let mut direction = guided(&rest);
        let mut lengths = products(&rest, &direction);
        if lengths.iter().all(|&length| length < least) {
            return None;
        }
        // With this much left, steps become as short as those of an exact solution.
        let goals: Vec<f64> =
            lengths.iter().map(|&length| (length * length.min(0.01)).max(0.01 * least)).collect();
        let (weights, scores) = (Array2::zeros(rest.dim()), Array2::zeros(self.shares.dim()));
        let mut step = Step { weights, scores, rounds: 0 };
        let mut changes = Array2::zeros(self.shares.dim());
        while step.rounds < ROUNDS {
            let open: Vec<bool> =
                lengths.iter().zip(&goals).map(|(length, goal)| length > goal).collect();
            if !open.contains(&true) {
                break;
            }
            step.rounds += 1;
            let mut curved = self.pass(&direction, &open, |at, score| {
                changes[at] = score;
                place.curvature[at] * score
            });
            curved += &(&direction * &self.ridge);
            let along: Vec<f64> = lengths
                .iter()
                .zip(products(&direction, &curved))
                .zip(&open)
                .map(|((length, curved), &open)| if open { length / curved } else { 0.0 })
                .collect();
            for (part, &along) in along.iter().enumerate().filter(|(_, along)| **along != 0.0) {
                step.weights.row_mut(part).scaled_add(along, &direction.row(part));
                step.scores.column_mut(part).scaled_add(along, &changes.column(part));
                rest.row_mut(part).scaled_add(-along, &curved.row(part));
            }
            let guided = guided(&rest);
            let left = products(&rest, &guided);
            for (part, mut direction) in direction.rows_mut().into_iter().enumerate() {
                if open[part] {
                    direction *= left[part] / lengths[part];
                    direction += &guided.row(part);
                }
            }
            lengths = left;
        }
        Some(step)
    }

    /// Makes a step, of each part as much of it as does not raise the loss.
    fn walk(&self, weights: &mut Array2<f64>, place: &Place, step: &Step) {
        for part in 0..weights.nrows() {
            let loss = |share: f64| {
                let of_scores = (0..self.rows.samples()).map(|sample| {
                    let at = (sample, part);
                    let score = place.scores[at] + share * step.scores[at];
                    let wrong = if self.rows.is_audio(sample) { -score } else { score };
                    self.shares[at] * (wrong.max(0.0) + (-wrong.abs()).exp().ln_1p())
                });
                let of_weights = (0..weights.ncols()).map(|axis| {
                    let at = (part, axis);
                    0.5 * self.ridge[at] * (weights[at] + share * step.weights[at]).powi(2)
                });
                of_scores.sum::<f64>() + of_weights.sum::<f64>()
            };
            let mut share = 1.0;
            // A short step lowers the loss by less than its rounding.
            let steep = place.gradient.row(part).dot(&step.weights.row(part)) < -1e-6;
            if steep {
                let before = loss(0.0);
                for _ in 0..HALVINGS {
                    if loss(share) < before {
                        break;
                    }
                    share /= 2.0;
                }
            }
            weights.row_mut(part).scaled_add(share, &step.weights.row(part));
        }
    }

    /// For each open part the sum of all samples `x`, centred for it, each times what
    /// `slope((sample, part), score)` makes of its score `x . vector`: `[K, D]`, 0 for
    /// features without weight. Other parts' rows hold nothing.
    fn pass(
        &self,
        vectors: &Array2<f64>,
        open: &[bool],
        slope: impl FnMut((usize, usize), f64) -> f64,
    ) -> Array2<f64> {
        let mut sums = Array2::zeros(vectors.dim());
        let offsets = products(&self.means, vectors);
        let mut totals = vec![0.0; open.len()];
        Arch::new().dispatch(Pass {
            parts: self,
            vectors: vectors.as_slice().expect("vectors are made here, in standard layout"),
            offsets: &offsets,
            open,
            slope,
            sums: sums.as_slice_mut().expect("made above"),
            totals: &mut totals,
        });
        for ((mut sums, means), total) in
            sums.rows_mut().into_iter().zip(self.means.rows()).zip(totals)
        {
            sums.scaled_add(-total, &means);
        }
        self.leave_out_constants(&mut sums);
        sums
    }
}

/// The product of each row of `a` with that of `b`.
fn products(a: &Array2<f64>, b: &Array2<f64>) -> Vec<f64> {
    a.rows().into_iter().zip(b.rows()).map(|(a, b)| a.dot(&b)).collect()
}

/// See [`Parts::pass`], to be compiled for the vectors that the processor has.
struct Pass<'a, F> {
    parts: &'a Parts<'a>,
    vectors: &'a [f64],
    offsets: &'a [f64],
    open: &'a [bool],
    slope: F,
    sums: &'a mut [f64],
    totals: &'a mut [f64],
}

impl<F: FnMut((usize, usize), f64) -> f64> WithSimd for Pass<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) {
        let dim = self.parts.means.ncols();
        for (sample, row) in self.parts.rows.slices().enumerate() {
            for (part, &open) in self.open.iter().enumerate() {
                let at = (sample, part);
                if !open || self.parts.shares[at] == 0.0 {
                    continue;
                }
                let of_part = part * dim..(part + 1) * dim;
                let score = dot(row, &self.vectors[of_part.clone()]) - self.offsets[part];
                let slope = (self.slope)(at, score);
                self.totals[part] += slope;
                let sums = self.sums[of_part].iter_mut();
                sums.zip(row).for_each(|(sum, x)| *sum = slope.mul_add(*x, *sum));
            }
        }
    }
}
