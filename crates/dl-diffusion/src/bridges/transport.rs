//! Gaussian transport after another bridge: the linear map that brings the
//! covariance of the bridged embeddings to that of the training captions and moves
//! them as little as can be (Olkin and Pukelsheim 1982; Gaussian optimal transport).
//!
//! A bridge that predicts well predicts means, whose spread is too small; sampling
//! restores the spread and pays for it in accuracy. Among all ways to restore it,
//! transporting the means costs least (Freirich, Michaeli and Meir 2021, theorem 1),
//! and going part of the way trades one for the other. No published captioning
//! system does this. A bridge spreads its own training clips too well, so the map is
//! fitted out of fold: each half of the training clips through a bridge that was
//! fitted on the other half. Validation chooses the strength.

use dl_core::{ConfigError, Under, fault::check};
use dl_torch::{TrainContext, layers::l2_normalise, tensor_file::Tensors};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::common::check_all;
use crate::{
    config::BridgeConfig,
    data::Pairs,
    error::BridgeError,
    method::{BridgeMethod, Family, FittedMethod, MethodReport, Stored, inner_tensors},
    moments::{covariance, mean, symmetric_power},
    noise::RowNoise,
    register_bridge,
    scores::{Criterion, choose},
};

/// Which bridge, and how far its rows are moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TransportConfig {
    /// The bridge whose rows are moved.
    pub of: BridgeConfig,
    /// Candidate strengths in [0, 1]: 0 leaves the rows, 1 is the whole transport.
    pub strengths: Vec<f64>,
    /// Share of the mean variance that is added to every variance of the bridged
    /// rows before the map is made, above 0: keeps directions that few clips show.
    pub shrinkage: f64,
    /// What validation chooses by.
    pub select: Criterion,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            of: BridgeConfig::default(),
            strengths: vec![0.0, 0.25, 0.5, 0.75, 1.0],
            shrinkage: 0.01,
            select: Criterion::default(),
        }
    }
}

/// A map of rows around a centre, in f32.
struct Map {
    /// `[dim]`.
    centre: Tensor,
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
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Refinement;

    fn validate(&self) -> Result<(), ConfigError> {
        self.of.validate().under("of")?;
        check_all("strengths", &self.strengths, |s| (0.0..=1.0).contains(&s), "in [0, 1]")?;
        let shrinkage = self.shrinkage;
        check(shrinkage > 0.0 && shrinkage.is_finite(), "shrinkage", shrinkage, "above 0")
    }

    fn version(&self) -> String {
        format!("{} {} of {}", Self::KIND, Self::VERSION, self.of.method_version())
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
        let inner = self.of.fit_method(pairs, context)?;
        let held_out = l2_normalise(&Tensor::cat(&halves, 0));
        let wanted = covariance(&exact(&inner.text(&pairs.train.text)));
        let map = |strength| Map::fit(&held_out, &wanted, strength, self.shrinkage);
        let mut maps = self.strengths.iter().map(|&s| map(s)).collect::<Result<Vec<_>, _>>()?;

        let split = &pairs.validation;
        let noise = RowNoise { seed: context.seed, items: &split.items };
        let rows = l2_normalise(&tch::no_grad(|| inner.apply(&split.audio, noise))?);
        let target = split.with_text(l2_normalise(&inner.text(&split.text)));
        let candidates = maps.iter().map(|map| Ok(map.apply(&rows)));
        let (best, scores) = choose(self.select, split, &target, candidates)?;
        let report = MethodReport {
            of: Some(Box::new(inner.report())),
            ..MethodReport::choice(&self.strengths, scores, best)
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
        let centre = stored.take("centre", &[dim])?;
        let map = Map { centre, matrix: stored.take("matrix", &[dim, dim])? };
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
        tensors.insert("matrix".into(), self.map.matrix.shallow_clone());
        tensors
    }

    fn report(&self) -> MethodReport {
        self.report.clone()
    }
}

impl Map {
    /// From unit rows and the covariance to reach (f64, on the CPU):
    /// A = R^-1 (R C R)^(1/2) R^-1 with R the root of the rows' covariance, mixed with the identity.
    fn fit(
        rows: &Tensor,
        covariance_wanted: &Tensor,
        strength: f64,
        shrinkage: f64,
    ) -> Result<Self, BridgeError> {
        let exact_rows = exact(rows);
        let own = covariance(&exact_rows);
        let dim = own.size()[0];
        let identity = Tensor::eye(dim, (Kind::Double, Device::Cpu));
        // The added constant keeps rows that never vary from dividing by zero.
        let lift = own.trace() * (shrinkage / dim as f64) + 1e-12;
        let own = own + &identity * lift;
        let (root, inverse) = (symmetric_power(&own, 0.5)?, symmetric_power(&own, -0.5)?);
        let middle = symmetric_power(&root.matmul(covariance_wanted).matmul(&root), 0.5)?;
        let whole = inverse.matmul(&middle).matmul(&inverse);
        let matrix = whole * strength + identity * (1.0 - strength);
        let kept = |x: Tensor| x.to_kind(Kind::Float).to_device(rows.device());
        Ok(Self { centre: kept(mean(&exact_rows)), matrix: kept(matrix) })
    }

    /// `[rows, dim]` to `[rows, dim]`, not normalised.
    fn apply(&self, rows: &Tensor) -> Tensor {
        (rows - &self.centre).matmul(&self.matrix) + &self.centre
    }
}

fn exact(rows: &Tensor) -> Tensor {
    rows.to_device(Device::Cpu).to_kind(Kind::Double)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_transport_reaches_the_covariance_and_none_leaves_the_rows() {
        // Variances 1 and 4 about the centre (1, 0), to covariance [[4, 1], [1, 1]].
        let rows = Tensor::from_slice(&[2.0_f64, 2.0, 0.0, -2.0, 2.0, -2.0, 0.0, 2.0]).view([4, 2]);
        let wanted = Tensor::from_slice(&[4.0_f64, 1.0, 1.0, 1.0]).view([2, 2]);
        let map = Map::fit(&rows, &wanted, 1.0, 1e-9).unwrap();
        let moved = map.apply(&rows.to_kind(Kind::Float)).to_kind(Kind::Double);
        assert!((covariance(&moved) - &wanted).abs().max().double_value(&[]) < 1e-5);
        assert!((mean(&moved) - mean(&rows)).abs().max().double_value(&[]) < 1e-6);
        // A transport of least cost is symmetric.
        assert!((&map.matrix - map.matrix.tr()).abs().max().double_value(&[]) < 1e-6);
        let map = Map::fit(&rows, &wanted, 0.0, 1e-9).unwrap();
        let same = map.apply(&rows.to_kind(Kind::Float)).to_kind(Kind::Double);
        assert!((same - rows).abs().max().double_value(&[]) < 1e-6);
    }
}
