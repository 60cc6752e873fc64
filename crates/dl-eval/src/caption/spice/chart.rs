//! The search: the tree of greatest weight over a caption's words, by the algorithm of
//! Cocke, Kasami and Younger, span after span from short to long.
//!
//! A span keeps the symbols that it can be, as bits, and their weights in a row. Rules
//! are tried from the child that is a step inside a constituent; a bit tells whether
//! the other child is there. A span drops symbols that are much worse than its best,
//! a symbol's usual weight outside the span added to both ([`Beam`]).

use super::{
    grammar::{Grammar, Symbol},
    lexicon::{TagScores, Views},
};

/// What a span drops.
#[derive(Debug, Clone, PartialEq)]
pub struct Beam {
    /// What a symbol usually gains outside its span, by symbol.
    pub outside: Vec<f32>,
    /// What it gains by the class of the word before and by that of the word behind:
    /// by symbol, then class; the last class is the caption's edge.
    pub before: Vec<f32>,
    /// See `before`.
    pub behind: Vec<f32>,
    /// How many classes there are, the edge included.
    pub classes: usize,
    /// How much worse than the best a symbol may be; infinite drops nothing.
    pub width: f32,
}

/// Symbols of a tree that a search should be held away from: each costs `cost`.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// Nodes of the tree: ascending by (start, end, symbol).
    pub nodes: &'a [(u16, u16, Symbol)],
    /// What each costs.
    pub cost: f32,
}

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

/// Room for a search; kept from caption to caption.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    words: usize,
    /// 64-bit words of a span's set of symbols.
    width: usize,
    bits: Vec<u64>,
    /// For each 64-bit word of each span: where its first symbol stands in `scores`.
    ranks: Vec<u32>,
    scores: Vec<f32>,
    /// Beside each weight: 1 + the unary rule that made it, 0 for another.
    ways: Vec<u32>,
    /// Steps that stand left in some rule, with their weights, span after span.
    lefts: Vec<(Symbol, f32)>,
    left_at: Vec<(u32, u32)>,
    /// Steps that stand right.
    rights: Vec<(Symbol, f32)>,
    right_at: Vec<(u32, u32)>,
    /// The span in hand.
    best: Vec<f32>,
    way: Vec<u32>,
    here: Vec<u64>,
    kept: Vec<u64>,
    tags: TagScores,
    /// The best symbol under the top and its weight with that of the top.
    top: Option<(Symbol, f32)>,
}

const NONE: f32 = f32::NEG_INFINITY;

impl Chart {
    fn span(&self, start: usize, end: usize) -> usize {
        // Spans that end at the same word lie together, the shortest first.
        end * (end - 1) / 2 + (end - 1 - start)
    }

    /// Where a symbol over a span stands in `scores`, if it is there.
    #[inline]
    fn place(&self, span: usize, symbol: Symbol) -> Option<usize> {
        let at = span * self.width + symbol as usize / 64;
        let bits = self.bits[at];
        let bit = 1 << (symbol % 64);
        (bits & bit != 0)
            .then(|| self.ranks[at] as usize + (bits & (bit - 1)).count_ones() as usize)
    }

    /// The weight of a symbol over a span, if it is there.
    #[inline]
    fn get(&self, span: usize, symbol: Symbol) -> Option<f32> {
        self.place(span, symbol).map(|place| self.scores[place])
    }

