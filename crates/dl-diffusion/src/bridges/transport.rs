//! Gaussian transport after another bridge: the map that brings mean and covariance of the
//! bridged embeddings to those of the training captions and moves them as little as can be
//! (Olkin and Pukelsheim 1982; Gaussian optimal transport).
//!
//! A bridge that predicts well predicts means, whose spread is too small; sampling
//! restores the spread and pays for it in accuracy. Among all ways to restore it,
//! transporting the means costs least (Freirich, Michaeli and Meir 2021, theorem 1),
//! and going part of the way trades one for the other. No published captioning system does
//! this.
//!
//! The mean is off, too: rows of too small a spread, brought back to unit length, have too long
//! a mean, and every network has small offsets of its own in directions in which captions
//! hardly vary, which a probe finds at once. So the mean is that of the bridge's own training
//! rows. Their spread is larger than that of new clips where the bridge has learned them by
//! heart; so the covariance is theirs or that of rows held out, each half of the training clips
//! through a bridge that was fitted on the other half. Validation chooses among both, and how far
//! the rows are moved.

use std::path::PathBuf;

use dl_core::{ConfigError, Under, fault::check};
use dl_torch::{TrainContext, layers::l2_normalise, tensor_file::Tensors};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::common::check_all;
use crate::{
    config::BridgeConfig,
    data::{Pairs, Split},
    error::BridgeError,
    method::{BridgeMethod, Family, FittedMethod, MethodReport, Stored, inner_tensors},
    moments::{covariance, exact, mean, symmetric_power},
    noise::RowNoise,
    register_bridge,
    scores::{Criterion, Scores, choose_above},
};

/// Which bridge, and how far its rows are moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TransportConfig {
    /// The bridge whose rows are moved.
    pub of: BridgeConfig,
    /// Candidate strengths in [0, 1]: 0 leaves the rows, 1 is the whole transport.
    pub strengths: Vec<f64>,
    /// Candidate shares, in [0, 1], of the way from the mean of the bridged rows to that of the
    /// captions: 0 leaves it, 1 goes all of it.
    pub mean_shares: Vec<f64>,
    /// Candidates for the rows whose covariance is brought to that of the captions.
    pub spread_of: Vec<Spread>,
    /// Share of the mean variance that is added to every variance of the bridged
    /// rows before the map is made, above 0: keeps directions that few clips show.
    pub shrinkage: f64,
    /// What validation chooses by.
    pub select: Criterion,
    /// A simpler bridge whose paired cosine on validation the moved rows must have (where no
    /// candidate has as much, the highest is taken): nearness is not bought with accuracy that
    /// this bridge has. None sets no floor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_accuracy_of: Option<BridgeConfig>,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            of: BridgeConfig::default(),
            strengths: vec![0.0, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0],
            mean_shares: vec![0.0, 1.0],
            spread_of: vec![Spread::HeldOut, Spread::Own],
            shrinkage: 0.01,
            select: Criterion::default(),
            keep_accuracy_of: None,
        }
    }
}

/// Whose covariance stands for that of bridged clips.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// The training clips', each half through a bridge fitted to the other: two more fits.
    HeldOut,
    /// The training clips' through the bridge itself.
    Own,
}

/// How far the rows are moved, and by whose spread.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Way {
    strength: f64,
    mean_share: f64,
    spread_of: Spread,
}

/// A map of rows around a centre, in f32.
struct Map {
    /// The mean of the rows, `[dim]`.
    centre: Tensor,
    /// Where it goes, `[dim]`.
    goal: Tensor,
    /// `[dim, dim]`, a row times it.
    matrix: Tensor,
}

struct Transport {
    inner: Box<dyn FittedMethod>,
    map: Map,
    report: MethodReport,
}

register_bridge!(TransportConfig);

impl BridgeMethod for TransportConfig {
    const KIND: &'static str = "transport";
    const VERSION: u32 = 2;
    const FAMILY: Family = Family::Refinement;

    fn validate(&self) -> Result<(), ConfigError> {
        self.of.validate().under("of")?;
        let floor = self.keep_accuracy_of.as_ref();
        floor.map_or(Ok(()), BridgeConfig::validate).under("keep_accuracy_of")?;
        let share = |share| (0.0..=1.0).contains(&share);
        check_all("strengths", &self.strengths, share, "in [0, 1]")?;
        check_all("mean_shares", &self.mean_shares, share, "in [0, 1]")?;
        check(!self.spread_of.is_empty(), "spread_of", "[]", "held_out, own or both")?;
        let shrinkage = self.shrinkage;
        check(shrinkage > 0.0 && shrinkage.is_finite(), "shrinkage", shrinkage, "above 0")
    }

    fn version(&self) -> String {
        let version = format!("{} {} of {}", Self::KIND, Self::VERSION, self.of.method_version());
        match &self.keep_accuracy_of {
            None => version,
            Some(floor) => format!("{version} above {}", floor.method_version()),
        }
    }

