//! The manifest of `embed`: a CSV file with the columns id, file, caption.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use anyhow::{Result, anyhow, bail};
use dl_core::{
    Fingerprint,
    text::{self, told_apart},
};
use dl_encoder::Encoder;
use serde::{Deserialize, Serialize};

use crate::console::note;

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
    /// The line of each caption; not what the clip is.
    #[serde(skip)]
    lines: Vec<u64>,
}

/// What a manifest lists.
pub struct Manifest {
    /// The clips in the order of their first rows; at least one.
    pub items: Vec<Item>,
    folder: PathBuf,
    path: PathBuf,
}

impl Manifest {
    /// Reads the file. Rows with one id and file are captions of one clip.
    pub fn read(path: &Path) -> Result<Self> {
        let at = |line: u64| format!("{}, line {line}", path.display());
        let text = text::read(path)?;
        let long =
            text::csv_quotes(&text).map_err(|fault| anyhow!("{}, {fault}", path.display()))?;
        for field in long {
            note(format_args!(
                "warning: {}: a quoted field goes on to line {}; if that is not meant, close its \
                 quotation mark",
                at(field.line as u64),
                field.end
            ));
        }
        let mut items: Vec<Item> = Vec::new();
        let mut by_id: HashMap<String, usize> = HashMap::new();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let head = reader.headers()?.clone();
        for record in reader.records() {
            let needs = |error: csv::Error| {
                anyhow!("{}: {error}; it needs the columns id, file, caption", path.display())
            };
            let record = record.map_err(needs)?;
            let line = record.position().map_or(0, csv::Position::line);
            let Row { id, file, caption } = record.deserialize(Some(&head)).map_err(needs)?;
            for (name, value) in [("id", id.as_str()), ("caption", caption.as_str())] {
                if value.trim().is_empty() {
                    bail!("{}: the {name} is empty; fill it in or delete the row", at(line));
                }
            }
            if file.as_os_str().is_empty() {
                bail!("{}: the file is empty; fill it in or delete the row", at(line));
            }
            match by_id.get(&id).map(|&index| &mut items[index]) {
                None => {
                    by_id.insert(id.clone(), items.len());
                    items.push(Item { id, file, captions: vec![caption], lines: vec![line] });
                }
                Some(item) if item.file == file && !item.captions.contains(&caption) => {
                    item.captions.push(caption);
                    item.lines.push(line);
                }
                Some(_) => bail!(
                    "{}: id {} occurs again with another file or the same caption; give every \
                     clip an id of its own",
                    at(line),
                    told_apart(&id, [])
                ),
            }
        }
        if items.is_empty() {
            bail!("{}: it lists no clips", path.display());
        }
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self { items, folder, path: path.to_owned() })
    }

    /// The lines of the captions of `items` that have more tokens than `encoder` takes.
    pub fn cut_lines(&self, items: &[Item], encoder: &dyn Encoder) -> Result<Vec<u64>> {
        let captions: Vec<String> =
            items.iter().flat_map(|item| item.captions.iter().cloned()).collect();
        let lines: Vec<u64> = items.iter().flat_map(|item| item.lines.iter().copied()).collect();
        Ok(encoder.cut_texts(&captions)?.into_iter().map(|caption| lines[caption]).collect())
    }

    /// Says which captions, by their lines, are embedded without their ends.
    pub fn tell_cut(&self, lines: &[u64]) {
        if lines.is_empty() {
            return;
        }
        let first: Vec<String> = lines.iter().take(5).map(u64::to_string).collect();
        let more = if lines.len() > 5 { " ..." } else { "" };
        note(format_args!(
            "warning: {}: {} captions have more tokens than the encoder takes, their ends are not \
             embedded: line {}{more}",
            self.path.display(),
            lines.len(),
            first.join(", ")
        ));
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
