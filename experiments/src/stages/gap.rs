//! The modality gap of a set that has been through a bridge.

use std::{sync::Arc, time::Instant};

use anyhow::Result;
use dl_core::{EmbeddingSet, Fingerprint, Stage};
use dl_data::{Corpus, Split};
use dl_eval::gap::{self, GapInput, GapReport, Resampled};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::{Bench, Bridged, Cost, Desk, Lab, Made, Once, Work, clusters};

/// A row under one seed: its figures, and those on resampled clips.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// The figures.
    pub report: GapReport,
    /// Of each resample.
    pub resampled: Resampled,
    /// The cluster of each clip, which intervals and tests draw and flip together: see
    /// [`clusters`].
    pub clusters: Vec<usize>,
}

impl Measured {
    /// Measures a set that has been through a bridge, and `resamples` resamples of it. Clips
    /// with the same label in `clusters` belong together.
    ///
    /// # Errors
    /// When the set is too small or not finite.
    pub fn of(set: &EmbeddingSet, clusters: Vec<usize>, resamples: usize) -> Result<Self> {
        let input = GapInput::new(set.audio.view(), set.text.view(), &set.owners);
        let input = input.with_clusters(&clusters);
        let (report, resampled) = (gap::evaluate(&input)?, gap::resample(&input, resamples)?);
        Ok(Self { report, resampled, clusters })
    }

    /// The same, where sets come again: a bridge without chance gives every seed the same
    /// set, which is measured once.
    ///
    /// # Errors
    /// As [`Measured::of`].
    pub fn once(
        once: &Once,
        set: &EmbeddingSet,
        clusters: Vec<usize>,
        resamples: usize,
    ) -> Result<Arc<Self>> {
        let rows = |rows: &Array2<f32>| {
            let bytes: Vec<u8> = rows.iter().flat_map(|x| x.to_le_bytes()).collect();
            Fingerprint::of_bytes(&bytes)
        };
        let (audio, text) = (rows(&set.audio), rows(&set.text));
        let content = Fingerprint::of(&(audio, text, &set.owners, set.dim(), &clusters, resamples));
        once.get(content, || Self::of(set, clusters, resamples))
    }
}

/// The gap of one split after a bridge.
pub struct Gap {
    stage: Stage,
    bridged: Arc<Bridged>,
    corpus: Arc<dyn Corpus>,
    split: Split,
    resamples: usize,
}

impl Gap {
    /// Of a set, a split of `corpus`, with so many resamples.
    pub fn new(
        lab: &Lab<'_>,
        bridged: &Arc<Bridged>,
        corpus: &Arc<dyn Corpus>,
        split: Split,
        resamples: usize,
    ) -> Arc<Self> {
        // Measuring is plain arithmetic: the kind of device is that of the set.
        let stage = lab
            .store
            .stage("gap", gap::VERSION)
            .input("set", bridged.stage().key())
            .config("clusters", &"first source")
            .config("resamples", &resamples)
            .open();
        let (bridged, corpus) = (Arc::clone(bridged), Arc::clone(corpus));
        Arc::new(Self { stage, bridged, corpus, split, resamples })
    }

    /// The figures, from disk.
    ///
    /// # Errors
    /// When the file is spoilt.
    pub fn read(&self) -> Result<Arc<Measured>> {
        Ok(Arc::new(self.stage.summary()?))
    }

    /// Milliseconds that the bridge took for a clip, where that is known.
    pub fn milliseconds(&self) -> Option<f64> {
        self.bridged.milliseconds()
    }
}

impl Work for Gap {
    fn stage(&self) -> &Stage {
        &self.stage
    }

    fn title(&self) -> String {
        format!("gap of {}", self.bridged.title())
    }

    fn needs(&self) -> Vec<Arc<dyn Work>> {
        vec![Arc::clone(&self.bridged) as Arc<dyn Work>]
    }

    fn alike(&self) -> String {
        format!("gap of {}", self.split.name())
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Option<Cost>> {
        let sets = bench.sets(self.bridged.sets())?;
        let set = sets.of(self.split);
        let clusters = clusters(self.corpus.as_ref(), self.split, &set.ids);
        let time = |resamples| -> Result<_> {
            let begun = Instant::now();
            let measured = Measured::of(set, clusters.clone(), resamples)?;
            Ok((begun.elapsed(), serde_json::to_vec(&measured)?.len()))
        };
        let (few, more) = (4, 20);
        if self.resamples <= more {
            return Ok(None);
        }
        let (small, bytes) = time(few)?;
        let (large, more_bytes) = time(more)?;
        let share = (self.resamples - few) as f64 / (more - few) as f64;
        let time = small + large.saturating_sub(small).mul_f64(share);
        let bytes = bytes as f64 + more_bytes.saturating_sub(bytes) as f64 * share;
        let basis = format!("measured: {more} of {} resamples", self.resamples);
        Ok(Some(Cost::measured(time, Some(bytes as u64), basis)))
    }

    fn make(&self, desk: &Desk<'_>) -> Result<Made> {
        let set = self.bridged.read()?;
        let clusters = clusters(self.corpus.as_ref(), self.split, &set.ids);
        let measured = Measured::once(&desk.lab.once, &set, clusters, self.resamples)?;
        Made::whole(measured.as_ref())
    }
}
