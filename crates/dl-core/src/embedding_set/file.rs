//! The safetensors file of a set.

use std::{borrow::Cow, collections::HashMap, path::Path};

use ndarray::Array2;
use safetensors::{
    Dtype, SafeTensors,
    tensor::{TensorView, View},
};
use serde::Serialize;

use super::{EmbeddingSet, invalid};
use crate::FileError;
use crate::{atomic, regular, stable};

const FORMAT: &str = "diffusion-link/embedding-set";
const VERSION: &str = "1";

impl EmbeddingSet {
    /// Reads and validates a file.
    ///
    /// # Errors
    /// [`FileError`] when it cannot be read, is no embedding set, is cut
    /// short, or fails [`EmbeddingSet::validate`].
    pub fn read(path: &Path) -> Result<Self, FileError> {
        Self::parse(path, &regular::read(path)?)
    }

    /// The set in `bytes`, the content of a file that errors shall name `path`.
    ///
    /// # Errors
    /// As [`EmbeddingSet::read`].
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, FileError> {
        if bytes.starts_with(b"\x93NUMPY") {
            return Err(invalid(
                path,
                "is a .npy file, no embedding set; give it as audio or text".into(),
            ));
        }
        let unreadable = |error: &dyn std::fmt::Display| {
            invalid(path, format!("not a whole safetensors file ({error}); make it again"))
        };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| unreadable(&e))?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| unreadable(&e))?;
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
    /// As [`EmbeddingSet::validate`], and [`FileError::Io`] when the disk refuses.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        self.validate(path).map_err(|error| match error {
            FileError::Invalid { path, problem } => {
                invalid(&path, format!("is not written, since {problem}"))
            }
            other => other,
        })?;
        let metadata = HashMap::from([
            ("format".to_owned(), FORMAT.to_owned()),
            ("version".to_owned(), VERSION.to_owned()),
            ("ids".to_owned(), to_json(&self.ids)),
            ("captions".to_owned(), to_json(&self.captions)),
            ("provenance".to_owned(), to_json(&self.provenance)),
        ]);
        let tensors = [
            ("audio", Side::Rows(&self.audio)),
            ("owners", Side::Owners(&self.owners, [self.owners.len()])),
            ("text", Side::Rows(&self.text)),
        ];
        atomic::write(path, |file| stable::write(file, tensors, &metadata))
            .map_err(|source| FileError::Io { path: path.into(), source })
    }
}

/// A tensor whose bytes are made when it is its turn to be written.
enum Side<'a> {
    Rows(&'a Array2<f32>),
    Owners(&'a [usize], [usize; 1]),
}

impl View for Side<'_> {
    fn dtype(&self) -> Dtype {
        match self {
            Self::Rows(_) => Dtype::F32,
            Self::Owners(..) => Dtype::I64,
        }
    }

    fn shape(&self) -> &[usize] {
        match self {
            Self::Rows(rows) => rows.shape(),
            Self::Owners(_, shape) => shape,
        }
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Rows(rows) => rows.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::Owners(owners, _) => {
                owners.iter().flat_map(|&owner| (owner as i64).to_le_bytes()).collect()
            }
        }
    }

    fn data_len(&self) -> usize {
        match self {
            Self::Rows(rows) => 4 * rows.len(),
            Self::Owners(owners, _) => 8 * owners.len(),
        }
    }
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings and plain structs serialise to JSON")
}

fn json_entry<T: serde::de::DeserializeOwned>(
    path: &Path,
    metadata: &HashMap<String, String>,
    key: &str,
) -> Result<T, FileError> {
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
) -> Result<TensorView<'a>, FileError> {
    let view =
        tensors.tensor(name).map_err(|_| invalid(path, format!("tensor `{name}` is missing")))?;
    if view.dtype() != dtype || view.shape().len() != rank {
        let (got, shape) = (view.dtype(), view.shape());
        return Err(invalid(
            path,
            format!(
                "tensor `{name}` is {got:?} {shape:?}, expected {dtype:?} of rank {rank}; save it so"
            ),
        ));
    }
    Ok(view)
}

fn matrix(path: &Path, tensors: &SafeTensors<'_>, name: &str) -> Result<Array2<f32>, FileError> {
    let view = tensor(path, tensors, name, Dtype::F32, 2)?;
    let values =
        view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    Array2::from_shape_vec((view.shape()[0], view.shape()[1]), values)
        .map_err(|error| invalid(path, format!("tensor `{name}`: {error}")))
}

fn owners(path: &Path, tensors: &SafeTensors<'_>) -> Result<Vec<usize>, FileError> {
    tensor(path, tensors, "owners", Dtype::I64, 1)?
        .data()
        .chunks_exact(8)
        .map(|b| i64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]))
        .map(|owner| {
            usize::try_from(owner).map_err(|_| invalid(path, format!("owner {owner} is negative")))
        })
        .collect()
}
