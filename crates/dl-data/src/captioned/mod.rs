//! Corpora of published data sets and of the user's own: sound files on disk, and lists that
//! give them captions and splits.
//!
//! A list is read whole, its sounds are looked for, and those that are missing are left out
//! and counted: they never stop a run. What the list says is one digest
//! ([`Corpus::listing`]), what lies on the disk is a part of another
//! ([`Corpus::fingerprint`]): the first names clips in tables, the second tells what was
//! made of other files.

mod audiocaps;
mod clotho;
mod given;
mod manifest;
mod shares;
mod sound_files;
mod table;
mod wavcaps;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use dl_audio::Waveform;
use dl_core::Fingerprint;
use rayon::prelude::*;

pub use audiocaps::AudioCapsConfig;
pub use clotho::ClothoConfig;
pub use given::{EmbeddingsConfig, PairFiles, SetFiles};
pub use manifest::{CaptionManifest, ManifestCaption, ManifestClip, ManifestConfig};
pub(crate) use sound_files::{kind as sound_kind, walk};
pub use wavcaps::WavCapsConfig;

use crate::{
    corpus::{Clip, Corpus, Missing},
    error::DataError,
    split::Split,
};

/// What a clip's sound was found to be.
pub(crate) enum Found {
    /// A file.
    File(PathBuf),
    /// None; what was looked for, for people.
    Nothing(String),
}

/// A clip of a list, before its sound is looked for. `S` is what the list says of its sound.
struct Listed<S> {
    id: String,
    sound: S,
    /// With the split that the row is of.
    captions: Vec<(Split, String)>,
}

/// The clips of lists, rows of one clip put together.
pub(crate) struct Listing<S> {
    clips: Vec<Listed<S>>,
    places: HashMap<String, usize>,
    warnings: Vec<String>,
}

impl<S: PartialEq + Sync> Listing<S> {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self { clips: Vec::new(), places: HashMap::new(), warnings: Vec::new() }
    }

    /// Adds a caption of a clip. A caption that the clip has already is kept: AudioCaps has
    /// such. False when the id stands there with another sound.
    pub(crate) fn add(&mut self, split: Split, id: &str, sound: S, caption: String) -> bool {
        match self.places.get(id).map(|&place| &mut self.clips[place]) {
            Some(clip) if clip.sound == sound => clip.captions.push((split, caption)),
            Some(_) => return false,
            None => {
                self.places.insert(id.into(), self.clips.len());
                let captions = vec![(split, caption)];
                self.clips.push(Listed { id: id.into(), sound, captions });
            }
        }
        true
    }

    /// Adds a sentence for people.
    pub(crate) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// Looks for the sound of every clip. A clip that stands in two splits serves the one
    /// that is held out most, with the captions it has there.
    pub(crate) fn open(
        mut self,
        name: &'static str,
        find: impl Fn(Split, &str, &S) -> Found + Sync,
    ) -> Captioned {
        let (mut torn, mut first_torn) = (0, None);
        let mut lists: [Vec<Listed<S>>; 3] = std::array::from_fn(|_| Vec::new());
        for mut clip in self.clips {
            let Some(split) = clip.captions.iter().map(|(split, _)| *split).max() else { continue };
            let rows = clip.captions.len();
            clip.captions.retain(|(of, _)| *of == split);
            if clip.captions.len() < rows {
                torn += 1;
                first_torn.get_or_insert_with(|| (clip.id.clone(), split));
            }
            lists[split as usize].push(clip);
        }
        if let Some((id, split)) = first_torn {
            self.warnings.push(format!(
                "{torn} clips stand in two splits; each serves only the one that is held out most \
                 (the first, '{id}', {})",
                split.name()
            ));
        }
        let said: Vec<_> = Split::ALL
            .iter()
            .zip(&lists)
            .map(|(split, list)| {
                let clips = list.iter().map(|clip| (&clip.id, &clip.captions));
                (split.name(), clips.collect::<Vec<_>>())
            })
            .collect();
        let listing = Fingerprint::of(&(name, said));
        let (mut missing, mut parts) = (Vec::new(), Vec::new());
        for (split, list) in Split::ALL.into_iter().zip(lists) {
            let listed = list.len();
            let found: Vec<Found> =
                list.par_iter().map(|clip| find(split, &clip.id, &clip.sound)).collect();
            let (mut clips, mut files, mut places) = (Vec::new(), Vec::new(), Vec::new());
            let list = list.into_iter().zip(found).enumerate();
            for (place, (Listed { id, captions, .. }, found)) in list {
                let captions = captions.into_iter().map(|(_, caption)| caption).collect();
                match found {
                    Found::File(file) => {
                        files.push(file);
                        places.push(place);
                        let sources = vec![id.clone()];
                        clips.push(Clip { id, captions, labels: Vec::new(), sources });
                    }
                    Found::Nothing(looked_for) => {
                        missing.push(Missing { split, place, id, captions, looked_for });
                    }
                }
            }
            parts.push(Part { clips, files, places, listed });
        }
        for (split, part) in Split::ALL.into_iter().zip(&parts) {
            let own: Vec<&Missing> = missing.iter().filter(|clip| clip.split == split).collect();
            if let Some(first) = own.first() {
                self.warnings.push(format!(
                    "{} of the {} {} clips have no sound file and are left out (the first: '{}', \
                     looked for {}); `experiments data check` lists them",
                    own.len(),
                    part.listed,
                    split.name(),
                    first.id,
                    first.looked_for
                ));
            }
        }
        let state = state(&parts);
        let fingerprint = Fingerprint::combine([&listing, &state]);
        Captioned { name, parts, missing, listing, fingerprint, warnings: self.warnings }
    }
}

