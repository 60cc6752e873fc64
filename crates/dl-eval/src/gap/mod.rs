//! How far the audio embeddings are from the text embeddings: the columns of T1.
//!
//! All rows are scaled to unit norm first. Distributions take every clip once and
//! its first caption; pairs and retrieval take all captions. [`summary`] has the few
//! figures that a training looks at again and again, [`evaluate`] all.

mod distribution;
mod matrix;
mod nuclear_norm;
mod probe;
mod retrieval;

use dl_core::unit;
use faer::Mat;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    EvalError,
    stats::{self, Clusters},
};
use distribution::Clouds;

/// Changes whenever a definition does, so that figures kept under an older one are
/// not taken for new.
pub const VERSION: u32 = 4;
/// Neighbours looked at for mixing.
const NEIGHBOURS: usize = 10;
/// Clips below which a distribution says nothing; also two per fold of the probe.
pub const FEWEST: usize = 10;

/// Folds of the probe.
const FOLDS: usize = 5;

/// Resamples whose means are made in one product.
const TOGETHER: usize = 8;

/// Paired embeddings: `audio` `[N, D]`, `text` `[M, D]`, `owners` `[M]`, the clip
/// of each caption. Every clip has at least one caption.
#[derive(Clone, Copy, Debug)]
pub struct GapInput<'a> {
    /// One row per clip.
    pub audio: ArrayView2<'a, f32>,
    /// One row per caption.
    pub text: ArrayView2<'a, f32>,
    /// The clip of each caption.
    pub owners: &'a [usize],
    /// A label for each clip, `[N]`, where some clips belong together (scenes that share a
    /// recording): those of one label are resampled together and held out of the probe
    /// together. `None`: every clip is independent.
    pub clusters: Option<&'a [usize]>,
}

impl<'a> GapInput<'a> {
    /// Clips that are independent of each other.
    pub fn new(audio: ArrayView2<'a, f32>, text: ArrayView2<'a, f32>, owners: &'a [usize]) -> Self {
        Self { audio, text, owners, clusters: None }
    }

    /// The same clips, some of which belong together: see [`Self::clusters`].
    #[must_use]
    pub fn with_clusters(self, labels: &'a [usize]) -> Self {
        Self { clusters: Some(labels), ..self }
    }
}

/// Figures that are defined for each clip; a table shows their means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PerClip {
    /// Mean cosine of the clip's audio with its captions, in [-1, 1].
    pub paired_cosine: Vec<f64>,
    /// Mean cosine of two captions of the clip; empty unless all clips have two.
    pub text_ceiling: Vec<f64>,
    /// Audio to text: 1 when one of the clip's captions is the nearest.
    pub a2t_r1: Vec<f64>,
    /// 1 when one of them is among the nearest ten.
    pub a2t_r10: Vec<f64>,
    /// Average precision at ten over the clip's captions.
    pub a2t_map10: Vec<f64>,
    /// Text to audio, mean over the clip's captions: 1 when the clip is the nearest.
    pub t2a_r1: Vec<f64>,
    /// 1 when it is among the nearest ten.
    pub t2a_r10: Vec<f64>,
    /// Reciprocal rank within ten (average precision with one relevant clip).
    pub t2a_map10: Vec<f64>,
    /// Share of the clip's two points (audio and first caption) that a probe fitted to
    /// other clips tells apart: 0, 0.5 or 1. Its mean is the separability.
    pub probe_correct: Vec<f64>,
}

/// Figures of the whole set on resampled clips ([`stats::resampled_clips`]): `[resamples]`
/// each. Both are larger on a resample than on the clips, see [`stats::centred`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resampled {
    /// [`GapReport::centroid_distance`].
    pub centroid_distance: Vec<f64>,
    /// [`GapReport::frechet`].
    pub frechet: Vec<f64>,
}

/// What a training chooses by: figures of [`GapReport`], by the same definitions, and one for
/// few clips.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The mean of [`PerClip::paired_cosine`].
    pub paired_cosine: f64,
    /// [`GapReport::centroid_distance`].
    pub centroid_distance: f64,
    /// [`GapReport::frechet`].
    pub frechet: f64,
    /// The Fréchet distance of spherical Gaussians, whose only parameter beside the mean is
    /// the total variance: `centroid^2 + (sqrt(tr A) - sqrt(tr B))^2`, a lower bound of
    /// [`Self::frechet`]. For few clips: with as many dimensions as clips, or more, a covariance
    /// has directions that no clip shows, and the distance of full fits says more of the number
    /// of clips than of the gap.
    pub spherical_frechet: f64,
    /// [`GapReport::separability`].
    pub separability: f64,
}

