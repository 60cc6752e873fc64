//! The grammar of the parser: symbols, rules and their weights. The weight of a tree
//! is the sum of the weights of its rules and of its (tag, word) pairs.
//!
//! Every binary rule has one child that is a step inside a constituent (its label
//! begins with `@`), so a rule is found from that child alone: few rules share one.

use super::{
    lexicon::Lexicon,
    partners::{Partners, slots},
    symbols::{Binary, Symbol, Unary},
};

/// Rules without weights, and where to find them.
#[derive(Debug, Clone)]
pub struct Rules {
    symbols: Vec<String>,
    /// Sorted by the child that is a step: first those where it stands left.
    binary: Vec<Binary>,
    /// Sorted by child.
    unary: Vec<Unary>,
    /// How many binary rules have their step on the left.
    left_rules: usize,
    /// Where each symbol stands in a set.
    slots: Vec<u16>,
    /// What stands right of a step that is left, and the other way about.
    left_partners: Partners,
    right_partners: Partners,
    unary_at: Vec<u32>,
    /// Numbers of binary rules by parent.
    by_parent: Vec<u32>,
    by_parent_at: Vec<u32>,
}

/// What makes a list of rules unfit for a grammar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrammarError {
    /// Numbers are 16 bits wide.
    #[error("{0} symbols are too many; at most 65,535 fit")]
    TooManySymbols(usize),
    /// A chain of unary rules that comes back to its beginning has no best tree.
    #[error("unary rules lead from {0} back to it")]
    Circle(String),
    /// See the module's page.
    #[error("the binary rule {0} -> {1} {2} needs exactly one child that begins with @")]
    NoStep(String, String, String),
    /// A grammar without trees.
    #[error("there is no tree to read rules from")]
    Empty,
}

/// Where the items of each key begin in a list sorted by key.
fn starts(keys: impl Iterator<Item = Symbol>, count: usize) -> Vec<u32> {
    let mut at = vec![0; count + 1];
    for key in keys {
        at[key as usize + 1] += 1;
    }
    for index in 1..at.len() {
        at[index] += at[index - 1];
    }
    at
}

/// Numbers of items by key, and where each key begins.
fn index(keys: &[Symbol], count: usize) -> (Vec<u32>, Vec<u32>) {
    let mut order: Vec<u32> = (0..keys.len() as u32).collect();
    order.sort_by_key(|&item| keys[item as usize]);
    (order, starts(keys.iter().copied(), count))
}

fn between(at: &[u32], symbol: Symbol) -> std::ops::Range<usize> {
    at[symbol as usize] as usize..at[symbol as usize + 1] as usize
}

impl Rules {
    /// Rules over these symbols. Order does not matter; doubles vanish.
    ///
    /// # Errors
    /// [`GrammarError::NoStep`] and [`GrammarError::Circle`].
    pub fn new(
        symbols: Vec<String>,
        mut binary: Vec<Binary>,
        mut unary: Vec<Unary>,
    ) -> Result<Self, GrammarError> {
        let count = symbols.len();
        if count > usize::from(u16::MAX) {
            return Err(GrammarError::TooManySymbols(count));
        }
        let is_step = |symbol: Symbol| symbols[symbol as usize].starts_with('@');
        for rule in &binary {
            if is_step(rule.left) == is_step(rule.right) {
                let name = |symbol: Symbol| symbols[symbol as usize].clone();
                return Err(GrammarError::NoStep(
                    name(rule.parent),
                    name(rule.left),
                    name(rule.right),
                ));
            }
        }
        if let Some(rule) = unary.iter().find(|rule| rule.child >= rule.parent) {
            return Err(GrammarError::Circle(symbols[rule.child as usize].clone()));
        }
        binary.sort_by_key(|rule| match is_step(rule.left) {
            true => (0, rule.left, rule.right, rule.parent),
            false => (1, rule.right, rule.left, rule.parent),
        });
        binary.dedup();
        unary.sort_by_key(|rule| (rule.child, rule.parent));
        unary.dedup();
        let left_rules = binary.partition_point(|rule| is_step(rule.left));
        let partners = binary[..left_rules].iter().map(|rule| rule.right);
        let partners = partners.chain(binary[left_rules..].iter().map(|rule| rule.left));
        let slots = slots(partners, count);
        let (before, behind) = binary.split_at(left_rules);
        let left_partners = Partners::new(before, 0, &slots, |rule| (rule.left, rule.right));
        let right_partners =
            Partners::new(behind, left_rules, &slots, |rule| (rule.right, rule.left));
        let unary_at = starts(unary.iter().map(|rule| rule.child), count);
        let parents: Vec<_> = binary.iter().map(|rule| rule.parent).collect();
        let (by_parent, by_parent_at) = index(&parents, count);
        Ok(Self {
            symbols,
            binary,
            unary,
            left_rules,
            slots,
            left_partners,
            right_partners,
            unary_at,
            by_parent,
            by_parent_at,
        })
    }

