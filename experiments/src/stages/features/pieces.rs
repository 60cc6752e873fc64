//! Pieces of a corpus, embedded one by one and kept on disk as they come, so that an
//! interruption loses little. They are cut by the clips alone, never by the number of jobs:
//! the other clips of a batch change the last bit of an embedding, and results must not
//! depend on the number of jobs.
//!
//! The pieces of a corpus of files are kept after the stage and serve the next one: where a
//! file is added or mended, only its piece is embedded again.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::Result;
use dl_core::{Fingerprint, Progress, Silent};
use dl_data::{Split, file_state};
use dl_encoder::{Extraction, Fault};
use ndarray::Array2;

use super::{Features, VERSION};
use crate::stages::{Lab, Source, Work, side_by_side};

/// Clips in one piece.
pub(super) const PIECE: usize = 128;
/// Where pieces are kept.
pub(super) const PIECES: &str = "pieces";

/// Slice `index`, from 0 on, of `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// From 0 to `count` - 1.
    pub index: usize,
    /// How many there are.
    pub count: usize,
}

/// A piece that is done.
pub(super) struct Piece {
    pub(super) split: Split,
    pub(super) rows: Array2<f32>,
    pub(super) kept: Vec<usize>,
    pub(super) faults: Vec<Fault>,
}

impl Features {
    /// What the corpus is cut into: ranges of the clips of a split.
    pub(super) fn all_pieces(&self) -> Vec<(Split, Range<usize>)> {
        let corpus = &self.source.corpus;
        let mut pieces = Vec::new();
        for split in Split::ALL {
            let clips = corpus.clips(split).len();
            let mut start = 0;
            while start < clips {
                let of = |clip: usize| corpus.place(split, clip) / PIECE;
                let end = (start..clips).find(|&clip| of(clip) != of(start)).unwrap_or(clips);
                pieces.push((split, start..end));
                start = end;
            }
        }
        pieces
    }

    /// Embeds the clips of a slice of the pieces, which whoever makes the features later
    /// finds done. Several programs may do so at once, each its own slice.
    ///
    /// # Errors
    /// When a piece cannot be embedded or kept.
    pub fn make_slice(&self, lab: &Lab<'_>, slice: Slice) -> Result<()> {
        if self.stage.is_done()? {
            return Ok(());
        }
        let own: Vec<_> =
            self.all_pieces().into_iter().skip(slice.index).step_by(slice.count).collect();
        let progress = lab.reporter.task(&self.title());
        progress.begin("", own.iter().map(|(_, clips)| clips.len() as u64).sum());
        let done = AtomicU64::new(0);
        side_by_side(lab.jobs, own.len(), |piece| {
            let (split, clips) = &own[piece];
            self.sounds(lab, *split, clips.clone())?;
            let clips = clips.len() as u64;
            progress.update(done.fetch_add(clips, Ordering::Relaxed) + clips, "");
            Ok(())
        })?;
        progress.end();
        Ok(())
    }

    /// How many pieces there are, and so slices of use.
    pub fn pieces_count(&self) -> usize {
        self.all_pieces().len()
    }

    pub(super) fn sounds(&self, lab: &Lab<'_>, split: Split, range: Range<usize>) -> Result<Piece> {
        let frozen = self.source.frozen(lab)?;
        let corpus = &self.source.corpus;
        let first = corpus.place(split, range.start) / PIECE * PIECE;
        let directory = self.pieces(lab).join(format!("{}-{first:06}", split.name()));
        let key = |own: Range<usize>| {
            let state = |clip: usize| {
                let index = range.start + clip;
                let file = corpus.file(split, index).unwrap_or(Path::new(""));
                let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                (&corpus.clips(split)[index].id, name, file_state(file))
            };
            match corpus.listed(split) {
                Some(_) => Fingerprint::of(&own.map(state).collect::<Vec<_>>()).to_string(),
                // The key of the stage says it all.
                None => String::new(),
            }
        };
        let plan = Extraction {
            directory: &directory,
            key: &key,
            chunk: PIECE,
            task: "",
            progress: &Silent,
        };
        let render = |index| self.source.corpus.render(split, range.start + index);
        let found = dl_encoder::extract(frozen.audio(), range.len(), render, &plan)?;
        let fault = |fault: Fault| Fault { index: fault.index + range.start, ..fault };
        Ok(Piece {
            split,
            rows: found.features,
            kept: found.kept.into_iter().map(|clip| clip + range.start).collect(),
            faults: found.faults.into_iter().map(fault).collect(),
        })
    }

    /// Where pieces are kept: in the stage, or, those of a corpus of files, beside the stages
    /// of this listing and encoder.
    pub(super) fn pieces(&self, lab: &Lab<'_>) -> PathBuf {
        let Source { corpus, encoder, encoder_files } = self.source.as_ref();
        if corpus.listed(Split::Test).is_none() {
            return self.stage.file(PIECES);
        }
        let settings = (VERSION, lab.device_kind(), encoder.frozen_settings());
        let print = Fingerprint::of(&(corpus.listing(), encoder_files, settings));
        let stages = self.stage.dir().ancestors().nth(2).unwrap_or(self.stage.dir());
        stages.join(PIECES).join(print.short())
    }
}
