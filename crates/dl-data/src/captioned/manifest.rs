//! A manifest of captions: a CSV file of the user's own, and the corpus over one.
//!
//! Columns: `file` (relative to the manifest) and `caption`; optional `id` (otherwise the
//! file as it is written) and `split`. Several rows with one id and file give several
//! captions to one clip. Other columns are passed over.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use dl_core::{ConfigError, FileError, text::told_apart};
use serde::{Deserialize, Serialize};

use super::{
    Found, Listing,
    shares::{check_shares, dealt},
    table::Table,
};
use crate::{corpus::Corpus, error::DataError, kind::CorpusKind, split::Split};

/// A caption of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestCaption {
    /// On one line.
    pub text: String,
    /// Where it stands, from 1.
    pub line: u64,
    /// As the row says.
    pub split: Option<Split>,
}

/// A clip of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestClip {
    /// Its name.
    pub id: String,
    /// Its sound, as the manifest says: relative to the manifest's folder.
    pub file: PathBuf,
    /// At least one.
    pub captions: Vec<ManifestCaption>,
}

/// What a manifest of captions lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptionManifest {
    /// In the order of their first rows; at least one.
    pub clips: Vec<ManifestClip>,
    /// The lines of captions that their clip has already. They are kept: published sets have
    /// such.
    pub repeated: Vec<u64>,
    /// For people, one sentence each.
    pub warnings: Vec<String>,
}

impl CaptionManifest {
    /// Reads a file.
    ///
    /// # Errors
    /// [`FileError`], with the line where there is one: it cannot be read, is no CSV, lacks a
    /// column, has an empty field, a word that is no split, or an id with two files.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let table = Table::read(path)?;
        let [file, caption] = table.columns(["file", "caption"])?;
        let (id, split) = (table.column("id"), table.column("split"));
        let mut clips: Vec<ManifestClip> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut repeated = Vec::new();
        for row in table.rows() {
            let id = row.required(id.unwrap_or(file))?;
            let file = PathBuf::from(row.required(file)?);
            let split = split
                .map(|column| {
                    let word = row.required(column)?;
                    Split::of_word(word).ok_or_else(|| {
                        row.fault(format!("split '{word}' is none of train, validation, test"))
                    })
                })
                .transpose()?;
            let caption = ManifestCaption { text: row.caption(caption)?, line: row.line(), split };
            match places.get(id).map(|&place| &mut clips[place]) {
                None => {
                    places.insert(id.into(), clips.len());
                    clips.push(ManifestClip { id: id.into(), file, captions: vec![caption] });
                }
                Some(clip) if clip.file == file => {
                    if clip.captions.iter().any(|own| own.text == caption.text) {
                        repeated.push(caption.line);
                    }
                    clip.captions.push(caption);
                }
                Some(clip) => {
                    let problem = format!(
                        "id {} occurs again with another file than on line {}; give every clip an \
                         id of its own",
                        told_apart(id, []),
                        clip.captions[0].line
                    );
                    return Err(row.fault(problem));
                }
            }
        }
        if clips.is_empty() {
            return Err(table.fault("it lists no clips; add rows below its first line"));
        }
        Ok(Self { clips, repeated, warnings: table.warning().into_iter().collect() })
    }
}

/// The sounds and captions of a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestConfig {
    /// The CSV file.
    pub path: PathBuf,
    /// Where it has no column `split`: the share of the clips that serve as test, chosen by
    /// a hash of their ids. Default 0.2.
    #[serde(default = "super::shares::test")]
    pub test_share: f32,
    /// The same for validation. Default 0.1.
    #[serde(default = "super::shares::validation")]
    pub validation_share: f32,
}

crate::register_corpus!(ManifestConfig);

impl CorpusKind for ManifestConfig {
    const KIND: &'static str = "manifest";

    fn validate(&self) -> Result<(), ConfigError> {
        check_shares(self.test_share, self.validation_share)
    }

    fn open(&self, _: u64, folder: &Path) -> Result<Box<dyn Corpus>, DataError> {
        let path = folder.join(&self.path);
        let CaptionManifest { clips, warnings, .. } = CaptionManifest::read(&path)?;
        let mut listing = Listing::new();
        for warning in warnings {
            listing.warn(warning);
        }
        for clip in clips {
            let dealt = dealt(&clip.id, self.test_share, self.validation_share);
            for caption in clip.captions {
                let split = caption.split.unwrap_or(dealt);
                listing.add(split, &clip.id, clip.file.clone(), caption.text);
            }
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        let corpus = listing.open(Self::KIND, |_, _, file| {
            let file = folder.join(file);
            if file.is_file() {
                Found::File(file)
            } else {
                Found::Nothing(file.display().to_string())
            }
        });
        Ok(Box::new(corpus))
    }
}
