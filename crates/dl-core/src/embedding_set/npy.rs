//! Sets from and to the `.npy` files of other tools.

use std::{io, path::Path};

use ndarray::Array2;

use super::{EmbeddingSet, Provenance, invalid};
use crate::FileError;
use crate::{
    atomic,
    npy::{self, Converted},
};

impl EmbeddingSet {
    /// A set from `.npy` files of another tool: `audio` `[N, D]`, `text` `[M, D]` and,
    /// unless M = N and captions pair with clips in order, `owners` `[M]`, counted from 0.
    /// Ids are the row numbers; captions are empty strings. `notes` gets a line for each
    /// file whose numbers were of another type than f32 and i64.
    ///
    /// # Errors
    /// [`FileError`] naming the file at fault.
    pub fn import_npy(
        audio: &Path,
        text: &Path,
        owners: Option<&Path>,
        notes: &mut Vec<String>,
    ) -> Result<Self, FileError> {
        let audio_rows = read_rows(audio, notes)?;
        let text_rows = read_rows(text, notes)?;
        let (n, m) = (audio_rows.nrows(), text_rows.nrows());
        let owner_rows = match owners {
            Some(path) => owner_rows(path, n, m, notes)?,
            None if n == m => (0..m).collect(),
            None => {
                return Err(invalid(
                    text,
                    format!("{m} captions for {n} clips; say which belongs to which with owners"),
                ));
            }
        };
        let set = Self {
            ids: (0..n).map(|row| row.to_string()).collect(),
            captions: vec![String::new(); m],
            owners: owner_rows,
            audio: audio_rows,
            text: text_rows,
            provenance: Provenance::default(),
        };
        set.validate_sides(audio, text)?;
        Ok(set)
    }

    /// Writes `audio.npy`, `text.npy` and `owners.npy` into a directory.
    ///
    /// # Errors
    /// [`FileError::Io`] when the disk refuses.
    pub fn export_npy(&self, directory: &Path) -> Result<(), FileError> {
        let owners = ndarray::Array1::from_iter(self.owners.iter().map(|&owner| owner as i64));
        write_npy(&directory.join("audio.npy"), &self.audio)?;
        write_npy(&directory.join("text.npy"), &self.text)?;
        write_npy(&directory.join("owners.npy"), &owners)
    }
}

/// Reads one side of pairs, `.npy` `[rows, dims]`, as f32; `notes` gets a line when the
/// file has another type.
///
/// # Errors
/// [`FileError`] naming the file when it cannot be read or is of another form.
pub fn read_rows(path: &Path, notes: &mut Vec<String>) -> Result<Array2<f32>, FileError> {
    Ok(noted(path, npy::rows(path)?, notes))
}

fn noted<T>(path: &Path, found: Converted<T>, notes: &mut Vec<String>) -> T {
    notes.extend(found.note.map(|note| format!("{}: {note}", path.display())));
    found.values
}

/// The clip of each of `m` captions, of `n` clips.
fn owner_rows(
    path: &Path,
    n: usize,
    m: usize,
    notes: &mut Vec<String>,
) -> Result<Vec<usize>, FileError> {
    let found = noted(path, npy::whole_numbers(path)?, notes);
    if found.len() != m {
        return Err(invalid(path, format!("has {} owners for {m} captions", found.len())));
    }
    let (least, most) = (found.iter().min().copied(), found.iter().max().copied());
    if least == Some(1) && most.and_then(|most| usize::try_from(most).ok()) == Some(n) {
        let problem =
            format!("counts clips from 1 to {n}; count from 0, subtract 1 from each owner");
        return Err(invalid(path, problem));
    }
    let inside = |(caption, &owner): (usize, &i64)| {
        usize::try_from(owner).ok().filter(|owner| *owner < n).ok_or_else(|| {
            let problem =
                format!("caption {caption} belongs to clip {owner}, but there are {n} clips");
            invalid(path, format!("{problem}, counted from 0"))
        })
    };
    found.iter().enumerate().map(inside).collect()
}

/// Writes rows as `.npy` f32 `[rows, dims]`, whole or not at all.
///
/// # Errors
/// [`FileError::Io`] when the disk refuses.
pub fn write_rows(path: &Path, rows: &Array2<f32>) -> Result<(), FileError> {
    write_npy(path, rows)
}

fn write_npy<T: ndarray_npy::WriteNpyExt>(path: &Path, array: &T) -> Result<(), FileError> {
    atomic::write(path, |file| array.write_npy(file).map_err(io::Error::other))
        .map_err(|source| FileError::Io { path: path.into(), source })
}
