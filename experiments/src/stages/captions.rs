//! What a captioner says of the clips of a split.

use std::{sync::Arc, time::Instant};

use anyhow::Result;
use dl_core::{EmbeddingSet, Stage};
use dl_data::Split;
use dl_llm::DecodeConfig;
use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};

use super::{
    Bench, Bridged, Cost, Desk, Embeddings, Lab, Made, TrainedCaptioner, Work, cost::SAMPLE,
};

/// Changes whenever the same embeddings are decoded otherwise.
const VERSION: u32 = 2;

/// One caption that the program wrote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The clip.
    pub id: String,
    /// The caption.
    pub caption: String,
}

/// Where the embeddings come from.
#[derive(Clone)]
pub enum Clips {
    /// The audio of a split after a bridge.
    Bridged(Arc<Bridged>),
    /// The first caption's own embedding, in place of the audio.
    FirstCaptions(Arc<Embeddings>, Split),
}

impl Clips {
    fn work(&self) -> Arc<dyn Work> {
        match self {
            Self::Bridged(set) => Arc::clone(set) as Arc<dyn Work>,
            Self::FirstCaptions(sets, _) => Arc::clone(sets) as Arc<dyn Work>,
        }
    }

    /// How many there are.
    fn count(&self, bench: &Bench<'_>) -> Result<usize> {
        Ok(match self {
            Self::Bridged(set) => bench.sets(set.sets())?.of(set.split()).len(),
            Self::FirstCaptions(sets, split) => bench.sets(sets)?.of(*split).len(),
        })
    }

    /// Ids and rows.
    fn read(&self) -> Result<(Vec<String>, Array2<f32>)> {
        Ok(match self {
            Self::Bridged(set) => {
                let EmbeddingSet { ids, audio, .. } = set.read()?;
                (ids, audio)
            }
            Self::FirstCaptions(sets, split) => {
                let set = sets.sets()?.of(*split);
                let captions = set.captions_of();
                let firsts: Vec<usize> =
                    captions.iter().filter_map(|own| own.first().copied()).collect();
                (set.ids.clone(), set.text.select(Axis(0), &firsts))
            }
        })
    }
}

/// Captions of the clips of a split.
pub struct Captions {
    stage: Stage,
    captioner: Arc<TrainedCaptioner>,
    clips: Clips,
    decode: DecodeConfig,
}

impl Captions {
    /// By `captioner`, decoded as `decode` says.
    pub fn new(
        lab: &Lab<'_>,
        captioner: &Arc<TrainedCaptioner>,
        clips: Clips,
        decode: &DecodeConfig,
    ) -> Arc<Self> {
        let mut draft = lab.stage("captions", VERSION).input("captioner", captioner.stage().key());
        draft = match &clips {
            Clips::Bridged(set) => draft.input("audio", set.stage().key()),
            Clips::FirstCaptions(sets, split) => {
                draft.input("first_captions", sets.stage().key()).config("split", &split.name())
            }
        };
        let stage = draft.config("decode", decode).open();
        let (captioner, decode) = (Arc::clone(captioner), decode.clone());
        Arc::new(Self { stage, captioner, clips, decode })
    }

    /// The captions, from disk.
    ///
    /// # Errors
    /// When the file is spoilt.
    pub fn read(&self) -> Result<Vec<Prediction>> {
        Ok(self.stage.summary()?)
    }
}

impl Work for Captions {
    fn stage(&self) -> &Stage {
        &self.stage
    }

    fn title(&self) -> String {
        let clips = match &self.clips {
            Clips::Bridged(set) => set.title(),
            Clips::FirstCaptions(_, split) => format!("the text of {}", split.name()),
        };
        format!("captions of {clips}, {}", self.captioner.title())
    }

    fn needs(&self) -> Vec<Arc<dyn Work>> {
        vec![Arc::clone(&self.captioner) as Arc<dyn Work>, self.clips.work()]
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Option<Cost>> {
        let captioner = self.captioner.stand_in(bench, 1)?;
        let rows = self.captioner.some_rows(bench, SAMPLE)?;
        let begun = Instant::now();
        let captions = captioner.caption(&rows, &self.decode)?;
        let time = begun.elapsed();
        let count = self.clips.count(bench)?;
        let share = count as f64 / captions.len().max(1) as f64;
        // What has learnt nothing seldom ends a sentence, so this is the longest it can be.
        let basis = format!("measured: at most, by {} of {count} clips", captions.len());
        let bytes = captions.iter().map(|caption| caption.len() + 40).sum::<usize>();
        let bytes = (bytes as f64 * share) as u64;
        Ok(Some(Cost::measured(time.mul_f64(share), Some(bytes), basis)))
    }

    fn make(&self, desk: &Desk<'_>) -> Result<Made> {
        let (ids, rows) = self.clips.read()?;
        let captions = self.captioner.load(desk.lab)?.caption(&rows, &self.decode)?;
        let predictions: Vec<Prediction> =
            ids.into_iter().zip(captions).map(|(id, caption)| Prediction { id, caption }).collect();
        Made::whole(&predictions)
    }
}
