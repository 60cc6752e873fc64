//! Frozen audio-text encoders: pretrained towers (aiSFX for sound, MiniLM for
//! text), projection heads trained contrastively on top of them, features of
//! whole corpora extracted once and kept, and a sanity report of the result.
//!
//! Everything computes on the `tch::Device` that it is given.

pub mod aisfx;
mod bert;
pub mod clap;
mod contrastive;
pub mod encoder;
pub mod error;
pub mod features;
pub mod fluency;
pub mod functions;
pub mod heads;
pub mod minilm;
pub mod pairs;
pub mod registry;
pub mod sanity;
pub mod text;
pub mod tokens;
pub mod torchscript;
pub mod tower;
pub mod transformer;

pub use aisfx::{Aisfx, AisfxConfig};
pub use clap::{Clap, ClapConfig};
pub use encoder::{AudioEncoder, Encoder, FrontEnd, HeadedEncoder};
pub use error::EncoderError;
pub use features::{Extracted, Extraction, Fault, extract};
pub use fluency::FluencyClassifier;
pub use functions::FunctionEncoder;
pub use heads::{Heads, HeadsConfig};
#[doc(hidden)]
pub use inventory;
pub use minilm::{MiniLm, MiniLmConfig};
pub use pairs::Pairs;
pub use registry::{EncoderConfig, EncoderMethod};
pub use sanity::{Sanity, sanity};
pub use text::{TextTokenizer, TokenBatch};
pub use tokens::TokenStates;
pub use torchscript::{TorchScriptConfig, TorchScriptEncoder};
pub use tower::{AudioTowerConfig, TextTower, TextTowerConfig, TowerPair, TowerPairConfig};
