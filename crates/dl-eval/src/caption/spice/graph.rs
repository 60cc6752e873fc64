//! The words of a sentence and which hangs on which: what every stage between the tree and
//! the tuples takes and gives.

/// A word with what the tagger says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// As it is written.
    pub text: String,
    /// Its Penn tag.
    pub tag: String,
    /// Its base form.
    pub lemma: String,
    /// Its number in the sentence, from 1. Two nodes share it where the official tool
    /// copied a word ("over and over").
    pub number: usize,
}

impl Word {
    /// A noun of any kind: NN, NNS, NNP or NNPS.
    pub fn is_noun(&self) -> bool {
        self.tag.starts_with("NN")
    }

    /// NNS or NNPS.
    pub fn is_plural(&self) -> bool {
        self.is_noun() && self.tag.ends_with('S')
    }

    /// A verb of any form.
    pub fn is_verb(&self) -> bool {
        self.tag.starts_with('V')
    }
}

/// A word that hangs on another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Place of the head in [`Graph::words`].
    pub head: usize,
    /// Place of the dependent.
    pub dependent: usize,
    /// Universal Dependencies, version 1: `nsubj`; after collapsing `nmod:in`.
    pub relation: String,
}

/// One sentence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    /// In the order of the sentence; copies come last.
    pub words: Vec<Word>,
    /// Places of the words that hang on none, ascending.
    pub roots: Vec<usize>,
    /// By dependent, then head.
    pub edges: Vec<Edge>,
}

impl Graph {
    /// What hangs on a word, from left to right.
    pub fn children(&self, head: usize) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |edge| edge.head == head)
    }

    /// What a word hangs on.
    pub fn parents(&self, dependent: usize) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |edge| edge.dependent == dependent)
    }

    /// The first dependent by this relation.
    pub fn child(&self, head: usize, relation: &str) -> Option<usize> {
        self.children(head).find(|edge| edge.relation == relation).map(|edge| edge.dependent)
    }

    /// Whether something hangs on a word by this relation.
    pub fn has(&self, head: usize, relation: &str) -> bool {
        self.child(head, relation).is_some()
    }

    /// Puts edges and roots in their order.
    pub fn sort(&mut self) {
        self.edges.sort_by_key(|edge| (edge.dependent, edge.head));
        self.roots.sort_unstable();
    }
}
