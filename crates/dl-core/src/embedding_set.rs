//! `EmbeddingSet`: the file that passes between the crates.
//!
//! One safetensors file. Tensors: `audio` f32 `[N, D]`, `text` f32 `[M, D]`,
//! `owners` i64 `[M]` (which clip a caption belongs to). Metadata: `format`
//! ("diffusion-link/embedding-set"), `version` ("1"), `ids` and `captions`
//! (JSON arrays of N and M strings) and `provenance` (a JSON object, see
//! [`Provenance`]). From Python it is one `safetensors.numpy.save_file` call.

use std::{
    collections::{HashMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
};

use ndarray::{Array2, ArrayView2};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};

use crate::{Fingerprint, atomic, stable};

const FORMAT: &str = "diffusion-link/embedding-set";
const VERSION: &str = "1";

/// What is wrong with an embedding set or its file. Every variant names the file
/// (or the set's name in memory).
#[derive(Debug, thiserror::Error)]
pub enum EmbeddingSetError {
    /// The file cannot be opened, read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not what it should be; `problem` says how and what to do.
    #[error("{path}: {problem}", path = path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Cause and remedy.
        problem: String,
    },
}

/// Where a set comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// `train`, `validation`, `test` or the user's own word.
    pub split: String,
    /// Name and fingerprint of the encoder.
    pub encoder: String,
    /// Fingerprint of the corpus (sounds and captions).
    pub corpus: String,
    /// The bridges that the audio side has been through, first to last.
    #[serde(default)]
    pub bridges: Vec<String>,
}

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

    /// Digest of the list of ids: tables carry it beside n, so that two tables
    /// over different clips are not taken for one.
    pub fn id_hash(&self) -> Fingerprint {
        Fingerprint::of(&self.ids)
    }

    /// The indices of each clip's captions, in order: `[N]` lists.
    pub fn captions_of(&self) -> Vec<Vec<usize>> {
        let mut captions = vec![Vec::new(); self.len()];
        for (caption, &owner) in self.owners.iter().enumerate() {
            captions[owner].push(caption);
        }
        captions
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

    /// Checks shapes, ids, owners and numbers. `name` is the file (or a word for
    /// a set in memory) that an error shall name.
    ///
    /// # Errors
    /// [`EmbeddingSetError::Invalid`] for the first fault found.
    pub fn validate(&self, name: &Path) -> Result<(), EmbeddingSetError> {
        let (n, m) = (self.ids.len(), self.captions.len());
        let fault = if self.audio.nrows() != n {
            Some(format!("{n} ids but {} audio embeddings", self.audio.nrows()))
        } else if self.text.nrows() != m || self.owners.len() != m {
            let (rows, owners) = (self.text.nrows(), self.owners.len());
            Some(format!("{m} captions but {rows} text embeddings and {owners} owners"))
        } else if self.audio.ncols() != self.text.ncols() {
            Some(format!(
                "audio embeddings have {} dimensions but text embeddings {}; both sides must come \
                 from one encoder",
                self.audio.ncols(),
                self.text.ncols()
            ))
        } else if n == 0 || self.audio.ncols() == 0 {
            Some("it holds no embeddings".into())
        } else {
            self.first_bad_entry()
        };
        match fault {
            None => Ok(()),
            Some(problem) => Err(invalid(name, problem)),
        }
    }

    fn first_bad_entry(&self) -> Option<String> {
        let mut seen = HashSet::new();
        if let Some(id) = self.ids.iter().find(|id| !seen.insert(id.as_str())) {
            return Some(format!("id '{id}' occurs twice; every clip needs an id of its own"));
        }
        if let Some(row) = self.owners.iter().position(|&owner| owner >= self.len()) {
            let (owner, n) = (self.owners[row], self.len());
            return Some(format!("caption {row} belongs to clip {owner}, but there are {n} clips"));
        }
        bad_row(self.audio.view())
            .map(|(row, what)| format!("the audio embedding of '{}' {what}", self.ids[row]))
            .or_else(|| {
                bad_row(self.text.view())
                    .map(|(row, what)| format!("the text embedding of caption {row} {what}"))
            })
    }

    /// Reads and validates a file.
    ///
    /// # Errors
    /// [`EmbeddingSetError`] when it cannot be read, is no embedding set, is cut
    /// short, or fails [`EmbeddingSet::validate`].
    pub fn read(path: &Path) -> Result<Self, EmbeddingSetError> {
        let io_error = |source| EmbeddingSetError::Io { path: path.into(), source };
        let bytes = fs::read(path).map_err(io_error)?;
        let unreadable = |error: &dyn std::fmt::Display| {
            invalid(path, format!("not a whole safetensors file ({error}); make it again"))
        };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| unreadable(&e))?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|e| unreadable(&e))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        if metadata.get("format").map(String::as_str) != Some(FORMAT) {
            return Err(invalid(path, format!("not an embedding set: no `format` = \"{FORMAT}\"")));
        }
        if metadata.get("version").map(String::as_str) != Some(VERSION) {
            let version = metadata.get("version").map_or("none", String::as_str);
            return Err(invalid(
                path,
                format!("version {version}, but this program reads version {VERSION}"),
            ));
        }
        let set = Self {
            ids: json_entry(path, &metadata, "ids")?,
            captions: json_entry(path, &metadata, "captions")?,
            provenance: json_entry(path, &metadata, "provenance")?,
            audio: matrix(path, &tensors, "audio")?,
            text: matrix(path, &tensors, "text")?,
            owners: owners(path, &tensors)?,
        };
        set.validate(path)?;
        Ok(set)
    }

    /// Validates the set and writes it whole or not at all.
    ///
    /// # Errors
    /// As [`EmbeddingSet::validate`], and [`EmbeddingSetError::Io`] when the disk refuses.
    pub fn write(&self, path: &Path) -> Result<(), EmbeddingSetError> {
        self.validate(path)?;

        let metadata = HashMap::from([
            ("format".to_owned(), FORMAT.to_owned()),
            ("version".to_owned(), VERSION.to_owned()),
            ("ids".to_owned(), to_json(&self.ids)),
            ("captions".to_owned(), to_json(&self.captions)),
            ("provenance".to_owned(), to_json(&self.provenance)),
        ]);
        let audio = f32_bytes(self.audio.view());
        let text = f32_bytes(self.text.view());
        let owners: Vec<u8> =
            self.owners.iter().flat_map(|&owner| (owner as i64).to_le_bytes()).collect();
        let view = |dtype, shape: Vec<usize>, bytes| {
            TensorView::new(dtype, shape, bytes)
                .map_err(|error| invalid(path, format!("cannot be stored: {error}")))
        };
        let tensors = [
            ("audio", view(Dtype::F32, self.audio.shape().to_vec(), &audio)?),
            ("owners", view(Dtype::I64, vec![self.owners.len()], &owners)?),
            ("text", view(Dtype::F32, self.text.shape().to_vec(), &text)?),
        ];
        let bytes = stable::serialize(tensors, &metadata)
            .map_err(|error| invalid(path, format!("cannot be stored: {error}")))?;
        atomic::write_bytes(path, &bytes)
            .map_err(|source| EmbeddingSetError::Io { path: path.into(), source })
    }

    /// A set from `.npy` files of another tool: `audio` f32 `[N, D]`, `text` f32
    /// `[M, D]` and, unless M = N and captions pair with clips in order, `owners`
    /// i64 `[M]`. Ids are the row numbers; captions are empty strings.
    ///
    /// # Errors
    /// [`EmbeddingSetError`] naming the file at fault.
    pub fn import_npy(
        audio: &Path,
        text: &Path,
        owners: Option<&Path>,
    ) -> Result<Self, EmbeddingSetError> {
        let audio_rows: Array2<f32> = read_npy(audio)?;
        let text_rows: Array2<f32> = read_npy(text)?;
        let owner_rows = match owners {
            Some(path) => {
                let rows: ndarray::Array1<i64> = read_npy(path)?;
                rows.iter().map(|&owner| owner_index(path, owner)).collect::<Result<_, _>>()?
            }
            None if audio_rows.nrows() == text_rows.nrows() => (0..text_rows.nrows()).collect(),
            None => {
                let (n, m) = (audio_rows.nrows(), text_rows.nrows());
                return Err(invalid(
                    text,
                    format!("{m} captions for {n} clips; say which belongs to which with owners"),
                ));
            }
        };
        let set = Self {
            ids: (0..audio_rows.nrows()).map(|row| row.to_string()).collect(),
            captions: vec![String::new(); text_rows.nrows()],
            owners: owner_rows,
            audio: audio_rows,
            text: text_rows,
            provenance: Provenance::default(),
        };
        set.validate(audio)?;
        Ok(set)
    }

    /// Writes `audio.npy`, `text.npy` and `owners.npy` into a directory.
    ///
    /// # Errors
    /// [`EmbeddingSetError::Io`] when the disk refuses.
    pub fn export_npy(&self, directory: &Path) -> Result<(), EmbeddingSetError> {
        let owners = ndarray::Array1::from_iter(self.owners.iter().map(|&owner| owner as i64));
        write_npy(&directory.join("audio.npy"), &self.audio)?;
        write_npy(&directory.join("text.npy"), &self.text)?;
        write_npy(&directory.join("owners.npy"), &owners)
    }
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings and plain structs serialise to JSON")
}

