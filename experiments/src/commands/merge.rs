//! `merge`: joins the shards of one manifest to the file that one run would have written.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use dl_core::EmbeddingSet;

use super::{
    embed::{Shard, finish},
    output::check_file,
};
use crate::console::Output;

struct Part<'a> {
    shard: Shard,
    path: &'a Path,
    set: EmbeddingSet,
}

impl<'a> Part<'a> {
    fn read(path: &'a Path) -> Result<Self> {
        let set = EmbeddingSet::read(path)?;
        let shard = Shard::of_mark(&set.provenance.split).with_context(|| {
            format!("{}: is no shard; make it with `embed --shard i/n`", path.display())
        })?;
        Ok(Self { shard, path, set })
    }

    /// What keeps the two from being parts of one set.
    fn differs_from(&self, other: &Self) -> Option<&'static str> {
        let (ours, theirs) = (&self.set.provenance, &other.set.provenance);
        [
            ("numbers of shards", self.shard.count != other.shard.count),
            ("encoders", ours.encoder != theirs.encoder),
            ("manifests", ours.corpus != theirs.corpus),
            ("bridges", ours.bridges != theirs.bridges),
            ("dimensions", self.set.dim() != other.set.dim()),
        ]
        .into_iter()
        .find_map(|(what, differ)| differ.then_some(what))
    }
}

/// Joins `shards`, given in any order, and writes the whole.
pub fn run(shards: &[PathBuf], output: &Path, npy: bool, out: &mut Output) -> Result<()> {
    check_file(output)?;
    let mut parts = shards.iter().map(|path| Part::read(path)).collect::<Result<Vec<_>>>()?;
    check(&parts)?;
    parts.sort_by_key(|part| part.shard.index);
    let sets: Vec<EmbeddingSet> = parts.into_iter().map(|part| part.set).collect();
    let mut whole = EmbeddingSet::concat(&sets);
    drop(sets);
    whole.provenance.split = String::new();
    finish(&whole, output, npy, out)
}

/// All shards of one set, each once.
fn check(parts: &[Part<'_>]) -> Result<()> {
    let Some(first) = parts.first() else { bail!("give at least one shard") };
    for part in parts {
        if let Some(what) = first.differs_from(part) {
            bail!(
                "{} and {} have different {what}; merge the shards of one manifest and one encoder",
                first.path.display(),
                part.path.display()
            );
        }
    }
    let count = first.shard.count;
    for index in 0..count {
        let mut found = parts.iter().filter(|part| part.shard.index == index);
        let Some(one) = found.next() else {
            bail!("shard {index}/{count} is missing; embed it, then merge again");
        };
        if let Some(other) = found.next() {
            let (one, other) = (one.path.display(), other.path.display());
            bail!("shard {index}/{count} is there twice, as {one} and {other}; give it once");
        }
    }
    Ok(())
}