    /// The labels, by number.
    pub fn symbols(&self) -> &[String] {
        &self.symbols
    }

    /// Whether a symbol is a step inside a constituent.
    pub fn is_step(&self, symbol: Symbol) -> bool {
        self.symbols[symbol as usize].starts_with('@')
    }

    /// The binary rules, by number.
    pub fn binary(&self) -> &[Binary] {
        &self.binary
    }

    /// The unary rules, by number.
    pub fn unary(&self) -> &[Unary] {
        &self.unary
    }

    /// How many weights there are: binary rules, unary rules, symbols under the top.
    pub fn weights(&self) -> usize {
        self.binary.len() + self.unary.len() + self.symbols.len()
    }

    /// Whether the step of a binary rule stands left.
    pub(super) fn has_step_left(&self, rule: usize) -> bool {
        rule < self.left_rules
    }

    /// Where a symbol stands in a set.
    #[inline(always)]
    pub(super) fn slot(&self, symbol: Symbol) -> u16 {
        self.slots[symbol as usize]
    }

    /// What stands right of a step that is left.
    #[inline(always)]
    pub(super) fn left_partners(&self) -> &Partners {
        &self.left_partners
    }

    /// What stands left of a step that is right.
    #[inline(always)]
    pub(super) fn right_partners(&self) -> &Partners {
        &self.right_partners
    }

    /// Numbers of the unary rules with this child.
    pub(super) fn over_child(&self, symbol: Symbol) -> std::ops::Range<usize> {
        between(&self.unary_at, symbol)
    }

    /// Numbers of the binary rules with this parent.
    pub(super) fn binary_of(&self, parent: Symbol) -> &[u32] {
        &self.by_parent[between(&self.by_parent_at, parent)]
    }

    /// The weight of a binary rule.
    pub(super) fn binary_weight(&self, rule: usize) -> usize {
        rule
    }

    /// The place of a unary rule's weight.
    pub(super) fn unary_weight(&self, rule: usize) -> usize {
        self.binary.len() + rule
    }

    /// The place of the weight of a symbol under the top.
    pub(super) fn top_weight(&self, symbol: Symbol) -> usize {
        self.binary.len() + self.unary.len() + symbol as usize
    }
}

/// Rules, weights and words: all that a parser needs.
#[derive(Debug, Clone)]
pub struct Grammar {
    /// The rules.
    pub rules: Rules,
    /// Their weights: [`Rules::weights`] of them.
    pub weights: Vec<f32>,
    /// The weights of (tag, word) pairs.
    pub lexicon: Lexicon,
}

impl Grammar {
    /// Takes other weights: those of rules first, then those of words.
    pub(super) fn set(&mut self, weights: impl Iterator<Item = f32>) {
        let places = self.weights.iter_mut().chain(&mut self.lexicon.weights);
        places.zip(weights).for_each(|(place, weight)| *place = weight);
    }
}
