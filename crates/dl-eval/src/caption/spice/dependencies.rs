//! From the tree of a caption to its basic dependencies: which child of each constituent
//! carries its head, on which the other children hang, and by what relation. Both are
//! learnt from what the official tool gave (`examples/train_dependencies.rs`).

use std::sync::LazyLock;

use super::{
    backoff::{self, Case, Numbering, Table, feature, mix},
    graph::{Edge, Graph, Word},
    lemmas::Lemmas,
    tree::PlainTree,
};

/// First bytes: "DEP1".
const MAGIC: &[u8] = b"DEP1";
/// Descriptions of a child and its head.
const LEVELS: usize = 11;

static BUILT_IN: LazyLock<Dependencies> = LazyLock::new(|| {
    Dependencies::read(include_bytes!("../../../data/spice/dependencies.bin"))
        .expect("the program carries whole tables of dependencies")
});

/// Tables of heads and relations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dependencies {
    /// Of two children, whether the second is more of a head.
    second: Table,
    /// Of all children, on which of them each hangs; only where that does not follow from
    /// `second`.
    patterns: Table,
    pattern_texts: Vec<Vec<usize>>,
    relations: Table,
    names: Vec<String>,
}

/// A sentence to learn from.
#[derive(Clone, Debug)]
pub struct Example<'a> {
    /// Its tree.
    pub tree: PlainTree<'a>,
    /// Its words.
    pub words: Vec<&'a str>,
    /// By word: the place of its head; its own place for the root.
    pub heads: Vec<usize>,
    /// By word.
    pub relations: Vec<String>,
}

