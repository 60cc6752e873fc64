//! BLEU-1 to BLEU-4 (Papineni et al., 2002), equal to the COCO caption tools.
//!
//! - **Formula.** `BLEU-N = b (p_1 ... p_N)^(1/N)`. `p_n` is the share of the candidate's
//!   n-grams that a reference has, each counted at most as often as in the reference that
//!   has it most. With candidate length `c` and the length `r` of the closest reference (of
//!   two equally close the shorter), `b = exp(1 - r / c)` where `c < r`, else 1. The
//!   tools add 1e-15 above and 1e-9 below each fraction, so that nothing is 0 or NaN.
//! - **Range** 0 to 1. **Corpus.** The formula on counts and lengths summed over items: not
//!   the mean of the items.
//! - **Not measured.** Meaning; recall but for length; order beyond four words. BLEU-4 of
//!   one short caption is nearly always 0: compare corpora.

use std::collections::BTreeMap;

use foldhash::HashMap;
use rayon::prelude::*;

use super::{
    Item, check,
    ngrams::{Ngram, count_of, counted, numbered, numbered_items},
};
use crate::EvalError;

const TINY: f64 = 1e-15;
const SMALL: f64 = 1e-9;

/// BLEU-1 to BLEU-4 of each caption against all others as references, mean over the
/// captions: self-BLEU (Zhu et al., 2018, "Texygen"). Range 0 to 1; 1 is a system whose
/// captions repeat each other, so lower is more varied. It grows with the number of
/// captions: compare sets of equal size only.
/// None below two captions.
pub fn self_bleu(captions: &[Vec<String>]) -> Option<[f64; 4]> {
    if captions.len() < 2 {
        return None;
    }
    // The two largest counts of every n-gram in one caption: without a caption, the
    // largest of the others is one of them.
    let captions = numbered(captions.iter());
    let counts: Vec<_> = captions.iter().map(|words| each_n(|n| counted(words, n))).collect();
    let mut largest: [HashMap<Ngram, [u32; 2]>; 4] = each_n(|_| HashMap::default());
    for counts in &counts {
        for (counts, largest) in counts.iter().zip(&mut largest) {
            for &(ngram, count) in counts {
                let [first, second] = largest.entry(ngram).or_default();
                *second = (*second).max(count.min(*first));
                *first = (*first).max(count);
            }
        }
    }
    let mut lengths = BTreeMap::<usize, usize>::new();
    for words in &captions {
        *lengths.entry(words.len()).or_default() += 1;
    }
    let mut sum = [0.0; 4];
    for (words, counts) in captions.iter().zip(&counts) {
        let length = words.len();
        // Another of equal length, or the closest; of two equally close, the shorter.
        let closest = if lengths[&length] > 1 {
            length
        } else {
            let below = lengths.range(..length).next_back().map(|(&l, _)| l);
            let above = lengths.range(length + 1..).next().map(|(&l, _)| l);
            let both = [below, above].into_iter().flatten();
            both.min_by_key(|l| l.abs_diff(length)).unwrap_or(length)
        };
        let scores = Counts {
            correct: std::array::from_fn(|n| {
                let clipped = counts[n].iter().map(|&(ngram, count)| {
                    let [first, second] = largest[n][&ngram];
                    count.min(if count == first { second } else { first })
                });
                f64::from(clipped.sum::<u32>())
            }),
            guessed: each_n(|n| (length + 1).saturating_sub(n) as f64),
            length: length as f64,
            reference_length: closest as f64,
        }
        .scores();
        (0..4).for_each(|n| sum[n] += scores[n]);
    }
    Some(sum.map(|sum| sum / captions.len() as f64))
}

fn each_n<T>(of: impl FnMut(usize) -> T) -> [T; 4] {
    [1, 2, 3, 4].map(of)
}

/// What BLEU counts: of one item, or summed over items.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    correct: [f64; 4],
    guessed: [f64; 4],
    length: f64,
    reference_length: f64,
}

