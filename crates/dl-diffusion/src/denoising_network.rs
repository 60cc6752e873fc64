//! The network of Diffusion Bridge: its own U-Net, or the residual MLP of
//! Diffusion-Link in its place.

use dl_torch::Path;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::Tensor;

use crate::{
    error::BridgeError,
    network::{Network, NetworkConfig},
    unet::{Unet, UnetConfig},
};

/// Which network, by `kind`, and its size. Without a `kind` it is the residual MLP,
/// which is also written without one: configurations from before there was a choice
/// mean the same and keep their fingerprints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", try_from = "Value")]
pub enum DenoisingNetworkConfig {
    /// The 1-D U-Net, as published.
    Unet(UnetConfig),
    /// The residual MLP.
    #[serde(untagged)]
    ResidualMlp(NetworkConfig),
}

impl Default for DenoisingNetworkConfig {
    fn default() -> Self {
        Self::ResidualMlp(NetworkConfig::default())
    }
}

impl TryFrom<Value> for DenoisingNetworkConfig {
    type Error = String;

    fn try_from(mut value: Value) -> Result<Self, String> {
        let kind = value.as_object_mut().and_then(|fields| fields.remove("kind"));
        let config = match kind.as_ref().map_or(Some("residual_mlp"), Value::as_str) {
            Some("residual_mlp") => serde_json::from_value(value).map(Self::ResidualMlp),
            Some("unet") => serde_json::from_value(value).map(Self::Unet),
            _ => {
                let kind = kind.unwrap_or_default();
                return Err(format!("network.kind = {kind}: must be \"unet\" or \"residual_mlp\""));
            }
        };
        config.map_err(|error| format!("network: {error}"))
    }
}

impl DenoisingNetworkConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`BridgeError::Config`] for the first field out of range.
    pub fn validate(&self) -> Result<(), BridgeError> {
        match self {
            Self::Unet(config) => config.validate(),
            Self::ResidualMlp(config) => config.validate(),
        }
    }

    /// The network for embeddings of `dim` dimensions.
    ///
    /// # Errors
    /// As [`Unet::new`].
    pub(crate) fn build(
        &self,
        path: &Path<'_>,
        dim: usize,
    ) -> Result<DenoisingNetwork, BridgeError> {
        Ok(match self {
            Self::Unet(config) => DenoisingNetwork::Unet(Box::new(Unet::new(path, dim, config)?)),
            Self::ResidualMlp(config) => {
                DenoisingNetwork::ResidualMlp(Box::new(Network::new(path, dim, config, true)))
            }
        })
    }
}

/// A network of rows and their levels.
#[derive(Debug)]
pub(crate) enum DenoisingNetwork {
    Unet(Box<Unet>),
    ResidualMlp(Box<Network>),
}

impl DenoisingNetwork {
    /// Says that the weights stay as they are, see [`Network::freeze`].
    pub(crate) fn freeze(&self) {
        if let Self::ResidualMlp(network) = self {
            network.freeze();
        }
    }

    /// All rows at one level: `[rows, dim]` to `[rows, dim]`.
    pub(crate) fn forward_at(&self, x: &Tensor, level: usize) -> Tensor {
        match self {
            Self::Unet(network) => {
                network.forward(x, &Tensor::from_slice(&[level as i64]).to_device(x.device()))
            }
            Self::ResidualMlp(network) => network.forward_at(x, level),
        }
    }

    /// `x` is `[rows, dim]`; `levels` i64 `[rows]`. Returns `[rows, dim]`.
    pub(crate) fn forward(&self, x: &Tensor, levels: &Tensor) -> Tensor {
        match self {
            Self::Unet(network) => network.forward(x, levels),
            Self::ResidualMlp(network) => network.forward(x, levels),
        }
    }
}
