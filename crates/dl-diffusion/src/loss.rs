//! Losses of the learned bridges: pointwise distances, and the topology loss.
//!
//! Diffusion-Link trains with a cross-sample prediction loss and a topology loss
//! (summaries; their exact forms are not public). Ours: the distance between the
//! predicted and the clean text embedding, from noised text and from noised audio;
//! and the squared difference of cosine matrices within a batch. The second brought
//! nothing on validation, gated or not, over all pairs or neighbours, so its default
//! weight is 0.

use dl_core::fault::{ConfigError, check};
use serde::{Deserialize, Serialize};
use tch::{Kind, Reduction, Tensor};

/// Distance between a prediction and its target, the mean over all elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distance {
    /// Absolute difference (SEED's choice).
    #[default]
    L1,
    /// Squared difference (that of Diffusion-Link here).
    L2,
    /// Huber's, with its bend at 1.
    Huber,
}

impl Distance {
    /// A scalar.
    pub fn between(self, prediction: &Tensor, target: &Tensor) -> Tensor {
        match self {
            Self::L1 => prediction.l1_loss(target, Reduction::Mean),
            Self::L2 => prediction.mse_loss(target, Reduction::Mean),
            Self::Huber => prediction.huber_loss(target, Reduction::Mean, 1.0),
        }
    }
}

/// Weights of the three losses of Diffusion-Link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossConfig {
    /// How predictions are compared with clean text embeddings.
    pub distance: Distance,
    /// Weight of noised text to itself, at least 0.
    pub text_identity: f64,
    /// Weight of noised audio to its paired text, above 0.
    pub cross_sample: f64,
    /// The topology loss.
    pub topology: TopologyConfig,
}

impl Default for LossConfig {
    fn default() -> Self {
        Self {
            distance: Distance::L2,
            text_identity: 1.0,
            cross_sample: 1.0,
            topology: TopologyConfig::default(),
        }
    }
}

impl LossConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`ConfigError`] for the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let weight = |x: f64| x >= 0.0 && x.is_finite();
        let text = self.text_identity;
        check(weight(text), "text_identity", text, "at least 0")?;
        let cross = self.cross_sample;
        check(cross > 0.0 && cross.is_finite(), "cross_sample", cross, "above 0")?;
        let TopologyConfig { weight: topology, branch, .. } = self.topology;
        check(weight(topology), "topology.weight", topology, "at least 0")?;
        check(
            topology == 0.0 || branch == Branch::Both || text > 0.0,
            "topology.branch",
            "text_identity",
            "both when text_identity is 0",
        )
    }
}

/// Which predictions the topology loss looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Branch {
    /// Those from noised text and those from noised audio.
    Both,
    /// Those from noised text alone, whose target is certain.
    #[default]
    TextIdentity,
}

/// The topology loss: mean squared difference between the cosine matrices of the
/// predictions and of the clean text embeddings of a batch, off the diagonal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TopologyConfig {
    /// Its weight, at least 0; 0 switches it off.
    pub weight: f64,
    /// Which predictions.
    pub branch: Branch,
    /// Weigh each pair of rows by its rows' alpha_bar_t, so that a pair counts
    /// where both predictions are certain (alpha_bar_t squared at equal timesteps).
    pub gated: bool,
    /// Only the k nearest neighbours of each clean text embedding in the batch;
    /// 0 takes all pairs.
    pub neighbours: usize,
}