/// All columns of T1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GapReport {
    /// Figures with a value for each clip.
    pub per_clip: PerClip,
    /// Euclidean distance of the two means of unit vectors, in [0, 2]. 0 is no gap.
    pub centroid_distance: f64,
    /// Fréchet distance of Gaussians fitted to the unit vectors of each side
    /// (Dowson and Landau, 1982): squared distance of means plus
    /// `tr(A + B - 2 (A B)^(1/2))` of the covariances. At least 0; biased upward
    /// when the clips are few against the dimensions.
    pub frechet: f64,
    /// Accuracy of a linear probe that tells audio from text on unseen clips: 0.5
    /// is no gap, 1 is two cones.
    pub separability: f64,
    /// Share of the other modality among the ten nearest neighbours, over the share
    /// expected of a perfect mixture: 0 is two cones, 1 is mixed.
    pub knn_mixing: f64,
    /// Relative modality gap (Eslami and de Melo, 2025): paired distance over the
    /// sum of paired distance and mean distance within the modalities; distance is
    /// (1 - cosine) / 2. 0 is no gap; above 0.5 partners are farther than strangers
    /// of one modality.
    pub relative_gap: f64,
    /// Effective dimension of the audio's unit vectors: the participation ratio
    /// `(tr C)^2 / tr(C^2)` of their covariance. 1 when all lie on a line, D when they vary
    /// alike in all directions; 0 when all are equal. A bridge that collapses shows here.
    pub effective_dim_audio: f64,
    /// The same of the text.
    pub effective_dim_text: f64,
}

/// Computes every column.
///
/// # Errors
/// [`EvalError`] when shapes do not fit, a clip has no caption, a row is zero or not
/// finite, or there are fewer than ten clips or five clusters.
pub fn evaluate(input: &GapInput<'_>) -> Result<GapReport, EvalError> {
    let Checked { captions, clusters, audio, text, first_text } = Checked::of(input)?;
    let similarity = matrix::similarity(&audio, &text);
    let retrieval::Ranks { a2t, t2a } = retrieval::rank(similarity.view(), &captions, input.owners);
    let per_clip = PerClip {
        paired_cosine: paired_cosine(&audio, &text, &captions),
        text_ceiling: ceiling(&text, &captions),
        a2t_r1: a2t.iter().map(|found| found.within(1)).collect(),
        a2t_r10: a2t.iter().map(|found| found.within(10)).collect(),
        a2t_map10: a2t.iter().map(|found| found.average_precision(10)).collect(),
        t2a_r1: retrieval::by_clip(&t2a, &captions, |found| found.within(1)),
        t2a_r10: retrieval::by_clip(&t2a, &captions, |found| found.within(10)),
        t2a_map10: retrieval::by_clip(&t2a, &captions, |found| found.average_precision(10)),
        probe_correct: probe::correct(&audio, &first_text, &clusters.folds(FOLDS)),
    };
    let clouds = Clouds::of(&audio, &first_text);
    let distances = clouds.distances();
    let (effective_dim_audio, effective_dim_text) = clouds.effective_dimensions();
    Ok(GapReport {
        centroid_distance: distances.centroid,
        frechet: distances.frechet,
        separability: stats::mean(&per_clip.probe_correct),
        knn_mixing: distribution::knn_mixing(&audio, &first_text, NEIGHBOURS),
        relative_gap: distribution::relative_gap(&audio, &first_text, &per_clip.paired_cosine),
        effective_dim_audio,
        effective_dim_text,
        per_clip,
    })
}

/// The figures of [`Summary`] alone, equal to those of [`evaluate`]: no ranks and no neighbours.
///
/// # Errors
/// As [`evaluate`].
pub fn summary(input: &GapInput<'_>) -> Result<Summary, EvalError> {
    let Checked { captions, clusters, audio, text, first_text } = Checked::of(input)?;
    let clouds = Clouds::of(&audio, &first_text);
    let distances = clouds.distances();
    Ok(Summary {
        paired_cosine: stats::mean(&paired_cosine(&audio, &text, &captions)),
        centroid_distance: distances.centroid,
        frechet: distances.frechet,
        spherical_frechet: clouds.spherical_frechet(),
        separability: stats::mean(&probe::correct(&audio, &first_text, &clusters.folds(FOLDS))),
    })
}

/// The figures of the whole set on `resamples` resamples of the clips, those of
/// [`Clusters::resampled`] ([`stats::resampled_clips`] where every clip is independent):
/// two systems over the same clips are compared on the same ones.
///
/// # Errors
/// As [`evaluate`].
pub fn resample(input: &GapInput<'_>, resamples: usize) -> Result<Resampled, EvalError> {
    let Checked { clusters, audio, first_text, .. } = Checked::of(input)?;
    let clouds = Clouds::of(&audio, &first_text);
    let resamples: Vec<u64> = (0..resamples as u64).collect();
    let distances = resamples.par_chunks(TOGETHER).map(|resamples| {
        let mut draws = Mat::zeros(audio.nrows(), resamples.len());
        for (index, &resample) in resamples.iter().enumerate() {
            for clip in clusters.resampled(resample) {
                draws[(clip, index)] += 1.0;
            }
        }
        clouds.distances_of(&draws)
    });
    let distances: Vec<distribution::Distances> = distances.flatten_iter().collect();
    let (centroid_distance, frechet) =
        distances.iter().map(|distances| (distances.centroid, distances.frechet)).unzip();
    Ok(Resampled { centroid_distance, frechet })
}

