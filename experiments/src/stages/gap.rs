//! The modality gap of a set that has been through a bridge.

use std::sync::Arc;

use anyhow::Result;
use dl_core::{EmbeddingSet, Fingerprint, Stage};
use dl_eval::gap::{self, GapInput, GapReport, Resampled};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::{Bridged, Desk, Lab, Made, Once, Work};

/// A row under one seed: its figures, and those on resampled clips.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// The figures.
    pub report: GapReport,
    /// Of each resample.
    pub resampled: Resampled,
}

impl Measured {
    /// Measures a set that has been through a bridge, and `resamples` resamples of it.
    ///
    /// # Errors
    /// When the set is too small or not finite.
    pub fn of(set: &EmbeddingSet, resamples: usize) -> Result<Self> {
        let input = GapInput::new(set.audio.view(), set.text.view(), &set.owners);
        let report = gap::evaluate(&input)?;
        Ok(Self { report, resampled: gap::resample(&input, resamples)? })
    }

    /// The same, where sets come again: a bridge without chance gives every seed the same
    /// set, which is measured once.
    ///
    /// # Errors
    /// As [`Measured::of`].
    pub fn once(once: &Once, set: &EmbeddingSet, resamples: usize) -> Result<Arc<Self>> {
        let rows = |rows: &Array2<f32>| {
            let bytes: Vec<u8> = rows.iter().flat_map(|x| x.to_le_bytes()).collect();
            Fingerprint::of_bytes(&bytes)
        };
        let (audio, text) = (rows(&set.audio), rows(&set.text));
        let content = Fingerprint::of(&(audio, text, &set.owners, set.dim(), resamples));
        once.get(content, || Self::of(set, resamples))
    }
}

/// The gap of one split after a bridge.
pub struct Gap {
    stage: Stage,
    bridged: Arc<Bridged>,
    resamples: usize,
}

impl Gap {
    /// Of a set, with so many resamples.
    pub fn new(lab: &Lab<'_>, bridged: &Arc<Bridged>, resamples: usize) -> Arc<Self> {
        // Measuring is plain arithmetic: the kind of device is that of the set.
        let stage = lab
            .store
            .stage("gap", gap::VERSION)
            .input("set", bridged.stage().key())
            .config("resamples", &resamples)
            .open();
        Arc::new(Self { stage, bridged: Arc::clone(bridged), resamples })
    }

    /// The figures, from disk.
    ///
    /// # Errors
    /// When the file is spoilt.
    pub fn read(&self) -> Result<Arc<Measured>> {
        Ok(Arc::new(self.stage.summary()?))
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

    fn make(&self, desk: &Desk<'_>) -> Result<Made> {
        let set = self.bridged.read()?;
        let measured = Measured::once(&desk.lab.once, &set, self.resamples)?;
        Made::whole(measured.as_ref())
    }
}
