//! Every distinct word of a corpus, looked up once.

use std::collections::HashMap;

use rayon::prelude::*;

use super::{
    data::MeteorData,
    stem::{self, English},
};

/// What the matchers need to know of a word.
#[derive(Clone, Debug, Default)]
pub(super) struct Word {
    /// Hash of the word.
    pub(super) key: i32,
    /// Hash of its stem.
    pub(super) stem: i32,
    /// Synonym sets of the word and of its base forms, ascending.
    pub(super) synsets: Vec<u32>,
    /// Its number in the tables.
    pub(super) number: Option<u32>,
    /// The phrase of this word alone.
    pub(super) node: Option<u32>,
    /// Whether it counts less.
    pub(super) function: bool,
}

/// The words of a corpus; sentences are lists of places in it.
pub(super) struct Lexicon {
    words: Vec<Word>,
}

impl Lexicon {
    /// Numbers the words of `sentences` in place of their texts and looks them up.
    pub(super) fn new(
        sentences: impl Iterator<Item = Vec<String>>,
        data: Option<&MeteorData>,
    ) -> (Self, Vec<Vec<u32>>) {
        let mut numbers = HashMap::new();
        let mut texts = Vec::new();
        let sentences = sentences
            .map(|sentence| {
                let number = |word: String| {
                    *numbers.entry(word).or_insert_with_key(|word| {
                        texts.push(word.clone());
                        texts.len() as u32 - 1
                    })
                };
                sentence.into_iter().map(number).collect()
            })
            .collect();
        let words =
            texts.par_iter().map_init(English::new, |stemmer, text| look_up(text, stemmer, data));
        (Self { words: words.collect() }, sentences)
    }

    pub(super) fn words(&self, sentence: &[u32]) -> Vec<&Word> {
        sentence.iter().map(|&word| &self.words[word as usize]).collect()
    }
}

fn look_up(text: &str, stemmer: &English, data: Option<&MeteorData>) -> Word {
    let (key, stem) = (stem::hash(text), stemmer.hash(text));
    let Some(data) = data else { return Word { key, stem, ..Word::default() } };
    let number = data.word(text);
    let mut synsets: Vec<u32> = number.iter().flat_map(|&n| data.synsets(n).iter()).collect();
    match number.map(|n| data.bases(n)).filter(|bases| !bases.is_empty()) {
        Some(bases) => synsets.extend(bases.iter().flat_map(|base| data.synsets(base).iter())),
        None => synsets.extend(base(text, data).iter().flat_map(|&n| data.synsets(n).iter())),
    }
    synsets.sort_unstable();
    synsets.dedup();
    let function = number.is_some_and(|n| data.is_function(n));
    let node = number.and_then(|word| data.child(0, word));
    Word { key, stem, synsets, number, node, function }
}

/// Endings and what stands for them in a base form, in the order of the jar (that
/// of WordNet's own `morph`: nouns, verbs, adjectives).
const ENDINGS: [(&str, &str); 20] = [
    ("s", ""),
    ("ses", "s"),
    ("xes", "x"),
    ("zes", "z"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("men", "man"),
    ("ies", "y"),
    ("s", ""),
    ("ies", "y"),
    ("es", "e"),
    ("es", ""),
    ("ed", "e"),
    ("ed", ""),
    ("ing", "e"),
    ("ing", ""),
    ("er", ""),
    ("est", ""),
    ("er", "e"),
    ("est", "e"),
];

/// The first base form of a regular word that has synonyms.
fn base(text: &str, data: &MeteorData) -> Option<u32> {
    if text.ends_with("ss") || text.encode_utf16().count() <= 2 {
        return None;
    }
    ENDINGS.iter().find_map(|(ending, instead)| {
        let stem = text.strip_suffix(ending)?;
        data.word(&format!("{stem}{instead}")).filter(|&n| !data.synsets(n).is_empty())
    })
}
