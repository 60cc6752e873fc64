//! The modality gap of a set that has been through a bridge.

use std::{collections::HashMap, sync::Arc, time::Instant};

use anyhow::Result;
use dl_core::{EmbeddingSet, Fingerprint, Stage};
use dl_data::{Corpus, Split};
use dl_eval::gap::{self, GapInput, GapReport, Resampled};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::{Bench, Bridged, Cost, Desk, Lab, Made, Once, Work};

/// A row under one seed: its figures, and those on resampled clips.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// The figures.
    pub report: GapReport,
    /// Of each resample.
    pub resampled: Resampled,
    /// The cluster of each clip: see [`clusters`].
    pub clusters: Vec<usize>,
}

/// Which clips of a split belong together, `ids` being theirs: clips with the same first
/// (and loudest) recording or synthesis instance have one label, any other clip one of its
/// own. Intervals and tests draw and flip them together.
pub fn clusters(corpus: &dyn Corpus, split: Split, ids: &[String]) -> Vec<usize> {
    let clips = corpus.clips(split).iter();
    let first: HashMap<&str, &str> =
        clips.filter_map(|clip| Some((clip.id.as_str(), clip.sources.first()?.as_str()))).collect();
    let mut places = HashMap::new();
    ids.iter()
        .enumerate()
        .map(|(clip, id)| match first.get(id.as_str()) {
            Some(source) => *places.entry(*source).or_insert(clip),
            None => clip,
        })
        .collect()
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

#[cfg(test)]
mod tests {
    use dl_data::{PerSplit, SoundscapesConfig};

    use super::*;

    #[test]
    fn clips_share_a_cluster_where_they_share_their_first_sound() {
        let config = SoundscapesConfig {
            scenes: PerSplit { train: 1, validation: 0, test: 60 },
            instances_per_kind: PerSplit { train: 1, validation: 0, test: 2 },
            kinds: ["rain", "siren", "dog bark", "piano"].map(String::from).into(),
            ..SoundscapesConfig::default()
        };
        let corpus = config.open(3).unwrap();
        let clips = corpus.clips(Split::Test);
        let mut ids: Vec<String> = clips.iter().map(|clip| clip.id.clone()).collect();
        // A clip that the corpus does not know is nobody's fellow.
        ids.extend(["elsewhere-1".to_owned(), "elsewhere-2".to_owned()]);
        let labels = clusters(&corpus, Split::Test, &ids);
        for (a, one) in clips.iter().enumerate() {
            for (b, other) in clips.iter().enumerate() {
                assert_eq!(labels[a] == labels[b], one.sources[0] == other.sources[0], "{a} {b}");
            }
        }
        assert_eq!(labels[60..], [60, 61]);
        let mut different = labels[..60].to_vec();
        different.sort_unstable();
        different.dedup();
        // Four kinds of two instances.
        assert_eq!(different.len(), 8);
    }
}
