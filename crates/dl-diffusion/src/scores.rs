//! How far audio embeddings are from the text distribution: four numbers on the
//! validation set, for choosing. (Tables are made by the evaluation crate.)

use dl_torch::layers::l2_normalise;
use serde::{Deserialize, Serialize};
use tch::{Device, IndexOp, Kind, Tensor};

use crate::{
    data::Split,
    error::BridgeError,
    moments::{covariance, mean, symmetric_power},
};

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
    /// Fréchet distance of Gaussian fits. With as many dimensions as clips, or more, a
    /// covariance has directions that no clip shows, and the distance says more of the
    /// number of clips than of the gap: there the fits are spherical, with the total
    /// variance as their only parameter, and the distance is centroid^2 + (root of the
    /// audio side's total variance - root of the text side's)^2. It is a lower bound of the
    /// other, and still tells a bridge whose answers have too small a spread.
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

/// The part of the Fréchet distance that covariances make, see [`Scores::frechet`].
fn covariance_distance(audio: &Tensor, text: &Tensor) -> Result<f64, BridgeError> {
    let (clips, dim) = (audio.size()[0], audio.size()[1]);
    let (a, b) = (covariance(audio), covariance(text));
    let (a_trace, b_trace) = (a.trace().double_value(&[]), b.trace().double_value(&[]));
    if clips <= dim {
        return Ok((a_trace.sqrt() - b_trace.sqrt()).powi(2));
    }
    // tr(A + B - 2 (A B)^(1/2)) (Dowson and Landau 1982).
    let root = symmetric_power(&a, 0.5)?;
    let product = root.matmul(&b).matmul(&root);
    let cross = product.f_linalg_eigvalsh("L")?.clamp_min(0.0).sqrt().sum(Kind::Double);
    Ok((a_trace + b_trace - 2.0 * cross.double_value(&[])).max(0.0))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn split(audio: Tensor, text: Tensor) -> Split {
        let clips = audio.size()[0];
        let owners = Tensor::arange(clips, (Kind::Int64, Device::Cpu));
        Split { audio, text, owners, items: (0..clips as u64).collect() }
    }

    fn close(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-6, "{got}, expected {expected}");
    }

    #[test]
    fn with_few_clips_the_spread_is_compared_by_hand() {
        // Four clips in four dimensions. Audio along the axes: mean 1/4 in each, total
        // variance 1 - 1/4. Text in two opposite places: mean 0, total variance 1.
        let eye = Tensor::eye(4, (Kind::Float, Device::Cpu));
        let sign = Tensor::from_slice(&[1.0_f32, -1.0, 1.0, -1.0]).unsqueeze(1);
        let few = split(eye.shallow_clone(), eye.narrow(0, 0, 1) * &sign);
        let scores = Scores::of(&few.audio, &few).unwrap();
        close(scores.centroid, 0.5);
        close(scores.frechet, 0.25 + (1.0 - 0.75_f64.sqrt()).powi(2));
        // Equal clouds are at no distance, whichever clip stands where.
        let turned = split(eye.shallow_clone(), eye.roll([1], [0]));
        close(Scores::of(&turned.audio, &turned).unwrap().frechet, 0.0);
    }

    #[test]
    fn with_more_clips_than_dimensions_covariances_are_compared_by_hand() {
        // Along the first axis against along the second: both variances 1 in one direction,
        // 0 in the other, so that A B = 0 and the distance is tr A + tr B = 2.
        let rows = |values: [f32; 8]| Tensor::from_slice(&values).view([4, 2]);
        let audio = rows([1.0, 0.0, -1.0, 0.0, 1.0, 0.0, -1.0, 0.0]);
        let many = split(audio, rows([0.0, 1.0, 0.0, -1.0, 0.0, 1.0, 0.0, -1.0]));
        let scores = Scores::of(&many.audio, &many).unwrap();
        close(scores.centroid, 0.0);
        close(scores.frechet, 2.0);
        close(scores.paired_cosine, 0.0);
    }

    #[test]
    fn the_remaining_gap_by_hand() {
        let scores = |paired_cosine, centroid, frechet, separability| Scores {
            paired_cosine,
            centroid,
            frechet,
            separability,
        };
        let (before, after) = (scores(0.5, 0.8, 0.4, 1.0), scores(0.9, 0.2, 0.3, 0.45));
        // 0.1 / 0.5, 0.2 / 0.8, 0.3 / 0.4 and 0.05 / 0.5.
        close(after.remaining_gap(&before), (0.2 + 0.25 + 0.75 + 0.1) / 4.0);
        close(Criterion::PairedCosine.value(&after, &before), 0.1);
        // Where there was no gap, what there is now counts.
        close(after.remaining_gap(&scores(1.0, 0.0, 0.0, 0.5)), (0.1 + 0.2 + 0.3 + 0.05) / 4.0);
    }
}
