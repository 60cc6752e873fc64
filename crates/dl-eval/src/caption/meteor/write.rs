//! Orders METEOR's tables and writes them in the layout that
//! [`data`](super::data) reads.

use std::{collections::HashMap, io::Write, path::Path};

use super::data::{HEAD, LAYOUT, MAGIC, MeteorDataError, SECTIONS, Section};

/// Words, numbered as they come.
#[derive(Default)]
pub(super) struct Words(HashMap<String, u32>);

impl Words {
    /// The number of a word, a new one where it is new.
    pub(super) fn number(&mut self, word: &str) -> u32 {
        if let Some(&number) = self.0.get(word) {
            return number;
        }
        let number = self.0.len() as u32;
        self.0.insert(word.to_owned(), number);
        number
    }
}

/// All tables as they were read.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) words: Words,
    /// (word, flag)
    pub(super) flags: Vec<(u32, u8)>,
    /// (word, synonym set)
    pub(super) synsets: Vec<(u32, u32)>,
    /// (irregular word, base form)
    pub(super) bases: Vec<(u32, u32)>,
    /// (phrase, paraphrase)
    pub(super) paraphrases: Vec<(u32, u32)>,
    /// By node but the first: its parent, its last word, its length in words.
    nodes: Vec<(u32, u32, u32)>,
}

impl Tables {
    /// The node of a phrase; `nodes` knows node and word to child.
    pub(super) fn phrase(&mut self, text: &str, nodes: &mut HashMap<(u32, u32), u32>) -> u32 {
        let mut node = 0;
        for (depth, word) in (0..).zip(text.split_ascii_whitespace()) {
            let word = self.words.number(word);
            let new = self.nodes.len() as u32 + 1;
            let child = *nodes.entry((node, word)).or_insert(new);
            if child == new {
                self.nodes.push((node, word, depth));
            }
            node = child;
        }
        node
    }
}

/// One list of each of `count` owners, as starts and members; sorts them.
fn lists(mut pairs: Vec<(u32, u32)>, count: usize) -> [Vec<u32>; 2] {
    pairs.sort_unstable();
    let mut starts = vec![0; count + 1];
    for &(owner, _) in &pairs {
        starts[owner as usize + 1] += 1;
    }
    for owner in 0..count {
        starts[owner + 1] += starts[owner];
    }
    [starts, pairs.into_iter().map(|(_, member)| member).collect()]
}

/// The numbers of the nodes in the file, by their present ones, and the nodes'
/// first children and last words.
fn order(nodes: &[(u32, u32, u32)], words: &[u32]) -> (Vec<u32>, [Vec<u32>; 2]) {
    let mut numbers = vec![0; nodes.len() + 1];
    let mut children = vec![Vec::new()];
    for (index, &(.., depth)) in nodes.iter().enumerate() {
        let depth = depth as usize;
        if children.len() <= depth {
            children.resize_with(depth + 1, Vec::new);
        }
        children[depth].push(index);
    }
    let mut starts = vec![0; nodes.len() + 2];
    let mut last_words = vec![0];
    for level in &mut children {
        let key = |&index: &usize| {
            let (parent, word, _) = nodes[index];
            (numbers[parent as usize], words[word as usize])
        };
        level.sort_by_cached_key(key);
        for &index in level.iter() {
            let (parent, word, _) = nodes[index];
            starts[numbers[parent as usize] as usize + 1] += 1;
            numbers[index + 1] = last_words.len() as u32;
            last_words.push(words[word as usize]);
        }
    }
    // The children of node 0 begin at node 1.
    starts[0] = 1;
    for node in 1..starts.len() {
        starts[node] += starts[node - 1];
    }
    (numbers, [starts, last_words])
}

/// Writes the file.
pub(super) fn write(tables: Tables, output: &Path) -> Result<(), MeteorDataError> {
    let mut texts: Vec<(String, u32)> = tables.words.0.into_iter().collect();
    texts.sort_unstable();
    let mut words = vec![0; texts.len()];
    for (new, (_, old)) in (0..).zip(&texts) {
        words[*old as usize] = new;
    }
    let mut word_starts = vec![0];
    let mut text = Vec::new();
    for (word, _) in &texts {
        text.extend_from_slice(word.as_bytes());
        word_starts.push(text.len() as u32);
    }
    let mut flags = vec![0; texts.len()];
    for (word, flag) in tables.flags {
        flags[words[word as usize] as usize] |= flag;
    }
    let renumber = |pairs: Vec<(u32, u32)>, second: &dyn Fn(u32) -> u32| {
        let new = |(word, other): (u32, u32)| (words[word as usize], second(other));
        lists(pairs.into_iter().map(new).collect(), texts.len())
    };
    let synsets = renumber(tables.synsets, &|synset| synset);
    let bases = renumber(tables.bases, &|base| words[base as usize]);

    let (nodes, [child_starts, node_words]) = order(&tables.nodes, &words);
    let new = |(phrase, other): (u32, u32)| (nodes[phrase as usize], nodes[other as usize]);
    let paraphrases = lists(tables.paraphrases.into_iter().map(new).collect(), nodes.len());

    let bytes = |numbers: Vec<u32>| numbers.into_iter().flat_map(u32::to_le_bytes).collect();
    let [synset_starts, synsets] = synsets.map(bytes);
    let [base_starts, bases] = bases.map(bytes);
    let [paraphrase_starts, paraphrases] = paraphrases.map(bytes);
    let sections: [(Section, Vec<u8>); SECTIONS] = [
        (Section::WordStarts, bytes(word_starts)),
        (Section::WordText, text),
        (Section::WordFlags, flags),
        (Section::SynsetStarts, synset_starts),
        (Section::Synsets, synsets),
        (Section::BaseStarts, base_starts),
        (Section::Bases, bases),
        (Section::ChildStarts, bytes(child_starts)),
        (Section::NodeWords, bytes(node_words)),
        (Section::ParaphraseStarts, paraphrase_starts),
        (Section::Paraphrases, paraphrases),
    ];
    dl_core::atomic::write(output, |file| {
        file.write_all(MAGIC)?;
        file.write_all(&LAYOUT.to_le_bytes())?;
        file.write_all(&(SECTIONS as u32).to_le_bytes())?;
        let mut at = HEAD;
        for (_, section) in &sections {
            file.write_all(&(at as u64).to_le_bytes())?;
            file.write_all(&(section.len() as u64).to_le_bytes())?;
            at += section.len();
        }
        sections.iter().try_for_each(|(_, section)| file.write_all(section))
    })
    .map_err(MeteorDataError::io(output))
}
