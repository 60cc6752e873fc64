//! What a filled chart says: the best tree, and where no tree spans all words, trees side
//! by side.

use super::{
    super::{grammar::Grammar, symbols::Symbol},
    Chart, Held, NONE,
};

/// A node of the best tree, in preorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// The first word.
    pub start: u16,
    /// Behind the last word.
    pub end: u16,
    /// The symbol.
    pub symbol: Symbol,
    /// How it came about.
    pub rule: Rule,
}

/// How a node came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A tag (a number into the lexicon's list) over a word.
    Word(u16),
    /// A unary rule, by number.
    One(u32),
    /// A binary rule, by number; behind the last word of the left child.
    Two(u32, u16),
}

impl Chart {
    /// The weight of a symbol over a span, if it is there.
    fn get(&self, grammar: &Grammar, span: usize, symbol: Symbol) -> Option<f32> {
        self.place(span, grammar.rules.slot(symbol)).map(|place| self.scores[place])
    }

    /// The best symbol under the top, where a tree spans all words.
    pub fn top(&self) -> Option<Symbol> {
        self.top.map(|(symbol, _)| symbol)
    }

    /// The best tree's nodes in preorder, without the top. Empty where there is none.
    pub fn best(&self, grammar: &Grammar, held: Option<Held<'_>>) -> Vec<Found> {
        match self.top() {
            Some(symbol) => self.tree(grammar, (0, self.words, symbol), held),
            None => Vec::new(),
        }
    }

    /// Spans that lie side by side over all words, each with a symbol that is no step:
    /// those of greatest weight where each costs `cost`.
    pub fn cover(&self, grammar: &Grammar, cost: f32) -> Vec<(usize, usize, Symbol)> {
        let mut ways: Vec<(f32, usize, Symbol)> = vec![(0.0, 0, 0)];
        for end in 1..=self.words {
            let mut best = (NONE, 0, 0);
            for (start, way) in ways.iter().enumerate() {
                let span = self.span(start, end);
                for symbol in 0..grammar.rules.symbols().len() as Symbol {
                    if grammar.rules.is_step(symbol) {
                        continue;
                    }
                    let weight = way.0 + self.get(grammar, span, symbol).unwrap_or(NONE) - cost;
                    if weight > best.0 {
                        best = (weight, start, symbol);
                    }
                }
            }
            ways.push(best);
        }
        let mut spans = Vec::new();
        let mut end = self.words;
        while end > 0 {
            let (_, start, symbol) = ways[end];
            spans.push((start, end, symbol));
            end = start;
        }
        spans.reverse();
        spans
    }

    /// The nodes in preorder of the best tree over these words under this symbol, which
    /// must be there. The search keeps no way back to two children: a node's rule is
    /// the one whose sum is its weight.
    pub fn tree(
        &self,
        grammar: &Grammar,
        span: (usize, usize, Symbol),
        held: Option<Held<'_>>,
    ) -> Vec<Found> {
        let mut nodes = Vec::new();
        let mut stack = vec![span];
        while let Some((start, end, symbol)) = stack.pop() {
            let Some(rule) = self.rule(grammar, held, start, end, symbol) else {
                debug_assert!(false, "a node has no rule");
                return Vec::new();
            };
            match rule {
                Rule::Word(_) => {}
                Rule::One(rule) => {
                    stack.push((start, end, grammar.rules.unary()[rule as usize].child));
                }
                Rule::Two(rule, middle) => {
                    let rule = grammar.rules.binary()[rule as usize];
                    stack.push((middle as usize, end, rule.right));
                    stack.push((start, middle as usize, rule.left));
                }
            }
            nodes.push(Found { start: start as u16, end: end as u16, symbol, rule });
        }
        nodes
    }

    fn rule(
        &self,
        grammar: &Grammar,
        held: Option<Held<'_>>,
        start: usize,
        end: usize,
        symbol: Symbol,
    ) -> Option<Rule> {
        let span = self.span(start, end);
        let place = self.place(span, grammar.rules.slot(symbol))?;
        let weight = self.scores[place];
        if let Some(rule) = self.ways[place].checked_sub(1) {
            return Some(Rule::One(rule));
        }
        let node = (start as u16, end as u16, symbol);
        let cost = match held {
            Some(held) if held.nodes.binary_search(&node).is_ok() => held.cost,
            _ => 0.0,
        };
        let rules = &grammar.rules;
        for &rule in rules.binary_of(symbol) {
            let binary = rules.binary()[rule as usize];
            let own = grammar.weights[rules.binary_weight(rule as usize)];
            let step_left = rules.has_step_left(rule as usize);
            for middle in start + 1..end {
                let (Some(left), Some(right)) = (
                    self.get(grammar, self.span(start, middle), binary.left),
                    self.get(grammar, self.span(middle, end), binary.right),
                ) else {
                    continue;
                };
                let (step, other) = if step_left { (left, right) } else { (right, left) };
                if step + other + own - cost == weight {
                    return Some(Rule::Two(rule, middle as u16));
                }
            }
        }
        let tag = grammar.lexicon.tags.binary_search(&symbol).ok()?;
        Some(Rule::Word(tag as u16))
    }
}
