#![doc = include_str!("../README.md")]

mod bridge;
pub mod bridges;
mod error;
pub mod loss;
pub mod network;
pub mod pairs;
pub mod process;
pub mod samplers;
pub mod schedule;
pub mod scores;
pub mod space;

pub use bridge::{Bridge, BridgeConfig, BridgeData, load};
pub use error::BridgeError;
