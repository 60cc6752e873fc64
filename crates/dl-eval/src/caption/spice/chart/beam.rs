//! What a search leaves out, and what it is held away from: the beam of a span and the
//! margin of a training.

use super::super::{lexicon::Views, symbols::Symbol};

/// What a span drops.
#[derive(Debug, Clone, PartialEq)]
pub struct Beam {
    /// What a symbol usually gains outside its span, by symbol.
    pub outside: Vec<f32>,
    /// What it gains by the class of the word before and by that of the word behind:
    /// by class, then symbol; the last class is the caption's edge.
    pub before: Vec<f32>,
    /// See `before`.
    pub behind: Vec<f32>,
    /// How many classes there are, the edge included.
    pub classes: usize,
    /// How much worse than the best a symbol may be; infinite drops nothing.
    pub width: f32,
}

/// What stands around a span, as the beam sees it.
pub(super) struct Around<'a> {
    outside: &'a [f32],
    before: &'a [f32],
    behind: &'a [f32],
    pub(super) width: f32,
}

impl Around<'_> {
    #[inline(always)]
    pub(super) fn of(&self, symbol: usize) -> f32 {
        self.outside[symbol] + self.before[symbol] + self.behind[symbol]
    }
}

impl Beam {
    pub(super) fn around(
        &self,
        words: &[Views],
        start: usize,
        end: usize,
        whole: bool,
    ) -> Around<'_> {
        let edge = self.classes.saturating_sub(1);
        let row = |word: usize| {
            let class = words.get(word).map_or(edge, |word| word.class as usize);
            class * self.outside.len()
        };
        Around {
            outside: &self.outside,
            before: &self.before[row(start.wrapping_sub(1))..][..self.outside.len()],
            behind: &self.behind[row(end)..][..self.outside.len()],
            // The whole caption is searched only through its top.
            width: if whole { f32::INFINITY } else { self.width },
        }
    }
}

/// Symbols of a tree that a search should be held away from: each costs `cost`.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// Nodes of the tree: ascending by (start, end, symbol).
    pub nodes: &'a [(u16, u16, Symbol)],
    /// What each costs.
    pub cost: f32,
}
