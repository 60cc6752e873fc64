//! The network of Diffusion Bridge: its own U-Net, or the residual MLP of
//! Diffusion-Link in its place.

use dl_core::{
    ConfigError,
    tagged::{self, Tagged},
};
use dl_torch::Path;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use tch::Tensor;

use crate::{
    network::{Network, NetworkConfig},
    unet::{Unet, UnetConfig},
};

/// Which network, by `kind`, and its size. Without a `kind` it is the residual MLP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DenoisingNetworkConfig {
    /// The 1-D U-Net, as published: `unet`.
    Unet(UnetConfig),
    /// The residual MLP: `residual_mlp`.
    ResidualMlp(NetworkConfig),
}

const UNET: &str = "unet";
const RESIDUAL_MLP: &str = "residual_mlp";

impl Default for DenoisingNetworkConfig {
    fn default() -> Self {
        Self::ResidualMlp(NetworkConfig::default())
    }
}

impl Serialize for DenoisingNetworkConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unet(config) => tagged::write(UNET, &tagged::value(config), serializer),
            Self::ResidualMlp(config) => {
                tagged::write(RESIDUAL_MLP, &tagged::value(config), serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for DenoisingNetworkConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Tagged { kind, fields } = Tagged::read(deserializer)?;
        let config = match kind.as_deref().unwrap_or(RESIDUAL_MLP) {
            UNET => tagged::fields(fields).map(Self::Unet),
            RESIDUAL_MLP => tagged::fields(fields).map(Self::ResidualMlp),
            other => return Err(tagged::unknown(other, &[RESIDUAL_MLP, UNET])),
        };
        config.map_err(D::Error::custom)
    }
}

impl DenoisingNetworkConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`ConfigError`] for the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
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
    ) -> Result<DenoisingNetwork, ConfigError> {
        Ok(match self {
            Self::Unet(config) => DenoisingNetwork::Unet(Box::new(Unet::new(path, dim, config)?)),
            Self::ResidualMlp(config) => {
                DenoisingNetwork::ResidualMlp(Box::new(Network::new(path, dim, config, true)))
            }
        })
    }
}

/// A network of rows and their timesteps.
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

    /// All rows at one timestep: `[rows, dim]` to `[rows, dim]`.
    pub(crate) fn forward_at(&self, x: &Tensor, timestep: usize) -> Tensor {
        match self {
            Self::Unet(network) => {
                network.forward(x, &Tensor::from_slice(&[timestep as i64]).to_device(x.device()))
            }
            Self::ResidualMlp(network) => network.forward_at(x, timestep),
        }
    }

    /// `x` is `[rows, dim]`; `timesteps` i64 `[rows]`. Returns `[rows, dim]`.
    pub(crate) fn forward(&self, x: &Tensor, timesteps: &Tensor) -> Tensor {
        match self {
            Self::Unet(network) => network.forward(x, timesteps),
            Self::ResidualMlp(network) => network.forward(x, timesteps),
        }
    }
}
