//! Every distinct word of a corpus, looked up once.

use foldhash::HashMap;
use rayon::prelude::*;

use super::{
    data::MeteorData,
    stem::{self, English},
};
use crate::caption::morph;

/// What the matchers need to know of a word.
#[derive(Clone, Debug, Default)]
pub(super) struct Word {
    /// Hash of the word.
    pub(super) key: i32,
    /// Hash of its stem.
    pub(super) stem: i32,
    /// Its place among the words of the corpus.
    pub(super) place: u32,
    /// Places of the words that share a synonym set with it, ascending. Each has the sets
    /// of its base forms too.
    pub(super) synonyms: Vec<u32>,
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
        let mut numbers: HashMap<String, u32> = HashMap::default();
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
        let (mut words, synsets): (Vec<Word>, Vec<Vec<u32>>) = words.unzip();
        for ((place, word), synonyms) in (0..).zip(&mut words).zip(synonyms(&synsets)) {
            (word.place, word.synonyms) = (place, synonyms);
        }
        (Self { words }, sentences)
    }

    pub(super) fn words(&self, sentence: &[u32]) -> Vec<&Word> {
        sentence.iter().map(|&word| &self.words[word as usize]).collect()
    }
}

/// All of a word but its place and its synonyms; its synonym sets.
fn look_up(text: &str, stemmer: &English, data: Option<&MeteorData>) -> (Word, Vec<u32>) {
    let (key, stem) = (stem::hash(text), stemmer.hash(text));
    let Some(data) = data else { return (Word { key, stem, ..Word::default() }, Vec::new()) };
    let number = data.word(text);
    let mut synsets: Vec<u32> = number.iter().flat_map(|&n| data.synsets(n).iter()).collect();
    match number.map(|n| data.bases(n)).filter(|bases| !bases.is_empty()) {
        Some(bases) => synsets.extend(bases.iter().flat_map(|base| data.synsets(base).iter())),
        None => {
            let known = |text: &str| data.word(text).filter(|&n| !data.synsets(n).is_empty());
            let base = morph::base(text, known);
            synsets.extend(base.iter().flat_map(|&n| data.synsets(n).iter()));
        }
    }
    let function = number.is_some_and(|n| data.is_function(n));
    let node = number.and_then(|word| data.child(0, word));
    (Word { key, stem, number, node, function, ..Word::default() }, synsets)
}

/// For each word the places of those that share a set with it, given the sets of each.
fn synonyms(synsets: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let places = (0_u32..).zip(synsets);
    let mut members: Vec<(u32, u32)> =
        places.flat_map(|(place, sets)| sets.iter().map(move |&set| (set, place))).collect();
    members.par_sort_unstable();
    members.dedup();
    let mut synonyms = vec![Vec::new(); synsets.len()];
    for set in members.chunk_by(|a, b| a.0 == b.0).filter(|set| set.len() > 1) {
        for &(_, place) in set {
            synonyms[place as usize].extend(set.iter().map(|&(_, other)| other));
        }
    }
    for places in &mut synonyms {
        places.sort_unstable();
        places.dedup();
    }
    synonyms
}
