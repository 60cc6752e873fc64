//! Captions and the official tool's trees, from JSON lines packed with gzip. A line
//! holds `set`, where its caption comes from, and `sentences`, each with its `tree`.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use anyhow::{Context, Result};
use dl_eval::caption::spice::{tree::Tree, treebank::Treebank};
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// A line.
#[derive(Deserialize)]
struct Line {
    set: String,
    sentences: Vec<Sentence>,
}

/// A sentence of a line.
#[derive(Deserialize)]
struct Sentence {
    tree: String,
}

/// An official tree.
#[derive(Debug)]
pub(crate) struct Official {
    /// Where the caption comes from.
    pub set: String,
    /// The printed tree.
    pub tree: String,
}

fn each(path: &Path, mut take: impl FnMut(Official) -> Result<()>) -> Result<()> {
    let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    for (number, line) in BufReader::new(MultiGzDecoder::new(file)).lines().enumerate() {
        let at = || format!("{}, line {}", path.display(), number + 1);
        let line: Line = serde_json::from_str(&line.with_context(at)?).with_context(at)?;
        for sentence in line.sentences {
            let official = Official { set: line.set.clone(), tree: sentence.tree };
            take(official).with_context(at)?;
        }
    }
    Ok(())
}

/// All trees of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<Official>> {
    let mut all = Vec::new();
    each(path, |official| {
        Tree::read(&official.tree)?;
        all.push(official);
        Ok(())
    })?;
    Ok(all)
}

/// Every `every`th tree of these sets (all sets where none is named).
pub(crate) fn treebank(path: &Path, sets: &[String], every: usize) -> Result<Treebank> {
    let mut bank = Treebank::default();
    let mut count = 0;
    each(path, |official| {
        if sets.is_empty() || sets.contains(&official.set) {
            if count % every == 0 {
                let (tree, words) = Tree::read(&official.tree)?;
                bank.add(&tree, &words);
            }
            count += 1;
        }
        Ok(())
    })?;
    Ok(bank)
}

/// The SHA-256 of a file, in hexadecimal digits.
pub(crate) fn hash(path: &Path) -> Result<String> {
    let mut file =
        File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut hash = Sha256::new();
    let mut part = vec![0; 1 << 16];
    loop {
        let count = file.read(&mut part)?;
        if count == 0 {
            break;
        }
        hash.update(&part[..count]);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
