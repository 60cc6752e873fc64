//! How far audio embeddings are from the text distribution: four numbers on the
//! validation set, for choosing. (Tables are made by the evaluation crate.)

use dl_torch::layers::l2_normalise;
use serde::{Deserialize, Serialize};
use tch::{Device, IndexOp, Kind, Tensor};

use crate::{data::Split, error::BridgeError};

/// Changes whenever a score does, and with it what validation chooses.
pub const VERSION: u32 = 1;
/// Share of the mean variance that the separability probe adds to every variance.
const SHRINKAGE: f64 = 0.1;

/// Validation scores of bridged audio against its text.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Mean cosine of each caption and its clip's audio; higher is better.
    pub paired_cosine: f64,
    /// Distance of the mean vectors.
    pub centroid: f64,
    /// Fréchet distance of Gaussian fits.
    pub frechet: f64,
    /// Balanced accuracy of a shrunken linear discriminant that tells audio from
    /// text, over two folds of clips; 0.5 is no gap.
    pub separability: f64,
}

/// What validation chooses by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Criterion {
    /// The highest paired cosine.
    PairedCosine,
    /// The least remaining gap: the mean, over the four scores, of the share of the
    /// unbridged gap that is left.
    #[default]
    RemainingGap,
}

impl Criterion {
    /// Lower is better.
    pub fn value(self, scores: &Scores, unbridged: &Scores) -> f64 {
        match self {
            Self::PairedCosine => 1.0 - scores.paired_cosine,
            Self::RemainingGap => scores.remaining_gap(unbridged),
        }
    }
}

impl Scores {
    /// Scores of `audio` (unit rows, `[clips, dim]`) against a split's text.
    ///
    /// # Errors
    /// [`BridgeError`] when libtorch cannot decompose a covariance.
    pub fn of(audio: &Tensor, split: &Split) -> Result<Self, BridgeError> {
        let exact = |x: &Tensor| x.detach().to_device(Device::Cpu).to_kind(Kind::Double);
        let (audio, text) = (exact(audio), exact(&split.text));
        let owners = split.owners.to_device(Device::Cpu);
        let pairs = (audio.index_select(0, &owners) * &text).sum(Kind::Double);
        let (audio_mean, text_mean) = (mean(&audio), mean(&text));
        let centroid = (&audio_mean - &text_mean).norm().double_value(&[]);
        Ok(Self {
            paired_cosine: pairs.double_value(&[]) / split.pairs() as f64,
            centroid,
            frechet: centroid * centroid + covariance_distance(&audio, &text)?,
            separability: separability(&audio, &text, &owners)?,
        })
    }

    /// The mean share of the unbridged gap that is left. A score without a gap
    /// before the bridge counts by its own size.
    pub fn remaining_gap(&self, unbridged: &Self) -> f64 {
        let share = |now: f64, before: f64| if before > 1e-6 { now / before } else { now };
        let shares = [
            share(1.0 - self.paired_cosine, 1.0 - unbridged.paired_cosine),
            share(self.centroid, unbridged.centroid),
            share(self.frechet, unbridged.frechet),
            share((self.separability - 0.5).abs(), (unbridged.separability - 0.5).abs()),
        ];
        shares.iter().sum::<f64>() / shares.len() as f64
    }
}

/// The candidate that is best by `criterion`: its index, and all scores. Candidates are
/// rows beside the text of `split`; the gap that shares are taken of is that of
/// `before`, the pairs as the encoder made them.
pub fn choose(
    criterion: Criterion,
    before: &Split,
    split: &Split,
    candidates: impl IntoIterator<Item = Result<Tensor, BridgeError>>,
) -> Result<(usize, Vec<Scores>), BridgeError> {
    let unbridged = Scores::of(&before.audio, before)?;
    let scores = candidates
        .into_iter()
        .map(|rows| Scores::of(&l2_normalise(&rows?), split))
        .collect::<Result<Vec<_>, _>>()?;
    let values: Vec<f64> = scores.iter().map(|s| criterion.value(s, &unbridged)).collect();
    let best = (0..values.len())
        .min_by(|&a, &b| values[a].total_cmp(&values[b]))
        .ok_or_else(|| BridgeError::Input("there are no candidates to choose from".into()))?;
    Ok((best, scores))
}

/// `[dim]`, in f64.
pub(crate) fn mean(rows: &Tensor) -> Tensor {
    rows.mean_dim(0, false, Kind::Double)
}

/// Covariance with the divisor n, `[dim, dim]`.
pub(crate) fn covariance(rows: &Tensor) -> Tensor {
    let centred = rows - mean(rows).unsqueeze(0);
    centred.tr().matmul(&centred) / rows.size()[0] as f64
}

/// A power of a symmetric matrix without negative eigenvalues; those that rounding
/// makes negative count as 0, or as a trillionth of the largest where the power is
/// negative.
pub(crate) fn symmetric_power(matrix: &Tensor, power: f64) -> Result<Tensor, BridgeError> {
    let (values, vectors) = matrix.f_linalg_eigh("L")?;
    let floor = if power < 0.0 { values.max().double_value(&[]) * 1e-12 } else { 0.0 };
    let values = values.clamp_min(floor).pow_tensor_scalar(power).unsqueeze(0);
    Ok((&vectors * values).matmul(&vectors.tr()))
}

/// tr(A + B - 2 (A B)^(1/2)) of the covariances (Dowson and Landau 1982).
fn covariance_distance(a: &Tensor, b: &Tensor) -> Result<f64, BridgeError> {
    let (a, b) = (covariance(a), covariance(b));
    let root = symmetric_power(&a, 0.5)?;
    let product = root.matmul(&b).matmul(&root);
    let cross = product.f_linalg_eigvalsh("L")?.clamp_min(0.0).sqrt().sum(Kind::Double);
    let distance = a.trace() + b.trace() - cross * 2.0;
    Ok(distance.double_value(&[]).max(0.0))
}

/// Two folds by the parity of the clip; captions go with their clips.
fn separability(audio: &Tensor, text: &Tensor, owners: &Tensor) -> Result<f64, BridgeError> {
    let clips = Tensor::arange(audio.size()[0], (Kind::Int64, Device::Cpu));
    let fold = |rows: &Tensor, clip: &Tensor, parity: i64| {
        let members = clip.remainder(2).eq(parity).nonzero().squeeze_dim(1);
        rows.index_select(0, &members)
    };
    let mut accuracy = 0.0;
    for parity in [0, 1] {
        let fit = [fold(audio, &clips, parity), fold(text, owners, parity)];
        let held_out = [fold(audio, &clips, 1 - parity), fold(text, owners, 1 - parity)];
        if fit.iter().chain(&held_out).any(|rows| rows.size()[0] == 0) {
            return Ok(0.5);
        }
        let within = (covariance(&fit[0]) + covariance(&fit[1])) / 2.0;
        let dim = within.size()[0];
        let lift = within.trace() * (SHRINKAGE / dim as f64) + 1e-12;
        let within = within + Tensor::eye(dim, (Kind::Double, Device::Cpu)) * lift;
        let (from, to) = (mean(&fit[1]), mean(&fit[0]));
        let direction = Tensor::f_linalg_solve(&within, &(&to - &from).unsqueeze(1), true)?;
        let threshold = ((to + from) / 2.0).unsqueeze(0).matmul(&direction).i((0, 0));
        for (rows, sign) in held_out.iter().zip([1.0, -1.0]) {
            let side = (rows.matmul(&direction) - &threshold) * sign;
            accuracy += side.gt(0.0).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
        }
    }
    Ok(accuracy / 4.0)
}
