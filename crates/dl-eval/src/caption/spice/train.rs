//! Learning the weights: logarithms of relative frequencies first; then those nearest to
//! them by which the official tree of every caption outweighs all others by a margin, the
//! greater the more nodes they do not share (Taskar et al., EMNLP 2004). Such weights exist,
//! for the official parser's tree is the greatest of a sum of this very shape. Trees that
//! come too near are found by the search and kept as constraints (Tsochantaridis et al.,
//! JMLR 2005), seldom weights move more freely than frequent ones, and the weights are the
//! mean over the latter part of the training.
//!
//! The trees of a batch are searched side by side with the same weights and kept in order,
//! so that the result does not depend on the number of cores.

use dl_core::noise::Noise;
use rayon::prelude::*;

use super::{
    chart::{Beam, Chart, Found, Held, Rule},
    constraints::Constraints,
    grammar::Grammar,
    lexicon::{Lexicon, LexiconConfig, TagScores, Views},
    symbols::Symbol,
    treebank::{Numbered, Sample},
};

/// How weights are learnt.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct TrainConfig {
    /// Passes over the captions (default 3).
    pub epochs: u32,
    /// Captions that are searched before the weights change (default 10,000).
    pub batch: usize,
    /// What a node of the right tree costs while the other trees are sought (default
    /// 0.03).
    pub margin: f32,
    /// How cheaply a constraint is broken (default 5).
    pub slack: f32,
    /// Sweeps over all constraints after a batch (default 15).
    pub sweeps: usize,
    /// A weight that occurs in a share `q` of right trees moves as freely as `(100 q)` to the
    /// power of minus this (default 0.25).
    pub freedom: f32,
    /// The width of the search's beam (default 12).
    pub beam: f32,
    /// Words.
    pub lexicon: LexiconConfig,
    /// Of the captions' order (default 1).
    pub seed: u64,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 3,
            batch: 10_000,
            margin: 0.03,
            slack: 5.0,
            sweeps: 15,
            freedom: 0.25,
            beam: 12.0,
            lexicon: LexiconConfig::default(),
            seed: 1,
        }
    }
}

/// A training under way.
#[derive(Debug)]
pub struct Trainer {
    config: TrainConfig,
    grammar: Grammar,
    beam: Beam,
    views: Vec<Views>,
    samples: Vec<Sample>,
    /// Weights of rules first, then those of words.
    constraints: Constraints,
    /// The sum of the weights after each batch since averaging began, and their number.
    sums: Vec<f64>,
    batches: f64,
    /// The logarithm of each symbol's count, and the mean weight under it at first.
    usual: Vec<f32>,
    epoch: u32,
}

/// What an epoch saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Captions.
    pub captions: usize,
    /// Whose tree was right by the margin.
    pub right: usize,
    /// Whose tree the beam lost.
    pub lost: usize,
}

/// The grammar with weights at logarithms of relative frequencies, and what symbols
/// usually gain outside their span: the logarithm of their count.
pub fn begin(numbered: &Numbered, config: &LexiconConfig) -> (Grammar, Vec<f32>) {
    let rules = &numbered.rules;
    let mut parents = vec![0_u32; rules.symbols().len()];
    let mut counts = vec![0_u32; rules.weights()];
    for sample in &numbered.samples {
        counts[rules.top_weight(sample.nodes[0].symbol)] += 1;
        for node in &sample.nodes {
            parents[node.symbol as usize] += 1;
            match node.rule {
                Rule::Word(_) => {}
                Rule::One(rule) => counts[rules.unary_weight(rule as usize)] += 1,
                Rule::Two(rule, _) => counts[rules.binary_weight(rule as usize)] += 1,
            }
        }
    }
    let mut weights = vec![0.0; rules.weights()];
    let mut set = |place: usize, of: u32| {
        weights[place] = (f64::from(counts[place]).max(0.01) / f64::from(of)).ln() as f32;
    };
    for (number, rule) in rules.binary().iter().enumerate() {
        set(rules.binary_weight(number), parents[rule.parent as usize]);
    }
    for (number, rule) in rules.unary().iter().enumerate() {
        set(rules.unary_weight(number), parents[rule.parent as usize]);
    }
    for symbol in 0..rules.symbols().len() {
        set(rules.top_weight(symbol as Symbol), numbered.samples.len() as u32);
    }
    let lexicon = Lexicon::of(rules.symbols(), &numbered.tag_counts(), config);
    let outside = parents.iter().map(|&count| f64::from(count).ln() as f32).collect();
    (Grammar { rules: rules.clone(), weights, lexicon }, outside)
}

