//! Runs of one to four words as numbers, which compare and sort faster than texts.

use std::iter::once;

use foldhash::HashMap;

use super::Item;

/// A run of at most four words: 32 bits for each, counted from 1.
pub(super) type Ngram = u128;

/// Sentences that belong together, as numbers of their words.
pub(super) type Sentences = Vec<Vec<u32>>;

/// Sentences as numbers of their words, in the order of the words' texts: what is summed
/// over sorted n-grams does not depend on the order of the sentences. A few tokens hold a
/// space that does not break ("1 1/2"); the tools count two words there for BLEU and
/// CIDEr-D, one for ROUGE-L.
pub(super) fn numbered<'a>(sentences: impl Iterator<Item = &'a Vec<String>>) -> Sentences {
    let mut numbers: HashMap<&str, u32> = HashMap::default();
    let mut number = |word| {
        let next = numbers.len() as u32;
        *numbers.entry(word).or_insert(next)
    };
    let words = |tokens: &'a Vec<String>| tokens.iter().flat_map(|token| token.split_whitespace());
    let mut sentences: Sentences =
        sentences.map(|tokens| words(tokens).map(&mut number).collect()).collect();
    let mut texts: Vec<(&str, u32)> = numbers.into_iter().collect();
    texts.sort_unstable();
    let mut ranks = vec![0; texts.len()];
    for (rank, (_, number)) in (1..).zip(texts) {
        ranks[number as usize] = rank;
    }
    for number in sentences.iter_mut().flatten() {
        *number = ranks[*number as usize];
    }
    sentences
}

/// The sentences of each item, the candidate first, and those of each of `documents`.
pub(super) fn numbered_items(
    items: &[Item],
    documents: &[Vec<Vec<String>>],
) -> (Vec<Sentences>, Vec<Sentences>) {
    let own = items.iter().flat_map(|item| once(&item.candidate).chain(&item.references));
    let mut sentences = numbered(own.chain(documents.iter().flatten())).into_iter();
    let mut take = |count| sentences.by_ref().take(count).collect();
    let items = items.iter().map(|item| take(1 + item.references.len())).collect();
    (items, documents.iter().map(|captions| take(captions.len())).collect())
}

/// Every run of `n` words (1 to 4), in order of place.
pub(super) fn runs(words: &[u32], n: usize) -> impl Iterator<Item = Ngram> {
    words.windows(n).map(|run| run.iter().fold(0, |key, &word| key << 32 | Ngram::from(word)))
}

/// How often each run of `n` words occurs, ascending.
pub(super) fn counted(words: &[u32], n: usize) -> Vec<(Ngram, u32)> {
    let mut found: Vec<Ngram> = runs(words, n).collect();
    found.sort_unstable();
    found.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u32)).collect()
}

/// What `counted` says of one run.
pub(super) fn count_of(counted: &[(Ngram, u32)], ngram: Ngram) -> u32 {
    counted.binary_search_by_key(&ngram, |entry| entry.0).map_or(0, |place| counted[place].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_numbered_by_text_and_runs_counted() {
        let captions = ["b a b a", "c b"].map(crate::caption::tokenize);
        let numbers = numbered(captions.iter());
        assert_eq!(numbers, [vec![2, 1, 2, 1], vec![3, 2]]);
        let pair = |a: u128, b: u128| a << 32 | b;
        let bigrams = counted(&numbers[0], 2);
        assert_eq!(bigrams, [(pair(1, 2), 1), (pair(2, 1), 2)]);
        assert_eq!(count_of(&bigrams, pair(2, 1)), 2);
        assert_eq!(count_of(&bigrams, pair(3, 2)), 0);
        assert!(counted(&numbers[1], 3).is_empty());
    }

    #[test]
    fn a_space_that_does_not_break_parts_words() {
        let tokens = vec!["1\u{a0}1/2".to_owned(), "cups".to_owned()];
        assert_eq!(numbered([&tokens].into_iter()), [vec![1, 2, 3]]);
    }
}
