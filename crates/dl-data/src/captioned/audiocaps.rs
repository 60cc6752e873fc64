//! AudioCaps, versions 1 and 2.0 (Kim et al., NAACL 2019): captions of ten-second clips of
//! YouTube videos. Its caption tables are `train.csv`, `val.csv` and `test.csv` with the
//! columns `audiocap_id,youtube_id,start_time,caption`; the sound is what could still be
//! downloaded.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use dl_core::{ConfigError, FileError, fault::check};
use serde::{Deserialize, Serialize};

use super::{Found, Listing, sound_files::SoundFiles, table::Table};
use crate::{corpus::Corpus, error::DataError, kind::CorpusKind, split::Split};

/// The names of each split: of its table, and of the folders that its sound may lie in.
const NAMES: [(Split, &[&str]); 3] = [
    (Split::Train, &["train"]),
    (Split::Validation, &["val", "validation", "valid"]),
    (Split::Test, &["test"]),
];

/// Rows of the published tables, version 1 and then 2.0 (`dataset/README.md` and
/// `dataset2.0/README.md` of github.com/cdjkim/audiocaps; the former counts the line of
/// column names for validation and test).
const PUBLISHED: [(Split, &[usize]); 3] =
    [(Split::Train, &[49_838, 91_256]), (Split::Validation, &[2_475]), (Split::Test, &[4_875])];

/// AudioCaps as it lies on a disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AudioCapsConfig {
    /// The folder with the sound, in it or in folders below: `{youtube_id}`,
    /// `{youtube_id}_{start_time}` or `Y{youtube_id}`, as WAV, FLAC, Ogg Vorbis or MP3.
    pub root: PathBuf,
    /// The folder with the caption tables: `train.csv` or `audiocaps_train.csv`, and so on.
    /// Default: `root`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captions: Option<PathBuf>,
}

crate::register_corpus!(AudioCapsConfig);

impl CorpusKind for AudioCapsConfig {
    const KIND: &'static str = "audiocaps";

    fn validate(&self) -> Result<(), ConfigError> {
        let named = !self.root.as_os_str().is_empty();
        check(named, "root", "''", "the folder that AudioCaps lies in")
    }

    fn open(&self, _: u64, folder: &Path) -> Result<Box<dyn Corpus>, DataError> {
        let root = folder.join(&self.root);
        let sounds = SoundFiles::under(&root, "data.root")?;
        let tables = self.captions.as_ref().map_or(root, |captions| folder.join(captions));
        let mut listing = Listing::new();
        for warning in &sounds.warnings {
            listing.warn(warning.clone());
        }
        for (split, names) in NAMES {
            read_table(&find_table(&tables, names)?, split, &mut listing)?;
        }
        let ids = listing.places.keys().cloned().collect::<HashSet<_>>();
        let several = AtomicUsize::new(0);
        let mut corpus = listing.open(Self::KIND, |split, id, sound: &Segment| {
            let folders = NAMES[split as usize].1;
            let names = sound.names();
            // `Yab` is a file of `ab`, unless a clip is called `Yab`.
            let of_another = |name: &String| name != id && ids.contains(name);
            let mut found = names.iter().filter(|name| !of_another(name));
            match found
                .find_map(|name| sounds.find(name, |folder| folders.contains(&folder), false))
            {
                Some((file, others)) => {
                    several.fetch_add(others.min(1), Ordering::Relaxed);
                    Found::File(file)
                }
                None => Found::Nothing(names.join(", ")),
            }
        });
        let several = several.into_inner();
        if several > 0 {
            corpus.warnings.push(format!(
                "{several} clips have more than one sound file; the first is used, in the order \
                 WAV, FLAC, Ogg, MP3 and then by path"
            ));
        }
        Ok(Box::new(corpus))
    }
}

/// What the table says of a clip's sound.
#[derive(PartialEq)]
struct Segment {
    youtube_id: String,
    /// In seconds, as files have it.
    start: Option<String>,
    /// The video has clips that begin elsewhere, too: its name alone tells no clip.
    one_of_several: bool,
}

