//! Fills a chart, span after span.

use pulp::{Arch, NullaryFnOnce};

use super::{
    super::{grammar::Grammar, lexicon::Views, partners::Partners, symbols::Symbol},
    Beam, Chart, Held, NONE, Set, Step,
    beam::Around,
};

/// The search as a task: compiled for each kind of processor, since counting bits is an
/// instruction on some alone. The sums are the same on all.
struct Fill<'a> {
    chart: &'a mut Chart,
    grammar: &'a Grammar,
    beam: &'a Beam,
    words: &'a [Views],
    held: Option<Held<'a>>,
}

impl NullaryFnOnce for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.chart.spans(self.grammar, self.beam, self.words, self.held);
    }
}

impl Chart {
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
        Arch::new().dispatch(Fill { chart: self, grammar, beam, words, held });
        self.top.map(|(_, weight)| weight)
    }

    #[inline(always)]
    fn spans(&mut self, grammar: &Grammar, beam: &Beam, words: &[Views], held: Option<Held<'_>>) {
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
    }

    fn tag(&mut self, grammar: &Grammar, views: &Views) {
        let mut tags = std::mem::take(&mut self.tags);
        grammar.lexicon.scores(views, &mut tags);
        for &(tag, weight) in &tags.scores {
            offer(&mut self.best, &mut self.here, grammar.lexicon.tags[tag as usize], weight);
        }
        self.tags = tags;
    }

    #[inline(always)]
    fn join(&mut self, grammar: &Grammar, start: usize, middle: usize, end: usize) {
        let (left, right) = (self.span(start, middle), self.span(middle, end));
        let Self { sets, scores, lefts, left_at, rights, right_at, best, here, width, met, .. } =
            self;
        let set = |span: usize| &sets[span * *width..][..*width];
        let range = |(from, to): (u32, u32)| from as usize..to as usize;
        let (lefts, rights) = (&lefts[range(left_at[left])], &rights[range(right_at[right])]);
        let rules = &grammar.rules;
        let into = Into { met, best, here };
        meet(grammar, rules.left_partners(), lefts, set(right), scores, into);
        let into = Into { met, best, here };
        meet(grammar, rules.right_partners(), rights, set(left), scores, into);
    }

    /// Applies unary rules, children before parents. What is below the floor, which
    /// rises with the best, is dropped or not even made. Gives the floor.
    #[inline(always)]
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
                for ((number, rule), own) in range.clone().zip(&rules.unary()[range]).zip(weights) {
                    let parent = rule.parent as usize;
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
        for (at, &bits) in self.here.iter().enumerate() {
            let mut open = bits;
            while open != 0 {
                let symbol = (at * 64) as Symbol + open.trailing_zeros() as Symbol;
                open &= open - 1;
                if grammar.rules.is_step(symbol) {
                    continue;
                }
                let weight =
                    self.best[symbol as usize] + grammar.weights[grammar.rules.top_weight(symbol)];
                if weight > top.map_or(NONE, |top| top.1) {
                    top = Some((symbol, weight));
                }
            }
        }
        top
    }

    /// Stores what the span in hand has above the floor.
    #[inline(always)]
    fn keep(&mut self, grammar: &Grammar, span: usize, floor: f32) {
        let Self { best, way, hopes, here, kept, list, .. } = self;
        // Parents before children: a child that its parent came from stays.
        for at in (0..here.len()).rev() {
            let mut open = here[at];
            while open != 0 {
                let bit = 63 - open.leading_zeros();
                open &= !(1 << bit);
                let symbol = at * 64 + bit as usize;
                if hopes[symbol] >= floor {
                    kept[at] |= 1 << bit;
                }
                if kept[at] & 1 << bit != 0 && way[symbol] > 0 {
                    let child = grammar.rules.unary()[way[symbol] as usize - 1].child;
                    kept[child as usize / 64] |= 1 << (child % 64);
                }
            }
        }
        list.clear();
        for (at, (here, kept)) in here.iter_mut().zip(kept).enumerate() {
            let mut open = std::mem::take(here);
            let kept = std::mem::take(kept);
            while open != 0 {
                let bit = open.trailing_zeros();
                open &= open - 1;
                let symbol = at * 64 + bit as usize;
                let weight = std::mem::replace(&mut best[symbol], NONE);
                let way = std::mem::take(&mut way[symbol]);
                if kept & 1 << bit != 0 {
                    list.push((symbol as Symbol, way, weight));
                }
            }
        }
        self.store(grammar, span);
    }

    /// Stores the symbols of the list.
    #[inline(always)]
    fn store(&mut self, grammar: &Grammar, span: usize) {
        let rules = &grammar.rules;
        let sets = &mut self.sets[span * self.width..][..self.width];
        for &(symbol, ..) in &self.list {
            let slot = rules.slot(symbol);
            sets[slot as usize / 64].bits |= 1 << (slot % 64);
        }
        let mut first = self.scores.len() as u32;
        for set in &mut *sets {
            set.first = first;
            first += set.bits.count_ones();
        }
        self.scores.resize(first as usize, NONE);
        self.ways.resize(first as usize, 0);
        let (lefts, rights) = (self.lefts.len() as u32, self.rights.len() as u32);
        for &(symbol, way, weight) in &self.list {
            let slot = rules.slot(symbol);
            if let Some(place) = sets[slot as usize / 64].place(slot) {
                self.scores[place] = weight;
                self.ways[place] = way;
            }
            let step = |group| Step { weight, group };
            self.lefts.extend(rules.left_partners().of(symbol).iter().copied().map(step));
            self.rights.extend(rules.right_partners().of(symbol).iter().copied().map(step));
        }
        self.left_at[span] = (lefts, self.lefts.len() as u32);
        self.right_at[span] = (rights, self.rights.len() as u32);
    }
}

