//! Caption metrics. Candidates and references are tokenised once
//! ([`tokenize`]); every metric gives a corpus score and one score per item.

pub mod bert_score;
pub mod bleu;
pub mod cider_d;
pub mod clap_similarity;
pub mod diversity;
pub mod meteor;
pub mod metric;
mod morph;
mod ngrams;
mod ptb;
pub mod registry;
pub mod rouge_l;
pub mod similarity;
pub mod spice;

pub use ptb::{tokenize, tokenize_lines};

use crate::EvalError;

/// A candidate and its references as tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What the system said.
    pub candidate: Vec<String>,
    /// What people said; at least one.
    pub references: Vec<Vec<String>>,
}

impl Item {
    /// Tokenises raw captions.
    pub fn new(candidate: &str, references: &[impl AsRef<str>]) -> Self {
        Self {
            candidate: tokenize(candidate),
            references: references.iter().map(|text| tokenize(text.as_ref())).collect(),
        }
    }

    /// Items of a whole set, tokenised as the caption tools do: all candidates in one
    /// file and all references in another ([`tokenize_lines`]). `references` holds those
    /// of each candidate, in order.
    ///
    /// # Errors
    /// [`EvalError::Shape`] where the two differ in length.
    pub fn all(
        candidates: &[impl AsRef<str> + Sync],
        references: &[impl AsRef<[String]>],
    ) -> Result<Vec<Self>, EvalError> {
        if candidates.len() != references.len() {
            return Err(EvalError::Shape {
                what: "lists of references",
                expected: candidates.len(),
                got: references.len(),
            });
        }
        let flat: Vec<&String> = references.iter().flat_map(AsRef::as_ref).collect();
        let (candidates, flat) =
            rayon::join(|| tokenize_lines(candidates), || tokenize_lines(&flat));
        let mut tokens = flat.into_iter();
        Ok(candidates
            .into_iter()
            .zip(references)
            .map(|(candidate, own)| Self {
                candidate,
                references: tokens.by_ref().take(own.as_ref().len()).collect(),
            })
            .collect())
    }
}

/// Refuses items that have no reference.
pub(crate) fn check(items: &[Item]) -> Result<(), EvalError> {
    match items.iter().position(|item| item.references.is_empty()) {
        Some(index) => Err(EvalError::NoReference(index)),
        None => Ok(()),
    }
}
