//! MLP regression: the network of Diffusion-Link without time and noise, trained
//! to turn audio embeddings into their captions' embeddings.

use dl_core::noise::Noise;
use dl_torch::{
    Params, TrainConfig, TrainContext, TrainReport, convert::indices, layers::l2_normalise,
    tensor_file::Tensors, train,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tch::Tensor;

use crate::{
    bridges::diffusion_link::{check_jitter, default_training},
    error::BridgeError,
    loss::Distance,
    methods::{Method, MethodConfig, Stored},
    network::{Network, NetworkConfig},
    pairs::Pairs,
    samplers::RowNoise,
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
            jitter: 0.0,
            train: default_training(),
            select: Criterion::default(),
        }
    }
}

struct MlpRegression {
    params: Params,
    network: Network,
    factor: f64,
    report: TrainReport,
}

impl MlpRegressionConfig {
    fn build(&self, seed: u64, dim: usize, device: tch::Device) -> MlpRegression {
        let params = Params::new(seed, device);
        let network = Network::new(&params.root(), dim, &self.network, false);
        let factor = self.scale.factor(dim);
        MlpRegression { params, network, factor, report: TrainReport::default() }
    }
}

impl MethodConfig for MlpRegressionConfig {
    fn name(&self) -> &'static str {
        "mlp_regression"
    }

    fn validate(&self) -> Result<(), BridgeError> {
        self.network.validate()?;
        self.scale.validate()?;
        check_jitter(self.jitter)?;
        Ok(self.train.validate()?)
    }

    fn fit(
        &self,
        pairs: &Pairs,
        context: &TrainContext<'_>,
    ) -> Result<Box<dyn Method>, BridgeError> {
        let mut model = self.build(context.seed, pairs.dim, pairs.device);
        let (train, validation) = (&pairs.train, &pairs.validation);
        let noise = Noise::new(context.seed, "mlp_regression/train");
        let loss = |step: u64, batch: &[usize]| {
            let rows = indices(batch, pairs.device);
            let mut audio = train.audio.index_select(0, &train.owners.index_select(0, &rows));
            if self.jitter > 0.0 {
                let items: Vec<u64> = batch.iter().map(|&pair| pair as u64).collect();
                let draws = Tensor::from_slice(&noise.normal_rows(&items, step, pairs.dim));
                let draws = draws.view_as(&audio).to_device(pairs.device);
                audio = l2_normalise(&(audio + draws * self.jitter));
            }
            let target = train.text.index_select(0, &rows) * model.factor;
            Ok(self.distance.between(&model.predict(&audio), &target))
        };
        let unbridged = Scores::of(&validation.audio, validation)?;
        let validate = || {
            let bridged = l2_normalise(&model.predict(&validation.audio));
            Ok(self.select.value(&Scores::of(&bridged, validation)?, &unbridged))
        };
        let pairs = train.pairs();
        let report =
            train::fit::<BridgeError>(&model.params, &self.train, context, pairs, loss, validate)?;
        model.report = report;
        model.params.freeze();
        Ok(Box::new(model))
    }

    fn load(&self, stored: Stored<'_>) -> Result<Box<dyn Method>, BridgeError> {
        let mut model = self.build(0, stored.dim, stored.device);
        model.report = stored.report()?;
        model.params.restore(&stored.tensors, stored.path)?;
        model.params.freeze();
        Ok(Box::new(model))
    }
}

impl MlpRegression {
    /// Unit rows to scaled predictions.
    fn predict(&self, audio: &Tensor) -> Tensor {
        self.network.forward_at(&(audio * self.factor), 0)
    }
}

impl Method for MlpRegression {
    fn apply(&self, audio: &Tensor, _: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        Ok(self.predict(audio))
    }

    fn tensors(&self) -> Tensors {
        self.params.named()
    }

    fn report(&self) -> Value {
        json!(self.report)
    }
}
