//! `embed`, `scenes` and `manifest`: files in and out around the encoder and the
//! corpora.

use std::{
    collections::HashMap,
    fs::File,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, anyhow, bail};
use dl_core::{EmbeddingSet, Progress, Provenance};
use dl_data::Split;
use dl_encoder::{AudioEncoder, Encoder};
use ndarray::{Array2, ArrayView2, Axis, concatenate};
use serde::Deserialize;

use crate::pipeline::Pipeline;

/// Clips embedded at once.
const BATCH: usize = 16;

#[derive(Deserialize)]
struct ManifestRow {
    id: String,
    file: PathBuf,
    caption: String,
}

struct Item {
    id: String,
    file: PathBuf,
    captions: Vec<String>,
}

/// Embeds what a manifest lists. Files that cannot be read are listed and left
/// out; the exit code is then 1.
pub fn run(manifest: &Path, output: &Path, npy: bool, pipeline: &Pipeline<'_>) -> Result<ExitCode> {
    let items = read_manifest(manifest)?;
    let encoder = pipeline.encoder()?;
    let clip = &pipeline.config.caption.clip;
    let mut audio = Array2::zeros((0, encoder.dim()));
    let mut kept: Vec<&Item> = Vec::new();
    let mut faults = Vec::new();
    pipeline.reporter.begin("embedding", items.len() as u64);
    for (index, batch) in items.chunks(BATCH).enumerate() {
        let mut clips = Vec::new();
        for item in batch {
            match dl_audio::load(&item.file) {
                Ok(whole) => {
                    clips.push(clip.apply(&whole));
                    kept.push(item);
                }
                Err(error) => faults.push(format!("{}: {error}", item.id)),
            }
        }
        if !clips.is_empty() {
            let rows = encoder.embed_audio(&clips)?;
            audio = concatenate![Axis(0), audio, rows];
        }
        pipeline.reporter.update(((index + 1) * BATCH).min(items.len()) as u64, "");
    }
    pipeline.reporter.end();
    if kept.is_empty() {
        bail!("{}: none of its {} files can be read", manifest.display(), items.len());
    }
    let captions: Vec<String> = kept.iter().flat_map(|item| item.captions.clone()).collect();
    let owners = kept
        .iter()
        .enumerate()
        .flat_map(|(owner, item)| std::iter::repeat_n(owner, item.captions.len()))
        .collect();
    let set = EmbeddingSet {
        ids: kept.iter().map(|item| item.id.clone()).collect(),
        audio,
        text: encoder.embed_text(&captions)?,
        captions,
        owners,
        provenance: Provenance {
            encoder: encoder.fingerprint().to_string(),
            ..Provenance::default()
        },
    };
    set.write(output)?;
    if npy {
        set.export_npy(output.parent().unwrap_or(Path::new(".")))?;
    }
    for fault in &faults {
        eprintln!("error: {fault}");
    }
    println!("{}", sanity_line(&set, output));
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn sanity_line(set: &EmbeddingSet, output: &Path) -> String {
    let paired = paired_cosine(set.audio.select(Axis(0), &set.owners).view(), set.text.view());
    format!(
        "{}: {} clips, {} captions, {} dimensions, mean paired cosine {paired:.3}",
        output.display(),
        set.len(),
        set.captions.len(),
        set.dim()
    )
}

fn paired_cosine(audio: ArrayView2<'_, f32>, text: ArrayView2<'_, f32>) -> f32 {
    (&audio * &text).sum() / audio.nrows().max(1) as f32
}

fn read_manifest(path: &Path) -> Result<Vec<Item>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut items: Vec<Item> = Vec::new();
    let mut by_id: HashMap<String, usize> = HashMap::new();
    for (line, row) in csv::Reader::from_reader(file).deserialize().enumerate() {
        let ManifestRow { id, file, caption } = row.map_err(|error| {
            anyhow!(
                "{}: {error}; it needs the columns id, file, caption (encoding UTF-8)",
                path.display()
            )
        })?;
        let file = folder.join(file);
        match by_id.get(&id).map(|&index| &mut items[index]) {
            None => {
                by_id.insert(id.clone(), items.len());
                items.push(Item { id, file, captions: vec![caption] });
            }
            Some(item) if item.file == file && !item.captions.contains(&caption) => {
                item.captions.push(caption);
            }
            Some(_) => bail!(
                "{}, line {}: id '{id}' occurs again with another file or the same caption; give \
                 every clip an id of its own",
                path.display(),
                line + 2
            ),
        }
    }
    if items.is_empty() {
        bail!("{}: it lists no clips", path.display());
    }
    Ok(items)
}

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
