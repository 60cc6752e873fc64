//! What every other crate of Diffusion-Link may know: the embedding file that
//! passes between them, fingerprints, counter-based noise, stages with their locks, run
//! directories, atomic files, and the progress interface. No libtorch here.

pub mod atomic;
pub mod embedding_set;
pub mod fault;
pub mod fingerprint;
pub mod lock;
pub mod noise;
pub mod npy;
pub mod progress;
pub mod regular;
pub mod run;
pub mod stable;
pub mod stage;
pub mod tagged;
pub mod text;
pub mod unit;

pub use embedding_set::{EmbeddingSet, MismatchError, Provenance};
pub use fault::{ConfigError, FileError, Under};
pub use fingerprint::Fingerprint;
pub use lock::{IfBusy, Lock, LockError};
pub use progress::{Progress, Silent};
pub use run::RunDir;
pub use stage::{Claim, Draft, Stage, StageError, StageKey, Store};