/// The topology loss of one branch, a scalar. `prediction` and `target` are
/// `[rows, dim]`; `gate`, where given, holds each row's alpha_bar `[rows, 1]`.
pub fn topology(
    prediction: &Tensor,
    target: &Tensor,
    gate: Option<&Tensor>,
    neighbours: usize,
) -> Tensor {
    let cosines = |rows: &Tensor| {
        // The added constant gives a zero row, which an untrained network predicts,
        // a finite gradient.
        let squares = rows.square().sum_dim_intlist(-1, true, None::<Kind>);
        let unit = rows * (squares + 1e-6).rsqrt();
        unit.matmul(&unit.tr())
    };
    let (predicted, wanted) = (cosines(prediction), cosines(target));
    let rows = target.size()[0];
    let options = (Kind::Float, target.device());
    let mut weights = Tensor::ones([rows, rows], options) - Tensor::eye(rows, options);
    if neighbours > 0 && (neighbours as i64) < rows - 1 {
        // The row itself is out of the running: its own cosine is pushed below all.
        let others = &wanted - Tensor::eye(rows, options) * 3.0;
        let (_, nearest) = others.topk(neighbours as i64, 1, true, false);
        weights = Tensor::zeros([rows, rows], options).scatter_value(1, &nearest, 1.0);
    }
    if let Some(gate) = gate {
        weights = weights * gate * gate.tr();
    }
    let total = weights.sum(Kind::Float).clamp_min(1e-12);
    ((predicted - wanted).square() * weights).sum(Kind::Float) / total
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three unit vectors in the plane; predictions at 0, 90 and 90 degrees against
    /// targets at 0, 0 and 90: cosines of the pairs 01, 02, 12 are 0, 0, 1 against
    /// 1, 0, 0.
    fn rows() -> (Tensor, Tensor) {
        let plane = |values: &[f32]| Tensor::from_slice(values).view([3, 2]);
        (plane(&[5.0, 0.0, 0.0, 1.0, 0.0, 2.0]), plane(&[1.0, 0.0, 3.0, 0.0, 0.0, 1.0]))
    }

    fn close(got: &Tensor, expected: f64) {
        let got = got.double_value(&[]);
        assert!((got - expected).abs() < 1e-5, "{got}, expected {expected}");
    }

    #[test]
    fn topology_by_hand() {
        let (prediction, target) = rows();
        close(&topology(&target, &target, None, 0), 0.0);
        close(&topology(&prediction, &target, None, 0), 2.0 / 3.0);
        // Weights 1/4 for pair 01, 0 for the others.
        let gate = Tensor::from_slice(&[0.5_f32, 0.5, 0.0]).view([3, 1]);
        close(&topology(&prediction, &target, Some(&gate), 0), 1.0);
    }

    #[test]
    fn topology_of_the_nearest_by_hand() {
        // Targets at 0, 40 and 90 degrees: row 0 is nearest to 1, 1 to 0, 2 to 1. Predictions
        // at 0, 90 and 90 degrees: cosines 0, 0, 1 of the pairs 01, 02, 12.
        let at = |degrees: [f64; 3]| {
            let rows = degrees.map(|angle| [angle.to_radians().cos(), angle.to_radians().sin()]);
            Tensor::from_slice(&rows.concat()).view([3, 2]).to_kind(Kind::Float)
        };
        let (prediction, target) = (at([0.0, 90.0, 90.0]), at([0.0, 40.0, 90.0]));
        let cosine = |degrees: f64| degrees.to_radians().cos();
        let pairs = [cosine(40.0), cosine(90.0), 1.0 - cosine(50.0)].map(|off| off * off);
        close(&topology(&prediction, &target, None, 0), pairs.iter().sum::<f64>() / 3.0);
        close(&topology(&prediction, &target, None, 1), (2.0 * pairs[0] + pairs[2]) / 3.0);
        // With every other row a neighbour it is all pairs again.
        close(&topology(&prediction, &target, None, 2), pairs.iter().sum::<f64>() / 3.0);
        // Gated, the pair 01 counts 0.02 twice, 12 counts 0.05 once.
        let gate = Tensor::from_slice(&[0.2_f32, 0.1, 0.5]).view([3, 1]);
        let expected = (2.0 * 0.02 * pairs[0] + 0.05 * pairs[2]) / 0.09;
        close(&topology(&prediction, &target, Some(&gate), 1), expected);
    }

    #[test]
    fn an_untrained_network_gets_a_finite_gradient() {
        let zeros = Tensor::zeros([3, 2], (Kind::Float, tch::Device::Cpu)).set_requires_grad(true);
        topology(&zeros, &rows().1, None, 0).backward();
        assert!(zeros.grad().isfinite().all().int64_value(&[]) == 1);
    }

    #[test]
    fn distances_by_hand() {
        let (a, b) = (Tensor::from_slice(&[0.0_f32, 0.0]), Tensor::from_slice(&[3.0_f32, 0.5]));
        close(&Distance::L1.between(&a, &b), 1.75);
        close(&Distance::L2.between(&a, &b), 4.625);
        // Huber: 3 - 1/2 beyond the bend, 1/8 before it.
        close(&Distance::Huber.between(&a, &b), 1.3125);
    }
}