/// A beam that knows what stands around symbols, but not what is usual outside.
fn around(samples: &[Sample], views: &[Views], grammar: &Grammar, width: f32) -> Beam {
    let symbols = grammar.rules.symbols().len();
    let classes = grammar.lexicon.classes() + 1;
    let edge = classes - 1;
    let mut before = vec![0.0_f32; symbols * classes];
    let mut behind = before.clone();
    let mut counts = vec![0.0_f32; symbols];
    for sample in samples {
        let class = |word: usize| {
            sample.words.get(word).map_or(edge, |&word| views[word as usize].class as usize)
        };
        for node in &sample.nodes {
            let symbol = node.symbol as usize;
            counts[symbol] += 1.0;
            before[class((node.start as usize).wrapping_sub(1)) * symbols + symbol] += 1.0;
            behind[class(node.end as usize) * symbols + symbol] += 1.0;
        }
    }
    let total: f32 = counts.iter().sum();
    for table in [&mut before, &mut behind] {
        for row in table.chunks_mut(symbols) {
            let share = (row.iter().sum::<f32>() / total).max(1e-4);
            for (count, all) in row.iter_mut().zip(&counts) {
                *count = ((*count + 2.0 * share) / (all + 2.0)).ln();
            }
        }
    }
    Beam { outside: Vec::new(), before, behind, classes, width }
}

impl Trainer {
    /// Begins.
    pub fn new(numbered: Numbered, config: TrainConfig) -> Self {
        let (grammar, outside) = begin(&numbered, &config.lexicon);
        let views: Vec<Views> =
            numbered.words.iter().map(|word| grammar.lexicon.views(word)).collect();
        let weights = grammar.weights.iter().chain(&grammar.lexicon.weights);
        let weights: Vec<f64> = weights.map(|&weight| f64::from(weight)).collect();
        let mut counts = vec![0.0_f32; weights.len()];
        for sample in &numbered.samples {
            let views = views_of(&views, sample);
            places(&grammar, &views, &sample.nodes, |place| counts[place] += 1.0);
        }
        let captions = numbered.samples.len() as f32;
        let free = |count: &f32| ((count + 1.0) / captions * 100.0).powf(-config.freedom);
        let freedom = counts.iter().map(free).collect();
        let beam = around(&numbered.samples, &views, &grammar, config.beam);
        let mut trainer = Self {
            beam,
            usual: outside,
            grammar,
            views,
            samples: numbered.samples,
            sums: vec![0.0; weights.len()],
            constraints: Constraints::new(weights, freedom),
            batches: 0.0,
            epoch: 0,
            config,
        };
        let at_first = trainer.under(&trainer.grammar);
        for (usual, first) in trainer.usual.iter_mut().zip(at_first) {
            *usual += first;
        }
        trainer.beam = trainer.beam_of(&trainer.grammar);
        trainer
    }

    /// The mean weight under each symbol in right trees.
    fn under(&self, grammar: &Grammar) -> Vec<f32> {
        let symbols = grammar.rules.symbols().len();
        let mut sums = vec![0.0_f64; symbols];
        let mut counts = vec![0.0_f64; symbols];
        let every = (self.samples.len() / 40_000).max(1);
        let mut tags = TagScores::default();
        let mut stack: Vec<f32> = Vec::new();
        for sample in self.samples.iter().step_by(every) {
            stack.clear();
            for node in sample.nodes.iter().rev() {
                let weight = match node.rule {
                    Rule::Word(tag) => {
                        let word = sample.words[node.start as usize];
                        grammar.lexicon.scores(&self.views[word as usize], &mut tags);
                        let at = tags.scores.partition_point(|&(other, _)| other < tag);
                        tags.scores[at].1
                    }
                    Rule::One(rule) => {
                        stack.pop().unwrap_or(0.0)
                            + grammar.weights[grammar.rules.unary_weight(rule as usize)]
                    }
                    Rule::Two(rule, _) => {
                        let left = stack.pop().unwrap_or(0.0);
                        let right = stack.pop().unwrap_or(0.0);
                        left + right + grammar.weights[grammar.rules.binary_weight(rule as usize)]
                    }
                };
                stack.push(weight);
                sums[node.symbol as usize] += f64::from(weight);
                counts[node.symbol as usize] += 1.0;
            }
        }
        sums.iter().zip(&counts).map(|(sum, count)| (sum / count.max(1.0)) as f32).collect()
    }

