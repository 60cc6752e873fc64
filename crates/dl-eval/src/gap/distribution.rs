//! Distances between the two clouds of unit vectors.
//!
//! # The Fréchet distance, many times
//!
//! It holds `tr((A B)^(1/2))` of two covariances. With the centred rows `X` of one side and
//! `Y` of the other, each times the root of how often its clip was drawn, this is the sum of
//! the singular values (the nuclear norm) of `X Y'` over the number of clips less one: no
//! covariance, no root and no square has to be made, so that no digits are lost where a
//! covariance is (nearly) without full rank. There are two ways to a small matrix with these
//! singular values:
//!
//! - **By clips**: `X Y'` itself, over the different clips of the resample (63 % of all). The
//!   products of all rows are made once; a resample picks, centres and weighs them.
//! - **By dimensions**: `R S'`, with the triangles `R`, `S` of `X` and `Y` (QR). Pays where
//!   clips are many.
//!
//! [`super::nuclear_norm`] does the rest.

use std::sync::OnceLock;

use faer::Mat;
use ndarray::{Array1, Array2, Axis};
use rayon::prelude::*;

use super::{matrix, nuclear_norm::nuclear_norm};

/// The two distances of two clouds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Distances {
    /// See [`super::GapReport::centroid_distance`].
    pub(super) centroid: f64,
    /// See [`super::GapReport::frechet`].
    pub(super) frechet: f64,
}

/// Audio and text of the same clips, of which any may be counted several times.
pub(super) struct Clouds {
    audio: Cloud,
    text: Cloud,
    /// Mean of audio less mean of text.
    between: Vec<f64>,
    /// Products of every audio row with every text row, made when first wanted.
    products: OnceLock<Mat<f64>>,
}

impl Clouds {
    /// Of `[N, D]` each.
    pub(super) fn of(audio: &Array2<f32>, text: &Array2<f32>) -> Self {
        let ((audio, audio_mean), (text, text_mean)) = (Cloud::of(audio), Cloud::of(text));
        let between = (audio_mean - text_mean).to_vec();
        Self { audio, text, between, products: OnceLock::new() }
    }

    /// Every clip once.
    pub(super) fn distances(&self) -> Distances {
        self.distances_of(&Mat::from_fn(self.audio.rows.nrows(), 1, |_, _| 1.0))[0]
    }

    /// For each column of `draws` `[N, R]`: each clip as often as the column says, at least two
    /// in all. What takes all rows is made for all draws at once, so as to read them once.
    pub(super) fn distances_of(&self, draws: &Mat<f64>) -> Vec<Distances> {
        let (audio, text) = (self.audio.means(draws), self.text.means(draws));
        let along_text = matrix::times(matrix::view(&self.audio.rows), text.as_ref());
        let along_audio = matrix::times(matrix::view(&self.text.rows), audio.as_ref());
        let draw = |index| {
            let draw = Draw::of(draws.col_as_slice(index));
            let (audio, text) = (audio.col_as_slice(index), text.col_as_slice(index));
            let cross = if draw.by_clips_pays(audio.len()) {
                let of_both: f64 = audio.iter().zip(text).map(|(m, l)| m * l).sum();
                let along_text = along_text.col_as_slice(index);
                self.by_clips(&draw, along_text, along_audio.col_as_slice(index), of_both)
            } else {
                self.by_dimensions(&draw, audio, text)
            };
            let between = self.between.iter().zip(audio.iter().zip(text));
            let centroid = between.map(|(b, (a, t))| (b + a - t).powi(2)).sum::<f64>().sqrt();
            let squares = self.audio.squares(&draw, audio) + self.text.squares(&draw, text);
            let covariances = (squares - 2.0 * nuclear_norm(cross)) / (draw.total - 1.0);
            Distances { centroid, frechet: (centroid * centroid + covariances).max(0.0) }
        };
        (0..draws.ncols()).map(draw).collect()
    }

