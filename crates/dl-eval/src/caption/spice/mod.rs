//! SPICE 1.0 (Anderson et al., ECCV 2016, "SPICE: Semantic Propositional Image Caption
//! Evaluation") in process, without Java.
//!
//! - **Formula.** Candidate and references become graphs of objects, attributes and
//!   relations; the score is the F of their tuples, where words of one WordNet synonym set
//!   are equal. Range 0 to 1. **Corpus.** The mean over items.
//! - **Stages**, one module each: [`parser`] (words to a tree), [`dependencies`] and
//!   [`lemmas`] (tree to basic dependencies), [`collapse`], [`quantities`] and
//!   [`pronouns`] (to the graph that the rules read), [`rules`] (to tuples),
//!   [`scene_graph`] and [`score`].
//! - **How equal.** From official trees on nearly every score is the official one; the
//!   parser, which learnt from official trees, finds most but not all of them
//!   (`tests/spice_official.rs` measures both). A caption of more than
//!   [`parser::LONGEST`] words is parsed in pieces ([`Caption::pieces`]).
//! - **Sub-scores** of objects, attributes, relations, colours, counts and sizes leave out
//!   items whose references have no such tuple.
//! - **Not measured.** Fluency; how often; a negation; what the parser misreads.

mod backoff;
pub mod chart;
pub mod collapse;
mod constraints;
pub mod dependencies;
pub mod grammar;
pub mod graph;
pub mod lemmas;
pub mod lexicon;
mod metric;
pub mod parser;
mod partners;
pub mod pronouns;
pub mod quantities;
pub mod rules;
pub mod scene_graph;
pub mod score;
pub mod symbols;
pub mod synonyms;
pub mod train;
pub mod tree;
pub mod treebank;
pub mod weights;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

pub use metric::column;
use rayon::prelude::*;

use self::{
    collapse::collapse,
    dependencies::Dependencies,
    graph::Graph,
    lemmas::Lemmas,
    parser::Parser,
    rules::{Tuple, tuples},
    scene_graph::SceneGraph,
    score::Score,
    synonyms::Synonyms,
    tree::PlainTree,
};
use super::{Item, check};
use crate::EvalError;

static PARSER: LazyLock<Result<Parser, String>> =
    LazyLock::new(|| Parser::embedded().map_err(|error| error.to_string()));

/// What a caption says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caption {
    /// In the order in which the rules find it.
    pub tuples: Vec<Tuple>,
    /// In how many pieces it was parsed: 1 but for long or odd captions, 0 without a word.
    pub pieces: usize,
}

/// The tuples of a tokenised caption.
///
/// # Errors
/// [`EvalError::Model`] should the parser that the program carries be broken.
pub fn parse(words: &[String]) -> Result<Caption, EvalError> {
    let parser = PARSER.as_ref().map_err(|error| EvalError::Model(error.clone()))?;
    // Pieces of a long caption are sentences of their own, so that time grows with its
    // length and no faster.
    let length = if words.len() > parser::LONGEST { parser::PIECE } else { words.len().max(1) };
    let mut caption = Caption::default();
    for (sentence, words) in words.chunks(length).enumerate() {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let tree = parser.parse(&words);
        caption.pieces += tree.pieces();
        let graph = sentence_graph(&tree.plain(), &words);
        caption.tuples.extend(tuples(&graph, sentence));
    }
    Ok(caption)
}

/// The graph that the rules read, of a sentence's tree and words.
pub fn sentence_graph(tree: &PlainTree, words: &[&str]) -> Graph {
    let mut graph = Dependencies::built_in().graph(tree, words, Lemmas::built_in());
    collapse(&mut graph);
    quantities::promote(&mut graph);
    pronouns::resolve(&mut graph);
    graph
}

/// Scores items and keeps the graphs of their references, so that other candidates for
/// the same references cost little.
#[derive(Debug, Default)]
pub struct Evaluator {
    /// By the references of an item.
    references: Mutex<HashMap<Vec<Vec<String>>, Arc<Reference>>>,
}

/// What the references of an item say.
#[derive(Debug, Default)]
struct Reference {
    graph: SceneGraph,
    pieces: usize,
}