impl Counts {
    /// Of a candidate and its references.
    fn of(sentences: &[Vec<u32>]) -> Self {
        let Some((candidate, references)) = sentences.split_first() else { return Self::default() };
        let length = candidate.len();
        let mut counts = Self { length: length as f64, ..Self::default() };
        for n in 1..=4 {
            counts.guessed[n - 1] = (length + 1).saturating_sub(n) as f64;
            let references: Vec<_> =
                references.iter().map(|reference| counted(reference, n)).collect();
            let clipped = |(ngram, count): (Ngram, u32)| {
                let limit = references.iter().map(|counts| count_of(counts, ngram)).max();
                count.min(limit.unwrap_or(0))
            };
            let correct: u32 = counted(candidate, n).into_iter().map(clipped).sum();
            counts.correct[n - 1] = f64::from(correct);
        }
        // The closest reference; of two equally close, the shorter.
        let closest = references.iter().map(Vec::len).min_by_key(|&l| (l.abs_diff(length), l));
        counts.reference_length = closest.unwrap_or(0) as f64;
        counts
    }

    fn add(mut self, other: &Self) -> Self {
        for n in 0..4 {
            self.correct[n] += other.correct[n];
            self.guessed[n] += other.guessed[n];
        }
        self.length += other.length;
        self.reference_length += other.reference_length;
        self
    }

    /// BLEU-1 to BLEU-4.
    pub fn scores(&self) -> [f64; 4] {
        let ratio = (self.length + TINY) / (self.reference_length + SMALL);
        let penalty = if ratio < 1.0 { (1.0 - 1.0 / ratio).exp() } else { 1.0 };
        let mut product = 1.0;
        std::array::from_fn(|n| {
            product *= (self.correct[n] + TINY) / (self.guessed[n] + SMALL);
            product.powf(1.0 / (n + 1) as f64) * penalty
        })
    }
}

/// The counts of every item.
#[derive(Clone, Debug, PartialEq)]
pub struct Bleu {
    items: Vec<Counts>,
}

impl Bleu {
    /// Counts.
    ///
    /// # Errors
    /// [`EvalError::NoReference`].
    pub fn new(items: &[Item]) -> Result<Self, EvalError> {
        check(items)?;
        let (items, _) = numbered_items(items, &[]);
        Ok(Self { items: items.par_iter().map(|sentences| Counts::of(sentences)).collect() })
    }

    /// BLEU-1 to BLEU-4 of all items together (not a mean over items).
    pub fn corpus(&self) -> [f64; 4] {
        self.items.iter().fold(Counts::default(), Counts::add).scores()
    }

    /// The same of the items `chosen`, with repetitions, for the bootstrap.
    pub fn resampled(&self, chosen: &[usize]) -> [f64; 4] {
        chosen.iter().fold(Counts::default(), |sum, &item| sum.add(&self.items[item])).scores()
    }

    /// BLEU-1 to BLEU-4 of each item alone.
    pub fn per_item(&self) -> Vec<[f64; 4]> {
        self.items.iter().map(Counts::scores).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toy_by_hand() {
        // Unigrams: the (2, clipped to 1), cat, sat: 3 of 4; bigrams: "the cat": 1 of 3.
        let item = Item::new("the cat the sat", &["the cat has sat"]);
        let [bleu1, bleu2, ..] = Bleu::new(&[item]).unwrap().corpus();
        assert!((bleu1 - 0.75).abs() < 1e-8, "{bleu1}");
        assert!((bleu2 - (0.75_f64 / 3.0).sqrt()).abs() < 1e-8, "{bleu2}");
    }

    #[test]
    fn self_bleu_is_the_bleu_of_each_against_the_rest() {
        let captions = [
            "a dog barks and a dog howls",
            "a dog barks",
            "rain and rain and rain and rain",
            "rain falls",
            "a dog barks",
            "wind",
        ]
        .map(crate::caption::tokenize);
        let mut expected = [0.0; 4];
        for (index, candidate) in captions.iter().enumerate() {
            let mut references = captions.to_vec();
            references.remove(index);
            let item = Item { candidate: candidate.clone(), references };
            let scores = Bleu::new(&[item]).unwrap().corpus();
            (0..4).for_each(|n| expected[n] += scores[n] / 6.0);
        }
        let found = self_bleu(&captions).unwrap();
        (0..4).for_each(|n| assert!((found[n] - expected[n]).abs() < 1e-12, "{found:?}"));
        assert_eq!(self_bleu(&captions[..1]), None);
        let same = vec![captions[0].clone(); 3];
        assert!(self_bleu(&same).unwrap().iter().all(|score| (score - 1.0).abs() < 1e-8));
    }

    #[test]
    fn a_short_candidate_is_punished() {
        let bleu = Bleu::new(&[Item::new("a dog", &["a dog barks loudly"])]).unwrap();
        assert!((bleu.corpus()[0] - (1.0_f64 - 4.0 / 2.0).exp()).abs() < 1e-8);
    }
}
