//! CIDEr-D (Vedantam et al., 2015, section 4), equal to the COCO caption tools, which call
//! it CIDEr.
//!
//! - **Formula.** An n-gram weighs `count * ln(D / d)` in a caption, where it stands in the
//!   references of `d` of `D` clips (at least 1). For each n from 1 to 4, the cosine
//!   of candidate and reference, the candidate's weights cut to the reference's in the
//!   product, times `exp(-l² / (2 * 6²))` for a difference of `l` bigrams; mean over n
//!   and over references, times 10. `D` and `d` are those of the references at hand, or of
//!   given captions ([`per_item_in`]).
//! - **Range** 0 to 10; identical captions of four words and more reach 10. **Corpus.** The
//!   mean over items; one clip alone has no score.
//! - **Not measured.** Meaning; synonyms; grammar. A score from other references or
//!   another number of clips is not comparable.

use foldhash::HashMap;
use rayon::prelude::*;

use super::{
    Item, check,
    ngrams::{Ngram, counted, numbered_items, runs},
};
use crate::EvalError;

const SIGMA: f64 = 6.0;

/// The score of each item, with the document frequencies of their own references; the
/// corpus score is their mean.
///
/// # Errors
/// [`EvalError::TooFewClips`] under two items, [`EvalError::NoReference`].
pub fn per_item(items: &[Item]) -> Result<Vec<f64>, EvalError> {
    scores(items, None)
}

/// The same with the document frequencies of `documents`: of each clip of another corpus
/// its captions as tokens. So that a few clips are scored as part of a large set, or sets
/// of different size alike.
///
/// # Errors
/// [`EvalError::TooFewClips`] under two documents, [`EvalError::NoReference`].
pub fn per_item_in(items: &[Item], documents: &[Vec<Vec<String>>]) -> Result<Vec<f64>, EvalError> {
    scores(items, Some(documents))
}

fn scores(items: &[Item], documents: Option<&[Vec<Vec<String>>]>) -> Result<Vec<f64>, EvalError> {
    check(items)?;
    let count = documents.map_or(items.len(), <[_]>::len);
    if count < 2 {
        return Err(EvalError::TooFewClips(count));
    }
    let (sentences, others) = numbered_items(items, documents.unwrap_or_default());
    let documents: Vec<&[Vec<u32>]> = match documents {
        Some(_) => others.iter().map(Vec::as_slice).collect(),
        None => sentences.iter().map(|sentences| &sentences[1..]).collect(),
    };
    let idf = [1, 2, 3, 4].into_par_iter().map(|n| inverse_frequencies(&documents, n));
    let idf = Idf { by_n: idf.collect(), unseen: (count as f64).ln() };
    Ok(sentences.par_iter().map(|sentences| score(sentences, &idf)).collect())
}

/// Logarithms of the number of documents over the number of those that hold an n-gram.
struct Idf {
    by_n: Vec<HashMap<Ngram, f64>>,
    /// Of an n-gram that stands in none: as if in one.
    unseen: f64,
}

impl Idf {
    fn of(&self, n: usize, ngram: Ngram) -> f64 {
        self.by_n[n - 1].get(&ngram).copied().unwrap_or(self.unseen)
    }
}

/// Of each run of `n` words in `documents`.
fn inverse_frequencies(documents: &[&[Vec<u32>]], n: usize) -> HashMap<Ngram, f64> {
    let mut frequencies: HashMap<Ngram, f64> = HashMap::default();
    let mut seen: Vec<Ngram> = Vec::new();
    for captions in documents {
        seen.clear();
        seen.extend(captions.iter().flat_map(|caption| runs(caption, n)));
        seen.sort_unstable();
        seen.dedup();
        for &ngram in &seen {
            *frequencies.entry(ngram).or_default() += 1.0;
        }
    }
    let log_count = (documents.len() as f64).ln();
    frequencies.values_mut().for_each(|value| *value = log_count - value.ln());
    frequencies
}

