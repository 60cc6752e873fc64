//! The three splits, and numbers given per split.

use serde::{Deserialize, Serialize};

/// A part of a corpus. No recording and no synthesis seed serves two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// What models are fitted to.
    Train,
    /// What settings and checkpoints are chosen by.
    Validation,
    /// What results are reported on.
    Test,
}

impl Split {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The name in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// The split that a word in a list means, whatever its capitals.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "train" | "training" | "dev" | "development" => Self::Train,
            "val" | "valid" | "validation" => Self::Validation,
            "test" | "testing" | "eval" | "evaluation" => Self::Test,
            _ => return None,
        })
    }
}

/// A count for each split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerSplit {
    /// For [`Split::Train`].
    pub train: usize,
    /// For [`Split::Validation`].
    pub validation: usize,
    /// For [`Split::Test`].
    pub test: usize,
}

impl PerSplit {
    /// The count of one split.
    pub fn of(&self, split: Split) -> usize {
        match split {
            Split::Train => self.train,
            Split::Validation => self.validation,
            Split::Test => self.test,
        }
    }
}
