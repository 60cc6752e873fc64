//! How far audio embeddings are from the text distribution: the four figures that
//! validation chooses by. They are those of [`dl_eval::gap`], which makes the tables, too.

use dl_eval::gap::{self, GapInput};
use dl_torch::{convert::array2, layers::l2_normalise};
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use crate::{data::Split, error::BridgeError};

/// Changes whenever a score does, and with it what validation chooses;
/// [`dl_eval::gap::VERSION`] counts too.
pub const VERSION: u32 = 2;

/// Validation scores of bridged audio against its text.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Mean over the clips of the cosine of audio and captions; higher is better.
    pub paired_cosine: f64,
    /// Distance of the mean vectors.
    pub centroid: f64,
    /// Fréchet distance of Gaussian fits; with as many dimensions as clips, or more, of
    /// spherical ones ([`dl_eval::gap::Summary::spherical_frechet`]).
    pub frechet: f64,
    /// Accuracy of a linear probe that tells audio from text on clips that it has not seen;
    /// 0.5 is no gap.
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
    /// [`BridgeError::Scores`] for fewer than ten clips, a clip without a caption, or a row
    /// that has no direction.
    pub fn of(audio: &Tensor, split: &Split) -> Result<Self, BridgeError> {
        let (audio, text) = (array2(&audio.detach())?, array2(&split.text.detach())?);
        let owners = Vec::<i64>::try_from(split.owners.to_device(Device::Cpu))?;
        let owners: Vec<usize> = owners.into_iter().map(|owner| owner as usize).collect();
        let summary = gap::summary(&GapInput::new(audio.view(), text.view(), &owners))?;
        let full_rank = audio.nrows() > audio.ncols();
        Ok(Self {
            paired_cosine: summary.paired_cosine,
            centroid: summary.centroid_distance,
            frechet: if full_rank { summary.frechet } else { summary.spherical_frechet },
            separability: summary.separability,
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
///
/// # Errors
/// Those of the candidates and of [`Scores::of`]; [`BridgeError::Input`] without candidates.
pub fn choose(
    criterion: Criterion,
    before: &Split,
    split: &Split,
    candidates: impl IntoIterator<Item = Result<Tensor, BridgeError>>,
) -> Result<(usize, Vec<Scores>), BridgeError> {
    choose_above(f64::NEG_INFINITY, criterion, before, split, candidates)
}

/// [`choose`] among the candidates whose paired cosine is at least `floor`; where none has as
/// much, the one of the highest.
///
/// # Errors
/// As [`choose`].
pub fn choose_above(
    floor: f64,
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
    let highest = scores.iter().map(|s| s.paired_cosine).fold(f64::NEG_INFINITY, f64::max);
    let best = (0..values.len())
        .filter(|&index| scores[index].paired_cosine >= floor.min(highest))
        .min_by(|&a, &b| values[a].total_cmp(&values[b]))
        .ok_or_else(|| BridgeError::Input("there are no candidates to choose from".into()))?;
    Ok((best, scores))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

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
        // Twelve clips in twelve dimensions. Audio along the axes: mean 1/12 in each, total
        // variance (12 - 1) / 11 = 1. Text in two opposite places: mean 0, total variance 12/11.
        let eye = Tensor::eye(12, (Kind::Float, Device::Cpu));
        let sign = Tensor::from_slice(&[1.0_f32, -1.0]).repeat([6]).unsqueeze(1);
        let few = split(eye.shallow_clone(), eye.narrow(0, 0, 1) * &sign);
        let scores = Scores::of(&few.audio, &few).unwrap();
        close(scores.centroid, (1.0_f64 / 12.0).sqrt());
        close(scores.frechet, 1.0 / 12.0 + ((12.0_f64 / 11.0).sqrt() - 1.0).powi(2));
        // Only the first clip's cosine is not 0.
        close(scores.paired_cosine, 1.0 / 12.0);
        // Equal clouds are at no distance, whichever clip stands where.
        let turned = split(eye.shallow_clone(), eye.roll([1], [0]));
        close(Scores::of(&turned.audio, &turned).unwrap().frechet, 0.0);
    }

    #[test]
    fn with_more_clips_than_dimensions_covariances_are_compared_by_hand() {
        // Along the first axis against along the second: both variances 12/11 in one direction,
        // 0 in the other, so that A B = 0 and the distance is tr A + tr B.
        let sign = Tensor::from_slice(&[1.0_f32, -1.0]).repeat([6]).unsqueeze(1);
        let along = |axis| Tensor::eye(2, (Kind::Float, Device::Cpu)).narrow(0, axis, 1) * &sign;
        let many = split(along(0), along(1));
        let scores = Scores::of(&many.audio, &many).unwrap();
        close(scores.centroid, 0.0);
        close(scores.frechet, 24.0 / 11.0);
        close(scores.paired_cosine, 0.0);
    }

    #[test]
    fn too_few_clips_to_choose_by_are_told_so() {
        let few = split(
            Tensor::eye(9, (Kind::Float, Device::Cpu)),
            Tensor::eye(9, (Kind::Float, Device::Cpu)),
        );
        let error = Scores::of(&few.audio, &few).unwrap_err().to_string();
        let expected = "validation set: gap metrics need at least 10 clips with captions, got 9";
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn a_floor_keeps_the_paired_cosine() {
        // Captions around the circle. One candidate is their cloud, turned away from its pairs;
        // the other points more nearly at them, from a cloud that lies to one side.
        let angles = Tensor::arange(12, (Kind::Float, Device::Cpu)) * (std::f64::consts::PI / 6.0);
        let circle = |angles: &Tensor| Tensor::stack(&[angles.cos(), angles.sin()], 1);
        let pairs = split(circle(&(&angles + 1.5)), circle(&angles));
        let turned = circle(&(&angles + 0.6_f64.acos()));
        let aside = circle(&(&angles + 0.1)) + Tensor::from_slice(&[0.8_f32, 0.0]);
        let best = |floor| {
            let candidates = [&turned, &aside].map(|rows| Ok(rows.shallow_clone()));
            choose_above(floor, Criterion::RemainingGap, &pairs, &pairs, candidates).unwrap()
        };
        let (nearest, scores) = best(f64::NEG_INFINITY);
        close(scores[0].paired_cosine, 0.6);
        assert!(nearest == 0 && scores[1].paired_cosine > 0.7, "{scores:?}");
        assert_eq!([0.5, 0.65, 0.999].map(|floor| best(floor).0), [0, 1, 1]);
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
