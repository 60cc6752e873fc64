//! The manifest of `embed`: a CSV file with the columns id, file, caption.

use std::{
    collections::HashMap,
    fs::File,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use anyhow::{Context, Result, anyhow, bail};
use dl_core::Fingerprint;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Row {
    id: String,
    file: PathBuf,
    caption: String,
}

/// A clip and its captions.
#[derive(Serialize)]
pub struct Item {
    /// Its name.
    pub id: String,
    /// Its sound, as the manifest says: relative to the manifest's folder.
    file: PathBuf,
    /// At least one.
    pub captions: Vec<String>,
}

/// What a manifest lists.
pub struct Manifest {
    /// The clips in the order of their first rows; at least one.
    pub items: Vec<Item>,
    folder: PathBuf,
}

impl Manifest {
    /// Reads the file. Rows with one id and file are captions of one clip.
    pub fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut items: Vec<Item> = Vec::new();
        let mut by_id: HashMap<String, usize> = HashMap::new();
        for (line, row) in csv::Reader::from_reader(file).deserialize().enumerate() {
            let Row { id, file, caption } = row.map_err(|error| {
                anyhow!(
                    "{}: {error}; it needs the columns id, file, caption (encoding UTF-8)",
                    path.display()
                )
            })?;
            match by_id.get(&id).map(|&index| &mut items[index]) {
                None => {
                    by_id.insert(id.clone(), items.len());
                    items.push(Item { id, file, captions: vec![caption] });
                }
                Some(item) if item.file == file && !item.captions.contains(&caption) => {
                    item.captions.push(caption);
                }
                Some(_) => bail!(
                    "{}, line {}: id '{id}' occurs again with another file or the same caption; \
                     give every clip an id of its own",
                    path.display(),
                    line + 2
                ),
            }
        }
        if items.is_empty() {
            bail!("{}: it lists no clips", path.display());
        }
        Ok(Self { items, folder: path.parent().unwrap_or(Path::new("")).to_owned() })
    }

    /// Digest of all that the manifest says. The files themselves are not in it,
    /// so that machines with copies of them can share the work.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.items)
    }

    /// Where an item's sound lies.
    pub fn sound(&self, item: &Item) -> PathBuf {
        self.folder.join(&item.file)
    }

    /// Digest of the sounds of `items` as they are now, by path, size and time of
    /// change: reading them all just to know would cost as much as decoding.
    pub fn sounds(&self, items: &[Item]) -> Fingerprint {
        let now: Vec<_> = items
            .iter()
            .map(|item| self.sound(item))
            .map(|path| {
                let age = age(&path);
                (path, age)
            })
            .collect();
        Fingerprint::of(&now)
    }
}

/// Size and time of change of a file that is there.
fn age(file: &Path) -> Option<(u64, u128)> {
    let metadata = file.metadata().ok()?;
    let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((metadata.len(), changed.as_nanos()))
}
