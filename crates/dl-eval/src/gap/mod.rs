//! How far the audio embeddings are from the text embeddings: the columns of T1.
//!
//! All rows are scaled to unit norm first. Distributions take every clip once and
//! its first caption; pairs and retrieval take all captions.

mod distribution;
mod linear_algebra;
mod probe;
mod retrieval;

use ndarray::{Array1, Array2, ArrayView2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{EvalError, stats};
use distribution::Moments;

/// Changes whenever a definition does, so that figures kept under an older one are
/// not taken for new.
pub const VERSION: u32 = 2;
/// Neighbours looked at for mixing.
const NEIGHBOURS: usize = 10;
/// Clips below which a distribution says nothing; also two per fold of the probe.
const FEWEST: usize = 10;

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
}

/// Computes every column.
///
/// # Errors
/// [`EvalError`] when shapes do not fit, a clip has no caption, a row is zero or not
/// finite, or there are fewer than ten clips.
pub fn evaluate(input: &GapInput<'_>) -> Result<GapReport, EvalError> {
    let captions = captions_of(input)?;
    let (audio, text) = (unit_rows("audio", input.audio)?, unit_rows("text", input.text)?);
    let first_text = firsts(&text, &captions);
    let similarity = audio.dot(&text.t());
    let paired_cosine: Vec<f64> = captions
        .iter()
        .enumerate()
        .map(|(clip, list)| {
            list.iter().map(|&caption| f64::from(similarity[[clip, caption]])).sum::<f64>()
                / list.len() as f64
        })
        .collect();
    let retrieval::Ranks { a2t, t2a } = retrieval::rank(similarity.view(), &captions, input.owners);
    let per_clip = PerClip {
        text_ceiling: ceiling(&text, &captions),
        a2t_r1: a2t.iter().map(|found| found.within(1)).collect(),
        a2t_r10: a2t.iter().map(|found| found.within(10)).collect(),
        a2t_map10: a2t.iter().map(|found| found.average_precision(10)).collect(),
        t2a_r1: retrieval::by_clip(&t2a, &captions, |found| found.within(1)),
        t2a_r10: retrieval::by_clip(&t2a, &captions, |found| found.within(10)),
        t2a_map10: retrieval::by_clip(&t2a, &captions, |found| found.average_precision(10)),
        probe_correct: probe::correct(&audio, &first_text),
        paired_cosine,
    };
    let once = vec![1; audio.nrows()];
    let moments = |rows: &Array2<f32>| Moments::of(rows.mapv(f64::from).view(), &once);
    let (of_audio, of_text) = (moments(&audio), moments(&first_text));
    Ok(GapReport {
        centroid_distance: of_audio.centroid_distance(&of_text),
        frechet: of_audio.frechet(&of_text),
        separability: stats::mean(&per_clip.probe_correct),
        knn_mixing: distribution::knn_mixing(&audio, &first_text, NEIGHBOURS),
        relative_gap: distribution::relative_gap(&audio, &first_text, &per_clip.paired_cosine),
        per_clip,
    })
}

/// The figures of the whole set on `resamples` resamples of the clips, those of
/// [`stats::resampled_clips`]: two systems over the same clips are compared on the same ones.
///
/// # Errors
/// As [`evaluate`].
pub fn resample(input: &GapInput<'_>, resamples: usize) -> Result<Resampled, EvalError> {
    let captions = captions_of(input)?;
    let audio = unit_rows("audio", input.audio)?.mapv(f64::from);
    let text = firsts(&unit_rows("text", input.text)?, &captions).mapv(f64::from);
    let figures: Vec<(f64, f64)> = (0..resamples as u64)
        .into_par_iter()
        .map(|resample| {
            let mut counts = vec![0; audio.nrows()];
            for clip in stats::resampled_clips(resample, counts.len()) {
                counts[clip] += 1;
            }
            let moments = |rows: &Array2<f64>| Moments::of(rows.view(), &counts);
            let (audio, text) = (moments(&audio), moments(&text));
            (audio.centroid_distance(&text), audio.frechet(&text))
        })
        .collect();
    let (centroid_distance, frechet) = figures.into_iter().unzip();
    Ok(Resampled { centroid_distance, frechet })
}

/// The unit vector along which a linear probe tells audio (high) from text (low),
/// fitted to every clip and its first caption: the axis on which a figure shows the gap.
///
/// # Errors
/// As [`evaluate`].
pub fn modality_direction(input: &GapInput<'_>) -> Result<Array1<f64>, EvalError> {
    let captions = captions_of(input)?;
    let text = firsts(&unit_rows("text", input.text)?, &captions);
    Ok(probe::direction(&unit_rows("audio", input.audio)?, &text))
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

/// Each clip's first caption: `[N, D]`.
fn firsts(text: &Array2<f32>, captions: &[Vec<usize>]) -> Array2<f32> {
    text.select(Axis(0), &captions.iter().map(|list| list[0]).collect::<Vec<_>>())
}

/// Rows scaled to unit norm.
fn unit_rows(side: &'static str, rows: ArrayView2<'_, f32>) -> Result<Array2<f32>, EvalError> {
    let mut rows = rows.to_owned();
    for (index, mut row) in rows.rows_mut().into_iter().enumerate() {
        let norm = row.dot(&row).sqrt();
        if !norm.is_finite() || norm < 1e-12 {
            return Err(EvalError::NoDirection { side, row: index, norm: norm.to_string() });
        }
        row /= norm;
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
