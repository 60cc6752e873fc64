//! One file per method.

pub mod diffusion_link;
pub mod embedding_shift;
pub mod mlp_regression;
pub mod nearest_neighbour;
pub mod none;
pub mod projection;
pub mod ridge;
