//! What a candidate says of what the references say: precision, recall and F of tuples,
//! of all and of each kind.

use super::scene_graph::{Concept, SceneGraph};

/// Kinds of tuples that have a score of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// All tuples.
    All,
    /// One part.
    Object,
    /// Two parts.
    Attribute,
    /// Three parts.
    Relation,
    /// Attributes that are a colour. The official list is not published; these are the
    /// colours found in its output, and the common ones besides.
    Color,
    /// Attributes that are a number from one to ten.
    Count,
    /// Attributes that are a size: those found in the official output, and few besides.
    Size,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::All,
        Self::Object,
        Self::Attribute,
        Self::Relation,
        Self::Color,
        Self::Count,
        Self::Size,
    ];

    /// Whether a tuple is of this kind. Attributes of several words that became one are
    /// no colour, count or size.
    fn has(self, tuple: &[&Concept]) -> bool {
        let attribute = |words: &[&str]| match tuple {
            [_, attribute] => {
                matches!(attribute.texts(), [text] if words.contains(&text.as_str()))
            }
            _ => false,
        };
        match self {
            Self::All => true,
            Self::Object => tuple.len() == 1,
            Self::Attribute => tuple.len() == 2,
            Self::Relation => tuple.len() == 3,
            Self::Color => attribute(&COLORS),
            Self::Count => attribute(&COUNTS),
            Self::Size => attribute(&SIZES),
        }
    }
}

const COLORS: [&str; 22] = [
    "light", "dark", "white", "black", "blue", "brown", "red", "green", "yellow", "orange",
    "purple", "pink", "gray", "grey", "gold", "golden", "silver", "tan", "beige", "cream",
    "maroon", "violet",
];

const COUNTS: [&str; 10] =
    ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

const SIZES: [&str; 14] = [
    "baby", "big", "great", "heavy", "huge", "large", "little", "narrow", "short", "small", "tall",
    "thick", "thin", "tiny",
];

/// Counts of tuples of one kind in one item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Of the candidate, that some tuple of the references matches.
    pub matched: usize,
    /// Of the candidate.
    pub candidate: usize,
    /// Of the references.
    pub reference: usize,
}

impl Counts {
    /// Matched of the candidate's; 0 where it has none.
    pub fn precision(self) -> f64 {
        share(self.matched, self.candidate)
    }

    /// Matched of the references'; 0 where they have none.
    pub fn recall(self) -> f64 {
        share(self.matched, self.reference)
    }

    /// The harmonic mean of both; 0 where one is 0.
    pub fn f(self) -> f64 {
        let (precision, recall) = (self.precision(), self.recall());
        if self.matched == 0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) }
    }
}

fn share(part: usize, all: usize) -> f64 {
    if all == 0 { 0.0 } else { part as f64 / all as f64 }
}

/// The score of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Score {
    counts: [Counts; Kind::ALL.len()],
    /// The candidate's tuples as texts (several of one concept joined by "/"), and whether
    /// the references have each.
    pub candidate: Vec<(Vec<String>, bool)>,
    /// The references' tuples, and whether the candidate has each.
    pub reference: Vec<(Vec<String>, bool)>,
}

impl Score {
    /// Compares two graphs. A tuple matches where some tuple of the other side is similar
    /// in every part; one of the references' may serve several.
    pub fn new(candidate: &SceneGraph, reference: &SceneGraph) -> Self {
        let (candidate, reference) = (candidate.tuples(), reference.tuples());
        let similar = |a: &[&Concept], b: &[&Concept]| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is_similar(b))
        };
        let mut of_candidate = vec![false; candidate.len()];
        let mut of_reference = vec![false; reference.len()];
        for (own, matched) in candidate.iter().zip(&mut of_candidate) {
            for (other, used) in reference.iter().zip(&mut of_reference) {
                if similar(own, other) {
                    *matched = true;
                    *used = true;
                }
            }
        }
        let counts = Kind::ALL.map(|kind| {
            let own: Vec<&Vec<&Concept>> = candidate.iter().filter(|own| kind.has(own)).collect();
            let others: Vec<&Vec<&Concept>> =
                reference.iter().filter(|other| kind.has(other)).collect();
            let matched = own.iter().filter(|own| others.iter().any(|other| similar(own, other)));
            Counts { matched: matched.count(), candidate: own.len(), reference: others.len() }
        });
        let texts = |tuples: &[Vec<&Concept>], matched: Vec<bool>| {
            let text = |concept: &&Concept| concept.texts().join("/").replace('_', " ");
            let tuple = |tuple: &Vec<&Concept>| tuple.iter().map(text).collect();
            tuples.iter().map(tuple).zip(matched).collect()
        };
        Self {
            counts,
            candidate: texts(&candidate, of_candidate),
            reference: texts(&reference, of_reference),
        }
    }

    /// The counts of a kind.
    pub fn counts(&self, kind: Kind) -> Counts {
        self.counts[kind as usize]
    }

    /// SPICE of this item, 0 to 1.
    pub fn f(&self) -> f64 {
        self.counts(Kind::All).f()
    }

    /// The score of a kind; `None` where the references have no such tuple.
    pub fn of(&self, kind: Kind) -> Option<f64> {
        let counts = self.counts(kind);
        (kind == Kind::All || counts.reference > 0).then(|| counts.f())
    }
}
