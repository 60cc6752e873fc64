//! Sets from and to the `.npy` files of other tools.

use std::{fs, io, path::Path};

use ndarray::Array2;

use super::{EmbeddingSet, EmbeddingSetError, Provenance, invalid, owner_index};
use crate::atomic;

impl EmbeddingSet {
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

/// Reads one side of pairs, `.npy` f32 `[rows, dims]`, as it stands.
///
/// # Errors
/// [`EmbeddingSetError`] naming the file when it cannot be read or is of another form.
pub fn read_rows(path: &Path) -> Result<Array2<f32>, EmbeddingSetError> {
    read_npy(path)
}

/// Writes rows as `.npy` f32 `[rows, dims]`, whole or not at all.
///
/// # Errors
/// [`EmbeddingSetError::Io`] when the disk refuses.
pub fn write_rows(path: &Path, rows: &Array2<f32>) -> Result<(), EmbeddingSetError> {
    write_npy(path, rows)
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
