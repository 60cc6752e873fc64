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
    /// A row that cannot be scaled to unit norm. Comparisons with NaN are false, so
    /// such a row would pass as the nearest neighbour of everything.
    #[error("row {row} of {side} has no direction (its norm is {norm}); find what made it")]
    NoDirection {
        /// "audio", "text" or "captions".
        side: &'static str,
        /// The row, from 0.
        row: usize,
        /// As text, since it may be NaN.
        norm: String,
    },
    /// Two systems of different length, or none at all.
    #[error("a paired test needs two equally long, non-empty lists, got {0} and {1}")]
    Unpaired(usize, usize),
    /// A model that a metric uses.
    #[error("model: {0}")]
    Model(String),
    /// Too few clips for a distribution.
    #[error("gap metrics need at least {needed} clips with captions, got {got}")]
    TooFewPoints {
        /// The least number.
        needed: usize,
        /// The number found.
        got: usize,
    },
    /// Too few clusters to hold some out.
    #[error(
        "gap metrics need clips of at least {needed} clusters, got {got}; label more clips apart"
    )]
    TooFewClusters {
        /// The least number.
        needed: usize,
        /// The number found.
        got: usize,
    },
}