impl Dependencies {
    /// Those that the program carries.
    pub fn built_in() -> &'static Self {
        &BUILT_IN
    }

    /// The graph of a sentence, with basic dependencies. `words` are those of the tree.
    pub fn graph(&self, tree: &PlainTree, words: &[&str], lemmas: &Lemmas) -> Graph {
        let mut view = View::new(tree, words);
        let arcs = self.attach(&mut view);
        let tagged = tree.tags().iter().zip(words).enumerate().map(|(place, (&tag, &text))| {
            let tag = tree.constituents()[tag].label;
            Word {
                text: text.to_owned(),
                tag: tag.to_owned(),
                lemma: lemmas.lemma(text, tag),
                number: place + 1,
            }
        });
        let edges = arcs.iter().map(|arc| {
            let name = self.relations.get(&view.relation_keys(arc)).map(usize::from);
            let relation = name.and_then(|name| self.names.get(name));
            Edge {
                head: view.heads[arc.head],
                dependent: view.heads[arc.child],
                relation: relation.map_or("dep", String::as_str).to_owned(),
            }
        });
        let mut graph =
            Graph { words: tagged.collect(), roots: vec![view.heads[0]], edges: edges.collect() };
        graph.sort();
        graph
    }

    /// Finds the heads of all constituents, and what hangs on what.
    fn attach(&self, view: &mut View) -> Vec<Arc> {
        let mut arcs = Vec::new();
        for parent in (0..view.labels.len()).rev() {
            let children = view.tree.children(parent);
            if children.is_empty() {
                continue;
            }
            let pattern = self.pattern(view, parent);
            let head = pattern.iter().enumerate().position(|(child, &on)| child == on).unwrap_or(0);
            view.head_children[parent] = children[head];
            view.heads[parent] = view.heads[children[head]];
            for (child, &on) in pattern.iter().enumerate().filter(|(child, on)| child != *on) {
                let on = children.get(on).copied().unwrap_or(children[head]);
                arcs.push(Arc { parent, place: child, child: children[child], head: on });
            }
        }
        arcs
    }

    /// On which child each child hangs; the head on itself.
    fn pattern(&self, view: &View, parent: usize) -> Vec<usize> {
        let children = view.tree.children(parent);
        let known = self.patterns.get(&view.pattern_keys(parent));
        let pattern = known.and_then(|known| self.pattern_texts.get(usize::from(known)));
        if let Some(pattern) = pattern.filter(|pattern| pattern.len() == children.len()) {
            return pattern.clone();
        }
        vec![self.head(view, parent); children.len()]
    }

    /// The child that is more of a head than most others; of equal ones the first.
    fn head(&self, view: &View, parent: usize) -> usize {
        let children = view.tree.children(parent);
        let mut wins = vec![0; children.len()];
        // Of many children only the nearest are compared, lest long captions take long.
        for first in 0..children.len() {
            for second in first + 1..children.len().min(first + 32) {
                let keys = view.pair_keys(parent, children[first], children[second]);
                let later = self.second.get(&keys) == Some(1);
                wins[if later { second } else { first }] += 1;
            }
        }
        let most = wins.iter().max();
        wins.iter().position(|count| Some(count) == most).unwrap_or(0)
    }

    /// Learns both tables.
    pub fn learn(examples: &[Example]) -> Self {
        let mut learnt = Self::default();
        let views: Vec<Official> = examples.iter().filter_map(official).collect();
        let mut pairs: Vec<Case<2>> = Vec::new();
        for Official { view, patterns, .. } in &views {
            for (parent, pattern) in patterns.iter().enumerate() {
                let children = view.tree.children(parent);
                let head = pattern.iter().enumerate().position(|(child, &on)| child == on);
                let Some(head) = head else { continue };
                for other in (0..children.len()).filter(|&other| other != head) {
                    let (first, second) = (head.min(other), head.max(other));
                    pairs.push(Case {
                        keys: view.pair_keys(parent, children[first], children[second]),
                        value: u16::from(head == second),
                        otherwise: Some(0),
                    });
                }
            }
        }
        learnt.second = Table::learn(&pairs, [1, 1]);
        drop(pairs);
        let mut numbering = Numbering::default();
        let mut cases: Vec<Case<2>> = Vec::new();
        for Official { view, patterns, .. } in &views {
            for (parent, pattern) in
                patterns.iter().enumerate().filter(|(_, known)| known.len() > 1)
            {
                let number = |numbering: &mut Numbering, pattern: &[usize]| {
                    let texts: Vec<String> = pattern.iter().map(usize::to_string).collect();
                    numbering.number(&texts.join(" "))
                };
                let Some(value) = number(&mut numbering, pattern) else { continue };
                let otherwise = vec![learnt.head(view, parent); pattern.len()];
                let otherwise = number(&mut numbering, &otherwise);
                cases.push(Case { keys: view.pattern_keys(parent), value, otherwise });
            }
        }
        learnt.patterns = Table::learn(&cases, [2, 1]);
        learnt.pattern_texts = numbering.texts.iter().map(|text| parse(text)).collect();
        drop(cases);
        let mut names = Numbering::default();
        let mut cases: Vec<Case<LEVELS>> = Vec::new();
        for Official { example, view, patterns } in &views {
            for (parent, pattern) in patterns.iter().enumerate() {
                let children = view.tree.children(parent);
                for (place, &on) in pattern.iter().enumerate().filter(|(place, on)| place != *on) {
                    let arc = Arc { parent, place, child: children[place], head: children[on] };
                    let relation = &example.relations[view.heads[arc.child]];
                    if let Some(value) = names.number(relation) {
                        let keys = view.relation_keys(&arc);
                        cases.push(Case { keys, value, otherwise: None });
                    }
                }
            }
        }
        let mut least = [2; LEVELS];
        least[5..].fill(1);
        learnt.relations = Table::learn(&cases, least);
        learnt.names = names.texts;
        learnt
    }

    /// How many entries the tables hold: pairs, patterns, relations.
    pub fn sizes(&self) -> [usize; 3] {
        [self.second.len(), self.patterns.len(), self.relations.len()]
    }

    /// As a file.
    pub fn write(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let text = |pattern: &Vec<usize>| {
            pattern.iter().map(usize::to_string).collect::<Vec<_>>().join(" ")
        };
        let patterns: Vec<String> = self.pattern_texts.iter().map(text).collect();
        backoff::write_texts(&patterns, &mut bytes);
        backoff::write_texts(&self.names, &mut bytes);
        for table in [&self.second, &self.patterns, &self.relations] {
            table.write(&mut bytes);
        }
        bytes
    }

    /// What [`Dependencies::write`] made; `None` of anything else.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(MAGIC)?;
        let patterns = backoff::read_texts(&mut rest)?;
        Some(Self {
            pattern_texts: patterns.iter().map(|text| parse(text)).collect(),
            names: backoff::read_texts(&mut rest)?,
            second: Table::read(&mut rest)?,
            patterns: Table::read(&mut rest)?,
            relations: Table::read(&mut rest)?,
        })
    }
}