    /// The beam for these weights.
    pub fn beam_of(&self, grammar: &Grammar) -> Beam {
        let outside =
            self.usual.iter().zip(self.under(grammar)).map(|(usual, now)| usual - now).collect();
        Beam { outside, ..self.beam.clone() }
    }

    /// The beam of the search.
    pub fn beam(&self) -> &Beam {
        &self.beam
    }

    /// One pass over the captions.
    pub fn epoch(&mut self) -> Seen {
        // Over the latter half, nearly: what came before was worse.
        if self.epoch.is_power_of_two() {
            self.sums.fill(0.0);
            self.batches = 0.0;
        }
        let order = Noise::new(self.config.seed, "spice/order")
            .permutation(u64::from(self.epoch), self.samples.len());
        let mut right = 0;
        let mut lost = 0;
        for batch in order.chunks(self.config.batch) {
            self.beam = self.beam_of(&self.grammar);
            let this = &*self;
            let rivals: Vec<Option<Rival>> = batch
                .par_iter()
                .map_init(Chart::default, |chart, &sample| this.rival(chart, &this.samples[sample]))
                .collect();
            for rival in &rivals {
                match rival {
                    None => lost += 1,
                    Some(rival) if rival.differences.is_empty() => right += 1,
                    Some(rival) => self.constraints.add(&rival.differences, rival.margin),
                }
            }
            for _ in 0..self.config.sweeps {
                self.constraints.sweep(self.config.slack);
            }
            let weights = &self.constraints.weights;
            self.grammar.set(weights.iter().map(|&weight| weight as f32));
            self.sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight);
            self.batches += 1.0;
        }
        self.constraints.prune();
        self.epoch += 1;
        Seen { captions: self.samples.len(), right, lost }
    }

    /// The grammar with the mean of the weights after all batches since averaging began.
    pub fn average(&self) -> Grammar {
        let mut grammar = self.grammar.clone();
        if self.batches > 0.0 {
            grammar.set(self.sums.iter().map(|sum| (sum / self.batches) as f32));
        }
        grammar
    }

    /// The tree that comes too near the right one; without differences where none does,
    /// none where the beam lost the right tree: there is nothing to learn from a tree that
    /// is no better.
    fn rival(&self, chart: &mut Chart, sample: &Sample) -> Option<Rival> {
        let views = views_of(&self.views, sample);
        let mut nodes: Vec<(u16, u16, Symbol)> =
            sample.nodes.iter().map(|node| (node.start, node.end, node.symbol)).collect();
        nodes.sort_unstable();
        let held = Some(Held { nodes: &nodes, cost: self.config.margin });
        let best = chart.fill(&self.grammar, &self.beam, &views, held)?;
        let found = chart.best(&self.grammar, held);
        if found[..] == sample.nodes[..] {
            return Some(Rival::default());
        }
        let mut right = -self.config.margin * nodes.len() as f32;
        places(&self.grammar, &views, &sample.nodes, |place| right += self.weight(place));
        if best <= right {
            return None;
        }
        let mut differences = Vec::new();
        places(&self.grammar, &views, &sample.nodes, |place| differences.push((place as u32, 1)));
        places(&self.grammar, &views, &found, |place| differences.push((place as u32, -1)));
        differences.sort_unstable();
        differences.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
        differences.retain(|&(_, times)| times != 0);
        let is_right =
            |node: &&Found| nodes.binary_search(&(node.start, node.end, node.symbol)).is_ok();
        let shared = found.iter().filter(is_right).count();
        Some(Rival { differences, margin: self.config.margin * (nodes.len() - shared) as f32 })
    }

    fn weight(&self, place: usize) -> f32 {
        match place.checked_sub(self.grammar.weights.len()) {
            None => self.grammar.weights[place],
            Some(place) => self.grammar.lexicon.weights[place],
        }
    }
}

/// A tree that is not far enough below the right one.
#[derive(Debug, Default)]
struct Rival {
    /// Which weights occur more often in the right tree, and how much.
    differences: Vec<(u32, i32)>,
    /// How far the right tree must be above this one.
    margin: f32,
}

fn views_of(views: &[Views], sample: &Sample) -> Vec<Views> {
    sample.words.iter().map(|&word| views[word as usize]).collect()
}

