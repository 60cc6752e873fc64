//! One file per method.

pub mod affine;
mod brownian_bridge;
mod c3;
mod centring;
mod common;
mod diffusion_bridge;
mod diffusion_link;
mod embedding_shift;
mod kernel_ridge;
mod mlp_regression;
mod nearest_neighbour;
mod none;
mod pls;
mod procrustes;
mod projection;
mod realign;
mod retrieval;
mod ridge;
mod seed_style;
mod support;
mod transport;

pub(crate) use common::check_all;

pub use brownian_bridge::BrownianBridgeConfig;
pub use c3::C3Config;
pub use diffusion_bridge::DiffusionBridgeConfig;
pub use diffusion_link::DiffusionLinkConfig;
pub use embedding_shift::EmbeddingShiftConfig;
pub use kernel_ridge::KernelRidgeConfig;
pub use mlp_regression::MlpRegressionConfig;
pub use nearest_neighbour::NearestNeighbourConfig;
pub use none::NoneConfig;
pub use pls::PlsConfig;
pub use procrustes::ProcrustesConfig;
pub use projection::ProjectionConfig;
pub use realign::ReAlignConfig;
pub use retrieval::RetrievalConfig;
pub use ridge::RidgeConfig;
pub use seed_style::SeedStyleConfig;
pub use transport::{Spread, TransportConfig};
