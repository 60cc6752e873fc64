//! `embed`: what a manifest lists through any encoder, whole or one shard of it.
//!
//! The work is done in pieces, which are kept beside the output until it is
//! whole: an interrupted run goes on from them, and one that had to leave clips
//! out does their pieces alone once they are mended. A piece is computed alike
//! whoever does it, so the bytes of the output do not depend on its history.

mod captions;
mod manifest;
mod report;
mod shard;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Result, bail};
use dl_audio::{AudioError, Waveform};
use dl_core::{EmbeddingSet, Fingerprint, Provenance};
use dl_encoder::{Extracted, Extraction};
use ndarray::{Array2, Axis};

pub use manifest::Manifest;
pub use report::finish;
pub use shard::Shard;

use crate::{encoders::Opened, ui::Reporter};
use manifest::Item;

/// Clips in one piece: what an interruption can cost, and what shards are made of.
const PIECE: usize = 32;

/// What to write.
pub struct Output<'a> {
    /// The EmbeddingSet.
    pub file: &'a Path,
    /// Also `.npy` files beside it.
    pub npy: bool,
    /// Only this part of the manifest.
    pub shard: Option<Shard>,
}

/// Embeds what a manifest lists. Clips that cannot be read are listed and left
/// out; the exit code is then 1.
pub fn run(
    manifest: &Manifest,
    output: &Output<'_>,
    encoder: &Opened,
    reporter: &Reporter,
) -> Result<ExitCode> {
    let items = match output.shard {
        Some(shard) => &manifest.items[shard.clips(manifest.items.len(), PIECE)?],
        None => &manifest.items,
    };
    let pieces = pieces_of(output.file);
    let audio = sounds(manifest, items, encoder, &pieces, reporter)?;
    for fault in &audio.faults {
        eprintln!("error: {}: {}", items[fault.index].id, fault.problem);
    }
    if audio.kept.is_empty() {
        bail!("none of the {} clips can be embedded", items.len());
    }
    let whole = audio.faults.is_empty();
    manifest.tell_cut(items, encoder.encoder.as_ref())?;
    let text = captions::embed(encoder.encoder.as_ref(), items, &pieces, reporter)?;
    let provenance = Provenance {
        split: output.shard.map(Shard::mark).unwrap_or_default(),
        encoder: encoder.fingerprint().to_string(),
        corpus: manifest.fingerprint().to_string(),
        bridges: Vec::new(),
    };
    finish(&together(items, audio, text, provenance), output.file, output.npy)?;
    if !whole {
        eprintln!("what is done is kept in {} for when they are mended", pieces.display());
        return Ok(ExitCode::from(1));
    }
    // What cannot be removed harms nothing.
    let _ = fs::remove_dir_all(&pieces);
    Ok(ExitCode::SUCCESS)
}

/// `SET.safetensors.parts` for the output `SET.safetensors`.
fn pieces_of(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".parts");
    name.into()
}

fn sounds(
    manifest: &Manifest,
    items: &[Item],
    encoder: &Opened,
    pieces: &Path,
    reporter: &Reporter,
) -> Result<Extracted> {
    let clip = encoder.clip.as_ref();
    let plan = Extraction {
        directory: pieces,
        // These files as they are now: a file that changed is another.
        key: &|range| {
            Fingerprint::combine([&manifest.sounds(&items[range]), &Fingerprint::of(&clip)])
                .to_string()
        },
        chunk: PIECE,
        task: "embedding sounds",
        progress: reporter,
    };
    let render = |index: usize| -> Result<Waveform, AudioError> {
        let whole = dl_audio::load(&manifest.sound(&items[index]))?;
        Ok(match clip {
            Some(clip) => clip.apply(&whole),
            None => whole,
        })
    };
    Ok(dl_encoder::extract(encoder.encoder.as_ref(), items.len(), render, &plan)?)
}

/// The clips that have embeddings, with their captions.
fn together(
    items: &[Item],
    audio: Extracted,
    text: Array2<f32>,
    provenance: Provenance,
) -> EmbeddingSet {
    let starts: Vec<usize> = items
        .iter()
        .scan(0, |next, item| {
            *next += item.captions.len();
            Some(*next - item.captions.len())
        })
        .collect();
    let (mut ids, mut captions, mut owners, mut rows) = (vec![], vec![], vec![], vec![]);
    for (owner, &index) in audio.kept.iter().enumerate() {
        let item = &items[index];
        ids.push(item.id.clone());
        captions.extend(item.captions.iter().cloned());
        owners.extend(item.captions.iter().map(|_| owner));
        rows.extend(starts[index]..starts[index] + item.captions.len());
    }
    let text = if audio.faults.is_empty() { text } else { text.select(Axis(0), &rows) };
    EmbeddingSet { ids, audio: audio.features, captions, owners, text, provenance }
}
