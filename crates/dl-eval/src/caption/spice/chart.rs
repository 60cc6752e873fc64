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
struct Around<'a> {
    outside: &'a [f32],
    before: &'a [f32],
    behind: &'a [f32],
    width: f32,
}

impl Around<'_> {
    #[inline]
    fn of(&self, symbol: usize) -> f32 {
        self.outside[symbol] + self.before[symbol] + self.behind[symbol]
    }
}

impl Beam {
    fn around(&self, words: &[Views], start: usize, end: usize, whole: bool) -> Around<'_> {
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
    sets: Vec<Set>,
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
    /// Weight inside and usual weight outside.
    hopes: Vec<f32>,
    here: Vec<u64>,
    kept: Vec<u64>,
    tags: TagScores,
    /// The best symbol under the top and its weight with that of the top.
    top: Option<(Symbol, f32)>,
}

/// Sixty-four symbols over a span.
#[derive(Debug, Clone, Copy, Default)]
struct Set {
    bits: u64,
    /// Where the first of those that are there stands in `scores`.
    first: u32,
}

impl Set {
    /// Where a symbol stands in `scores`, if it is there.
    #[inline]
    fn place(self, symbol: Symbol) -> Option<usize> {
        let bit = 1 << (symbol % 64);
        (self.bits & bit != 0)
            .then(|| self.first as usize + (self.bits & (bit - 1)).count_ones() as usize)
    }
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
        self.sets[span * self.width + symbol as usize / 64].place(symbol)
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
        self.sets.clear();
        self.sets.resize(spans * self.width, Set::default());
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
        self.hopes.clear();
        self.hopes.resize(symbols, NONE);
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
                let whole = end - start == words.len();
                let around = beam.around(words, start, end, whole);
                let held = held.map(|held| (held, start as u16, end as u16));
                let floor = self.chains(grammar, &around, held);
                if whole {
                    self.top = self.choose(grammar);
                }
                self.keep(grammar, self.span(start, end), floor);
            }
        }
        self.top.map(|(_, weight)| weight)
    }

    fn tag(&mut self, grammar: &Grammar, views: &Views) {
        let mut tags = std::mem::take(&mut self.tags);
        grammar.lexicon.scores(views, &mut tags);
        for &(tag, weight) in &tags.scores {
            offer(&mut self.best, &mut self.here, grammar.lexicon.tags[tag as usize], weight);
        }
        self.tags = tags;
    }

    fn join(&mut self, grammar: &Grammar, start: usize, middle: usize, end: usize) {
        let (left, right) = (self.span(start, middle), self.span(middle, end));
        let Self { sets, scores, lefts, rights, best, here, .. } = self;
        let rules = &grammar.rules;
        let others = &sets[right * self.width..][..self.width];
        let (from, to) = self.left_at[left];
        for &(step, weight) in &lefts[from as usize..to as usize] {
            let range = rules.left(step);
            let weights = &grammar.weights[rules.binary_weight(range.start)..][..range.len()];
            for (rule, own) in rules.binary()[range].iter().zip(weights) {
                if let Some(place) = others[rule.right as usize / 64].place(rule.right) {
                    offer(best, here, rule.parent, weight + scores[place] + own);
                }
            }
        }
        let others = &sets[left * self.width..][..self.width];
        let (from, to) = self.right_at[right];
        for &(step, weight) in &rights[from as usize..to as usize] {
            let range = rules.right(step);
            let weights = &grammar.weights[rules.binary_weight(range.start)..][..range.len()];
            for (rule, own) in rules.binary()[range].iter().zip(weights) {
                if let Some(place) = others[rule.left as usize / 64].place(rule.left) {
                    offer(best, here, rule.parent, weight + scores[place] + own);
                }
            }
        }
    }

    /// Applies unary rules, children before parents. What is below the floor, which
    /// rises with the best, is dropped or not even made. Gives the floor.
    fn chains(
        &mut self,
        grammar: &Grammar,
        around: &Around<'_>,
        held: Option<(Held<'_>, u16, u16)>,
    ) -> f32 {
        let Self { best, way, hopes, here, .. } = self;
        let rules = &grammar.rules;
        let mut floor = NONE;
        for (at, &bits) in here.iter().enumerate() {
            let mut open = bits;
            while open != 0 {
                let symbol = at * 64 + open.trailing_zeros() as usize;
                open &= open - 1;
                hopes[symbol] = best[symbol] + around.of(symbol);
                floor = floor.max(hopes[symbol] - around.width);
            }
        }
        for at in 0..here.len() {
            let mut done = 0_u64;
            loop {
                let open = here[at] & !done;
                if open == 0 {
                    break;
                }
                let bit = open.trailing_zeros();
                done |= u64::MAX >> (63 - bit);
                let symbol = at * 64 + bit as usize;
                if let Some((held, start, end)) = held
                    && held.nodes.binary_search(&(start, end, symbol as Symbol)).is_ok()
                {
                    best[symbol] -= held.cost;
                    hopes[symbol] -= held.cost;
                }
                if hopes[symbol] < floor {
                    here[at] &= !(1 << bit);
                    best[symbol] = NONE;
                    way[symbol] = 0;
                    continue;
                }
                let weight = best[symbol];
                let range = rules.over_child(symbol as Symbol);
                let weights = &grammar.weights[rules.unary_weight(range.start)..][..range.len()];
                for (number, own) in range.clone().zip(weights) {
                    let parent = rules.unary()[number].parent as usize;
                    let weight = weight + own;
                    if weight > best[parent] {
                        let hope = weight + around.of(parent);
                        if hope >= floor {
                            best[parent] = weight;
                            way[parent] = number as u32 + 1;
                            hopes[parent] = hope;
                            here[parent / 64] |= 1 << (parent % 64);
                            floor = floor.max(hope - around.width);
                        }
                    }
                }
            }
        }
        floor
    }

    fn choose(&self, grammar: &Grammar) -> Option<(Symbol, f32)> {
        let mut top: Option<(Symbol, f32)> = None;
        for symbol in symbols(self.here.iter().copied()) {
            if grammar.rules.is_step(symbol) {
                continue;
            }
            let weight =
                self.best[symbol as usize] + grammar.weights[grammar.rules.top_weight(symbol)];
            if weight > top.map_or(NONE, |top| top.1) {
                top = Some((symbol, weight));
            }
        }
        top
    }

    /// Stores what the span in hand has above the floor.
    fn keep(&mut self, grammar: &Grammar, span: usize, floor: f32) {
        // Parents before children: a child that its parent came from stays.
        for at in (0..self.width).rev() {
            let mut open = self.here[at];
            while open != 0 {
                let bit = 63 - open.leading_zeros();
                open &= !(1 << bit);
                let symbol = at * 64 + bit as usize;
                if self.hopes[symbol] >= floor {
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
            self.sets[span * self.width + at] = Set { bits: kept, first: self.scores.len() as u32 };
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
            for (start, way) in ways.iter().enumerate() {
                let span = self.span(start, end);
                let sets = &self.sets[span * self.width..][..self.width];
                for symbol in symbols(sets.iter().map(|set| set.bits)) {
                    if grammar.rules.is_step(symbol) {
                        continue;
                    }
                    let weight = way.0 + self.get(span, symbol).unwrap_or(NONE) - cost;
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

#[inline]
fn offer(best: &mut [f32], here: &mut [u64], symbol: Symbol, weight: f32) {
    let best = &mut best[symbol as usize];
    if weight > *best {
        *best = weight;
        here[symbol as usize / 64] |= 1 << (symbol % 64);
    }
}

/// The symbols of a set, ascending.
fn symbols(set: impl Iterator<Item = u64>) -> impl Iterator<Item = Symbol> {
    set.enumerate().flat_map(|(at, bits)| {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{
        grammar::{Binary, Rules, Unary},
        lexicon::{Lexicon, LexiconConfig},
    };
    use super::*;

    const SYMBOLS: [&str; 9] = ["D", "N", "V", "@NP|", "@VP|", "@1", "@2", "NP", "VP"];

    /// "a bark" is an NP or a VP.
    ///
    /// | rule | weight | | rule | weight |
    /// |---|---|---|---|---|
    /// | @NP\| -> N | -0.5 | | @VP\| -> V | -0.25 |
    /// | @1 -> D @NP\| | -1 | | @2 -> D @VP\| | -0.5 |
    /// | NP -> @1 | -0.25 | | VP -> @2 | 0 |
    /// | top NP | 0 | | top VP | `top` |
    ///
    /// a: D -1; bark: N -0.5, V -2. So NP has -1 - 0.5 - 0.5 - 1 - 0.25 = -3.25 and VP
    /// -1 - 2 - 0.25 - 0.5 = -3.75, with `top` added.
    fn toy(top: f32) -> Grammar {
        let rules = Rules::new(
            SYMBOLS.map(str::to_owned).to_vec(),
            vec![Binary { left: 0, right: 4, parent: 6 }, Binary { left: 0, right: 3, parent: 5 }],
            vec![
                Unary { child: 1, parent: 3 },
                Unary { child: 2, parent: 4 },
                Unary { child: 5, parent: 7 },
                Unary { child: 6, parent: 8 },
            ],
        )
        .unwrap();
        let mut weights = vec![0.0; rules.weights()];
        for (number, rule) in rules.binary().iter().enumerate() {
            weights[rules.binary_weight(number)] = if rule.parent == 5 { -1.0 } else { -0.5 };
        }
        for (number, rule) in rules.unary().iter().enumerate() {
            let weight = match rule.child {
                1 => -0.5,
                2 | 5 => -0.25,
                _ => 0.0,
            };
            weights[rules.unary_weight(number)] = weight;
        }
        for symbol in 0..9 {
            weights[rules.top_weight(symbol)] = -1000.0;
        }
        weights[rules.top_weight(7)] = 0.0;
        weights[rules.top_weight(8)] = top;
        let counts = BTreeMap::from([
            ("a".to_owned(), BTreeMap::from([(0, 50)])),
            ("bark".to_owned(), BTreeMap::from([(1, 50), (2, 50)])),
        ]);
        let mut lexicon = Lexicon::of(rules.symbols(), &counts, &LexiconConfig::default());
        lexicon.weights.fill(0.0);
        for (word, tag, weight) in [("a", 0, -1.0), ("bark", 1, -0.5), ("bark", 2, -2.0)] {
            // The first place is that of the word's own row.
            let mut places = Vec::new();
            lexicon.places(&lexicon.views(word), tag, |place| places.push(place));
            lexicon.weights[places[0]] = weight;
        }
        Grammar { rules, weights, lexicon }
    }

    fn open(grammar: &Grammar, width: f32) -> Beam {
        let (symbols, classes) = (grammar.rules.symbols().len(), grammar.lexicon.classes() + 1);
        Beam {
            outside: vec![0.0; symbols],
            before: vec![0.0; symbols * classes],
            behind: vec![0.0; symbols * classes],
            classes,
            width,
        }
    }

    fn search(
        top: f32,
        width: f32,
        held: Option<Held<'_>>,
    ) -> (Option<f32>, Vec<(u16, u16, &'static str)>) {
        let grammar = toy(top);
        let words: Vec<Views> =
            ["a", "bark"].iter().map(|word| grammar.lexicon.views(word)).collect();
        let mut chart = Chart::default();
        let weight = chart.fill(&grammar, &open(&grammar, width), &words, held);
        let nodes = chart.best(&grammar, held);
        let nodes = nodes.iter().map(|node| (node.start, node.end, SYMBOLS[node.symbol as usize]));
        (weight, nodes.collect())
    }

    const NP: [(u16, u16, &str); 5] =
        [(0, 2, "NP"), (0, 2, "@1"), (0, 1, "D"), (1, 2, "@NP|"), (1, 2, "N")];
    const VP: [(u16, u16, &str); 5] =
        [(0, 2, "VP"), (0, 2, "@2"), (0, 1, "D"), (1, 2, "@VP|"), (1, 2, "V")];

    #[test]
    fn the_greatest_sum_wins() {
        assert_eq!(search(0.25, f32::INFINITY, None), (Some(-3.25), NP.to_vec()));
        assert_eq!(search(0.75, f32::INFINITY, None), (Some(-3.0), VP.to_vec()));
    }

    #[test]
    fn a_tree_that_is_held_off_pays_for_its_nodes() {
        // All five nodes of the NP: -3.25 - 5 × 0.125 = -3.875; D is common to both, so
        // that the VP has -3.75 + 0.25 - 0.125 = -3.625.
        let mut nodes = [(0, 2, 7), (0, 2, 5), (0, 1, 0), (1, 2, 3), (1, 2, 1)];
        nodes.sort_unstable();
        let held = Some(Held { nodes: &nodes, cost: 0.125 });
        assert_eq!(search(0.25, f32::INFINITY, held), (Some(-3.625), VP.to_vec()));
    }

    #[test]
    fn a_narrow_beam_loses_the_better_tree() {
        // Over "bark" N has -0.5, V -2: a beam of 1 drops V and with it the VP.
        assert_eq!(search(0.75, 1.0, None), (Some(-3.25), NP.to_vec()));
        assert_eq!(search(0.75, 2.0, None), (Some(-3.0), VP.to_vec()));
    }

    #[test]
    fn what_no_tree_spans_is_covered() {
        let grammar = toy(0.0);
        let words: Vec<Views> =
            ["bark", "a", "bark"].iter().map(|word| grammar.lexicon.views(word)).collect();
        let mut chart = Chart::default();
        assert_eq!(chart.fill(&grammar, &open(&grammar, f32::INFINITY), &words, None), None);
        assert_eq!(chart.top(), None);
        assert_eq!(chart.cover(&grammar, 20.0), [(0, 1, 1), (1, 3, 7)]);
        let nodes = chart.tree(&grammar, (1, 3, 7), None);
        let nodes: Vec<_> = nodes.iter().map(|node| (node.start, node.end, node.symbol)).collect();
        assert_eq!(nodes, [(1, 3, 7), (1, 3, 5), (1, 2, 0), (2, 3, 3), (2, 3, 1)]);
    }

    #[test]
    fn no_words_have_no_tree() {
        let grammar = toy(0.0);
        let mut chart = Chart::default();
        assert_eq!(chart.fill(&grammar, &open(&grammar, 9.0), &[], None), None);
        assert!(chart.best(&grammar, None).is_empty());
        assert!(chart.cover(&grammar, 20.0).is_empty());
    }
}
