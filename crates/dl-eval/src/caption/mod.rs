//! Caption metrics. Candidates and references are tokenised once
//! ([`tokenize`]); every metric gives a corpus score and one score per item.

pub mod bleu;
pub mod cider_d;
pub mod diversity;
pub mod meteor;
mod ptb;
pub mod rouge_l;

use std::collections::HashMap;

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
}

/// Refuses items that have no reference.
pub(crate) fn check(items: &[Item]) -> Result<(), EvalError> {
    match items.iter().position(|item| item.references.is_empty()) {
        Some(index) => Err(EvalError::NoReference(index)),
        None => Ok(()),
    }
}

/// How often each run of `n` tokens occurs.
pub(crate) fn ngrams(tokens: &[String], n: usize) -> HashMap<&[String], u32> {
    let mut counts = HashMap::new();
    for ngram in tokens.windows(n) {
        *counts.entry(ngram).or_default() += 1;
    }
    counts
}
