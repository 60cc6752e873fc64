//! The search: the tree of greatest weight over a caption's words, by the algorithm of
//! Cocke, Kasami and Younger, span after span from short to long (`search`).
//!
//! A span keeps the symbols that it can be, as bits, and their weights in a row. Rules
//! are tried from the child that is a step inside a constituent; the bits of the other
//! child's span and those of the step's `partners` tell which rules
//! have both. A span drops symbols that are much worse than its best, a symbol's usual
//! weight outside the span added to both ([`Beam`]). `read` finds the tree.

mod beam;
mod read;
mod search;
#[cfg(test)]
mod tests;

pub use beam::{Beam, Held};
pub use read::{Found, Rule};

use super::{lexicon::TagScores, partners::Group, symbols::Symbol};

/// Room for a search; kept from caption to caption.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    words: usize,
    /// 64-bit words of a span's set of symbols.
    width: usize,
    sets: Vec<Set>,
    scores: Vec<f32>,
    /// Beside each weight: 1 + the unary rule that made it, 0 for another.
    ways: Vec<u32>,
    /// Steps that stand left in some rule, span after span, once for each of their groups.
    lefts: Vec<Step>,
    left_at: Vec<(u32, u32)>,
    /// Steps that stand right.
    rights: Vec<Step>,
    right_at: Vec<(u32, u32)>,
    /// Groups of two spans that have partners in common, and which step's each is.
    met: Vec<(u64, u32)>,
    /// The span in hand.
    best: Vec<f32>,
    way: Vec<u32>,
    /// Weight inside and usual weight outside.
    hopes: Vec<f32>,
    here: Vec<u64>,
    kept: Vec<u64>,
    /// The symbols kept, ascending, with their ways and weights.
    list: Vec<(Symbol, u32, f32)>,
    tags: TagScores,
    /// The best symbol under the top and its weight with that of the top.
    top: Option<(Symbol, f32)>,
}

/// Sixty-four slots over a span.
#[derive(Debug, Clone, Copy, Default)]
struct Set {
    bits: u64,
    /// Where the first of those that are there stands in `scores`.
    first: u32,
}

impl Set {
    /// Where a slot's symbol stands in `scores`, if it is there.
    #[inline(always)]
    fn place(self, slot: u16) -> Option<usize> {
        let bit = 1 << (slot % 64);
        (self.bits & bit != 0)
            .then(|| self.first as usize + (self.bits & (bit - 1)).count_ones() as usize)
    }
}

/// A step over a span: its weight, with one of its groups of partners.
#[derive(Debug, Clone, Copy)]
struct Step {
    weight: f32,
    group: Group,
}

const NONE: f32 = f32::NEG_INFINITY;

impl Chart {
    #[inline(always)]
    fn span(&self, start: usize, end: usize) -> usize {
        // Spans that end at the same word lie together, the shortest first.
        end * (end - 1) / 2 + (end - 1 - start)
    }

    /// Where a slot's symbol over a span stands in `scores`, if it is there.
    #[inline(always)]
    fn place(&self, span: usize, slot: u16) -> Option<usize> {
        self.sets[span * self.width + slot as usize / 64].place(slot)
    }
}