    /// Fills the chart for a caption and gives the best tree's weight; none where no
    /// tree spans all words.
    pub fn fill(
        &mut self,
        grammar: &Grammar,
        beam: &Beam,
        words: &[Views],
        held: Option<Held<'_>>,
    ) -> Option<f32> {
        let symbols = grammar.rules.symbols().len();
        self.words = words.len();
        self.width = symbols.div_ceil(64);
        let spans = words.len() * (words.len() + 1) / 2;
        self.bits.clear();
        self.bits.resize(spans * self.width, 0);
        self.ranks.clear();
        self.ranks.resize(spans * self.width, 0);
        self.left_at.clear();
        self.left_at.resize(spans, (0, 0));
        self.right_at.clear();
        self.right_at.resize(spans, (0, 0));
        self.scores.clear();
        self.ways.clear();
        self.lefts.clear();
        self.rights.clear();
        self.best.clear();
        self.best.resize(symbols, NONE);
        self.way.clear();
        self.way.resize(symbols, 0);
        self.kept.clear();
        self.kept.resize(self.width, 0);
        self.here.clear();
        self.here.resize(self.width, 0);
        self.top = None;
        for end in 1..=words.len() {
            for start in (0..end).rev() {
                if start + 1 == end {
                    self.tag(grammar, &words[start]);
                } else {
                    for middle in start + 1..end {
                        self.join(grammar, start, middle, end);
                    }
                }
                self.chains(grammar, held.map(|held| (held, start as u16, end as u16)));
                if end - start == words.len() {
                    self.top = self.choose(grammar);
                }
                let edge = beam.classes.saturating_sub(1);
                let class = |word: usize| words.get(word).map_or(edge, |w| w.class as usize);
                let around = (class(start.wrapping_sub(1)), class(end));
                self.keep(grammar, beam, start, end, around);
            }
        }
        self.top.map(|(_, weight)| weight)
    }

    fn tag(&mut self, grammar: &Grammar, views: &Views) {
        let mut tags = std::mem::take(&mut self.tags);
        grammar.lexicon.scores(views, &mut tags);
        for &(tag, weight) in &tags.scores {
            self.offer(grammar.lexicon.tags[tag as usize], weight);
        }
        self.tags = tags;
    }

    #[inline]
    fn offer(&mut self, symbol: Symbol, weight: f32) {
        let best = &mut self.best[symbol as usize];
        if weight > *best {
            *best = weight;
            self.here[symbol as usize / 64] |= 1 << (symbol % 64);
        }
    }

    fn join(&mut self, grammar: &Grammar, start: usize, middle: usize, end: usize) {
        let (left, right) = (self.span(start, middle), self.span(middle, end));
        let rules = &grammar.rules;
        let binary = rules.binary();
        for at in self.left_at[left].0..self.left_at[left].1 {
            let (step, weight) = self.lefts[at as usize];
            for rule in rules.left(step) {
                if let Some(other) = self.get(right, binary[rule].right) {
                    let weight = weight + other + grammar.weights[rules.binary_weight(rule)];
                    self.offer(binary[rule].parent, weight);
                }
            }
        }
        for at in self.right_at[right].0..self.right_at[right].1 {
            let (step, weight) = self.rights[at as usize];
            for rule in rules.right(step) {
                if let Some(other) = self.get(left, binary[rule].left) {
                    let weight = weight + other + grammar.weights[rules.binary_weight(rule)];
                    self.offer(binary[rule].parent, weight);
                }
            }
        }
    }

