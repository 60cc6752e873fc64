//! How many trees are the official ones.

use std::{collections::BTreeMap, fmt, time::Instant};

use dl_eval::caption::spice::{
    parser::Parser,
    tree::{PlainTree, Tree},
};
use rayon::prelude::*;
use serde::Serialize;

use crate::data::Official;

/// Counts over captions of one set.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Counts {
    /// Captions.
    pub captions: usize,
    /// Whose plain tree is the official one.
    pub plain: usize,
    /// Whose binary tree is.
    pub binary: usize,
    /// Words.
    pub words: usize,
    /// Whose Penn tag is.
    pub tags: usize,
    /// Phrases found (with their label and span), official ones, and those that are both.
    pub phrases: [usize; 3],
    /// Captions parsed in pieces.
    pub pieces: usize,
}

/// Counts by set, and the time of parsing alone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Comparison {
    /// By set.
    pub sets: BTreeMap<String, Counts>,
    /// Seconds of all cores' work by the clock, a caption.
    pub seconds: f64,
}

fn tags<'a>(tree: &'a PlainTree<'_>) -> impl Iterator<Item = &'a str> {
    tree.tags().iter().map(|&tag| tree.constituents()[tag].label)
}

fn phrases<'a>(tree: &'a PlainTree<'_>) -> Vec<(usize, usize, &'a str)> {
    let mut phrases: Vec<_> = tree
        .constituents()
        .iter()
        .enumerate()
        .skip(1)
        .filter(|&(index, _)| !tree.children(index).is_empty())
        .map(|(_, phrase)| (phrase.span.start, phrase.span.end, phrase.label))
        .collect();
    phrases.sort_unstable();
    phrases
}

/// How many of two sorted lists are in both.
fn common<T: Ord>(one: &[T], other: &[T]) -> usize {
    let (mut at, mut count) = (0, 0);
    for item in one {
        while at < other.len() && other[at] < *item {
            at += 1;
        }
        if at < other.len() && other[at] == *item {
            at += 1;
            count += 1;
        }
    }
    count
}

/// Parses the words of all trees and compares.
pub(crate) fn compare(parser: &Parser, officials: &[Official]) -> Comparison {
    let clock = Instant::now();
    let counts: Vec<Counts> = officials
        .par_iter()
        .filter_map(|official| Tree::read(&official.tree).ok())
        .map(|(tree, words)| {
            let found = parser.parse(&words);
            let (mine, official) = (found.plain(), tree.plain());
            let (my_phrases, phrases) = (phrases(&mine), phrases(&official));
            Counts {
                captions: 1,
                plain: usize::from(mine == official),
                binary: usize::from(found.nodes() == tree.nodes()),
                words: words.len(),
                tags: tags(&mine).zip(tags(&official)).filter(|(one, other)| one == other).count(),
                phrases: [my_phrases.len(), phrases.len(), common(&my_phrases, &phrases)],
                pieces: usize::from(found.pieces() > 1),
            }
        })
        .collect();
    let mut all = Comparison {
        seconds: clock.elapsed().as_secs_f64() / officials.len().max(1) as f64,
        ..Comparison::default()
    };
    for (one, official) in counts.iter().zip(officials) {
        let sum = all.sets.entry(official.set.clone()).or_default();
        sum.captions += 1;
        sum.plain += one.plain;
        sum.binary += one.binary;
        sum.words += one.words;
        sum.tags += one.tags;
        sum.pieces += one.pieces;
        for (sum, one) in sum.phrases.iter_mut().zip(one.phrases) {
            *sum += one;
        }
    }
    all
}

/// A row a set.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| set | captions | exact trees % | exact binary trees % | tags % | phrases F1 % | in pieces |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        for (set, counts) in &self.sets {
            let share = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
            let [mine, official, both] = counts.phrases;
            writeln!(
                f,
                "| {set} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {} |",
                counts.captions,
                share(counts.plain, counts.captions),
                share(counts.binary, counts.captions),
                share(counts.tags, counts.words),
                share(2 * both, mine + official),
                counts.pieces,
            )?;
        }
        Ok(())
    }
}
