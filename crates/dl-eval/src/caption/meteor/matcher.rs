//! All ways in which words and phrases of a candidate and a reference can match:
//! the four matchers of the jar, in its order, which decides ties later.

use super::{
    data::{MeteorData, Numbers},
    lexicon::Word,
};

/// Longest phrase of the paraphrase table, in words.
const LONGEST: usize = 7;

/// Which matcher found a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// The same by text, then by first word: the order of the table.
    by_text: Vec<usize>,
}

impl<'a> Sentence<'a> {
    pub(super) fn new(words: Vec<&'a Word>, data: Option<&'a MeteorData>) -> Self {
        let mut phrases = Vec::new();
        for start in 0..words.len() {
            let Some(data) = data else { break };
            let mut node = 0;
            for length in 1..=LONGEST.min(words.len() - start) {
                let number = words[start + length - 1].number;
                let Some(child) = number.and_then(|word| data.child(node, word)) else { break };
                node = child;
                let paraphrases = data.paraphrases(node);
                phrases.push(Phrase { span: Span { start, length }, node, paraphrases });
            }
        }
        // Words are numbered in the order of their bytes.
        let text = |phrase: &Phrase| words[phrase.span.range()].iter().map(|word| word.number);
        let mut by_text: Vec<usize> = (0..phrases.len()).collect();
        by_text.sort_by(|&a, &b| text(&phrases[a]).cmp(text(&phrases[b])));
        Self { words, phrases, by_text }
    }

    /// Calls `found` with the phrases of `self` that have a paraphrase in `other`.
    fn paraphrased_in(&self, other: &Self, mut found: impl FnMut(Span, Span)) {
        for phrase in self.phrases.iter().filter(|phrase| !phrase.paraphrases.is_empty()) {
            for &index in &other.by_text {
                let target = &other.phrases[index];
                if phrase.paraphrases.find(target.node).is_some() {
                    found(phrase.span, target.span);
                }
            }
        }
    }
}

/// Every possible match, by the first word of the reference that it covers.
pub(super) struct Stage {
    pub(super) matches: Vec<Vec<Match>>,
}

impl Stage {
    pub(super) fn new(candidate: &Sentence, reference: &Sentence) -> Self {
        let mut matches = vec![Vec::new(); reference.words.len()];
        let mut single = |matcher, equal: &dyn Fn(&Word, &Word) -> bool| {
            for (start, word) in reference.words.iter().enumerate() {
                for (other, _) in candidate.words.iter().enumerate().filter(|(_, w)| equal(w, word))
                {
                    let [candidate, reference] =
                        [other, start].map(|start| Span { start, length: 1 });
                    matches[start].push(Match { matcher, candidate, reference });
                }
            }
        };
        single(Matcher::Exact, &|a, b| a.key == b.key);
        // Equal sentences are not looked at further, lest the search err.
        let keys = |sentence: &Sentence| sentence.words.iter().map(|w| w.key).collect::<Vec<_>>();
        if keys(candidate) == keys(reference) {
            return Self { matches };
        }
        single(Matcher::Stem, &|a, b| a.stem == b.stem && a.key != b.key);
        single(Matcher::Synonym, &|a, b| a.key != b.key && share(&a.synsets, &b.synsets));
        let matcher = Matcher::Paraphrase;
        reference.paraphrased_in(candidate, |reference, candidate| {
            matches[reference.start].push(Match { matcher, candidate, reference });
        });
        candidate.paraphrased_in(reference, |candidate, reference| {
            matches[reference.start].push(Match { matcher, candidate, reference });
        });
        Self { matches }
    }
}

/// Whether two ascending lists have a common member.
fn share(a: &[u32], b: &[u32]) -> bool {
    let (mut i, mut j) = (0, 0);
    while let (Some(left), Some(right)) = (a.get(i), b.get(j)) {
        match left.cmp(right) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => return true,
        }
    }
    false
}
