//! What the rest of the program sees of a data set.

use std::path::Path;

use dl_audio::Waveform;
use dl_core::{EmbeddingSet, Fingerprint};
use serde::Serialize;

use crate::{error::DataError, split::Split};

/// One clip of a corpus: what is known of it without hearing it.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// Its name, unique within the corpus.
    pub id: String,
    /// Its captions, at least one.
    pub captions: Vec<String>,
    /// The labels of what sounds in it; empty when the corpus does not know them.
    pub labels: Vec<String>,
    /// The recordings or synthesis instances it is made of. None serves two splits.
    pub sources: Vec<String>,
}

/// A clip of a published list whose sound is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The split that lists it.
    pub split: Split,
    /// Where it stands in the split's list, from 0 (see [`Corpus::place`]).
    pub place: usize,
    /// Its name in the list.
    pub id: String,
    /// Its captions.
    pub captions: Vec<String>,
    /// What was looked for.
    pub looked_for: String,
}

/// Clips with captions in three splits.
///
/// A render depends on the corpus and the index only, never on other renders or on
/// the thread.
pub trait Corpus: Sync + Send {
    /// A short name for files and tables.
    fn name(&self) -> &str;

    /// Digest of all that its sounds and captions depend on.
    fn fingerprint(&self) -> Fingerprint;

    /// Digest of the clips and captions that it lists, whether their sounds are there or
    /// not: what names a clip together with its id, on any disk. The fingerprint, where
    /// nothing can be missing.
    fn listing(&self) -> Fingerprint {
        self.fingerprint()
    }

    /// How many clips the published split has, those without a sound too; none where the
    /// corpus follows no list.
    fn listed(&self, _: Split) -> Option<usize> {
        None
    }

    /// The clips of the list without a sound. They are not among [`Corpus::clips`].
    fn missing(&self) -> &[Missing] {
        &[]
    }

    /// Where a clip stands in its split's list, from 0, the missing ones counted: work is cut
    /// by it, so that a clip that is found later changes little. Its index, where nothing can
    /// be missing.
    fn place(&self, _: Split, index: usize) -> usize {
        index
    }

    /// The sound file of a clip, where it has one of its own.
    fn file(&self, _: Split, _: usize) -> Option<&Path> {
        None
    }

    /// The embeddings of a split, where the corpus is nothing but embeddings that were made
    /// elsewhere. Such clips cannot be rendered.
    fn embeddings(&self, _: Split) -> Option<&EmbeddingSet> {
        None
    }

    /// The clips of a split.
    fn clips(&self, split: Split) -> &[Clip];

    /// The sound of a clip.
    ///
    /// # Errors
    /// [`DataError`] when there is no such clip or its sound cannot be had.
    fn render(&self, split: Split, index: usize) -> Result<Waveform, DataError>;

    /// What was left out or moved when the corpus was opened, one sentence each.
    fn warnings(&self) -> &[String] {
        &[]
    }

    /// The same corpus with what only scenes have, where its clips are scenes.
    fn as_scenes(&self) -> Option<&dyn SceneCorpus> {
        None
    }
}

/// One unmixed sound with its label.
#[derive(Clone, Debug, PartialEq)]
pub struct Single {
    /// Canonical label.
    pub label: String,
    /// The recording or synthesis instance.
    pub source: String,
}

/// One event of a scene, for tables.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventRecord {
    /// Canonical label.
    pub label: String,
    /// The recording or synthesis instance.
    pub source: String,
    /// Where it stands in the scene, in seconds; several when it is repeated.
    pub onsets: Vec<f32>,
    /// Length of one piece in seconds.
    pub seconds: f32,
    /// Factor on the common loudness.
    pub gain: f32,
}

/// A corpus whose clips are scenes mixed from labelled sounds: it knows what is in them,
/// can render its sounds alone, and can read its own captions.
pub trait SceneCorpus: Corpus {
    /// All labels, sorted.
    fn labels(&self) -> &[String];

    /// The events of a scene; empty when there is no such scene.
    fn events(&self, split: Split, index: usize) -> Vec<EventRecord>;

    /// The unmixed sounds of a split.
    fn singles(&self, split: Split) -> &[Single];

    /// An unmixed sound as it was recorded.
    ///
    /// # Errors
    /// [`DataError::OutOfRange`] when there is no such sound.
    fn render_single(&self, split: Split, index: usize) -> Result<Waveform, DataError>;

    /// The labels of the corpus that a caption names.
    fn named_labels(&self, caption: &str) -> Vec<String>;

    /// `n` further captions in the manner of the training captions, paired with no sound.
    fn text_corpus(&self, n: usize) -> Vec<String>;
}
