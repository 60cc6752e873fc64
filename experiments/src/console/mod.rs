//! What the user reads: results on standard output, and what goes on meanwhile on
//! standard error.

mod output;
mod pace;
mod progress;

pub use output::{Output, note};
pub use pace::{Ahead, in_words};
pub use progress::{Reporter, Task};
