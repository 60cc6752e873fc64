//! What a metric refuses.

/// Inputs for which a metric has no meaning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// CIDEr-D weighs words by how many clips they occur in; with one clip every weight is 0.
    #[error("CIDEr-D needs at least 2 clips, got {0}; score the whole set together")]
    TooFewClips(usize),
    /// A clip without a reference has no score.
    #[error("clip {0} has no reference caption; give at least one or leave it out")]
    NoReference(usize),
    /// Shapes that do not fit.
    #[error("{what}: expected {expected}, got {got}")]
    Shape {
        /// What was counted.
        what: &'static str,
        /// The number that the other inputs imply.
        expected: usize,
        /// The number found.
        got: usize,
    },
    /// Too few clips for a distribution.
    #[error("gap metrics need at least {needed} clips with captions, got {got}")]
    TooFewPoints {
        /// The least number.
        needed: usize,
        /// The number found.
        got: usize,
    },
}
