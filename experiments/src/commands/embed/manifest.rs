//! The manifest of `embed`: a CSV file with the columns file, caption and, as a rule, id.

use std::path::{Path, PathBuf};

use anyhow::Result;
use dl_core::Fingerprint;
use dl_data::{CaptionManifest, ManifestClip, file_state};
use dl_encoder::Encoder;
use serde::Serialize;

use crate::console::note;

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
        let CaptionManifest { clips, repeated, warnings } = CaptionManifest::read(path)?;
        for warning in warnings {
            note(format_args!("warning: {warning}"));
        }
        if let Some(first) = repeated.first() {
            note(format_args!(
                "note: {}: {} captions stand at their clip already (the first on line {first}); \
                 they are kept, as AudioCaps has such",
                path.display(),
                repeated.len()
            ));
        }
        let item = |ManifestClip { id, file, captions }: ManifestClip| {
            let (captions, lines) = captions.into_iter().map(|own| (own.text, own.line)).unzip();
            Item { id, file, captions, lines }
        };
        let items = clips.into_iter().map(item).collect();
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
                let state = file_state(&path);
                (path, state)
            })
            .collect();
        Fingerprint::of(&now)
    }
}
