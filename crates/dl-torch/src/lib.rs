#![doc = include_str!("../README.md")]

mod checkpoint;
pub mod convert;
pub mod device;
pub mod error;
pub mod layers;
pub mod optim;
pub mod params;
pub mod tensor_file;
pub mod train;
pub mod weights;

pub use device::DeviceChoice;
pub use error::TorchError;
pub use params::{Params, Path};
pub use train::{Subject, TrainConfig, TrainContext, TrainReport};