    /// See [`super::Summary::spherical_frechet`].
    pub(super) fn spherical_frechet(&self) -> f64 {
        // All rows have the mean of all taken off.
        let spread = |cloud: &Cloud| {
            (cloud.squares.iter().sum::<f64>() / (cloud.squares.len() - 1) as f64).sqrt()
        };
        let centroid: f64 = self.between.iter().map(|x| x * x).sum();
        centroid + (spread(&self.audio) - spread(&self.text)).powi(2)
    }

    /// Participation ratios of both covariances, audio's first.
    pub(super) fn effective_dimensions(&self) -> (f64, f64) {
        let of = |cloud: &Cloud| matrix::participation_ratio(&cloud.rows);
        (of(&self.audio), of(&self.text))
    }

    /// `X Y'` of the clips that are drawn: `(x - m)'(y - l) = x'y - x'l - m'y + m'l` with the
    /// means `m` and `l`; `along_text` holds every `x'l`, `along_audio` every `m'y`.
    fn by_clips(
        &self,
        draw: &Draw,
        along_text: &[f64],
        along_audio: &[f64],
        of_both: f64,
    ) -> Mat<f64> {
        let (audio, text) = (matrix::view(&self.audio.rows), matrix::view(&self.text.rows));
        let products = self.products.get_or_init(|| matrix::times(audio, text.transpose()));
        let rows: Vec<_> =
            draw.clips().map(|(clip, root)| (clip, root, along_text[clip])).collect();
        let mut cross = Mat::zeros(rows.len(), rows.len());
        for ((clip, root), column) in draw.clips().zip(cross.col_iter_mut()) {
            let (products, rest) = (products.col_as_slice(clip), of_both - along_audio[clip]);
            let column = matrix::slice(column);
            for (to, &(clip, other_root, along)) in column.iter_mut().zip(&rows) {
                *to = root * other_root * (products[clip] - along + rest);
            }
        }
        cross
    }

    /// `R S'`.
    fn by_dimensions(&self, draw: &Draw, audio_mean: &[f64], text_mean: &[f64]) -> Mat<f64> {
        let audio = self.audio.triangle(draw, audio_mean);
        let text = self.text.triangle(draw, text_mean);
        matrix::times(audio.as_ref(), text.transpose())
    }
}

/// The clips that are drawn at least once, and how often.
struct Draw {
    clips: Vec<usize>,
    counts: Vec<f64>,
    total: f64,
}

impl Draw {
    /// Of the count of every clip.
    fn of(counts: &[f64]) -> Self {
        let clips: Vec<usize> = (0..counts.len()).filter(|&clip| counts[clip] > 0.0).collect();
        let counts: Vec<f64> = clips.iter().map(|&clip| counts[clip]).collect();
        let total = counts.iter().sum();
        Self { clips, counts, total }
    }

    /// QR of both sides and a matrix `[D, D]` take as long as a matrix over about 1.5 D clips.
    fn by_clips_pays(&self, dimensions: usize) -> bool {
        2 * self.clips.len() <= 3 * dimensions
    }

    /// Each clip with the root of its count.
    fn clips(&self) -> impl Iterator<Item = (usize, f64)> {
        self.clips.iter().zip(&self.counts).map(|(&clip, count)| (clip, count.sqrt()))
    }
}

/// One side.
struct Cloud {
    /// `[N, D]`, less the mean of all.
    rows: Array2<f64>,
    /// Squared norm of each row.
    squares: Vec<f64>,
}

impl Cloud {
    /// The cloud and the mean that was taken off.
    fn of(rows: &Array2<f32>) -> (Self, Array1<f64>) {
        let rows = rows.mapv(f64::from);
        let mean = rows.sum_axis(Axis(0)) / rows.nrows() as f64;
        let rows = rows - &mean;
        let squares = rows.rows().into_iter().map(|row| row.dot(&row)).collect();
        (Self { rows, squares }, mean)
    }