fn invalid(path: &Path, problem: String) -> EmbeddingSetError {
    EmbeddingSetError::Invalid { path: path.into(), problem }
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

fn json_entry<T: serde::de::DeserializeOwned>(
    path: &Path,
    metadata: &HashMap<String, String>,
    key: &str,
) -> Result<T, EmbeddingSetError> {
    let text = metadata
        .get(key)
        .ok_or_else(|| invalid(path, format!("metadata entry `{key}` is missing")))?;
    serde_json::from_str(text)
        .map_err(|error| invalid(path, format!("metadata entry `{key}`: {error}")))
}

fn tensor<'a>(
    path: &Path,
    tensors: &SafeTensors<'a>,
    name: &str,
    dtype: Dtype,
    rank: usize,
) -> Result<TensorView<'a>, EmbeddingSetError> {
    let view =
        tensors.tensor(name).map_err(|_| invalid(path, format!("tensor `{name}` is missing")))?;
    if view.dtype() != dtype || view.shape().len() != rank {
        let (got, shape) = (view.dtype(), view.shape());
        return Err(invalid(
            path,
            format!("tensor `{name}` is {got:?} {shape:?}, expected {dtype:?} of rank {rank}"),
        ));
    }
    Ok(view)
}

fn matrix(
    path: &Path,
    tensors: &SafeTensors<'_>,
    name: &str,
) -> Result<Array2<f32>, EmbeddingSetError> {
    let view = tensor(path, tensors, name, Dtype::F32, 2)?;
    let values =
        view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    Array2::from_shape_vec((view.shape()[0], view.shape()[1]), values)
        .map_err(|error| invalid(path, format!("tensor `{name}`: {error}")))
}