    fn moves_text(&self) -> bool {
        self.of.moves_text()
    }

    fn bridges_text(&self) -> bool {
        self.of.bridges_text()
    }

    fn decoder_noise(&self) -> Option<f64> {
        self.of.decoder_noise()
    }

    fn fit(
        &self,
        pairs: &Pairs,
        context: &TrainContext<'_>,
    ) -> Result<Box<dyn FittedMethod>, BridgeError> {
        // The halves first: pairs too few for them are refused before the long fit.
        let (held_out, mut checkpoints) = match self.spread_of.contains(&Spread::HeldOut) {
            true => self.held_out(pairs, context)?,
            false => Default::default(),
        };
        let inner = self.of.fit_method(pairs, context)?;
        let through = |split: &Split| {
            let noise = RowNoise { seed: context.seed, items: &split.items };
            Ok::<_, BridgeError>(l2_normalise(&tch::no_grad(|| inner.apply(&split.audio, noise))?))
        };
        let own = through(&pairs.train)?;
        let centre = mean(&exact(&own));
        let text = exact(&inner.text(&pairs.train.text));
        let (mut ways, mut maps) = (Vec::new(), Vec::new());
        for &spread_of in &self.spread_of {
            let rows = match spread_of {
                Spread::HeldOut => &held_out,
                Spread::Own => &own,
            };
            let whole = whole_transport(rows, &text, self.shrinkage)?;
            for &strength in &self.strengths {
                for &mean_share in &self.mean_shares {
                    let way = Way { strength, mean_share, spread_of };
                    ways.push(way);
                    maps.push(Map::new(&whole, (&centre, &mean(&text)), way, pairs.device));
                }
            }
        }

        let split = &pairs.validation;
        let rows = through(split)?;
        let target = split.with_text(l2_normalise(&inner.text(&split.text)));
        let candidates = maps.iter().map(|map| Ok(map.apply(&rows)));
        let floor = match &self.keep_accuracy_of {
            None => f64::NEG_INFINITY,
            Some(bridge) => accuracy_of(bridge, pairs, context, &mut checkpoints)?,
        };
        let (best, scores) = choose_above(floor, self.select, split, &target, candidates)?;
        let report = MethodReport {
            of: Some(Box::new(inner.report())),
            ..MethodReport::choice(&ways, scores, best)
        };
        for checkpoint in checkpoints {
            // Only the caller's own checkpoint is known to it. One that cannot be removed
            // harms nothing.
            let _ = std::fs::remove_file(checkpoint);
        }
        Ok(Box::new(Transport { map: maps.swap_remove(best), inner, report }))
    }

    fn load(&self, mut stored: Stored<'_>) -> Result<Box<dyn FittedMethod>, BridgeError> {
        let dim = stored.dim as i64;
        let (centre, goal) = (stored.take("centre", &[dim])?, stored.take("goal", &[dim])?);
        let map = Map { centre, goal, matrix: stored.take("matrix", &[dim, dim])? };
        let report = stored.report.clone();
        let inner = self.of.load_method(stored.inner())?;
        Ok(Box::new(Transport { inner, map, report }))
    }
}

impl FittedMethod for Transport {
    fn apply(&self, audio: &Tensor, noise: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        Ok(self.map.apply(&l2_normalise(&self.inner.apply(audio, noise)?)))
    }

    fn text(&self, text: &Tensor) -> Tensor {
        self.inner.text(text)
    }

    fn decoder_text(&self, text: &Tensor, noise: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        self.inner.decoder_text(text, noise)
    }

    fn text_through(
        &self,
        text: &Tensor,
        noise: RowNoise<'_>,
    ) -> Option<Result<Tensor, BridgeError>> {
        let rows = self.inner.text_through(text, noise)?;
        Some(rows.map(|rows| self.map.apply(&l2_normalise(&rows))))
    }

    fn tensors(&self) -> Tensors {
        let mut tensors = inner_tensors(self.inner.as_ref());
        tensors.insert("centre".into(), self.map.centre.shallow_clone());
        tensors.insert("goal".into(), self.map.goal.shallow_clone());
        tensors.insert("matrix".into(), self.map.matrix.shallow_clone());
        tensors
    }

    fn report(&self) -> MethodReport {
        self.report.clone()
    }
}

impl TransportConfig {
    /// Unit rows of all training clips, each through a bridge that was fitted to the other half,
    /// and the checkpoints that the two fits leave.
    fn held_out(
        &self,
        pairs: &Pairs,
        context: &TrainContext<'_>,
    ) -> Result<(Tensor, Vec<PathBuf>), BridgeError> {
        let mut halves = Vec::new();
        let mut checkpoints = Vec::new();
        for parity in [0, 1] {
            let (half, left_out) = pairs.half(parity);
            let mut context = context.clone();
            context.checkpoint =
                context.checkpoint.map(|path| path.with_extension(format!("half-{parity}")));
            let bridge = self.of.fit_method(&half, &context)?;
            let noise = RowNoise { seed: context.seed, items: &left_out.items };
            halves.push(tch::no_grad(|| bridge.apply(&left_out.audio, noise))?);
            checkpoints.extend(context.checkpoint);
        }
        Ok((l2_normalise(&Tensor::cat(&halves, 0)), checkpoints))
    }
}