/// Offers what the steps of one span make with the symbols of another.
#[inline(always)]
fn meet(
    grammar: &Grammar,
    partners: &Partners,
    steps: &[Step],
    others: &[Set],
    scores: &[f32],
    into: Into<'_>,
) {
    let Into { met, best, here } = into;
    // Most groups have nothing there, and no processor guesses which: they are passed over
    // without a branch.
    if met.len() <= steps.len() {
        met.resize(steps.len() + 1, (0, 0));
    }
    let mut count = 0;
    for (number, step) in steps.iter().enumerate() {
        let both = others[step.group.at as usize].bits & step.group.mask;
        met[count] = (both, number as u32);
        count += usize::from(both != 0);
    }
    let rules = grammar.rules.binary();
    for &(mut both, number) in &met[..count] {
        let Step { weight, group } = steps[number as usize];
        let set = others[group.at as usize];
        while both != 0 {
            // The slots before the first that both have.
            let before = (both - 1) & !both;
            both &= both - 1;
            let place = set.first + (set.bits & before).count_ones();
            let entry = partners.entry(group, (group.mask & before).count_ones());
            let weight = weight + scores[place as usize];
            let range = entry.from as usize..entry.to as usize;
            for (rule, own) in rules[range.clone()].iter().zip(&grammar.weights[range]) {
                offer(best, here, rule.parent, weight + own);
            }
        }
    }
}

/// Where offers go, and room to find them.
struct Into<'a> {
    met: &'a mut Vec<(u64, u32)>,
    best: &'a mut [f32],
    here: &'a mut [u64],
}

/// Weights are finite, so that what is offered is there; the greater of two is no branch.
#[inline(always)]
fn offer(best: &mut [f32], here: &mut [u64], symbol: Symbol, weight: f32) {
    let best = &mut best[symbol as usize];
    *best = best.max(weight);
    here[symbol as usize / 64] |= 1 << (symbol % 64);
}
