//! A bank of labelled recordings from one or several folders, all decoded when it
//! is opened and held in memory at the corpus rate.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use dl_audio::decode_bytes;
use dl_core::{ConfigError, Fingerprint, regular};
use rayon::prelude::*;

use crate::{
    bank::{SourceBank, SourceKey},
    error::DataError,
    manifest::{self, Row},
    mixer::{liveliest_start, soften_end, sounding_range},
    partition::{self, Item, Rule},
    split::Split,
};

/// One recording in memory.
struct Recording {
    /// `<root>/<file>`: what scenes and tables call it.
    name: String,
    content: Fingerprint,
    samples: Vec<f32>,
    sounding: Range<usize>,
}

/// Recordings by split and label.
pub(crate) struct RecordedBank {
    labels: Vec<String>,
    /// `[split][label][instance]`
    recordings: [Vec<Vec<Recording>>; 3],
    sample_rate: u32,
}

impl RecordedBank {
    /// Opens the folders. Recordings that are missing, damaged or silent are left out
    /// with a warning each.
    pub(crate) fn open(
        roots: &[PathBuf],
        rule: &Rule<'_>,
        sample_rate: u32,
        max_seconds: f32,
    ) -> Result<(Self, Vec<String>), DataError> {
        let mut listed: Vec<(String, PathBuf, Row)> = Vec::new();
        for (root, name) in roots.iter().zip(names(roots)?) {
            for row in manifest::read(root)? {
                listed.push((format!("{name}/{}", row.file), root.join(&row.file), row));
            }
        }
        let longest = (max_seconds * sample_rate as f32) as usize;
        let read: Vec<_> = listed
            .into_par_iter()
            .map(|(name, path, row)| {
                load(name, &path, sample_rate, longest).map(|recording| (recording, row))
            })
            .collect();
        let (mut found, mut warnings) = (Vec::new(), Vec::new());
        for result in read {
            match result {
                Ok((recording, row)) => found.push((recording, row)),
                Err(warning) => warnings.push(warning),
            }
        }
        if found.is_empty() {
            let first = warnings.first().map_or("", String::as_str);
            return Err(DataError::TooFew(format!(
                "none of the {} listed recordings can be used; the first: {first}",
                warnings.len()
            )));
        }

        let items: Vec<Item> = found
            .iter()
            .map(|(recording, row)| Item {
                label: row.label.clone(),
                source: row.source_id.clone().unwrap_or_else(|| format!("file {}", row.file)),
                content: recording.content.as_str().into(),
                fold: row.fold,
            })
            .collect();
        let (splits, parting) = partition::part(&items, rule);
        warnings.extend(parting);

        let labels: Vec<String> = items
            .iter()
            .map(|item| item.label.clone())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let mut recordings: [Vec<Vec<Recording>>; 3] =
            std::array::from_fn(|_| labels.iter().map(|_| Vec::new()).collect());
        for ((recording, row), split) in found.into_iter().zip(splits) {
            if let Ok(label) = labels.binary_search(&row.label) {
                recordings[split as usize][label].push(recording);
            }
        }
        Ok((Self { labels, recordings, sample_rate }, warnings))
    }

    fn recording(&self, key: SourceKey) -> &Recording {
        &self.recordings[key.split as usize][key.label][key.instance]
    }
}

/// A short name for each root: its last part, numbered where two are alike.
fn names(roots: &[PathBuf]) -> Result<Vec<String>, ConfigError> {
    let mut seen = BTreeSet::new();
    let mut names: Vec<String> = Vec::new();
    for root in roots {
        let place = fs::canonicalize(root).unwrap_or_else(|_| root.clone());
        if !seen.insert(place.clone()) {
            return Err(ConfigError::new("roots", root.display(), "there once, not twice"));
        }
        let last = place.file_name().map_or("root".into(), |name| name.display().to_string());
        let same = names.iter().filter(|name| name.split('#').next() == Some(&last)).count();
        names.push(if same == 0 { last } else { format!("{last}#{}", same + 1) });
    }
    Ok(names)
}

/// Reads, hashes, decodes and resamples one file; the error is a warning for people.
fn load(name: String, path: &Path, rate: u32, longest: usize) -> Result<Recording, String> {
    if !path.exists() {
        return Err(format!("{} is listed but not there; left out", path.display()));
    }
    let bytes = regular::read(path).map_err(|error| format!("{error}; left out"))?;
    let content = Fingerprint::of_bytes(&bytes);
    let mut samples = decode_bytes(path, bytes)
        .and_then(|waveform| waveform.resample(rate))
        .map_err(|error| format!("{error}; left out"))?
        .samples;
    if samples.len() > longest {
        samples.truncate(longest);
        soften_end(&mut samples, rate);
    }
    let sounding = sounding_range(&samples, rate)
        .ok_or_else(|| format!("{} is silent throughout; left out", path.display()))?;
    Ok(Recording { name, content, samples, sounding })
}

impl SourceBank for RecordedBank {
    fn labels(&self) -> &[String] {
        &self.labels
    }

    fn instances(&self, split: Split, label: usize) -> usize {
        self.recordings[split as usize][label].len()
    }

    fn source(&self, key: SourceKey) -> String {
        self.recording(key).name.clone()
    }

    fn seconds(&self, key: SourceKey) -> f32 {
        self.recording(key).sounding.len() as f32 / self.sample_rate as f32
    }

    fn liveliest(&self, key: SourceKey, seconds: f32) -> f32 {
        let length = (seconds * self.sample_rate as f32).ceil() as usize;
        let start = liveliest_start(&self.draw(key), length, self.sample_rate);
        start as f32 / self.sample_rate as f32
    }

    fn draw(&self, key: SourceKey) -> Cow<'_, [f32]> {
        let recording = self.recording(key);
        Cow::Borrowed(&recording.samples[recording.sounding.clone()])
    }

    fn whole(&self, key: SourceKey) -> Cow<'_, [f32]> {
        Cow::Borrowed(&self.recording(key).samples)
    }

    fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Names, labels, splits and contents, not where the folders lie.
    fn fingerprint(&self) -> Fingerprint {
        let mut parts = vec![Fingerprint::of(&(&self.labels, self.sample_rate))];
        for (split, by_label) in self.recordings.iter().enumerate() {
            for (label, recordings) in by_label.iter().enumerate() {
                for (instance, recording) in recordings.iter().enumerate() {
                    parts.push(Fingerprint::of(&(
                        split,
                        label,
                        instance,
                        &recording.name,
                        &recording.content,
                        recording.samples.len(),
                    )));
                }
            }
        }
        Fingerprint::combine(&parts)
    }
}
