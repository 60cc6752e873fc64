#![doc = include_str!("../README.md")]

pub mod bridges;
pub mod config;
pub mod data;
pub mod denoising_network;
mod error;
mod fitted;
pub mod loss;
pub mod method;
mod moments;
pub mod network;
mod noise;
pub mod process;
pub mod samplers;
pub mod schedule;
pub mod scores;
pub mod space;
pub mod unet;

// The registration macros name it.
#[doc(hidden)]
pub use inventory;

pub use config::BridgeConfig;
pub use data::{BridgeData, Mismatch};
pub use error::BridgeError;
pub use fitted::{Bridge, BridgeReport, SetNote};
pub use noise::RowNoise;
