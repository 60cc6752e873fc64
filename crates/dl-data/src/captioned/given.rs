//! Embeddings that were made elsewhere, in place of sounds: an `EmbeddingSet` file or `.npy`
//! files for each split. Bridges, decoders and tables need nothing else.

use std::path::{Path, PathBuf};

use dl_audio::Waveform;
use dl_core::{ConfigError, EmbeddingSet, FileError, Fingerprint, text, unit};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::{
    corpus::{Clip, Corpus},
    error::DataError,
    kind::CorpusKind,
    split::Split,
};

/// How far a norm may be from 1.
const TOLERANCE: f64 = 1e-3;

/// Embeddings of the three splits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingsConfig {
    /// What models are fitted to.
    pub train: SetFiles,
    /// What settings and checkpoints are chosen by.
    pub validation: SetFiles,
    /// What results are reported on.
    pub test: SetFiles,
    /// Scale every row to unit norm. Default false: rows of another norm are refused.
    #[serde(default)]
    pub normalise: bool,
}

/// The files of a split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SetFiles {
    /// An `EmbeddingSet` (safetensors), which has everything.
    Set(PathBuf),
    /// `.npy` files.
    Pairs(PairFiles),
}

/// The `.npy` files of a split, with texts beside them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairFiles {
    /// Audio embeddings, f32 `[clips, dims]`.
    pub audio: PathBuf,
    /// Text embeddings, f32 `[captions, dims]`.
    pub text: PathBuf,
    /// The clip of each caption, i64 `[captions]`, counted from 0. Default: one caption for
    /// each clip, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owners: Option<PathBuf>,
    /// A text file with the id of each clip, one a line. Default: the split and the row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<PathBuf>,
    /// A text file with the captions, one a line, which captioning (T2) needs. Default:
    /// empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captions: Option<PathBuf>,
}

crate::register_corpus!(EmbeddingsConfig);

impl CorpusKind for EmbeddingsConfig {
    const KIND: &'static str = "embeddings";

    fn validate(&self) -> Result<(), ConfigError> {
        Ok(())
    }

    fn open(&self, _: u64, folder: &Path) -> Result<Box<dyn Corpus>, DataError> {
        let mut warnings = Vec::new();
        let mut sets = Vec::new();
        for (split, files) in
            Split::ALL.into_iter().zip([&self.train, &self.validation, &self.test])
        {
            let mut set = files.read(split, folder, &mut warnings)?;
            let (audio, text) = files.sides(folder);
            unit_rows(&mut set.audio, &audio, self.normalise)?;
            unit_rows(&mut set.text, &text, self.normalise)?;
            if let Some(clip) = set.captions_of().iter().position(Vec::is_empty) {
                let problem = format!("clip '{}' has no caption; leave it out", set.ids[clip]);
                return Err(FileError::invalid(&audio, problem).into());
            }
            set.provenance.split = split.name().into();
            sets.push((set, audio));
        }
        for (one, (set, _)) in sets.iter().enumerate() {
            for (other, path) in &sets[one + 1..] {
                set.same_encoder(other)
                    .and_then(|()| set.disjoint(other))
                    .map_err(|error| FileError::invalid(path, error.to_string()))?;
            }
        }
        let sets: Vec<EmbeddingSet> = sets.into_iter().map(|(set, _)| set).collect();
        Ok(Box::new(Given::new(sets, warnings)))
    }
}

impl SetFiles {
    /// The files that faults of the audio and of the text side are told by.
    fn sides(&self, folder: &Path) -> (PathBuf, PathBuf) {
        match self {
            Self::Set(path) => (folder.join(path), folder.join(path)),
            Self::Pairs(files) => (folder.join(&files.audio), folder.join(&files.text)),
        }
    }

