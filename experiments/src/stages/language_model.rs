//! The decoder before any prefix: trained on caption text alone, then frozen.

use std::{rc::Rc, sync::Arc};

use anyhow::Result;
use dl_core::Stage;
use dl_data::Split;
use dl_llm::{LanguageModel, LmTrainConfig};

use super::{Desk, Lab, Made, Source, Work, models::kept};

/// Changes whenever the same captions give another model.
const VERSION: u32 = 1;

/// A language model trained on the captions of a corpus.
pub struct TrainedLm {
    stage: Stage,
    source: Arc<Source>,
    config: LmTrainConfig,
    seed: u64,
}

impl TrainedLm {
    /// Over the captions of a source.
    pub fn new(
        lab: &Lab<'_>,
        source: &Arc<Source>,
        config: &LmTrainConfig,
        seed: u64,
    ) -> Arc<Self> {
        let stage = lab
            .stage("language_model", VERSION)
            .source("corpus", &source.corpus.fingerprint())
            .config("language_model", config)
            .config("seed", &seed)
            .open();
        Arc::new(Self { stage, source: Arc::clone(source), config: config.clone(), seed })
    }

    /// This thread's copy of the model.
    ///
    /// # Errors
    /// When a file is spoilt.
    pub fn load(&self, lab: &Lab<'_>) -> Result<Rc<LanguageModel>> {
        let load = || Ok(Rc::new(LanguageModel::load(self.stage.dir(), lab.device)?));
        Ok(Rc::clone(&*kept("language model", self.stage.key().as_str(), load)?))
    }
}

impl Work for TrainedLm {
    fn stage(&self) -> &Stage {
        &self.stage
    }

    fn title(&self) -> String {
        "language model".into()
    }

    fn needs(&self) -> Vec<Arc<dyn Work>> {
        Vec::new()
    }

    fn make(&self, desk: &Desk<'_>) -> Result<Made> {
        let captions = |split| -> Vec<String> {
            let clips = self.source.corpus.clips(split);
            clips.iter().flat_map(|clip| clip.captions.iter().cloned()).collect()
        };
        let (model, report) = LanguageModel::train(
            &captions(Split::Train),
            &captions(Split::Validation),
            &self.config,
            &desk.training(self.seed),
        )?;
        model.save(self.stage.dir())?;
        Made::whole(&report)
    }
}
