//! One file per method.

pub mod brownian_bridge;
pub mod c3;
pub mod diffusion_bridge;
pub mod diffusion_link;
pub mod embedding_shift;
mod linear;
pub mod mlp_regression;
pub mod nearest_neighbour;
pub mod none;
pub mod pls;
pub mod procrustes;
pub mod projection;
pub mod retrieval;
pub mod ridge;
pub mod seed_style;
pub mod transport;
