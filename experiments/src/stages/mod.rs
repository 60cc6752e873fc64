//! The stages from sound to caption. Each is a function of (keys of its inputs, its own
//! configuration, its own version, the kind of device) to (key, output), kept under
//! `<runs>/<suite>/stages/` (see `dl_core::stage`). Keys come from configuration and from
//! the content of files: asking for one loads no model and computes nothing.
//!
//! A stage is a [`Work`]: it knows its key and the stages that it needs, and can be made
//! when those are. [`Lab::make`] makes what is missing of any number of them, side by side.

mod bridge;
mod captioner;
mod captions;
mod cost;
mod embeddings;
mod features;
mod forecast;
mod gap;
mod lab;
mod language_model;
mod models;
mod once;
mod parallel;
mod recognition;
mod recordings;
mod source;
mod speed;
mod splits;
mod suite;
mod work;

pub use bridge::{Bridged, Fit, OutOfFold, Part};
pub use captioner::{DecoderInputs, Recipe, TrainedCaptioner};
pub use captions::{Captions, Clips, Prediction};
pub use cost::{Bench, Cost, Took};
pub use embeddings::Embeddings;
pub use features::{Features, LeftOut, Slice};
pub use forecast::{Forecast, Total};
pub use gap::{Gap, Measured};
pub use lab::{Lab, Services};
pub use language_model::FrozenLm;
pub use models::{Frozen, kept};
pub use once::Once;
pub use parallel::side_by_side;
pub use recognition::{Recognised, Singles};
pub use recordings::clusters;
pub use source::Source;
pub use splits::Splits;
pub use suite::Suite;
pub(crate) use work::all;
pub use work::{Desk, Made, Planned, Work};
