//! METEOR 1.5 for English (Denkowski and Lavie, 2014, "Meteor Universal"), equal to
//! the jar that pycocoevalcap 1.2 runs (`-l en -norm`). Range 0 to 1.
//!
//! - **Formula.** Words and phrases of candidate and reference are aligned, each at
//!   most once. Matches count 1.0 (exact), 0.6 (stem), 0.8 (synonym) or 0.6
//!   (paraphrase), content words 0.75 and function words 0.25. From the weighted
//!   precision P and recall R, `F = 1 / (0.15 / P + 0.85 / R)`. With `c` runs of
//!   matches and `m`, the mean of the matched words of both sides, the score is
//!   `F (1 - 0.6 (c / m)^0.2)`. A pair that is matched whole in one run has no penalty.
//! - **Several references.** The best score; of equal ones the first.
//! - **Corpus.** The formula on counts summed over items, each item with its best
//!   reference: not the mean of the items.
//! - **What the jar does besides.** It cuts the tokens once more (hyphens,
//!   apostrophes, abbreviations); compares 32-bit hashes of words; and finds the
//!   alignment with a beam of 40 in which a single word counts only when it matches
//!   exactly. All of this is kept, since the numbers depend on it.
//! - **Not measured.** Grammar; a negation; meaning beyond the tables, which were
//!   made for the translation of news. Numbers of other programs called METEOR
//!   (NLTK's, version 1.0) differ by up to 0.3.
//!
//! The tables are not part of this crate: WordNet's synonyms come under its own
//! licence, the rest with METEOR under the LGPL. [`MeteorData::convert`] reads them
//! from the package `pycocoevalcap`. Without them [`Matchers::ExactStem`] gives
//! numbers of another name.

mod align;
mod convert;
mod data;
mod lexicon;
mod matcher;
mod normalize;
mod score;
mod stem;
mod write;

use rayon::prelude::*;

pub use data::{MeteorData, MeteorDataError};

use self::{align::align, lexicon::Lexicon, matcher::Sentence, score::Counts};
use super::{Item, check};
use crate::EvalError;

/// The matchers that run.
#[derive(Debug, Clone, Copy)]
pub enum Matchers<'a> {
    /// All four, and function words count less: METEOR 1.5.
    All(&'a MeteorData),
    /// Exact words and stems, without any data; every word counts alike. Not METEOR:
    /// its numbers are comparable to none but its own.
    ExactStem,
}

impl<'a> Matchers<'a> {
    /// What to call the numbers.
    pub fn name(self) -> &'static str {
        match self {
            Self::All(_) => "METEOR 1.5",
            Self::ExactStem => "exact and stem alignment",
        }
    }

    /// The same as a name of a column: `meteor` or `exact_stem`.
    pub fn key(self) -> &'static str {
        match self {
            Self::All(_) => "meteor",
            Self::ExactStem => "exact_stem",
        }
    }

    fn data(self) -> Option<&'a MeteorData> {
        match self {
            Self::All(data) => Some(data),
            Self::ExactStem => None,
        }
    }
}

/// The counts of every item.
#[derive(Clone, Debug, PartialEq)]
pub struct Meteor {
    items: Vec<Counts>,
}

impl Meteor {
    /// Aligns every candidate with each of its references, over all cores, and keeps
    /// the counts of the reference with the best score (the first of several).
    ///
    /// # Errors
    /// [`EvalError::NoReference`].
    pub fn new(items: &[Item], matchers: Matchers) -> Result<Self, EvalError> {
        check(items)?;
        let data = matchers.data();
        let words = |tokens: &Vec<String>| normalize::words(&tokens.join(" "), data);
        let sentences: Vec<Vec<Vec<String>>> = items
            .par_iter()
            .map(|item| {
                std::iter::once(&item.candidate).chain(&item.references).map(words).collect()
            })
            .collect();
        let (lexicon, sentences) = Lexicon::new(sentences.into_iter().flatten(), data);
        let mut rest = sentences.as_slice();
        let sentences: Vec<&[Vec<u32>]> = items
            .iter()
            .map(|item| rest.split_off(..=item.references.len()).unwrap_or_default())
            .collect();
        let best = |sentences: &&[Vec<u32>]| {
            let sentence = |words: &Vec<u32>| Sentence::new(lexicon.words(words), data);
            let candidate = sentence(&sentences[0]);
            let mut best: Option<(f64, Counts)> = None;
            for reference in &sentences[1..] {
                let counts = align(&candidate, &sentence(reference));
                let score = counts.score();
                if best.is_none_or(|(so_far, _)| score > so_far) {
                    best = Some((score, counts));
                }
            }
            best.map_or_else(Counts::default, |(_, counts)| counts)
        };
        Ok(Self { items: sentences.par_iter().map(best).collect() })
    }

    /// The score of all items together: from summed counts, not a mean over items.
    pub fn corpus(&self) -> f64 {
        self.items.iter().fold(Counts::default(), Counts::add).score()
    }

    /// The same of the items `chosen`, with repetitions, for the bootstrap.
    pub fn resampled(&self, chosen: &[usize]) -> f64 {
        chosen.iter().fold(Counts::default(), |sum, &item| sum.add(&self.items[item])).score()
    }

    /// The score of each item alone.
    pub fn per_item(&self) -> Vec<f64> {
        self.items.iter().map(Counts::score).collect()
    }
}