/// The paired cosine of another bridge on validation. Its training may leave a checkpoint.
fn accuracy_of(
    bridge: &BridgeConfig,
    pairs: &Pairs,
    context: &TrainContext<'_>,
    checkpoints: &mut Vec<PathBuf>,
) -> Result<f64, BridgeError> {
    let mut context = context.clone();
    context.checkpoint = context.checkpoint.map(|path| path.with_extension("floor"));
    let fitted = bridge.fit_method(pairs, &context)?;
    checkpoints.extend(context.checkpoint);
    let split = &pairs.validation;
    let noise = RowNoise { seed: context.seed, items: &split.items };
    let rows = l2_normalise(&tch::no_grad(|| fitted.apply(&split.audio, noise))?);
    let target = split.with_text(l2_normalise(&fitted.text(&split.text)));
    Ok(Scores::of(&rows, &target)?.paired_cosine)
}

/// The matrix that brings the covariance of unit rows to that of the text (all f64, on the CPU):
/// A = R^-1 (R C R)^(1/2) R^-1 with R the root of the rows' covariance and C that of the text.
fn whole_transport(rows: &Tensor, text: &Tensor, shrinkage: f64) -> Result<Tensor, BridgeError> {
    let own = covariance(&exact(rows));
    let dim = own.size()[0];
    // The added constant keeps rows that never vary from dividing by zero.
    let lift = own.trace() * (shrinkage / dim as f64) + 1e-12;
    let own = own + Tensor::eye(dim, (Kind::Double, Device::Cpu)) * lift;
    let (root, inverse) = (symmetric_power(&own, 0.5)?, symmetric_power(&own, -0.5)?);
    let middle = symmetric_power(&root.matmul(&covariance(text)).matmul(&root), 0.5)?;
    Ok(inverse.matmul(&middle).matmul(&inverse))
}

impl Map {
    /// The `way` along the whole transport, from one mean to another (f64, on the CPU).
    fn new(whole: &Tensor, (from, to): (&Tensor, &Tensor), way: Way, device: Device) -> Self {
        let Way { strength, mean_share, .. } = way;
        let identity = Tensor::eye(whole.size()[0], (Kind::Double, Device::Cpu));
        let kept = |x: &Tensor| x.to_kind(Kind::Float).to_device(device);
        Self {
            centre: kept(from),
            goal: kept(&(from + (to - from) * mean_share)),
            matrix: kept(&(whole * strength + identity * (1.0 - strength))),
        }
    }

    /// `[rows, dim]` to `[rows, dim]`, not normalised.
    fn apply(&self, rows: &Tensor) -> Tensor {
        (rows - &self.centre).matmul(&self.matrix) + &self.goal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_way_reaches_mean_and_covariance_and_none_leaves_the_rows() {
        // Rows about (1, 0), text about (3, 5).
        let rows = Tensor::from_slice(&[2.0_f64, 2.0, 0.0, -2.0, 2.0, -2.0, 0.0, 2.0]).view([4, 2]);
        let text = [5.0_f64, 5.5, 1.0, 4.5, 5.0, 5.5, 1.0, 4.5, 3.0, 6.5, 3.0, 3.5];
        let text = Tensor::from_slice(&text).view([6, 2]);
        let way = |strength, mean_share| Way { strength, mean_share, spread_of: Spread::Own };
        let moved = |way| {
            let whole = whole_transport(&rows, &text, 1e-9).unwrap();
            let map = Map::new(&whole, (&mean(&rows), &mean(&text)), way, Device::Cpu);
            // A transport of least cost is symmetric.
            assert!((&map.matrix - map.matrix.tr()).abs().max().double_value(&[]) < 1e-6);
            map.apply(&rows.to_kind(Kind::Float)).to_kind(Kind::Double)
        };
        let off = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]);
        let whole = moved(way(1.0, 1.0));
        assert!(off(&covariance(&whole), &covariance(&text)) < 1e-5);
        assert!(off(&mean(&whole), &Tensor::from_slice(&[3.0, 5.0])) < 1e-6);
        let kept = moved(way(1.0, 0.0));
        assert!(off(&covariance(&kept), &covariance(&text)) < 1e-5);
        assert!(off(&mean(&kept), &Tensor::from_slice(&[1.0, 0.0])) < 1e-6);
        // Half of the way from (1, 0) to (3, 5), and nothing else.
        let half = moved(way(0.0, 0.5));
        assert!(off(&half, &(&rows + Tensor::from_slice(&[1.0, 2.5]))) < 1e-6);
        assert!(off(&moved(way(0.0, 0.0)), &rows) < 1e-6);
    }
}
