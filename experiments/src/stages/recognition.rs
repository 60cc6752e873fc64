//! Unmixed recordings of the test split: their embeddings, and what a captioner says of
//! them.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context, Result};
use dl_audio::ClipConfig;
use dl_core::{Progress, Stage};
use dl_data::Split;
use dl_encoder::Encoder;
use dl_llm::DecodeConfig;
use dl_torch::{convert, tensor_file};
use ndarray::{Array2, Axis, concatenate};
use tch::Device;

use super::{
    Desk, Embeddings, Fit, Lab, Made, Source, TrainedCaptioner, Work, models::kept, side_by_side,
};

/// Change whenever the same recordings get other embeddings, or other captions.
const EMBED_VERSION: u32 = 1;
const CAPTION_VERSION: u32 = 2;
/// Recordings embedded at once.
const BATCH: usize = 16;
const ROWS: &str = "audio";

/// Embeddings of the unmixed test recordings.
pub struct Singles {
    stage: Stage,
    source: Arc<Source>,
    embeddings: Arc<Embeddings>,
    clip: ClipConfig,
}

impl Singles {
    /// By the encoder of `embeddings`, each brought to the length of `clip`.
    pub fn new(
        lab: &Lab<'_>,
        source: &Arc<Source>,
        embeddings: &Arc<Embeddings>,
        clip: &ClipConfig,
    ) -> Arc<Self> {
        let stage = lab
            .stage("singles", EMBED_VERSION)
            .input("encoder", embeddings.stage().key())
            .source("corpus", &source.corpus.fingerprint())
            .config("clip", clip)
            .open();
        let (source, embeddings) = (Arc::clone(source), Arc::clone(embeddings));
        Arc::new(Self { stage, source, embeddings, clip: clip.clone() })
    }

    fn file(&self) -> std::path::PathBuf {
        self.stage.file("singles.safetensors")
    }

    fn read(&self) -> Result<Array2<f32>> {
        let (tensors, _) = tensor_file::read(&self.file(), Device::Cpu)?;
        Ok(convert::array2(tensors.get(ROWS).context("a file without its tensor")?)?)
    }
}

impl Work for Singles {
    fn stage(&self) -> &Stage {
        &self.stage
    }

    fn title(&self) -> String {
        "unmixed recordings".into()
    }

    fn needs(&self) -> Vec<Arc<dyn Work>> {
        vec![Arc::clone(&self.embeddings) as Arc<dyn Work>]
    }

    fn make(&self, desk: &Desk<'_>) -> Result<Made> {
        let corpus = self.source.scenes()?;
        let count = corpus.singles(Split::Test).len();
        desk.progress.begin("", count as u64);
        let done = AtomicUsize::new(0);
        let batches = side_by_side(desk.lab.jobs, count.div_ceil(BATCH), |batch| {
            let load = || self.embeddings.encoder(desk.lab);
            let encoder = kept::<Box<dyn Encoder>>(
                "headed encoder",
                self.embeddings.stage().key().as_str(),
                load,
            )?;
            let range = batch * BATCH..count.min((batch + 1) * BATCH);
            let clips = range
                .clone()
                .map(|index| Ok(self.clip.apply(&corpus.render_single(Split::Test, index)?)))
                .collect::<Result<Vec<_>>>()?;
            let rows = encoder.embed_audio(&clips)?;
            let all = done.fetch_add(range.len(), Ordering::Relaxed) + range.len();
            desk.progress.update(all as u64, "");
            Ok(rows)
        })?;
        let views: Vec<_> = batches.iter().map(Array2::view).collect();
        let rows = concatenate(Axis(0), &views)?;
        let tensors = [(ROWS.to_owned(), convert::tensor2(rows.view(), Device::Cpu))];
        tensor_file::write(&self.file(), &tensors.into(), HashMap::new())?;
        Made::whole(&format!("{count} recordings"))
    }
}

/// Captions of the unmixed test recordings.
pub struct Recognised {
    stage: Stage,
    singles: Arc<Singles>,
    bridge: Arc<Fit>,
    captioner: Arc<TrainedCaptioner>,
    decode: DecodeConfig,
}

impl Recognised {
    /// Through `bridge`, by `captioner`.
    pub fn new(
        lab: &Lab<'_>,
        singles: &Arc<Singles>,
        bridge: &Arc<Fit>,
        captioner: &Arc<TrainedCaptioner>,
        decode: &DecodeConfig,
    ) -> Arc<Self> {
        let stage = lab
            .stage("recognition", CAPTION_VERSION)
            .input("singles", singles.stage.key())
            .input("bridge", bridge.stage().key())
            .input("captioner", captioner.stage().key())
            .config("decode", decode)
            .open();
        let (singles, bridge) = (Arc::clone(singles), Arc::clone(bridge));
        let (captioner, decode) = (Arc::clone(captioner), decode.clone());
        Arc::new(Self { stage, singles, bridge, captioner, decode })
    }

    /// One caption for each recording, from disk.
    ///
    /// # Errors
    /// When the file is spoilt.
    pub fn read(&self) -> Result<Vec<String>> {
        Ok(self.stage.summary()?)
    }
}

impl Work for Recognised {
    fn stage(&self) -> &Stage {
        &self.stage
    }

    fn title(&self) -> String {
        let bridge = self.bridge.name();
        format!("captions of unmixed recordings through {bridge}, {}", self.captioner.title())
    }

    fn needs(&self) -> Vec<Arc<dyn Work>> {
        vec![
            Arc::clone(&self.singles) as Arc<dyn Work>,
            Arc::clone(&self.bridge) as Arc<dyn Work>,
            Arc::clone(&self.captioner) as Arc<dyn Work>,
        ]
    }

    fn make(&self, desk: &Desk<'_>) -> Result<Made> {
        let singles = self.singles.source.scenes()?.singles(Split::Test);
        let ids: Vec<String> = singles.iter().map(|single| single.source.clone()).collect();
        let audio = self.singles.read()?;
        let rows = self.bridge.load(desk.lab)?.apply(&audio, &ids, self.bridge.seed())?;
        Made::whole(&self.captioner.load(desk.lab)?.caption(&rows, &self.decode)?)
    }
}