/// The tf-idf vector of one caption, by n.
struct Vector {
    /// Ascending by n-gram.
    weights: [Vec<(Ngram, f64)>; 4],
    norms: [f64; 4],
    bigrams: f64,
}

impl Vector {
    fn new(words: &[u32], idf: &Idf) -> Self {
        let weights = [1, 2, 3, 4].map(|n| {
            let weight = |(ngram, count)| (ngram, f64::from(count) * idf.of(n, ngram));
            counted(words, n).into_iter().map(weight).collect::<Vec<_>>()
        });
        let norm = |n: usize| weights[n].iter().map(|(_, w): &(_, f64)| w * w).sum::<f64>().sqrt();
        let norms = std::array::from_fn(norm);
        Self { weights, norms, bigrams: words.len().saturating_sub(1) as f64 }
    }

    fn similarity(&self, reference: &Self) -> f64 {
        let delta = self.bigrams - reference.bigrams;
        let penalty = (-delta * delta / (2.0 * SIGMA * SIGMA)).exp();
        let by_n = (0..4).map(|n| {
            let product = clipped_product(&self.weights[n], &reference.weights[n]);
            let norms = self.norms[n] * reference.norms[n];
            if norms == 0.0 { product } else { product / norms }
        });
        by_n.sum::<f64>() * penalty / 4.0
    }
}

/// Over the n-grams of both: the reference's weight times the candidate's, which counts
/// no higher than the reference's.
fn clipped_product(candidate: &[(Ngram, f64)], reference: &[(Ngram, f64)]) -> f64 {
    let mut rest = reference;
    let mut product = 0.0;
    for &(ngram, own) in candidate {
        while rest.first().is_some_and(|entry| entry.0 < ngram) {
            rest = &rest[1..];
        }
        if let Some(&(_, other)) = rest.first().filter(|entry| entry.0 == ngram) {
            product += own.min(other) * other;
        }
    }
    product
}

/// The candidate is the first of the sentences.
fn score(sentences: &[Vec<u32>], idf: &Idf) -> f64 {
    let Some((candidate, references)) = sentences.split_first() else { return 0.0 };
    let candidate = Vector::new(candidate, idf);
    let sum: f64 =
        references.iter().map(|words| candidate.similarity(&Vector::new(words, idf))).sum();
    10.0 * sum / references.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toy_by_hand() {
        // Two clips: every n-gram of one clip has idf ln 2. The candidate "a b" against
        // the reference "a c": unigrams share one of two equal weights, so 1/2; no
        // bigram is shared; 3- and 4-grams do not exist. Mean over n: 1/8; times 10.
        let items = [Item::new("a b", &["a c"]), Item::new("x y", &["x y"])];
        let scores = per_item(&items).unwrap();
        assert!((scores[0] - 1.25).abs() < 1e-12, "{}", scores[0]);
        // Identical, but only 1- and 2-grams exist: 10 * 2/4.
        assert!((scores[1] - 5.0).abs() < 1e-12, "{}", scores[1]);
    }

    #[test]
    fn frequencies_of_another_corpus() {
        let items = [
            Item::new("a dog barks", &["a dog barks twice", "one dog"]),
            Item::new("rain falls", &["the rain falls"]),
            Item::new("a bird", &["a bird sings", "a dog and a bird"]),
        ];
        // Scored alone in the corpus of all, a part is scored as among all.
        let all = per_item(&items).unwrap();
        let documents = items.each_ref().map(|item| item.references.clone());
        let part = per_item_in(&items[..1], &documents).unwrap();
        assert!((part[0] - all[0]).abs() < 1e-15 && part[0] > 0.0, "{part:?} {all:?}");
        assert!((part[0] - per_item(&items[..2]).unwrap()[0]).abs() > 1e-3);
        let error = per_item_in(&items, &documents[..1]).unwrap_err();
        assert_eq!(error, EvalError::TooFewClips(1));
    }

    #[test]
    fn one_item_has_no_score() {
        let error = per_item(&[Item::new("a", &["a"])]).unwrap_err();
        assert_eq!(error, EvalError::TooFewClips(1));
    }
}
