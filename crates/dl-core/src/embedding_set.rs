//! `EmbeddingSet`: the file that passes between the crates.
//!
//! One safetensors file. Tensors: `audio` f32 `[N, D]`, `text` f32 `[M, D]`,
//! `owners` i64 `[M]` (which clip a caption belongs to). Metadata: `format`
//! ("diffusion-link/embedding-set"), `version` ("1"), `ids` and `captions`
//! (JSON arrays of N and M strings) and `provenance` (a JSON object, see
//! [`Provenance`]). From Python it is one `safetensors.numpy.save_file` call.

use std::{collections::HashSet, path::Path};

use ndarray::{Array2, ArrayView2, Axis};

use crate::{FileError, Fingerprint, text::told_apart};

mod checks;
mod file;
mod npy;
mod provenance;

pub use npy::{read_rows, write_rows};
pub use provenance::{MismatchError, Provenance};

/// Paired audio and text embeddings of one split.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingSet {
    /// One name per clip, all different: `[N]`.
    pub ids: Vec<String>,
    /// One audio embedding per clip: `[N, D]`.
    pub audio: Array2<f32>,
    /// The captions: `[M]`.
    pub captions: Vec<String>,
    /// The clip of each caption, an index into `ids`: `[M]`.
    pub owners: Vec<usize>,
    /// One text embedding per caption: `[M, D]`.
    pub text: Array2<f32>,
    /// Where it comes from.
    pub provenance: Provenance,
}

impl EmbeddingSet {
    /// Embedding size D.
    pub fn dim(&self) -> usize {
        self.audio.ncols()
    }

    /// Number of clips N.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are no clips.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Digest of the corpus and the list of ids: tables carry it beside n, so that two
    /// tables over different clips are not taken for one. An id names a clip within its
    /// corpus only.
    pub fn id_hash(&self) -> Fingerprint {
        Fingerprint::of(&(&self.provenance.corpus, &self.ids))
    }

    /// The indices of each clip's captions, in order: `[N]` lists.
    pub fn captions_of(&self) -> Vec<Vec<usize>> {
        let mut captions = vec![Vec::new(); self.len()];
        for (caption, &owner) in self.owners.iter().enumerate() {
            captions[owner].push(caption);
        }
        captions
    }

    /// Each clip's captions in words, in order: `[N]` lists.
    pub fn references(&self) -> Vec<Vec<String>> {
        let words = |own: Vec<usize>| own.iter().map(|&row| self.captions[row].clone()).collect();
        self.captions_of().into_iter().map(words).collect()
    }

    /// The clips at `clips` (indices) with their captions, in that order.
    ///
    /// # Panics
    /// When an index is not that of a clip.
    pub fn select(&self, clips: &[usize]) -> Self {
        let captions_of = self.captions_of();
        let own = |&clip: &usize| captions_of[clip].iter().copied();
        let rows: Vec<usize> = clips.iter().flat_map(own).collect();
        Self {
            ids: clips.iter().map(|&clip| self.ids[clip].clone()).collect(),
            audio: self.audio.select(Axis(0), clips),
            captions: rows.iter().map(|&row| self.captions[row].clone()).collect(),
            text: self.text.select(Axis(0), &rows),
            owners: clips
                .iter()
                .enumerate()
                .flat_map(|(new, &clip)| vec![new; captions_of[clip].len()])
                .collect(),
            provenance: self.provenance.clone(),
        }
    }

    /// The same set with other audio embeddings, after a bridge.
    ///
    /// # Panics
    /// When `audio` is not `[N, D]`.
    pub fn with_audio(&self, audio: Array2<f32>, bridge: &str) -> Self {
        assert_eq!(audio.dim(), self.audio.dim(), "a bridge keeps the shape");
        let mut set = self.clone();
        set.audio = audio;
        set.provenance.bridges.push(bridge.into());
        set
    }