    /// Applies unary rules, children before parents.
    fn chains(&mut self, grammar: &Grammar, held: Option<(Held<'_>, u16, u16)>) {
        let rules = &grammar.rules;
        for at in 0..self.width {
            let mut done = 0_u64;
            loop {
                let open = self.here[at] & !done;
                if open == 0 {
                    break;
                }
                let bit = open.trailing_zeros();
                done |= (2 << bit) - 1;
                let symbol = (at * 64) as Symbol + bit as Symbol;
                if let Some((held, start, end)) = held
                    && held.nodes.binary_search(&(start, end, symbol)).is_ok()
                {
                    self.best[symbol as usize] -= held.cost;
                }
                let weight = self.best[symbol as usize];
                for rule in rules.from_child(symbol) {
                    let weight = weight + grammar.weights[rules.unary_weight(rule)];
                    let parent = rules.unary()[rule].parent;
                    if weight > self.best[parent as usize] {
                        self.offer(parent, weight);
                        self.way[parent as usize] = rule as u32 + 1;
                    }
                }
            }
        }
    }

    fn choose(&self, grammar: &Grammar) -> Option<(Symbol, f32)> {
        let mut top: Option<(Symbol, f32)> = None;
        for symbol in symbols(&self.here) {
            let weight =
                self.best[symbol as usize] + grammar.weights[grammar.rules.top_weight(symbol)];
            if weight > top.map_or(NONE, |top| top.1) {
                top = Some((symbol, weight));
            }
        }
        top
    }

    /// Stores the span in hand.
    fn keep(
        &mut self,
        grammar: &Grammar,
        beam: &Beam,
        start: usize,
        end: usize,
        (before, behind): (usize, usize),
    ) {
        let outside = |symbol: usize| {
            beam.outside[symbol]
                + beam.before[symbol * beam.classes + before]
                + beam.behind[symbol * beam.classes + behind]
        };
        let span = self.span(start, end);
        let mut floor = NONE;
        // The whole caption is searched only through its top.
        if beam.width.is_finite() && end - start < self.words {
            for symbol in symbols(&self.here) {
                floor = floor.max(self.best[symbol as usize] + outside(symbol as usize));
            }
            floor -= beam.width;
        }
        // Parents before children: a child that its parent came from stays.
        for at in (0..self.width).rev() {
            let mut open = self.here[at];
            while open != 0 {
                let bit = 63 - open.leading_zeros();
                open &= !(1 << bit);
                let symbol = at * 64 + bit as usize;
                if floor == NONE || self.best[symbol] + outside(symbol) >= floor {
                    self.kept[at] |= 1 << bit;
                }
                if self.kept[at] & 1 << bit != 0 && self.way[symbol] > 0 {
                    let child = grammar.rules.unary()[self.way[symbol] as usize - 1].child;
                    self.kept[child as usize / 64] |= 1 << (child % 64);
                }
            }
        }
        let (lefts, rights) = (self.lefts.len() as u32, self.rights.len() as u32);
        for at in 0..self.width {
            let mut open = std::mem::take(&mut self.here[at]);
            let kept = std::mem::take(&mut self.kept[at]);
            self.bits[span * self.width + at] = kept;
            self.ranks[span * self.width + at] = self.scores.len() as u32;
            while open != 0 {
                let bit = open.trailing_zeros();
                open &= open - 1;
                let symbol = (at * 64) as Symbol + bit as Symbol;
                let weight = std::mem::replace(&mut self.best[symbol as usize], NONE);
                let way = std::mem::take(&mut self.way[symbol as usize]);
                if kept & 1 << bit == 0 {
                    continue;
                }
                self.scores.push(weight);
                self.ways.push(way);
                if !grammar.rules.left(symbol).is_empty() {
                    self.lefts.push((symbol, weight));
                }
                if !grammar.rules.right(symbol).is_empty() {
                    self.rights.push((symbol, weight));
                }
            }
        }
        self.left_at[span] = (lefts, self.lefts.len() as u32);
        self.right_at[span] = (rights, self.rights.len() as u32);
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
            for start in 0..end {
                let span = self.span(start, end);
                for symbol in symbols(&self.bits[span * self.width..][..self.width]) {
                    if grammar.rules.symbols()[symbol as usize].starts_with('@') {
                        continue;
                    }
                    let weight = ways[start].0 + self.get(span, symbol).unwrap_or(NONE) - cost;
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
        let place = self.place(span, symbol)?;
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
            let step_left = !rules.left(binary.left).is_empty()
                && rules.left(binary.left).contains(&(rule as usize));
            for middle in start + 1..end {
                let (Some(left), Some(right)) = (
                    self.get(self.span(start, middle), binary.left),
                    self.get(self.span(middle, end), binary.right),
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

/// The symbols of a set, ascending.
fn symbols(set: &[u64]) -> impl Iterator<Item = Symbol> + '_ {
    set.iter().enumerate().flat_map(|(at, &bits)| {
        let mut open = bits;
        std::iter::from_fn(move || {
            (open != 0).then(|| {
                let bit = open.trailing_zeros();
                open &= open - 1;
                (at * 64) as Symbol + bit as Symbol
            })
        })
    })
}
