//! `scenes` and `manifest`: corpora as files, out and in.

use std::path::Path;

use anyhow::{Result, bail};
use dl_data::Split;

use crate::pipeline::Pipeline;

/// Writes up to `count` scenes of a split as WAV files with `scenes.csv`.
pub fn write_scenes(
    split: &str,
    output: &Path,
    count: usize,
    pipeline: &Pipeline<'_>,
) -> Result<()> {
    let split = match split {
        "train" => Split::Train,
        "validation" => Split::Validation,
        "test" => Split::Test,
        other => bail!("--split {other}: use train, validation or test"),
    };
    let written = dl_data::export(pipeline.corpus()?, split, count, output, pipeline.reporter)?;
    println!("{written} scenes in {}", output.display());
    Ok(())
}

/// Writes the manifest of a folder of labelled recordings.
pub fn write_manifest(folder: &Path) -> Result<()> {
    let summary = dl_data::write_manifest(folder)?;
    for file in &summary.left_out {
        eprintln!("left out: {file}");
    }
    let (path, labels) = (summary.path.display(), summary.labels.join(", "));
    println!("{path}: {} recordings of {labels}", summary.recordings);
    Ok(())
}
