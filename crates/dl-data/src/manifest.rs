//! `manifest.csv`: the list of the recordings of a folder.
//!
//! Columns: `file` (relative to the folder) and `label`; optional `fold` (a whole
//! number) and `source_id` (recordings cut from one original share it). Others
//! are passed over.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use dl_core::{FileError, atomic, text};

use crate::{
    captioned::{sound_kind, walk},
    lexicon,
};

/// The name of the file in each root.
pub const MANIFEST: &str = "manifest.csv";

/// One line of a manifest.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// As the manifest has it.
    pub(crate) file: String,
    /// Canonical.
    pub(crate) label: String,
    pub(crate) fold: Option<u32>,
    pub(crate) source_id: Option<String>,
}

/// Reads and checks the manifest of a folder.
pub(crate) fn read(root: &Path) -> Result<Vec<Row>, FileError> {
    let path = root.join(MANIFEST);
    let fault = |problem: String| FileError::invalid(&path, problem);
    if !root.is_dir() {
        return Err(FileError::invalid(root, "there is no such folder; correct `roots`"));
    }
    if !path.is_file() {
        return Err(fault(
            "is missing; put the recordings in folders named after their labels and have the \
             manifest written (`experiments manifest FOLDER`), or write one with the columns file,label"
                .into(),
        ));
    }
    let text = text::read(&path)?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| fault(unreadable(&error)))?.clone();
    let column = |name: &str| header.iter().position(|found| found.eq_ignore_ascii_case(name));
    let required = |name: &str| {
        column(name).ok_or_else(|| {
            let found: Vec<&str> = header.iter().collect();
            fault(format!(
                "column `{name}` is missing (found {}); the first line must name the columns file \
                 and label",
                if found.is_empty() { "nothing".into() } else { found.join(", ") }
            ))
        })
    };
    let (file, label) = (required("file")?, required("label")?);
    let (fold, source_id) = (column("fold"), column("source_id"));

    let mut rows = Vec::new();
    let mut seen = HashSet::new();
    for record in reader.records() {
        let record = record.map_err(|error| fault(unreadable(&error)))?;
        let line = record.position().map_or(0, csv::Position::line);
        if record.iter().any(|field| field.contains('\n')) {
            return Err(fault(format!(
                "line {line} has a field that goes on over the next line; close its quotation mark"
            )));
        }
        let field = |index: Option<usize>| {
            index.and_then(|index| record.get(index)).filter(|text| !text.is_empty())
        };
        let file = field(Some(file))
            .ok_or_else(|| fault(format!("line {line} has no file; fill it in or delete it")))?;
        let name = field(Some(label)).unwrap_or_default();
        let label = lexicon::canonical_label(name);
        if !label.chars().any(char::is_alphanumeric) {
            return Err(fault(format!(
                "line {line}: the label of '{file}' is empty or has no letters; name its sound"
            )));
        }
        if !seen.insert(file.to_owned()) {
            return Err(fault(format!(
                "line {line} lists '{file}' a second time; every recording must stand once"
            )));
        }
        let fold = field(fold)
            .map(|text| {
                text.parse().map_err(|_| {
                    fault(format!("line {line}: fold '{text}' is not a whole number from 0 on"))
                })
            })
            .transpose()?;
        rows.push(Row {
            file: file.into(),
            label,
            fold,
            source_id: field(source_id).map(Into::into),
        });
    }
    if rows.is_empty() {
        return Err(fault("lists no recordings; have it written again".into()));
    }
    Ok(rows)
}

fn unreadable(error: &csv::Error) -> String {
    format!("is not readable as CSV ({error}); save it again as comma-separated UTF-8")
}

/// What [`write_manifest`] wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestSummary {
    /// The file.
    pub path: PathBuf,
    /// Number of recordings listed.
    pub recordings: usize,
    /// The folders that became labels.
    pub labels: Vec<String>,
    /// Files that are not listed: no sound file by their name, or in no label folder.
    pub left_out: Vec<String>,
}

/// Writes `manifest.csv` for a folder laid out as `root/<label>/<file>`, whole or
/// not at all. The recordings are known by their extension (wav, flac, mp3, ogg, oga);
/// hidden files are passed over. An existing manifest is not touched, since it may
/// hold folds and sources that the folder does not show.
///
/// # Errors
/// [`FileError::Invalid`] when a manifest exists or no recording is found, and
/// [`FileError::Io`] when the disk refuses.
pub fn write_manifest(root: &Path) -> Result<ManifestSummary, FileError> {
    let path = root.join(MANIFEST);
    if path.exists() {
        let problem = "exists already; move it away to have it written again";
        return Err(FileError::invalid(&path, problem));
    }
    let mut found = Vec::new();
    for file in walk(root)? {
        let not_text = |file: PathBuf| {
            FileError::invalid(root, format!("the name {} is not UTF-8; rename it", file.display()))
        };
        found.push(file.into_os_string().into_string().map_err(|file| not_text(file.into()))?);
    }
    let (mut labels, mut rows, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    for file in found {
        let known = sound_kind(Path::new(&file)).is_some();
        match file.split_once('/') {
            Some((label, _)) if known && label.chars().any(char::is_alphanumeric) => {
                let label = lexicon::plain_label(label);
                if !labels.contains(&label) {
                    labels.push(label.clone());
                }
                rows.push((file, label));
            }
            _ => left_out.push(file),
        }
    }
    if rows.is_empty() {
        return Err(FileError::invalid(
            root,
            "holds no recordings in folders named after their labels (label/file.wav)",
        ));
    }
    atomic::write(&path, |file| {
        let mut writer = csv::Writer::from_writer(file);
        writer.write_record(["file", "label"])?;
        for (file, label) in &rows {
            writer.write_record([file, label])?;
        }
        writer.flush()
    })
    .map_err(|source| FileError::io(&path, source))?;
    Ok(ManifestSummary { path, recordings: rows.len(), labels, left_out })
}