    /// The means of the rows that each column of `draws` counts: `[D, R]`.
    fn means(&self, draws: &Mat<f64>) -> Mat<f64> {
        let mut means = matrix::times(matrix::view(&self.rows).transpose(), draws.as_ref());
        for (mean, counts) in means.col_iter_mut().zip(draws.col_iter()) {
            let total = counts.sum();
            matrix::slice(mean).iter_mut().for_each(|sum| *sum /= total);
        }
        means
    }

    /// The trace of the covariance, times the number of drawn rows less one. Since the rows
    /// have the mean of all taken off, little cancels.
    fn squares(&self, draw: &Draw, mean: &[f64]) -> f64 {
        let of_rows = draw.clips.iter().zip(&draw.counts).map(|(&clip, n)| self.squares[clip] * n);
        of_rows.sum::<f64>() - draw.total * mean.iter().map(|x| x * x).sum::<f64>()
    }

    /// `R` of `Q R = X`.
    fn triangle(&self, draw: &Draw, mean: &[f64]) -> Mat<f64> {
        let clips: Vec<_> = draw.clips().collect();
        let rows = Mat::from_fn(clips.len(), mean.len(), |i, axis| {
            clips[i].1 * (self.rows[(clips[i].0, axis)] - mean[axis])
        });
        rows.qr().thin_R().to_owned()
    }
}