/// The places of a tree's weights, those of words behind those of rules.
fn places(grammar: &Grammar, views: &[Views], nodes: &[Found], mut found: impl FnMut(usize)) {
    let rules = &grammar.rules;
    let behind = grammar.weights.len();
    if let Some(top) = nodes.first() {
        found(rules.top_weight(top.symbol));
    }
    for node in nodes {
        match node.rule {
            Rule::One(rule) => found(rules.unary_weight(rule as usize)),
            Rule::Two(rule, _) => found(rules.binary_weight(rule as usize)),
            Rule::Word(tag) => {
                let views = &views[node.start as usize];
                grammar.lexicon.places(views, tag as usize, |place| found(behind + place));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{parser::Parser, tree::Tree, treebank::Treebank};
    use super::*;

    /// Words that are noun or verb by what stands before them. Most "barks" are nouns, so
    /// relative frequencies alone get those behind "dogs" wrong.
    const TREES: [(&str, u32); 4] = [
        ("(ROOT (NP (@1 (DT the) (@NP| NNS_ (NNS barks)))) (.$$. .$.))", 9),
        ("(ROOT (S (@2 (NP (NNS dogs)) (@S| VP_ (VP (VBP barks))))) (.$$. .$.))", 1),
        ("(ROOT (NP (@1 (NNS dogs) (@NP| NNS_ (NNS howls)))) (.$$. .$.))", 3),
        ("(ROOT (S (@2 (NP (NNS howls)) (@S| VP_ (VP (VBP dogs))))) (.$$. .$.))", 1),
    ];

    fn bank() -> Treebank {
        let mut bank = Treebank::default();
        for (text, times) in TREES {
            let (tree, words) = Tree::read(text).unwrap();
            (0..times).for_each(|_| bank.add(&tree, &words));
        }
        bank
    }

    fn trained(threads: usize) -> (Grammar, Beam) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            // Fourteen captions: what breaks a constraint costs more.
            let config = TrainConfig { batch: 4, slack: 0.1, ..TrainConfig::default() };
            let mut trainer = Trainer::new(bank().number().unwrap(), config);
            for _ in 0..6 {
                trainer.epoch();
            }
            let grammar = trainer.average();
            let beam = trainer.beam_of(&grammar);
            (grammar, beam)
        })
    }

    fn right(parser: &Parser) -> usize {
        TREES
            .iter()
            .filter(|(text, _)| {
                let (tree, words) = Tree::read(text).unwrap();
                parser.parse(&words).nodes() == tree.nodes()
            })
            .count()
    }

    #[test]
    fn training_gets_right_what_frequencies_get_wrong() {
        let trainer = Trainer::new(bank().number().unwrap(), TrainConfig::default());
        let before = Parser::new(trainer.average(), trainer.beam().clone());
        assert!(right(&before) < TREES.len());
        let (grammar, beam) = trained(1);
        assert_eq!(right(&Parser::new(grammar, beam)), TREES.len());
    }

    #[test]
    fn training_gives_the_same_bits_on_any_number_of_cores() {
        let ((one, one_beam), (three, three_beam)) = (trained(1), trained(3));
        let bits = |weights: &[f32]| weights.iter().map(|weight| weight.to_bits()).collect();
        let [one_bits, three_bits]: [Vec<u32>; 2] = [bits(&one.weights), bits(&three.weights)];
        assert_eq!(one_bits, three_bits);
        assert_eq!(one.lexicon, three.lexicon);
        assert_eq!(one_beam, three_beam);
    }

    #[test]
    fn weights_begin_at_relative_frequencies() {
        let (grammar, _) = begin(&bank().number().unwrap(), &LexiconConfig::default());
        let symbol = |name: &str| {
            grammar.rules.symbols().iter().position(|other| other == name).unwrap() as Symbol
        };
        // 12 of 14 trees are an NP; 2 of the 14 NPs are a bare plural.
        let top = grammar.weights[grammar.rules.top_weight(symbol("NP"))];
        assert!((top - (12.0_f32 / 14.0).ln()).abs() < 1e-6);
        let rules = grammar.rules.unary();
        let bare = rules
            .iter()
            .position(|rule| (rule.parent, rule.child) == (symbol("NP"), symbol("NNS")))
            .unwrap();
        let bare = grammar.weights[grammar.rules.unary_weight(bare)];
        assert!((bare - (2.0_f32 / 14.0).ln()).abs() < 1e-6);
    }
}