impl Segment {
    /// The names that its file may have, without ending, best first.
    fn names(&self) -> Vec<String> {
        let id = &self.youtube_id;
        let with_start = self.start.iter().map(|start| format!("{id}_{start}"));
        if self.one_of_several {
            return with_start.collect();
        }
        [id.clone()].into_iter().chain(with_start).chain([format!("Y{id}")]).collect()
    }
}

/// The table of a split in a folder.
fn find_table(folder: &Path, names: &[&str]) -> Result<PathBuf, FileError> {
    let candidates = names.iter().flat_map(|name| {
        ["", "audiocaps_"].map(|prefix| folder.join(format!("{prefix}{name}.csv")))
    });
    let found: Vec<PathBuf> = candidates.filter(|path| path.is_file()).collect();
    let shown = |path: &PathBuf| path.file_name().unwrap_or_default().display().to_string();
    match &found[..] {
        [one] => Ok(one.clone()),
        [] => {
            let problem = format!(
                "has no {}.csv; put AudioCaps's caption tables there, or name their folder with \
                 `data.captions`",
                names[0]
            );
            Err(FileError::invalid(folder, problem))
        }
        several => {
            let several: Vec<String> = several.iter().map(shown).collect();
            let problem = format!("has {}; keep one of them", several.join(" and "));
            Err(FileError::invalid(folder, problem))
        }
    }
}

/// Adds the rows of the table of a split.
fn read_table(path: &Path, split: Split, listing: &mut Listing<Segment>) -> Result<(), FileError> {
    let table = Table::read(path)?;
    let [youtube_id, caption] = table.columns(["youtube_id", "caption"])?;
    let (start_time, row_id) = (table.column("start_time"), table.column("audiocap_id"));
    let mut starts: HashMap<&str, HashSet<Option<String>>> = HashMap::new();
    for row in table.rows() {
        let start = start_time.and_then(|column| row.get(column)).map(plain_seconds);
        starts.entry(row.required(youtube_id)?).or_default().insert(start);
    }
    let mut seen = HashSet::new();
    let mut doubled = Vec::new();
    for row in table.rows() {
        let video = row.required(youtube_id)?;
        let start = start_time.and_then(|column| row.get(column)).map(plain_seconds);
        let caption = row.caption(caption)?;
        // The same caption under another number is another annotator's.
        let number = row_id.and_then(|column| row.get(column));
        if let Some(number) = number
            && !seen.insert((number, video, start.clone(), caption.clone()))
        {
            doubled.push(row.line());
            continue;
        }
        let one_of_several = starts.get(video).is_some_and(|starts| starts.len() > 1);
        let id = match &start {
            Some(start) if one_of_several => format!("{video}_{start}"),
            None if one_of_several => {
                let problem = format!(
                    "'{video}' has no start_time here but one in another row; fill it in or \
                     delete the row"
                );
                return Err(row.fault(problem));
            }
            _ => video.to_owned(),
        };
        let segment = Segment { youtube_id: video.into(), start, one_of_several };
        if !listing.add(split, &id, segment, caption) {
            let problem = format!(
                "'{video}' stands in another table with another start_time; correct it or delete \
                 the row"
            );
            return Err(row.fault(problem));
        }
    }
    if let Some(line) = doubled.first() {
        listing.warn(format!(
            "{}: {} rows stand there twice (the first on line {line}); each is taken once",
            path.display(),
            doubled.len()
        ));
    }
    let published = PUBLISHED[split as usize].1;
    if !published.contains(&table.len()) {
        let counts: Vec<String> = published.iter().map(usize::to_string).collect();
        listing.warn(format!(
            "{}: has {} rows, not {} as AudioCaps was published; figures over it are those of \
             another list",
            path.display(),
            table.len(),
            counts.join(" or ")
        ));
    }
    if let Some(warning) = table.warning() {
        listing.warn(warning);
    }
    Ok(())
}

/// `30` for `30.0` too.
fn plain_seconds(text: &str) -> String {
    match text.split_once('.') {
        Some((whole, rest)) if !whole.is_empty() && rest.bytes().all(|digit| digit == b'0') => {
            whole.to_owned()
        }
        _ => text.to_owned(),
    }
}
