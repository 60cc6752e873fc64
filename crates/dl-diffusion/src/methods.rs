//! The closed set of methods, and what each of them gives: a configuration that fits
//! and loads, and a fitted method that moves rows.

use std::path::Path;

use dl_torch::{TrainContext, tensor_file::Tensors};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tch::{Device, Tensor};

use crate::{
    bridges::{
        brownian_bridge::BrownianBridgeConfig, c3::C3Config,
        diffusion_bridge::DiffusionBridgeConfig, diffusion_link::DiffusionLinkConfig,
        embedding_shift::EmbeddingShiftConfig, mlp_regression::MlpRegressionConfig,
        nearest_neighbour::NearestNeighbourConfig, none::NoneConfig, pls::PlsConfig,
        procrustes::ProcrustesConfig, projection::ProjectionConfig, retrieval::RetrievalConfig,
        ridge::RidgeConfig, seed_style::SeedStyleConfig, transport::TransportConfig,
    },
    error::BridgeError,
    pairs::Pairs,
    samplers::RowNoise,
};

/// The methods. Adding one means one file in `bridges` and one arm here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum BridgeConfig {
    /// The audio embedding as it is.
    None(NoneConfig),
    /// Adds the difference of the means.
    EmbeddingShift(EmbeddingShiftConfig),
    /// The nearest training caption.
    NearestNeighbour(NearestNeighbourConfig),
    /// A softmax-weighted mean of the training captions.
    Projection(ProjectionConfig),
    /// Centring of both sides (C3).
    C3(C3Config),
    /// Orthogonal Procrustes.
    Procrustes(ProcrustesConfig),
    /// Ridge regression.
    Ridge(RidgeConfig),
    /// Partial least squares.
    Pls(PlsConfig),
    /// Regression with the network of Diffusion-Link.
    MlpRegression(MlpRegressionConfig),
    /// Diffusion Bridge: a diffusion model of text alone.
    DiffusionBridge(Box<DiffusionBridgeConfig>),
    /// SEED's recipe.
    SeedStyle(SeedStyleConfig),
    /// Diffusion-Link.
    DiffusionLink(Box<DiffusionLinkConfig>),
    /// A Schrödinger bridge from the audio embedding.
    BrownianBridge(BrownianBridgeConfig),
    /// Another bridge, then a vote of the training captions.
    Retrieval(RetrievalConfig),
    /// Another bridge, then Gaussian transport to the text's covariance.
    Transport(TransportConfig),
}

impl Default for BridgeConfig {
    fn default() -> Self {
        Self::DiffusionLink(Box::default())
    }
}

impl BridgeConfig {
    /// The names of all methods.
    pub const KINDS: &[&str] = &[
        "none",
        "embedding_shift",
        "c3",
        "nearest_neighbour",
        "projection",
        "procrustes",
        "ridge",
        "pls",
        "mlp_regression",
        "diffusion_bridge",
        "seed_style",
        "diffusion_link",
        "brownian_bridge",
        "retrieval",
        "transport",
    ];

    /// For a method that stands on another.
    pub(crate) fn fit_method(
        &self,
        pairs: &Pairs,
        context: &TrainContext<'_>,
    ) -> Result<Box<dyn Method>, BridgeError> {
        self.method().fit(pairs, context)
    }

    /// For a method that stands on another.
    pub(crate) fn load_method(&self, stored: Stored<'_>) -> Result<Box<dyn Method>, BridgeError> {
        self.method().load(stored)
    }

    pub(crate) fn method(&self) -> &dyn MethodConfig {
        match self {
            Self::None(config) => config,
            Self::EmbeddingShift(config) => config,
            Self::NearestNeighbour(config) => config,
            Self::Projection(config) => config,
            Self::C3(config) => config,
            Self::Procrustes(config) => config,
            Self::Ridge(config) => config,
            Self::Pls(config) => config,
            Self::MlpRegression(config) => config,
            Self::DiffusionBridge(config) => config.as_ref(),
            Self::SeedStyle(config) => config,
            Self::DiffusionLink(config) => config.as_ref(),
            Self::BrownianBridge(config) => config,
            Self::Retrieval(config) => config,
            Self::Transport(config) => config,
        }
    }