/// Size in bytes and time of change, in nanoseconds, of a file that is there: whether it is
/// still the same. Reading tens of gigabytes just to know would cost as much as decoding them.
pub fn file_state(file: &Path) -> Option<(u64, u64)> {
    let metadata = file.metadata().ok()?;
    let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((metadata.len(), changed.as_nanos() as u64))
}

/// Digest of the files that were found, by name and state.
fn state(parts: &[Part]) -> Fingerprint {
    let of_part = |part: &Part| -> Vec<_> {
        let of_clip = |(clip, file): (&Clip, &PathBuf)| {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (clip.id.clone(), name, file_state(file))
        };
        part.clips.par_iter().zip(&part.files).map(of_clip).collect()
    };
    Fingerprint::of(&parts.iter().map(of_part).collect::<Vec<_>>())
}

/// One split.
struct Part {
    clips: Vec<Clip>,
    /// One for each clip.
    files: Vec<PathBuf>,
    /// Where each clip stands in the list.
    places: Vec<usize>,
    /// Clips of the list, the missing ones too.
    listed: usize,
}

/// A corpus of sound files with lists.
pub(crate) struct Captioned {
    name: &'static str,
    /// In the order of [`Split::ALL`].
    parts: Vec<Part>,
    missing: Vec<Missing>,
    listing: Fingerprint,
    fingerprint: Fingerprint,
    warnings: Vec<String>,
}

impl Corpus for Captioned {
    fn name(&self) -> &str {
        self.name
    }

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint.clone()
    }

    fn listing(&self) -> Fingerprint {
        self.listing.clone()
    }

    fn clips(&self, split: Split) -> &[Clip] {
        &self.parts[split as usize].clips
    }

    fn listed(&self, split: Split) -> Option<usize> {
        Some(self.parts[split as usize].listed)
    }

    fn missing(&self) -> &[Missing] {
        &self.missing
    }

    fn place(&self, split: Split, index: usize) -> usize {
        self.parts[split as usize].places.get(index).copied().unwrap_or(index)
    }

    fn file(&self, split: Split, index: usize) -> Option<&Path> {
        self.parts[split as usize].files.get(index).map(PathBuf::as_path)
    }

    fn render(&self, split: Split, index: usize) -> Result<Waveform, DataError> {
        let files = &self.parts[split as usize].files;
        let file = files.get(index).ok_or_else(|| DataError::OutOfRange {
            corpus: self.name.into(),
            what: "clip",
            index,
            split: split.name(),
            count: files.len(),
        })?;
        Ok(dl_audio::load(file)?)
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
