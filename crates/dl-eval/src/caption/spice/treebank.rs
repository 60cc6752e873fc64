//! Trees to learn from, packed, and the rules and counts that are read off them.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::FixedState;

use super::{
    chart::{Found, Rule},
    grammar::{GrammarError, Rules},
    lexicon::TagCounts,
    symbols::{Binary, Symbol, Unary},
    tree::{Below, Tree},
};

type Names = HashMap<String, u32, FixedState>;

/// A node before symbols have their final numbers.
#[derive(Debug, Clone, Copy)]
struct Raw {
    start: u16,
    end: u16,
    label: u32,
    /// 0 over a word, else the number of children; of two, where the right one begins.
    children: u8,
    middle: u16,
}

/// A caption and its tree.
#[derive(Debug, Clone)]
struct RawSample {
    words: Box<[u32]>,
    nodes: Box<[Raw]>,
}

/// Captions with their trees.
#[derive(Debug, Clone, Default)]
pub struct Treebank {
    labels: Names,
    words: Names,
    samples: Vec<RawSample>,
}

/// A caption to learn from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Numbers into [`Numbered::words`].
    pub words: Box<[u32]>,
    /// The tree's nodes in preorder.
    pub nodes: Box<[Found]>,
}

/// A treebank whose trees are made of numbered rules.
#[derive(Debug, Clone)]
pub struct Numbered {
    /// All rules of the trees.
    pub rules: Rules,
    /// The symbols over words, ascending; [`Rule::Word`] counts in this list.
    pub tags: Vec<Symbol>,
    /// The words.
    pub words: Vec<String>,
    /// The captions.
    pub samples: Vec<Sample>,
}

fn number(names: &mut Names, name: &str) -> u32 {
    if let Some(&number) = names.get(name) {
        return number;
    }
    let number = names.len() as u32;
    names.insert(name.to_owned(), number);
    number
}

fn in_order(names: &Names) -> Vec<&str> {
    let mut list = vec![""; names.len()];
    for (name, &number) in names {
        list[number as usize] = name;
    }
    list
}

impl Treebank {
    /// Adds a caption.
    pub fn add(&mut self, tree: &Tree<'_>, words: &[&str]) {
        let nodes = tree.nodes();
        let mut ends = vec![0_u16; nodes.len()];
        let mut starts = vec![0_u16; nodes.len()];
        for (index, node) in nodes.iter().enumerate().rev() {
            (starts[index], ends[index]) = match node.below {
                Below::Word(word) => (word as u16, word as u16 + 1),
                Below::One(child) => (starts[child], ends[child]),
                Below::Two(left, right) => (starts[left], ends[right]),
            };
        }
        let raw = nodes
            .iter()
            .enumerate()
            .skip(1)
            .map(|(index, node)| Raw {
                start: starts[index],
                end: ends[index],
                label: number(&mut self.labels, node.label),
                children: match node.below {
                    Below::Word(_) => 0,
                    Below::One(_) => 1,
                    Below::Two(..) => 2,
                },
                middle: match node.below {
                    Below::Two(left, _) => ends[left],
                    _ => 0,
                },
            })
            .collect();
        let words = words.iter().map(|word| number(&mut self.words, word)).collect();
        self.samples.push(RawSample { words, nodes: raw });
    }

