//! All ways in which words and phrases of a candidate and a reference can match:
//! the four matchers of the jar, in its order, which decides ties later.

use super::{
    data::{MeteorData, Numbers},
    lexicon::Word,
};

/// Longest phrase of the paraphrase table, in words.
const LONGEST: usize = 7;

/// Which matcher found a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Matcher {
    Exact,
    Stem,
    Synonym,
    Paraphrase,
}

/// Words of one side, from `start`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) length: usize,
}

impl Span {
    pub(super) fn end(self) -> usize {
        self.start + self.length
    }

    pub(super) fn range(self) -> std::ops::Range<usize> {
        self.start..self.end()
    }
}

/// A word or phrase of the candidate that says the same as one of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) matcher: Matcher,
    pub(super) candidate: Span,
    pub(super) reference: Span,
}

/// A phrase of the paraphrase table within a sentence.
struct Phrase<'a> {
    span: Span,
    node: u32,
    paraphrases: Numbers<'a>,
}

/// A sentence with the phrases in it.
pub(super) struct Sentence<'a> {
    pub(super) words: Vec<&'a Word>,
    /// By first word, then by length.
    phrases: Vec<Phrase<'a>>,
    /// Places in `phrases`, by node, then by first word.
    by_node: Vec<usize>,
}

impl<'a> Sentence<'a> {
    pub(super) fn new(words: Vec<&'a Word>, data: Option<&'a MeteorData>) -> Self {
        let mut phrases = Vec::with_capacity(if data.is_some() { 4 * words.len() } else { 0 });
        for (start, word) in words.iter().enumerate() {
            let mut next = word.node;
            for length in 1..=LONGEST.min(words.len() - start) {
                let (Some(data), Some(node)) = (data, next) else { break };
                let paraphrases = data.paraphrases(node);
                phrases.push(Phrase { span: Span { start, length }, node, paraphrases });
                let after = words.get(start + length).and_then(|word| word.number);
                next = after.and_then(|word| data.child(node, word));
            }
        }
        let mut by_node: Vec<usize> = (0..phrases.len()).collect();
        by_node.sort_by_key(|&phrase: &usize| phrases[phrase].node);
        Self { words, phrases, by_node }
    }

    /// Calls `found` with the phrases of `self` that have a paraphrase in `other`, in
    /// the order of the table for each phrase.
    fn paraphrased_in(&self, other: &Self, mut found: impl FnMut(Span, Span)) {
        // The table is sorted, and words are numbered in the order of their bytes.
        let text = |span: Span| other.words[span.range()].iter().map(|word| word.number);
        let mut targets: Vec<Span> = Vec::new();
        for phrase in self.phrases.iter().filter(|phrase| !phrase.paraphrases.is_empty()) {
            let mut paraphrases = phrase.paraphrases;
            for target in other.by_node.iter().map(|&index| &other.phrases[index]) {
                if paraphrases.skip_to(target.node) {
                    targets.push(target.span);
                }
            }
            targets.sort_by(|&a, &b| text(a).cmp(text(b)));
            targets.drain(..).for_each(|target| found(phrase.span, target));
        }
    }
}

/// Every possible match, by the first word of the reference that it covers.
pub(super) struct Stage {
    matches: Vec<Match>,
    /// By word of the reference: where its matches begin.
    starts: Vec<usize>,
}

impl Stage {
    pub(super) fn new(candidate: &Sentence, reference: &Sentence) -> Self {
        // Equal sentences are not looked at further, lest the search err.
        let equal = candidate.words.len() == reference.words.len()
            && candidate.words.iter().zip(&reference.words).all(|(a, b)| a.key == b.key);
        let mut matches = Vec::with_capacity(2 * reference.words.len());
        for (start, word) in reference.words.iter().enumerate() {
            for (other, candidate) in candidate.words.iter().enumerate() {
                let mut add = |matcher| {
                    let [candidate, reference] =
                        [other, start].map(|start| Span { start, length: 1 });
                    matches.push(Match { matcher, candidate, reference });
                };
                if candidate.key == word.key {
                    add(Matcher::Exact);
                } else if !equal {
                    if candidate.stem == word.stem {
                        add(Matcher::Stem);
                    }
                    if word.synonyms.binary_search(&candidate.place).is_ok() {
                        add(Matcher::Synonym);
                    }
                }
            }
        }
        if !equal {
            let matcher = Matcher::Paraphrase;
            reference.paraphrased_in(candidate, |reference, candidate| {
                matches.push(Match { matcher, candidate, reference });
            });
            candidate.paraphrased_in(reference, |candidate, reference| {
                matches.push(Match { matcher, candidate, reference });
            });
        }
        // Matches of one matcher stay in the order found.
        matches.sort_by_key(|found| (found.reference.start, found.matcher));
        let from = |word| matches.partition_point(|found: &Match| found.reference.start < word);
        let starts = (0..=reference.words.len()).map(from).collect();
        Self { matches, starts }
    }

    /// All matches.
    pub(super) fn all(&self) -> &[Match] {
        &self.matches
    }

    /// The matches that begin at each word of the reference, in turn.
    pub(super) fn by_word(&self) -> impl ExactSizeIterator<Item = &[Match]> {
        self.starts.windows(2).map(|ends| &self.matches[ends[0]..ends[1]])
    }
}