    fn read(
        &self,
        split: Split,
        folder: &Path,
        notes: &mut Vec<String>,
    ) -> Result<EmbeddingSet, FileError> {
        let files = match self {
            Self::Set(path) => return EmbeddingSet::read(&folder.join(path)),
            Self::Pairs(files) => files,
        };
        let (audio, text) = (folder.join(&files.audio), folder.join(&files.text));
        let owners = files.owners.as_ref().map(|owners| folder.join(owners));
        let mut set = EmbeddingSet::import_npy(&audio, &text, owners.as_deref(), notes)?;
        let clips = set.len();
        set.ids = match &files.ids {
            Some(ids) => lines(&folder.join(ids), clips, "ids", "clips")?,
            None => (0..clips).map(|row| format!("{} {row}", split.name())).collect(),
        };
        if let Some(captions) = &files.captions {
            set.captions =
                lines(&folder.join(captions), set.captions.len(), "captions", "text embeddings")?;
        }
        set.validate(&audio)?;
        Ok(set)
    }
}

/// The lines of a text file, as many as there are of something else.
fn lines(path: &Path, wanted: usize, what: &str, of: &str) -> Result<Vec<String>, FileError> {
    let lines: Vec<String> = text::read(path)?.lines().map(str::to_owned).collect();
    if lines.len() != wanted {
        let found = lines.len();
        let problem = format!("has {found} {what} for {wanted} {of}; give one a line");
        return Err(FileError::invalid(path, problem));
    }
    Ok(lines)
}

/// Scales rows to unit norm, or refuses those that have another.
fn unit_rows(rows: &mut Array2<f32>, path: &Path, normalise: bool) -> Result<(), FileError> {
    for (index, row) in rows.outer_iter_mut().enumerate() {
        let norm = unit::norm(row.view());
        if (norm - 1.0).abs() <= TOLERANCE {
            continue;
        }
        if !normalise {
            let problem = format!(
                "row {index} has the norm {norm:.4}, not 1; scale the rows to unit norm, or set \
                 data.normalise = true"
            );
            return Err(FileError::invalid(path, problem));
        }
        unit::scale(row);
    }
    Ok(())
}

/// Clips of which only embeddings are known.
struct Given {
    /// In the order of [`Split::ALL`].
    sets: Vec<EmbeddingSet>,
    clips: Vec<Vec<Clip>>,
    fingerprint: Fingerprint,
    warnings: Vec<String>,
}

impl Given {
    fn new(mut sets: Vec<EmbeddingSet>, warnings: Vec<String>) -> Self {
        let of_rows = |rows: &Array2<f32>| {
            let bytes: Vec<u8> = rows.iter().flat_map(|x| x.to_le_bytes()).collect();
            Fingerprint::of_bytes(&bytes)
        };
        let of_set = |set: &EmbeddingSet| {
            let rows = (of_rows(&set.audio), of_rows(&set.text));
            Fingerprint::of(&(&set.ids, &set.captions, &set.owners, &set.provenance, rows))
        };
        let prints: Vec<Fingerprint> = sets.iter().map(of_set).collect();
        let fingerprint = Fingerprint::combine(&prints);
        for set in &mut sets {
            if set.provenance.corpus.is_empty() {
                set.provenance.corpus = fingerprint.to_string();
            }
        }
        let clips = sets.iter().map(clips).collect();
        Self { sets, clips, fingerprint, warnings }
    }
}

fn clips(set: &EmbeddingSet) -> Vec<Clip> {
    let of_clip = |(id, captions): (&String, Vec<usize>)| Clip {
        id: id.clone(),
        captions: captions.into_iter().map(|caption| set.captions[caption].clone()).collect(),
        labels: Vec::new(),
        sources: vec![id.clone()],
    };
    set.ids.iter().zip(set.captions_of()).map(of_clip).collect()
}

impl Corpus for Given {
    fn name(&self) -> &str {
        EmbeddingsConfig::KIND
    }

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint.clone()
    }

    fn clips(&self, split: Split) -> &[Clip] {
        &self.clips[split as usize]
    }

    fn embeddings(&self, split: Split) -> Option<&EmbeddingSet> {
        self.sets.get(split as usize)
    }

    fn render(&self, split: Split, index: usize) -> Result<Waveform, DataError> {
        let clip = self.clips(split).get(index).map_or("", |clip| &clip.id);
        Err(DataError::NoSound(clip.into()))
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
