//! MLP regression: the network of Diffusion-Link without time and noise, trained
//! to turn audio embeddings into their captions' embeddings.

use dl_core::{ConfigError, Under, noise::Noise};
use dl_torch::{
    Params, TrainConfig, TrainContext, TrainReport, convert::indices, layers::l2_normalise,
    tensor_file::Tensors,
};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::common::{JITTER, Learning, augment, check_jitter, default_training, items_of};
use crate::{
    data::Pairs,
    error::BridgeError,
    loss::Distance,
    method::{BridgeMethod, Family, FittedMethod, MethodReport, Stored},
    network::{Network, NetworkConfig},
    noise::{RowNoise, normal},
    register_bridge,
    scores::{Criterion, Scores},
    space::Scale,
};

/// Network and training. The defaults are those of Diffusion-Link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MlpRegressionConfig {
    /// Size of the network.
    pub network: NetworkConfig,
    /// What unit vectors are multiplied by, on both sides.
    pub scale: Scale,
    /// How predictions are compared with text embeddings.
    pub distance: Distance,
    /// Standard deviation, per dimension of the unit vector, of normal noise added
    /// to the audio side in training; at least 0.
    pub jitter: f64,
    /// Length, batches and rates.
    pub train: TrainConfig,
    /// What validation chooses the weights by.
    pub select: Criterion,
}

impl Default for MlpRegressionConfig {
    fn default() -> Self {
        Self {
            network: NetworkConfig::default(),
            scale: Scale::SqrtDim,
            distance: Distance::L1,
            jitter: JITTER,
            train: default_training(),
            select: Criterion::default(),
        }
    }
}

struct MlpRegression {
    params: Params,
    network: Network,
    factor: f64,
    training: TrainReport,
}

impl MlpRegressionConfig {
    fn build(&self, params: Params, dim: usize) -> MlpRegression {
        let network = Network::new(&params.root(), dim, &self.network, false);
        let factor = self.scale.factor(dim);
        MlpRegression { params, network, factor, training: TrainReport::default() }
    }
}

register_bridge!(MlpRegressionConfig);

impl BridgeMethod for MlpRegressionConfig {
    const KIND: &'static str = "mlp_regression";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Regression;

    fn validate(&self) -> Result<(), ConfigError> {
        self.network.validate().under("network")?;
        self.scale.validate().under("scale")?;
        check_jitter(self.jitter)?;
        self.train.validate().under("train")
    }

    fn fit(
        &self,
        pairs: &Pairs,
        context: &TrainContext<'_>,
    ) -> Result<Box<dyn FittedMethod>, BridgeError> {
        let mut model = self.build(Params::new(context.seed, pairs.device), pairs.dim);
        let (train, validation) = (&pairs.train, &pairs.validation);
        let noise = Noise::new(context.seed, "mlp_regression/train");
        let loss = |step: u64, batch: &[usize]| {
            let rows = indices(batch, pairs.device);
            let mut audio = train.audio.index_select(0, &train.owners.index_select(0, &rows));
            if self.jitter > 0.0 {
                let draws = normal(&noise, &items_of(batch), step, pairs.dim, pairs.device);
                audio = augment(&audio, &draws, self.jitter);
            }
            let target = train.text.index_select(0, &rows) * model.factor;
            Ok(self.distance.between(&model.predict(&audio), &target))
        };
        let unbridged = Scores::of(&validation.audio, validation)?;
        let validate = || {
            let bridged = l2_normalise(&model.predict(&validation.audio));
            Ok(self.select.value(&Scores::of(&bridged, validation)?, &unbridged))
        };
        let learning = Learning {
            stream: "bridge/mlp_regression",
            configuration: self,
            train: &self.train,
            pairs,
        };
        let training = learning.fit(&model.params, context, loss, validate)?;
        model.training = training;
        model.params.freeze();
        Ok(Box::new(model))
    }

    fn load(&self, stored: Stored<'_>) -> Result<Box<dyn FittedMethod>, BridgeError> {
        let mut model = self.build(Params::stored(stored.tensors, stored.device), stored.dim);
        model.params.check_stored(stored.path)?;
        model.training = stored.report.training.unwrap_or_default();
        Ok(Box::new(model))
    }
}

impl MlpRegression {
    /// Unit rows to scaled predictions.
    fn predict(&self, audio: &Tensor) -> Tensor {
        self.network.forward_at(&(audio * self.factor), 0)
    }
}

impl FittedMethod for MlpRegression {
    fn apply(&self, audio: &Tensor, _: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        Ok(self.predict(audio))
    }

    fn tensors(&self) -> Tensors {
        self.params.named()
    }

    fn report(&self) -> MethodReport {
        MethodReport::default().after(self.training.clone())
    }
}