    /// How many captions there are.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Reads off the rules.
    ///
    /// # Errors
    /// [`GrammarError`] where the trees are not of the parser's kind, or none.
    pub fn number(self) -> Result<Numbered, GrammarError> {
        let names = in_order(&self.labels);
        let mut binary: BTreeSet<[u32; 3]> = BTreeSet::new();
        let mut unary: BTreeSet<[u32; 2]> = BTreeSet::new();
        let mut tags: BTreeSet<u32> = BTreeSet::new();
        for sample in &self.samples {
            for (index, node) in sample.nodes.iter().enumerate() {
                match node.children {
                    0 => drop(tags.insert(node.label)),
                    1 => drop(unary.insert([node.label, sample.nodes[index + 1].label])),
                    _ => {
                        let right = right_child(&sample.nodes, index);
                        binary.insert([
                            node.label,
                            sample.nodes[index + 1].label,
                            sample.nodes[right].label,
                        ]);
                    }
                }
            }
        }
        if names.is_empty() {
            return Err(GrammarError::Empty);
        }
        let order = ascending(&names, &unary)?;
        let mut new = vec![0; names.len()];
        for (number, &old) in order.iter().enumerate() {
            new[old] = number as Symbol;
        }
        let of = |label: u32| new[label as usize];
        let rules = Rules::new(
            order.iter().map(|&old| names[old].to_owned()).collect(),
            binary
                .iter()
                .map(|&[parent, left, right]| Binary {
                    left: of(left),
                    right: of(right),
                    parent: of(parent),
                })
                .collect(),
            unary
                .iter()
                .map(|&[parent, child]| Unary { child: of(child), parent: of(parent) })
                .collect(),
        )?;
        let mut tags: Vec<Symbol> = tags.into_iter().map(of).collect();
        tags.sort_unstable();
        let binary: HashMap<Binary, u32, FixedState> =
            rules.binary().iter().enumerate().map(|(at, &rule)| (rule, at as u32)).collect();
        let unary: HashMap<Unary, u32, FixedState> =
            rules.unary().iter().enumerate().map(|(at, &rule)| (rule, at as u32)).collect();
        let samples = self
            .samples
            .iter()
            .map(|sample| Sample {
                words: sample.words.clone(),
                nodes: sample
                    .nodes
                    .iter()
                    .enumerate()
                    .map(|(index, node)| {
                        let symbol = of(node.label);
                        let child = |at: usize| of(sample.nodes[at].label);
                        let rule = match node.children {
                            0 => Rule::Word(tags.partition_point(|&tag| tag < symbol) as u16),
                            1 => {
                                Rule::One(unary[&Unary { child: child(index + 1), parent: symbol }])
                            }
                            _ => Rule::Two(
                                binary[&Binary {
                                    left: child(index + 1),
                                    right: child(right_child(&sample.nodes, index)),
                                    parent: symbol,
                                }],
                                node.middle,
                            ),
                        };
                        Found { start: node.start, end: node.end, symbol, rule }
                    })
                    .collect(),
            })
            .collect();
        let words = in_order(&self.words).into_iter().map(str::to_owned).collect();
        Ok(Numbered { rules, tags, words, samples })
    }
}

/// The right child of a node with two: the first node after the left child's.
fn right_child(nodes: &[Raw], index: usize) -> usize {
    let middle = nodes[index].middle;
    index + 1 + nodes[index + 1..].partition_point(|node| node.start < middle)
}

/// Symbols in an order in which the child of every unary rule comes before its
/// parent; else by name, so that the order does not depend on the trees' order.
fn ascending(names: &[&str], unary: &BTreeSet<[u32; 2]>) -> Result<Vec<usize>, GrammarError> {
    if names.len() > usize::from(u16::MAX) {
        return Err(GrammarError::TooManySymbols(names.len()));
    }
    let mut parents = vec![Vec::new(); names.len()];
    let mut children = vec![0; names.len()];
    for &[parent, child] in unary {
        parents[child as usize].push(parent as usize);
        children[parent as usize] += 1;
    }
    let mut ready: BTreeSet<(&str, usize)> = (0..names.len())
        .filter(|&symbol| children[symbol] == 0)
        .map(|symbol| (names[symbol], symbol))
        .collect();
    let mut order = Vec::with_capacity(names.len());
    while let Some((_, symbol)) = ready.pop_first() {
        order.push(symbol);
        for &parent in &parents[symbol] {
            children[parent] -= 1;
            if children[parent] == 0 {
                ready.insert((names[parent], parent));
            }
        }
    }
    match (0..names.len()).find(|&symbol| children[symbol] > 0) {
        Some(symbol) => Err(GrammarError::Circle(names[symbol].to_owned())),
        None => Ok(order),
    }
}

impl Numbered {
    /// How often each word has each tag.
    pub fn tag_counts(&self) -> TagCounts {
        let mut counts = TagCounts::new();
        for sample in &self.samples {
            for node in &sample.nodes {
                if let Rule::Word(_) = node.rule {
                    let word = sample.words[node.start as usize] as usize;
                    *counts
                        .entry(self.words[word].clone())
                        .or_default()
                        .entry(node.symbol)
                        .or_default() += 1;
                }
            }
        }
        counts
    }
}
