//! `embed`: the clips and captions of a manifest through any encoder, all or one shard.
//!
//! The work is done in pieces, which are kept beside the output until it is
//! whole: a run after an interruption goes on from them, and a run after clips were left out
//! computes only the pieces of these clips. A piece is always computed in the same way, so
//! the bytes of the output do not depend on how many runs it took.

mod captions;
mod manifest;
mod report;
mod shard;

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::{Context, Result, bail};
use dl_audio::{AudioError, Waveform};
use dl_core::{EmbeddingSet, Fingerprint, Progress, Provenance, Silent};
use dl_encoder::{Encoder, Extracted, Extraction, Fault};
use ndarray::{Array2, Axis, concatenate};

pub use manifest::Manifest;
pub use report::finish;
pub use shard::Shard;

use super::{encoder::Named, output::check_file};
use crate::{
    console::{self, note},
    stages::{Services, kept, side_by_side},
};
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

impl Output<'_> {
    /// Refuses a place where nothing can be written.
    pub fn check(&self) -> Result<()> {
        check_file(self.file)
    }
}

/// Embeds what a manifest lists. Clips that cannot be read are listed and left
/// out; the exit code is then 1.
pub fn run(
    manifest: &Manifest,
    output: &Output<'_>,
    encoder: &Named,
    services: &Services<'_>,
    out: &mut console::Output,
) -> Result<ExitCode> {
    let items = match output.shard {
        Some(shard) => &manifest.items[shard.clips(manifest.items.len(), PIECE)?],
        None => &manifest.items,
    };
    let pieces = pieces_of(output.file);
    let Embedded { audio, text, encoder } = embed(manifest, items, encoder, &pieces, services)?;
    for fault in &audio.faults {
        note(format_args!("error: {}: {}", items[fault.index].id, fault.problem));
    }
    if audio.kept.is_empty() {
        bail!("none of the {} clips can be embedded", items.len());
    }
    let whole = audio.faults.is_empty();
    let provenance = Provenance {
        split: output.shard.map(Shard::mark).unwrap_or_default(),
        encoder: encoder.to_string(),
        corpus: manifest.fingerprint().to_string(),
        bridges: Vec::new(),
    };
    let set = together(items, audio, text, provenance);
    report::write(&set, output.file, output.npy)?;
    if whole {
        // What cannot be removed harms nothing.
        let _ = fs::remove_dir_all(&pieces);
    } else {
        note(format_args!("what is done is kept in {} for when they are mended", pieces.display()));
    }
    report::say(&set, output.file, out)?;
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// `SET.safetensors.parts` for the output `SET.safetensors`.
fn pieces_of(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".parts");
    name.into()
}

/// A piece of sounds, of captions, or what they are by.
enum Done {
    Sounds(Extracted),
    /// With the lines of those that the encoder cuts.
    Captions(Array2<f32>, Vec<u64>),
}

/// Sounds and captions of all pieces, side by side, and the digest of the encoder.
struct Embedded {
    audio: Extracted,
    text: Array2<f32>,
    encoder: Fingerprint,
}

fn embed(
    manifest: &Manifest,
    items: &[Item],
    named: &Named,
    pieces: &Path,
    services: &Services<'_>,
) -> Result<Embedded> {
    let cuts: Vec<Range<usize>> = (0..items.len())
        .step_by(PIECE)
        .map(|start| start..items.len().min(start + PIECE))
        .collect();
    let progress = services.reporter.task("embedding sounds and captions");
    progress.begin("", items.len() as u64);
    let clips = AtomicUsize::new(0);
    let jobs = services.jobs_on(named.device());
    let done = side_by_side(jobs, 2 * cuts.len(), |job| {
        let encoder = kept("embed", "", || named.load())?;
        let (number, range) = (job / 2, cuts[job / 2].clone());
        let part = if job % 2 == 0 {
            let directory = pieces.join(format!("{:06}", range.start));
            let own = &items[range.clone()];
            let found = sounds(manifest, own, named, encoder.as_ref().as_ref(), &directory)?;
            let all = clips.fetch_add(range.len(), Ordering::Relaxed) + range.len();
            progress.update(all as u64, "");
            Done::Sounds(shifted(found, range.start))
        } else {
            let file = pieces.join(format!("captions-{number:06}.safetensors"));
            let (encoder, own) = (encoder.as_ref().as_ref(), &items[range]);
            let cut = manifest.cut_lines(own, encoder)?;
            Done::Captions(captions::embed(encoder, own, &file)?, cut)
        };
        Ok((part, named.fingerprint(encoder.as_ref().as_ref())))
    })?;
    progress.end();
    let encoder = done.first().map(|(_, encoder)| encoder.clone()).context("there are clips")?;
    let (mut audio, mut text) = (Vec::new(), Vec::new());
    let (mut kept, mut faults, mut cut) = (Vec::new(), Vec::new(), Vec::new());
    for (part, _) in done {
        match part {
            Done::Captions(rows, lines) => {
                text.push(rows);
                cut.extend(lines);
            }
            Done::Sounds(found) => {
                audio.push(found.features);
                kept.extend(found.kept);
                faults.extend(found.faults);
            }
        }
    }
    manifest.tell_cut(&cut);
    let stack = |rows: &[Array2<f32>]| {
        let views: Vec<_> = rows.iter().map(Array2::view).collect();
        concatenate(Axis(0), &views)
    };
    let audio = Extracted { features: stack(&audio)?, kept, faults };
    Ok(Embedded { audio, text: stack(&text)?, encoder })
}

/// A piece's clips by their places among all.
fn shifted(found: Extracted, start: usize) -> Extracted {
    let fault = |fault: Fault| Fault { index: fault.index + start, ..fault };
    Extracted {
        features: found.features,
        kept: found.kept.into_iter().map(|clip| clip + start).collect(),
        faults: found.faults.into_iter().map(fault).collect(),
    }
}

/// One piece.
fn sounds(
    manifest: &Manifest,
    items: &[Item],
    named: &Named,
    encoder: &dyn Encoder,
    directory: &Path,
) -> Result<Extracted> {
    let clip = named.clip.as_ref();
    let plan = Extraction {
        directory,
        // These files as they are now: a file that changed is another.
        key: &|range| {
            Fingerprint::combine([&manifest.sounds(&items[range]), &Fingerprint::of(&clip)])
                .to_string()
        },
        chunk: PIECE,
        task: "",
        progress: &Silent,
    };
    let render = |index: usize| -> Result<Waveform, AudioError> {
        let whole = dl_audio::load(&manifest.sound(&items[index]))?;
        Ok(match clip {
            Some(clip) => clip.apply(&whole),
            None => whole,
        })
    };
    Ok(dl_encoder::extract(encoder, items.len(), render, &plan)?)
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
