//! CIDEr-D (Vedantam et al., 2015, section 4): cosine of clipped tf-idf vectors of
//! 1- to 4-grams with a Gaussian penalty on length (sigma 6), mean over n and
//! references, times 10. It is what the COCO caption tools call CIDEr: the
//! length is the number of bigrams, and the document frequencies are those of
//! the references at hand. Range 0 to 10. Not measured: a score from other
//! references or another number of clips is not comparable.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use rayon::prelude::*;

use super::{Item, check, ngrams};
use crate::EvalError;

const SIGMA: f64 = 6.0;

/// The score of each item; the corpus score is their mean.
///
/// # Errors
/// [`EvalError::TooFewClips`] under two items, [`EvalError::NoReference`].
pub fn per_item(items: &[Item]) -> Result<Vec<f64>, EvalError> {
    check(items)?;
    if items.len() < 2 {
        return Err(EvalError::TooFewClips(items.len()));
    }
    let items: Vec<Cow<Item>> = items.iter().map(Item::in_words).collect();
    let frequencies = document_frequencies(&items);
    let log_items = (items.len() as f64).ln();
    let idf = |ngram: &[String]| {
        let documents = frequencies.get(ngram).copied().unwrap_or(0);
        log_items - f64::from(documents.max(1)).ln()
    };
    Ok(items.par_iter().map(|item| score(item, &idf)).collect())
}

/// In the references of how many items each n-gram occurs.
fn document_frequencies<'a>(items: &'a [Cow<Item>]) -> HashMap<&'a [String], u32> {
    let mut frequencies = HashMap::new();
    for item in items {
        let seen: HashSet<&[String]> = item
            .references
            .iter()
            .flat_map(|reference| (1..=4).flat_map(|n| reference.windows(n)))
            .collect();
        for ngram in seen {
            *frequencies.entry(ngram).or_default() += 1;
        }
    }
    frequencies
}

/// The tf-idf vector of one caption, by n.
struct Vector<'a> {
    weights: [HashMap<&'a [String], f64>; 4],
    norms: [f64; 4],
    bigrams: f64,
}

impl<'a> Vector<'a> {
    fn new(tokens: &'a [String], idf: &impl Fn(&[String]) -> f64) -> Self {
        let weights = std::array::from_fn(|n| {
            ngrams(tokens, n + 1)
                .into_iter()
                .map(|(ngram, count)| (ngram, f64::from(count) * idf(ngram)))
                .collect::<HashMap<_, _>>()
        });
        // Sums in the order of a hash map would differ from run to run.
        let norms = std::array::from_fn(|n| {
            let mut squares: Vec<f64> = weights[n].values().map(|w: &f64| w * w).collect();
            squares.sort_by(f64::total_cmp);
            squares.iter().sum::<f64>().sqrt()
        });
        Self { weights, norms, bigrams: tokens.len().saturating_sub(1) as f64 }
    }

    fn similarity(&self, reference: &Self) -> f64 {
        let delta = self.bigrams - reference.bigrams;
        let penalty = (-delta * delta / (2.0 * SIGMA * SIGMA)).exp();
        let by_n = (0..4).map(|n| {
            let mut products: Vec<f64> = self.weights[n]
                .iter()
                .filter_map(|(ngram, &own)| {
                    reference.weights[n].get(ngram).map(|&other| own.min(other) * other)
                })
                .collect();
            products.sort_by(f64::total_cmp);
            // From +0: the sum over nothing would be -0, which a file would show.
            let product = products.iter().fold(0.0, |sum, product| sum + product);
            let norms = self.norms[n] * reference.norms[n];
            if norms == 0.0 { product } else { product / norms }
        });
        by_n.sum::<f64>() * penalty / 4.0
    }
}

fn score(item: &Item, idf: &impl Fn(&[String]) -> f64) -> f64 {
    let candidate = Vector::new(&item.candidate, idf);
    let sum: f64 = item
        .references
        .iter()
        .map(|reference| candidate.similarity(&Vector::new(reference, idf)))
        .sum();
    10.0 * sum / item.references.len() as f64
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
    fn one_item_has_no_score() {
        let error = per_item(&[Item::new("a", &["a"])]).unwrap_err();
        assert_eq!(error, EvalError::TooFewClips(1));
    }
}
