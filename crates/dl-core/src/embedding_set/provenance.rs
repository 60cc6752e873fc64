//! Where a set comes from, and how the origins of two sets may contradict each other.

use serde::{Deserialize, Serialize};

/// Where a set comes from. An empty string says that it is not known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// `train`, `validation`, `test` or the user's own word.
    pub split: String,
    /// Fingerprint of the encoder.
    pub encoder: String,
    /// Fingerprint of the corpus (sounds and captions).
    pub corpus: String,
    /// The bridges that the audio side has been through, first to last.
    #[serde(default)]
    pub bridges: Vec<String>,
}

/// Two sets that cannot be used together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MismatchError {
    /// Their embeddings lie in different spaces.
    #[error("the sets are of different encoders ({one} and {other}); embed both with one encoder")]
    Encoder {
        /// Encoder of the first set (first digits of its fingerprint).
        one: String,
        /// Encoder of the second.
        other: String,
    },
    /// Their embeddings have different sizes.
    #[error(
        "the sets have embeddings of {one} and of {other} dimensions; embed both with one encoder"
    )]
    Dimensions {
        /// Dimensions of the first set.
        one: usize,
        /// Dimensions of the second.
        other: usize,
    },
    /// Clips stand in both.
    #[error(
        "{count} of the clips stand in both sets ({shown}); what a model is chosen or judged by \
         must not be what it is fitted to, so leave them out of one"
    )]
    Overlap {
        /// How many.
        count: usize,
        /// The first ids, quoted.
        shown: String,
    },
}