    /// One set of the clips of all `sets`, in order, with the provenance of the first;
    /// its corpus is a digest of all corpora where they differ.
    ///
    /// # Panics
    /// When there is none, or their dimensions differ.
    pub fn concat(sets: &[Self]) -> Self {
        let stack = |rows: fn(&Self) -> &Array2<f32>| {
            let views: Vec<_> = sets.iter().map(|set| rows(set).view()).collect();
            ndarray::concatenate(Axis(0), &views).expect("sets of one dimension")
        };
        let starts = sets.iter().scan(0, |start, set| {
            *start += set.len();
            Some(*start - set.len())
        });
        Self {
            ids: sets.iter().flat_map(|set| set.ids.iter().cloned()).collect(),
            audio: stack(|set| &set.audio),
            captions: sets.iter().flat_map(|set| set.captions.iter().cloned()).collect(),
            owners: sets
                .iter()
                .zip(starts)
                .flat_map(|(set, start)| set.owners.iter().map(move |owner| start + owner))
                .collect(),
            text: stack(|set| &set.text),
            provenance: Provenance { corpus: joint_corpus(sets), ..sets[0].provenance.clone() },
        }
    }

    /// Checks shapes, ids, owners and numbers. `name` is the file (or a word for
    /// a set in memory) that an error shall name.
    ///
    /// # Errors
    /// [`FileError::Invalid`] for the first fault found.
    pub fn validate(&self, name: &Path) -> Result<(), FileError> {
        self.validate_sides(name, name)
    }

    /// The same of a set whose sides come from two files.
    fn validate_sides(&self, audio: &Path, text: &Path) -> Result<(), FileError> {
        let (n, m) = (self.ids.len(), self.captions.len());
        let fault = if self.audio.nrows() != n {
            Some((audio, format!("{n} ids but {} audio embeddings", self.audio.nrows())))
        } else if self.text.nrows() != m || self.owners.len() != m {
            let (rows, owners) = (self.text.nrows(), self.owners.len());
            Some((text, format!("{m} captions but {rows} text embeddings and {owners} owners")))
        } else if n == 0 || self.audio.ncols() == 0 {
            Some((audio, "it holds no embeddings".into()))
        } else if self.audio.ncols() != self.text.ncols() {
            let (dims, others) = (self.audio.ncols(), self.text.ncols());
            let problem = format!(
                "audio embeddings have {dims} dimensions but text embeddings {others}; both sides \
                 must come from one encoder"
            );
            Some((text, problem))
        } else {
            self.first_bad_entry(audio, text)
        };
        match fault {
            None => Ok(()),
            Some((path, problem)) => Err(invalid(path, problem)),
        }
    }

    fn first_bad_entry<'a>(&self, audio: &'a Path, text: &'a Path) -> Option<(&'a Path, String)> {
        let mut seen = HashSet::new();
        for (clip, id) in self.ids.iter().enumerate() {
            if id.trim().is_empty() {
                return Some((audio, format!("clip {clip} has an empty id; give it one")));
            }
            if !seen.insert(id.as_str()) {
                let id = told_apart(id, []);
                let problem = format!("id {id} occurs twice; every clip needs an id of its own");
                return Some((audio, problem));
            }
        }
        if let Some(row) = self.owners.iter().position(|&owner| owner >= self.len()) {
            let (owner, n) = (self.owners[row], self.len());
            let problem = format!("caption {row} belongs to clip {owner}, but there are {n} clips");
            return Some((text, problem));
        }
        let of_clip = |(row, what): (usize, &str)| {
            let id = told_apart(self.ids[row].as_str(), []);
            (audio, format!("the audio embedding of {id} {what}"))
        };
        let of_caption = |(row, what): (usize, &str)| {
            (text, format!("the text embedding of caption {row} {what}"))
        };
        bad_row(self.audio.view())
            .map(of_clip)
            .or_else(|| bad_row(self.text.view()).map(of_caption))
    }
}

fn joint_corpus(sets: &[EmbeddingSet]) -> String {
    let mut corpora: Vec<&str> = sets.iter().map(|set| set.provenance.corpus.as_str()).collect();
    corpora.dedup();
    match corpora.as_slice() {
        [one] => (*one).to_owned(),
        several => Fingerprint::of(&several).to_string(),
    }
}

fn invalid(path: &Path, problem: String) -> FileError {
    FileError::invalid(path, problem)
}

fn bad_row(rows: ArrayView2<'_, f32>) -> Option<(usize, &'static str)> {
    rows.outer_iter().enumerate().find_map(|(index, row)| {
        if row.iter().any(|x| !x.is_finite()) {
            Some((index, "has a NaN or an infinity; embed that item again or leave it out"))
        } else if row.iter().all(|&x| x == 0.0) {
            Some((index, "is all zeros and has no direction; leave that item out"))
        } else {
            None
        }
    })
}