/// See [`super::GapReport::knn_mixing`]. Each point's own partner is a neighbour like any other.
pub(super) fn knn_mixing(audio: &Array2<f32>, text: &Array2<f32>, k: usize) -> f64 {
    let n = audio.nrows();
    let points = ndarray::concatenate![Axis(0), *audio, *text];
    let similarity = matrix::similarity(&points, &points);
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

#[cfg(test)]
mod tests {
    use super::*;
    use dl_core::noise::Noise;
    use nalgebra::DMatrix;

    /// The defining formula, by eigenvalues: `tr(A + B - 2 (A B)^(1/2))` of the covariances
    /// of rows that are written out as often as they are drawn.
    fn by_definition(audio: &Array2<f32>, text: &Array2<f32>, clips: &[usize]) -> Distances {
        let moments = |rows: &Array2<f32>| {
            let rows = rows.select(Axis(0), clips).mapv(f64::from);
            let mean = rows.sum_axis(Axis(0)) / clips.len() as f64;
            let rows = rows - &mean;
            let rows = DMatrix::from_row_iterator(rows.nrows(), rows.ncols(), rows);
            (mean, rows.tr_mul(&rows) / (clips.len() - 1) as f64)
        };
        let ((m, a), (l, b)) = (moments(audio), moments(text));
        let (values, vectors) = {
            let eigen = b.clone().symmetric_eigen();
            (eigen.eigenvalues.map(|value| value.max(0.0).sqrt()), eigen.eigenvectors)
        };
        let root = &vectors * DMatrix::from_diagonal(&values) * vectors.transpose();
        let inner = &root * &a * &root;
        let inner = (&inner + inner.transpose()) * 0.5;
        let trace: f64 =
            inner.symmetric_eigenvalues().iter().map(|value| value.max(0.0).sqrt()).sum();
        let centroid = (m - l).mapv(|x| x * x).sum().sqrt();
        let frechet = centroid * centroid + a.trace() + b.trace() - 2.0 * trace;
        Distances { centroid, frechet }
    }

    /// Unit vectors of which every axis varies half as much as the one before every `half` axes.
    fn clouds(n: usize, dim: usize, half: f32) -> [Array2<f32>; 2] {
        ["audio", "text"].map(|stream| {
            let normal =
                Noise::new(9, stream).normal_rows(&(0..n as u64).collect::<Vec<_>>(), 0, dim);
            let mut rows = Array2::from_shape_vec((n, dim), normal).unwrap();
            for (axis, mut column) in rows.columns_mut().into_iter().enumerate() {
                column *= 0.5_f32.powf(axis as f32 / half);
            }
            for mut row in rows.rows_mut() {
                let norm = row.dot(&row).sqrt();
                row /= norm;
            }
            rows
        })
    }

    /// How often each of the first resamples draws each clip.
    fn draws(n: usize, resamples: usize) -> Mat<f64> {
        let mut draws = Mat::zeros(n, resamples);
        for resample in 0..resamples {
            for clip in crate::stats::resampled_clips(resample as u64, n) {
                draws[(clip, resample)] += 1.0;
            }
        }
        draws
    }

    #[test]
    fn distances_are_those_of_the_definition_by_clips_and_by_dimensions() {
        for (n, dim) in [(60, 50), (90, 33), (200, 12)] {
            let [audio, text] = clouds(n, dim, 8.0);
            let clouds = Clouds::of(&audio, &text);
            let drawn = clouds.distances_of(&draws(n, 3));
            for (resample, got) in drawn.iter().enumerate() {
                let clips = crate::stats::resampled_clips(resample as u64, n);
                let want = by_definition(&audio, &text, &clips);
                assert!((got.centroid - want.centroid).abs() < 1e-12);
                // The definition takes roots of eigenvalues that should be 0 where there are
                // fewer different clips than dimensions: each is wrong by up to 1e-9.
                let tolerance = if n == 60 { 1e-7 } else { 1e-10 };
                assert!((got.frechet - want.frechet).abs() < tolerance, "{got:?} {want:?}");
            }
            let every: Vec<usize> = (0..n).collect();
            let (got, want) = (clouds.distances(), by_definition(&audio, &text, &every));
            assert!((got.frechet - want.frechet).abs() < 1e-10, "{got:?} {want:?}");
        }
    }

    #[test]
    fn the_spherical_distance_by_hand() {
        // Along the axes: mean 1/4 in each, total variance (4 - 1) / 3 = 1. In two opposite
        // places: mean 0, total variance 4 / 3. The centroids are 1/2 apart.
        let audio = Array2::eye(4);
        let text = Array2::from_shape_fn((4, 4), |(row, axis)| {
            if axis > 0 {
                0.0
            } else if row % 2 == 0 {
                1.0
            } else {
                -1.0
            }
        });
        let want = 0.25 + ((4.0_f64 / 3.0).sqrt() - 1.0).powi(2);
        assert!((Clouds::of(&audio, &text).spherical_frechet() - want).abs() < 1e-12);
        assert_eq!(Clouds::of(&audio, &audio).spherical_frechet(), 0.0);
        // A lower bound of the distance of full fits.
        let [audio, text] = clouds(90, 33, 8.0);
        let clouds = Clouds::of(&audio, &text);
        assert!(clouds.spherical_frechet() <= clouds.distances().frechet);
    }

    #[test]
    fn the_two_ways_agree_where_the_clouds_are_nearly_flat() {
        // The last axes vary 2^-30 times as much as the first: below the rounding of f32.
        let [audio, text] = clouds(100, 60, 2.0);
        let clouds = Clouds::of(&audio, &text);
        let counts = Mat::from_fn(100, 1, |clip, _| (clip % 3) as f64);
        let (audio, text) = (clouds.audio.means(&counts), clouds.text.means(&counts));
        let draw = Draw::of(counts.col_as_slice(0));
        let along_text = matrix::times(matrix::view(&clouds.audio.rows), text.as_ref());
        let along_audio = matrix::times(matrix::view(&clouds.text.rows), audio.as_ref());
        let [audio, text, along_text, along_audio] =
            [&audio, &text, &along_text, &along_audio].map(|of| of.col_as_slice(0));
        let of_both = audio.iter().zip(text).map(|(m, l)| m * l).sum();
        let by_clips = nuclear_norm(clouds.by_clips(&draw, along_text, along_audio, of_both));
        let by_dimensions = nuclear_norm(clouds.by_dimensions(&draw, audio, text));
        assert!((by_clips / by_dimensions - 1.0).abs() < 1e-11, "{by_clips} {by_dimensions}");
    }
}