fn parse(pattern: &str) -> Vec<usize> {
    pattern.split(' ').filter_map(|number| number.parse().ok()).collect()
}

/// A sentence to learn from with the heads of its constituents.
struct Official<'a> {
    example: &'a Example<'a>,
    view: View<'a>,
    /// By constituent: on which child each child hangs.
    patterns: Vec<Vec<usize>>,
}

/// `None` where the heads do not fit the tree.
fn official<'a>(example: &'a Example<'a>) -> Option<Official<'a>> {
    let mut view = View::new(&example.tree, &example.words);
    let constituents = example.tree.constituents();
    let mut patterns = vec![Vec::new(); constituents.len()];
    for parent in (0..constituents.len()).rev() {
        let children = example.tree.children(parent);
        if children.is_empty() {
            continue;
        }
        let span = &constituents[parent].span;
        let outside = |&word: &usize| {
            let head = example.heads[word];
            head == word || !span.contains(&head)
        };
        let holder = |word: usize| {
            children.iter().position(|&child| constituents[child].span.contains(&word))
        };
        let head_word = span.clone().find(outside)?;
        let head = holder(head_word)?;
        view.heads[parent] = head_word;
        view.head_children[parent] = children[head];
        for (place, &child) in children.iter().enumerate() {
            let on = if place == head { head } else { holder(example.heads[view.heads[child]])? };
            patterns[parent].push(on);
        }
    }
    Some(Official { example, view, patterns })
}

/// A child that hangs on another child of the same constituent.
struct Arc {
    parent: usize,
    /// Of the child among its siblings.
    place: usize,
    child: usize,
    head: usize,
}

/// A tree with what the descriptions are made of.
struct View<'a> {
    tree: &'a PlainTree<'a>,
    words: &'a [&'a str],
    /// By constituent: its label as a feature.
    labels: Vec<u32>,
    /// By constituent: the place of its head word.
    heads: Vec<usize>,
    /// By constituent: the child that carries it.
    head_children: Vec<usize>,
}

/// Words that decide relations.
const BE: [&str; 10] = ["be", "is", "are", "was", "were", "been", "being", "am", "'s", "'re"];
const OTHERS: [&str; 30] = [
    "there", "by", "to", "that", "which", "who", "what", "when", "where", "while", "as", "not",
    "n't", "no", "and", "both", "all", "such", "has", "have", "had", "having", "get", "gets",
    "getting", "got", "do", "does", "did", "or",
];