/// The unit vector along which a linear probe tells audio (high) from text (low),
/// fitted to every clip and its first caption: the axis on which a figure shows the gap.
///
/// # Errors
/// As [`evaluate`].
pub fn modality_direction(input: &GapInput<'_>) -> Result<Array1<f64>, EvalError> {
    let Checked { audio, first_text, .. } = Checked::of(input)?;
    Ok(probe::direction(&audio, &first_text))
}

/// An input that has passed all checks.
struct Checked {
    /// Of each clip.
    captions: Vec<Vec<usize>>,
    clusters: Clusters,
    /// Unit rows: `[N, D]`.
    audio: Array2<f32>,
    /// Unit rows: `[M, D]`.
    text: Array2<f32>,
    /// Each clip's first caption: `[N, D]`.
    first_text: Array2<f32>,
}

impl Checked {
    fn of(input: &GapInput<'_>) -> Result<Self, EvalError> {
        let captions = captions_of(input)?;
        let clusters = clusters_of(input)?;
        let (audio, text) = (unit_rows("audio", input.audio)?, unit_rows("text", input.text)?);
        let firsts: Vec<usize> = captions.iter().map(|list| list[0]).collect();
        let first_text = text.select(Axis(0), &firsts);
        Ok(Self { captions, clusters, audio, text, first_text })
    }
}

fn captions_of(input: &GapInput<'_>) -> Result<Vec<Vec<usize>>, EvalError> {
    let (clips, captions) = (input.audio.nrows(), input.text.nrows());
    let shape = |what, expected, got| {
        if expected == got { Ok(()) } else { Err(EvalError::Shape { what, expected, got }) }
    };
    shape("owners", captions, input.owners.len())?;
    shape("text dimensions", input.audio.ncols(), input.text.ncols())?;
    if clips < FEWEST {
        return Err(EvalError::TooFewPoints { needed: FEWEST, got: clips });
    }
    let mut lists = vec![Vec::new(); clips];
    for (caption, &owner) in input.owners.iter().enumerate() {
        let got = owner + 1;
        lists
            .get_mut(owner)
            .ok_or(EvalError::Shape { what: "clips", expected: got, got: clips })?
            .push(caption);
    }
    match lists.iter().position(Vec::is_empty) {
        Some(clip) => Err(EvalError::NoReference(clip)),
        None => Ok(lists),
    }
}

fn clusters_of(input: &GapInput<'_>) -> Result<Clusters, EvalError> {
    let clips = input.audio.nrows();
    let Some(labels) = input.clusters else { return Ok(Clusters::singles(clips)) };
    if labels.len() != clips {
        return Err(EvalError::Shape { what: "clusters", expected: clips, got: labels.len() });
    }
    let clusters = Clusters::of(labels);
    if clusters.len() < FOLDS {
        return Err(EvalError::TooFewClusters { needed: FOLDS, got: clusters.len() });
    }
    Ok(clusters)
}

/// See [`PerClip::paired_cosine`].
fn paired_cosine(audio: &Array2<f32>, text: &Array2<f32>, captions: &[Vec<usize>]) -> Vec<f64> {
    let of_clip = |(clip, list): (ArrayView1<'_, f32>, &Vec<usize>)| {
        let cosine = |&caption: &usize| -> f64 {
            clip.iter().zip(text.row(caption)).map(|(a, t)| f64::from(*a) * f64::from(*t)).sum()
        };
        list.iter().map(cosine).sum::<f64>() / list.len() as f64
    };
    audio.outer_iter().zip(captions).map(of_clip).collect()
}

/// Rows scaled to unit norm, whatever their size.
fn unit_rows(side: &'static str, rows: ArrayView2<'_, f32>) -> Result<Array2<f32>, EvalError> {
    // In standard layout, whatever that of the given rows.
    let mut rows = rows.as_standard_layout().into_owned();
    for (index, row) in rows.outer_iter_mut().enumerate() {
        let norm = unit::scale(row);
        if !(norm > 0.0 && norm.is_finite()) {
            return Err(EvalError::NoDirection { side, row: index, norm: norm.to_string() });
        }
    }
    Ok(rows)
}

fn ceiling(text: &Array2<f32>, captions: &[Vec<usize>]) -> Vec<f64> {
    if captions.iter().any(|list| list.len() < 2) {
        return Vec::new();
    }
    let of_clip = |list: &Vec<usize>| {
        let mut cosines = Vec::new();
        for (position, &a) in list.iter().enumerate() {
            for &b in &list[position + 1..] {
                cosines.push(f64::from(text.row(a).dot(&text.row(b))));
            }
        }
        cosines.iter().sum::<f64>() / cosines.len() as f64
    };
    captions.iter().map(of_clip).collect()
}
