//! `manifest`: a folder of labelled recordings as a corpus.

use std::path::Path;

use anyhow::Result;

use crate::console::{Output, note};

/// Writes the manifest of a folder of labelled recordings.
pub fn run(folder: &Path, out: &mut Output) -> Result<()> {
    let summary = dl_data::write_manifest(folder)?;
    for file in &summary.left_out {
        note(format_args!("left out: {file}"));
    }
    let (path, labels) = (summary.path.display(), summary.labels.join(", "));
    out.line(format_args!("{path}: {} recordings of {labels}", summary.recordings))
}