/// The score of an item, and whether its captions were parsed whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemScore {
    /// What matched.
    pub score: Score,
    /// Whether a caption was parsed in pieces.
    pub in_pieces: bool,
}

impl Evaluator {
    /// Without any references yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The score of every item, over all cores. Equal captions are parsed once.
    ///
    /// # Errors
    /// [`EvalError::NoReference`], and as [`parse`].
    pub fn scores(&self, items: &[Item]) -> Result<Vec<ItemScore>, EvalError> {
        check(items)?;
        let known: Vec<Option<Arc<Reference>>> = {
            let known = self.references.lock().unwrap_or_else(PoisonError::into_inner);
            items.iter().map(|item| known.get(&item.references).cloned()).collect()
        };
        let mut captions: HashSet<&Vec<String>> = HashSet::new();
        for (item, known) in items.iter().zip(&known) {
            captions.insert(&item.candidate);
            if known.is_none() {
                captions.extend(&item.references);
            }
        }
        let mut distinct: Vec<&Vec<String>> = captions.into_iter().collect();
        // The longest first, lest one core is left with them.
        distinct.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        let parsed: Result<HashMap<&Vec<String>, Caption>, EvalError> =
            distinct.into_par_iter().map(|words| Ok((words, parse(words)?))).collect();
        let parsed = parsed?;
        let synonyms = Synonyms::built_in();
        let scored: Vec<(ItemScore, Arc<Reference>)> = items
            .par_iter()
            .zip(known)
            .map(|(item, known)| {
                let reference = known.unwrap_or_else(|| {
                    let said = || item.references.iter().filter_map(|words| parsed.get(words));
                    let tuples = said().flat_map(|caption| &caption.tuples);
                    Arc::new(Reference {
                        graph: SceneGraph::new(tuples, synonyms),
                        pieces: said().map(|caption| caption.pieces).max().unwrap_or(0),
                    })
                });
                let none = Caption::default();
                let candidate = parsed.get(&item.candidate).unwrap_or(&none);
                let graph = SceneGraph::new(&candidate.tuples, synonyms);
                let score = Score::new(&graph, &reference.graph);
                let in_pieces = candidate.pieces > 1 || reference.pieces > 1;
                (ItemScore { score, in_pieces }, reference)
            })
            .collect();
        let mut known = self.references.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scores = Vec::with_capacity(items.len());
        for (item, (score, reference)) in items.iter().zip(scored) {
            if !known.contains_key(&item.references) {
                known.insert(item.references.clone(), reference);
            }
            scores.push(score);
        }
        Ok(scores)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(candidate: &str, references: &[&str]) -> Item {
        Item::new(candidate, references)
    }

    #[test]
    fn equal_captions_score_one_and_kept_references_change_nothing() {
        let items = [
            item("a dog barks", &["a dog barks"]),
            item("a dog barks", &["rain falls", "a cat meows"]),
            item("", &["rain falls"]),
        ];
        let evaluator = Evaluator::new();
        let first = evaluator.scores(&items).unwrap();
        assert!((first[0].score.f() - 1.0).abs() < 1e-15);
        assert_eq!([first[1].score.f(), first[2].score.f()], [0.0, 0.0]);
        assert_eq!(evaluator.scores(&items).unwrap(), first);
        let none = Item { candidate: Vec::new(), references: Vec::new() };
        assert_eq!(evaluator.scores(&[none]), Err(EvalError::NoReference(0)));
    }

    #[test]
    fn any_text_has_a_score() {
        let long = "a dog barks and ".repeat(2_500);
        for text in
            [long.as_str(), "7", "x-y-z", "犬が吠える", "and and of of", "of", "'s", "a\u{a0}b"]
        {
            let scores = Evaluator::new().scores(&[item(text, &[text])]).unwrap();
            let f = scores[0].score.f();
            assert!((0.0..=1.0).contains(&f), "{text}: {f}");
            assert_eq!(scores[0].in_pieces, text.len() > 1_000 || scores[0].in_pieces);
        }
        let words = super::super::tokenize(&long);
        assert!(parse(&words).unwrap().pieces > 100);
    }
}
