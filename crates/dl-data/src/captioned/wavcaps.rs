//! WavCaps (Mei et al., TASLP 2024): recordings of FreeSound, BBC Sound Effects, SoundBible
//! and AudioSet with one machine-written caption each.
//!
//! `json_files/<source>/<name>.json` is `{"data": [{"id", "caption", ...}]}`; the sound is
//! `<id>.flac`, where the ids of AudioSet end in `.wav`. The archives of a source unpack into
//! folders whose names begin with its own (`SoundBible_flac`). Ids of two sources may be
//! equal, so a clip is `<source>/<id>`. There are no splits.

use std::path::{Path, PathBuf};

use dl_core::{ConfigError, FileError, fault::check, text};
use serde::{Deserialize, Serialize};

use super::{
    Found, Listing,
    shares::{check_shares, dealt},
    sound_files::{SoundFiles, walk},
    table::one_line,
};
use crate::{corpus::Corpus, error::DataError, kind::CorpusKind};

/// The folder of the lists.
const LISTS: &str = "json_files";

/// WavCaps as it lies on a disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WavCapsConfig {
    /// The folder with `json_files/` and the sound of the sources.
    pub root: PathBuf,
    /// Sources to use, as the folders in `json_files/` are called. Default: all there are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Share of the clips that serve as test, chosen by a hash of their ids. Default 0.2.
    #[serde(default = "super::shares::test")]
    pub test_share: f32,
    /// The same for validation. Default 0.1.
    #[serde(default = "super::shares::validation")]
    pub validation_share: f32,
}

crate::register_corpus!(WavCapsConfig);

impl CorpusKind for WavCapsConfig {
    const KIND: &'static str = "wavcaps";

    fn validate(&self) -> Result<(), ConfigError> {
        let named = !self.root.as_os_str().is_empty();
        check(named, "root", "''", "the folder that WavCaps lies in")?;
        check_shares(self.test_share, self.validation_share)
    }

    fn open(&self, _: u64, folder: &Path) -> Result<Box<dyn Corpus>, DataError> {
        let root = folder.join(&self.root);
        let sounds = SoundFiles::under(&root, "data.root")?;
        let mut listing = Listing::new();
        for warning in &sounds.warnings {
            listing.warn(warning.clone());
        }
        for (source, list) in lists(&root.join(LISTS), &self.sources)? {
            read_list(&list, |id, caption| {
                let name = format!("{source}/{id}");
                let split = dealt(&name, self.test_share, self.validation_share);
                let stem = id.strip_suffix(".wav").unwrap_or(id).to_owned();
                listing.add(split, &name, (source.clone(), stem), caption)
            })?;
        }
        let corpus =
            listing.open(Self::KIND, |_, _, (source, stem): &(String, String)| {
                match sounds.find(stem, |folder| folder.starts_with(source), true) {
                    Some((file, _)) => Found::File(file),
                    None => Found::Nothing(format!("{stem} in a folder {source}…")),
                }
            });
        Ok(Box::new(corpus))
    }
}

/// The lists of the wanted sources, each with its source's name.
fn lists(folder: &Path, wanted: &[String]) -> Result<Vec<(String, PathBuf)>, DataError> {
    if !folder.is_dir() {
        let problem = "is not there; put WavCaps's lists there, one folder for each source";
        return Err(FileError::invalid(folder, problem).into());
    }
    let mut lists = Vec::new();
    for file in walk(folder)? {
        let source = file.parent().map(|source| source.to_string_lossy().into_owned());
        if let Some(source) = source.filter(|source| !source.is_empty())
            && file.extension().is_some_and(|ending| ending == "json")
        {
            lists.push((source, folder.join(file)));
        }
    }
    let there = |source: &String| lists.iter().any(|(own, _)| own == source);
    if let Some(source) = wanted.iter().find(|source| !there(source)) {
        let known: Vec<&str> = lists.iter().map(|(source, _)| source.as_str()).collect();
        let range = format!("folders of {} with a list: {}", folder.display(), known.join(", "));
        return Err(ConfigError::new("sources", format!("'{source}'"), range).into());
    }
    if lists.is_empty() {
        let problem = "has no <source>/<name>.json; put WavCaps's lists there";
        return Err(FileError::invalid(folder, problem).into());
    }
    if !wanted.is_empty() {
        lists.retain(|(source, _)| wanted.contains(source));
    }
    Ok(lists)
}

#[derive(Deserialize)]
struct List {
    data: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    id: Id,
    caption: String,
}

/// The lists of some sources have numbers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Text(String),
    Number(u64),
}

/// Hands the rows of a list to `add`: the id and the caption. `add` is false for an id that
/// has another sound.
fn read_list(path: &Path, mut add: impl FnMut(&str, String) -> bool) -> Result<(), FileError> {
    let text = text::read(path)?;
    let fault = |problem: String| FileError::invalid(path, problem);
    let list: List = serde_json::from_str(&text).map_err(|error| {
        fault(format!(
            "is no list of WavCaps ({error}); it is {{\"data\": [{{\"id\", \"caption\"}}]}}"
        ))
    })?;
    for (number, Row { id, caption }) in (1..).zip(list.data) {
        let id = match id {
            Id::Text(text) => text,
            Id::Number(number) => number.to_string(),
        };
        let caption = one_line(caption.trim());
        if id.trim().is_empty() || caption.is_empty() {
            let problem =
                format!("entry {number} has no id or no caption; fill it in or delete it");
            return Err(fault(problem));
        }
        if !add(&id, caption) {
            let problem = format!("entry {number}: id '{id}' is there with and without .wav");
            return Err(fault(format!("{problem}; delete one")));
        }
    }
    Ok(())
}