    /// The method, as the configuration spells it.
    pub fn name(&self) -> &'static str {
        self.method().name()
    }

    /// A method by its name, with its defaults.
    ///
    /// # Errors
    /// [`BridgeError::Config`] with all names for one that is not there.
    pub fn of_kind(name: &str) -> Result<Self, BridgeError> {
        serde_json::from_value(json!({ "kind": name })).map_err(|_| BridgeError::Config {
            field: "method",
            value: name.to_owned(),
            range: format!("one of {}", Self::KINDS.join(", ")),
        })
    }

    /// Whether [`Bridge::text`] and [`Bridge::decoder_text`] are anything but the
    /// captions' embeddings: such a bridge needs a decoder of its own.
    pub fn moves_text(&self) -> bool {
        self.method().moves_text()
    }

    /// Standard deviation, per dimension of the unit vector, of the noise that the
    /// method's source puts on its decoder's training inputs; `None` where it asks for
    /// none of its own.
    pub fn decoder_noise(&self) -> Option<f64> {
        self.method().decoder_noise()
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`BridgeError`] for the first field out of range.
    pub fn validate(&self) -> Result<(), BridgeError> {
        self.method().validate()
    }
}

/// A method's configuration.
pub(crate) trait MethodConfig {
    /// As the configuration spells it.
    fn name(&self) -> &'static str;
    /// Checks every range.
    fn validate(&self) -> Result<(), BridgeError>;
    /// Fits on the training pairs and chooses by the validation pairs.
    fn fit(
        &self,
        pairs: &Pairs,
        context: &TrainContext<'_>,
    ) -> Result<Box<dyn Method>, BridgeError>;
    /// Whether [`Method::text`] changes anything.
    fn moves_text(&self) -> bool {
        false
    }
    /// Noise that the source puts on the decoder's training inputs.
    fn decoder_noise(&self) -> Option<f64> {
        None
    }
    /// The method from what [`Method::tensors`] and [`Method::report`] gave.
    fn load(&self, stored: Stored<'_>) -> Result<Box<dyn Method>, BridgeError>;
}

/// A fitted method. Rows in are unit vectors; rows out need not be.
pub(crate) trait Method: Send {
    /// `[rows, dim]` to `[rows, dim]`.
    fn apply(&self, audio: &Tensor, noise: RowNoise<'_>) -> Result<Tensor, BridgeError>;
    /// Captions `[captions, dim]` in the space of the output.
    fn text(&self, text: &Tensor) -> Tensor {
        text.shallow_clone()
    }
    /// What a text-only decoder trains on.
    fn decoder_text(&self, text: &Tensor, _: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        Ok(self.text(text))
    }
    /// Everything that was fitted, by name.
    fn tensors(&self) -> Tensors;
    /// What validation chose, and how training went.
    fn report(&self) -> Value;
}

/// The content of a bridge file, for a method to take its own from.
pub(crate) struct Stored<'a> {
    pub(crate) path: &'a Path,
    pub(crate) dim: usize,
    pub(crate) device: Device,
    pub(crate) tensors: Tensors,
    pub(crate) report: Value,
}

impl Stored<'_> {
    /// A tensor of a given shape; -1 leaves a size open.
    pub(crate) fn take(&mut self, name: &str, shape: &[i64]) -> Result<Tensor, BridgeError> {
        let tensor = self.tensors.remove(name).ok_or_else(|| {
            BridgeError::file(self.path, format!("tensor `{name}` is missing; fit the bridge anew"))
        })?;
        let size = tensor.size();
        let fits = size.len() == shape.len()
            && size.iter().zip(shape).all(|(&got, &want)| want == -1 || got == want);
        if fits {
            Ok(tensor)
        } else {
            let problem = format!("tensor `{name}` is {size:?}, expected {shape:?} (-1 is any)");
            Err(BridgeError::file(self.path, problem))
        }
    }

    /// The method's report in its own type.
    pub(crate) fn report<T: serde::de::DeserializeOwned>(&self) -> Result<T, BridgeError> {
        serde_json::from_value(self.report.clone()).map_err(|error| {
            BridgeError::file(self.path, format!("its header does not fit its method: {error}"))
        })
    }
}

/// How a method keeps the method that it stands on: its tensors under a prefix.
pub(crate) struct Inner;

impl Inner {
    const PREFIX: &str = "of.";

    pub(crate) fn tensors(method: &dyn Method) -> Tensors {
        let tensors = method.tensors();
        tensors.into_iter().map(|(name, x)| (format!("{}{name}", Self::PREFIX), x)).collect()
    }

    pub(crate) fn stored(outer: Stored<'_>, report: Value) -> Stored<'_> {
        let tensors = outer.tensors.into_iter();
        let tensors = tensors
            .filter_map(|(name, x)| Some((name.strip_prefix(Self::PREFIX)?.to_owned(), x)))
            .collect();
        Stored { tensors, report, ..outer }
    }
}