impl<'a> View<'a> {
    fn new(tree: &'a PlainTree<'a>, words: &'a [&'a str]) -> Self {
        let constituents = tree.constituents();
        let mut heads = vec![0; constituents.len()];
        for (word, &tag) in tree.tags().iter().enumerate() {
            heads[tag] = word;
        }
        Self {
            tree,
            words,
            labels: constituents.iter().map(|constituent| feature(constituent.label)).collect(),
            heads,
            head_children: vec![0; constituents.len()],
        }
    }

    fn label(&self, constituent: usize) -> &'a str {
        self.tree.constituents()[constituent].label
    }

    /// The class of a constituent's head word: 0 for most.
    fn class(&self, constituent: usize) -> u32 {
        let word = self.words[self.heads[constituent]];
        if BE.contains(&word) {
            return 1;
        }
        OTHERS.iter().position(|&known| known == word).map_or(0, |place| place as u32 + 2)
    }

    fn word(&self, constituent: usize) -> u32 {
        feature(self.words[self.heads[constituent]])
    }

    fn tag(&self, constituent: usize) -> u32 {
        self.labels[self.tree.tags()[self.heads[constituent]]]
    }

    fn is_tag(&self, constituent: usize) -> bool {
        self.tree.children(constituent).is_empty()
    }

    /// The labels of all children.
    fn production(&self, parent: usize) -> u32 {
        self.tree.children(parent).iter().fold(7, |key, &child| mix(key, self.labels[child]))
    }

    /// A single verb, modal or "to".
    fn is_auxiliary(&self, constituent: usize) -> bool {
        self.is_tag(constituent)
            && (self.label(constituent).starts_with('V')
                || ["MD", "TO"].contains(&self.label(constituent)))
    }

    /// The single verbs, modals and "to" among the children.
    fn auxiliaries(&self, parent: usize) -> u32 {
        let children = self.tree.children(parent).iter();
        children
            .filter(|&&child| self.is_auxiliary(child))
            .fold(11, |key, &child| mix(mix(key, self.labels[child]), self.class(child)))
    }

    /// Those of a verb phrase and the verb phrases in it.
    fn verbs(&self, mut constituent: usize) -> u32 {
        let mut key = 13;
        while self.label(constituent) == "VP" && !self.is_tag(constituent) {
            key = mix(key, self.auxiliaries(constituent));
            let inner = self.tree.children(constituent).iter();
            match inner.copied().find(|&child| self.label(child) == "VP") {
                Some(inner) => constituent = inner,
                None => break,
            }
        }
        key
    }

    /// The first child and its word's class.
    fn first(&self, constituent: usize) -> u32 {
        match self.tree.children(constituent).first() {
            Some(&first) => mix(self.labels[first], self.class(first)),
            None => 17,
        }
    }

    /// Whether a clause has a subject.
    fn has_subject(&self, clause: usize) -> bool {
        let is = |constituent: usize, label: &str| self.label(constituent) == label;
        ["S", "SBAR", "SINV", "SQ"].contains(&self.label(clause))
            && self.tree.children(clause).iter().any(|&child| {
                is(child, "NP")
                    || is(child, "S")
                        && self.tree.children(child).iter().any(|&inner| is(inner, "NP"))
            })
    }

    fn pair_keys(&self, parent: usize, first: usize, second: usize) -> [u32; 2] {
        let pair = mix(mix(19, self.labels[first]), self.labels[second]);
        [mix(mix(pair, self.labels[parent]), 1), mix(pair, 2)]
    }

    fn pattern_keys(&self, parent: usize) -> [u32; 2] {
        let labels = mix(self.production(parent), self.labels[parent]);
        let children = self.tree.children(parent).iter();
        let words = children
            .filter(|&&child| self.is_auxiliary(child))
            .fold(labels, |key, &child| mix(key, self.word(child)));
        [mix(words, 1), mix(labels, 2)]
    }

    fn relation_keys(&self, arc: &Arc) -> [u32; LEVELS] {
        let &Arc { parent, place, child, head } = arc;
        let siblings = self.tree.children(parent);
        let sibling = |place: Option<usize>| {
            place.and_then(|place| siblings.get(place)).map_or(23, |&sibling| self.labels[sibling])
        };
        let above = self.tree.constituents()[parent].parent;
        let above = if above == parent { 29 } else { self.labels[above] };
        let side = u32::from(self.heads[child] > self.heads[head]);
        let child_label = mix(1, self.labels[child]);
        let labels = mix(mix(child_label, self.labels[head]), side);
        let base = mix(mix(labels, self.labels[parent]), self.tag(child));
        let tagged = mix(mix(base, self.tag(head)), self.class(child));
        let near = mix(mix(tagged, self.first(child)), self.auxiliaries(parent));
        let core = mix(near, u32::from(self.has_subject(child)));
        let core = mix(mix(core, self.verbs(head)), sibling(place.checked_sub(1)));
        let wide = mix(mix(core, above), sibling(Some(place + 1)));
        let inner = mix(wide, self.production(child));
        let child_word = mix(inner, self.word(child));
        let head_word = mix(mix(inner, self.word(head)), 31);
        let both = mix(mix(child_word, self.word(head)), self.production(parent));
        let both = mix(both, place as u32);
        let levels = [
            both,
            head_word,
            child_word,
            inner,
            wide,
            core,
            near,
            tagged,
            base,
            labels,
            child_label,
        ];
        let mut level = 0;
        levels.map(|key| {
            level += 1;
            mix(key, level)
        })
    }
}
