#![doc = include_str!("../README.md")]

mod bridge;
pub mod bridges;
pub mod denoising_network;
mod draws;
mod error;
pub mod loss;
mod methods;
pub mod network;
pub mod pairs;
pub mod process;
pub mod samplers;
pub mod schedule;
pub mod scores;
pub mod space;
pub mod unet;

pub use bridge::{Bridge, BridgeData, load};
pub use error::BridgeError;
pub use methods::BridgeConfig;
