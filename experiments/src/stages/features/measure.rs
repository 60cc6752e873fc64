//! What features cost, by a sample of the sounds and captions, and features of the same
//! shape for measuring what reads them.

use std::{ops::Range, time::Instant};

use anyhow::{Context, Result};
use dl_core::{EmbeddingSet, Silent};
use dl_data::Split;
use dl_encoder::Extraction;

use super::{Features, SplitFeatures, pieces::PIECE};
use crate::stages::{
    Bench, Cost, Lab,
    cost::{SAMPLE, random_rows},
};

/// What the stage would take.
pub(super) fn measure(features: &Features, bench: &Bench<'_>) -> Result<Option<Cost>> {
    let corpus = &features.source.corpus;
    let (mut clips, mut captions) = (0, 0);
    for split in Split::ALL {
        clips += corpus.clips(split).len();
        captions += corpus.clips(split).iter().map(|clip| clip.captions.len()).sum::<usize>();
    }
    let frozen = features.source.frozen(bench.lab)?;
    let own = corpus.clips(Split::Train);
    let some: Vec<String> =
        own.iter().flat_map(|clip| clip.captions.clone()).take(4 * SAMPLE).collect();
    let sample = SAMPLE.min(own.len());
    if sample == 0 || some.is_empty() {
        return Ok(None);
    }
    // The first clip alone warms up; those that cannot be read are no sample.
    let hear = |clips: Range<usize>| {
        let folder = tempfile::tempdir().context("a folder for a measurement")?;
        let plan = Extraction {
            directory: folder.path(),
            key: &|_| String::new(),
            chunk: PIECE,
            task: "",
            progress: &Silent,
        };
        let begun = Instant::now();
        let render = |index| corpus.render(Split::Train, clips.start + index);
        let found = dl_encoder::extract(frozen.audio(), clips.len(), render, &plan)?;
        Ok::<_, anyhow::Error>((begun.elapsed(), found.features.ncols(), found.kept.len()))
    };
    hear(0..1)?;
    let (heard, audio, kept) = hear(0..sample)?;
    let begun = Instant::now();
    let text = frozen.embed_text(&some)?.ncols();
    let read = begun.elapsed();
    if kept == 0 {
        return Ok(None);
    }
    // Decoding is by all cores already; the model is by as many jobs.
    let time = heard.mul_f64(clips as f64 / kept as f64)
        + read.mul_f64(captions as f64 / some.len() as f64);
    let time = time.div_f64(bench.lab.jobs as f64);
    let bytes = 4 * (clips * audio + captions * text) as u64;
    let basis = format!("measured: {kept} of {clips} clips, {} of {captions} captions", some.len());
    Ok(Some(Cost::measured(time, Some(bytes), basis)))
}

impl Features {
    /// Values per feature of a sound and of a caption.
    pub(in crate::stages) fn widths(&self, lab: &Lab<'_>) -> Result<(usize, usize)> {
        let frozen = self.source.frozen(lab)?;
        let text = frozen.embed_text(&["a sound".into()])?.ncols();
        Ok((frozen.audio().dim(), text))
    }

    /// Random features for the clips and captions of a set.
    pub(in crate::stages) fn stand_in(
        &self,
        set: &EmbeddingSet,
        audio: usize,
        text: usize,
    ) -> SplitFeatures {
        SplitFeatures {
            ids: set.ids.clone(),
            audio: random_rows("audio features", set.len(), audio),
            captions: set.captions.clone(),
            owners: set.owners.clone(),
            text: random_rows("text features", set.captions.len(), text),
        }
    }
}
