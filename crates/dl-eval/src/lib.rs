//! Metrics: the modality gap ([`gap`]), captions ([`caption`]) and their
//! statistics ([`stats`]). Pure functions on arrays and strings; no libtorch.

pub mod caption;
pub mod error;
pub mod gap;
pub mod stats;

// The registration macro names it.
#[doc(hidden)]
pub use inventory;

pub use error::EvalError;