fn owners(path: &Path, tensors: &SafeTensors<'_>) -> Result<Vec<usize>, EmbeddingSetError> {
    tensor(path, tensors, "owners", Dtype::I64, 1)?
        .data()
        .chunks_exact(8)
        .map(|b| i64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]))
        .map(|owner| owner_index(path, owner))
        .collect()
}

fn owner_index(path: &Path, owner: i64) -> Result<usize, EmbeddingSetError> {
    usize::try_from(owner).map_err(|_| invalid(path, format!("owner {owner} is negative")))
}

fn f32_bytes(rows: ArrayView2<'_, f32>) -> Vec<u8> {
    rows.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn read_npy<T: ndarray_npy::ReadNpyExt>(path: &Path) -> Result<T, EmbeddingSetError> {
    let file = fs::File::open(path)
        .map_err(|source| EmbeddingSetError::Io { path: path.into(), source })?;
    T::read_npy(io::BufReader::new(file)).map_err(|error| {
        invalid(path, format!("{error}; expected f32 [rows, dims] (owners: i64 [rows])"))
    })
}

fn write_npy<T: ndarray_npy::WriteNpyExt>(path: &Path, array: &T) -> Result<(), EmbeddingSetError> {
    atomic::write(path, |file| array.write_npy(file).map_err(io::Error::other))
        .map_err(|source| EmbeddingSetError::Io { path: path.into(), source })
}
