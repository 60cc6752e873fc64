//! The decoder before any prefix, frozen: trained on caption text alone, or a published
//! model as it is.

use std::{rc::Rc, sync::Arc};

use anyhow::{Context, Result};
use dl_core::{Draft, Fingerprint, Stage};
use dl_data::Split;
use dl_llm::{LanguageModel, LmTrainConfig, PretrainedConfig};

use super::{
    Bench, Cost, Desk, Lab, Made, Source, Work,
    cost::{by_steps, saved},
    models::kept,
};
use crate::config::LanguageModelConfig;

/// Changes whenever the same captions give another model.
const VERSION: u32 = 1;

/// A frozen language model.
#[derive(Clone)]
pub enum FrozenLm {
    /// Trained here.
    Trained(Arc<TrainedLm>),
    /// Published.
    Pretrained(Arc<PretrainedLm>),
}

impl FrozenLm {
    /// As `config` says; a training is over the captions of `source`.
    ///
    /// # Errors
    /// When a file of a published model is missing or of another model.
    pub fn new(
        lab: &Lab<'_>,
        source: &Arc<Source>,
        config: &LanguageModelConfig,
        seed: u64,
    ) -> Result<Self> {
        Ok(match config {
            LanguageModelConfig::Train(config) => {
                Self::Trained(TrainedLm::new(lab, source, config, seed))
            }
            LanguageModelConfig::Pretrained(config) => {
                Self::Pretrained(PretrainedLm::find(lab, config)?)
            }
        })
    }

    /// Makes the model part of the key of a stage that reads it.
    pub(super) fn enter(&self, draft: Draft) -> Draft {
        match self {
            Self::Trained(lm) => draft.input("language_model", lm.stage.key()),
            Self::Pretrained(lm) => draft
                .source("language_model", &lm.fingerprint)
                .config("precision", &lm.config.precision),
        }
    }

    /// The stage that makes it, where one does.
    pub fn work(&self) -> Option<Arc<dyn Work>> {
        match self {
            Self::Trained(lm) => Some(Arc::clone(lm) as Arc<dyn Work>),
            Self::Pretrained(_) => None,
        }
    }

    /// This thread's copy of the model.
    ///
    /// # Errors
    /// When a file is spoilt.
    pub fn load(&self, lab: &Lab<'_>) -> Result<Rc<LanguageModel>> {
        let key = match self {
            Self::Trained(lm) => lm.stage.key().to_string(),
            Self::Pretrained(lm) => format!("{} {:?}", lm.fingerprint, lm.config.precision),
        };
        let model = kept("language model", &key, || {
            Ok(Rc::new(match self {
                Self::Trained(lm) => LanguageModel::load(lm.stage.dir(), lab.device)?,
                Self::Pretrained(lm) => lm.config.load(lab.device)?,
            }))
        })?;
        Ok(Rc::clone(&model))
    }
}

impl FrozenLm {
    /// The model, or one of its shape where it is not trained yet.
    pub(super) fn stand_in(&self, bench: &Bench<'_>) -> Result<Rc<LanguageModel>> {
        match self {
            Self::Trained(lm) if !lm.stage.is_done()? => {
                bench.model(lm.stage.key().as_str(), || lm.trained(bench, 2))
            }
            Self::Trained(_) | Self::Pretrained(_) => self.load(bench.lab),
        }
    }
}

/// A published model, found but not loaded.
pub struct PretrainedLm {
    config: PretrainedConfig,
    fingerprint: Fingerprint,
}

impl PretrainedLm {
    /// Its files are read for their digest, once in this process.
    fn find(lab: &Lab<'_>, config: &PretrainedConfig) -> Result<Arc<Self>> {
        let config = LanguageModelConfig::located(config)?;
        let place = Fingerprint::of(&("pretrained language model", &config));
        lab.once.get(place, || {
            let fingerprint = config.fingerprint().context("language_model.path")?;
            Ok(Self { config: config.clone(), fingerprint })
        })
    }
}

/// A language model trained on the captions of a corpus.
pub struct TrainedLm {
    stage: Stage,
    source: Arc<Source>,
    config: LmTrainConfig,
    seed: u64,
}

impl TrainedLm {
    /// Over the captions of a source.
    fn new(lab: &Lab<'_>, source: &Arc<Source>, config: &LmTrainConfig, seed: u64) -> Arc<Self> {
        let stage = lab
            .stage("language_model", VERSION)
            .source("corpus", &source.corpus.fingerprint())
            .config("language_model", config)
            .config("seed", &seed)
            .open();
        Arc::new(Self { stage, source: Arc::clone(source), config: config.clone(), seed })
    }
}

impl TrainedLm {
    fn captions(&self, split: Split) -> Vec<String> {
        let clips = self.source.corpus.clips(split);
        clips.iter().flat_map(|clip| clip.captions.iter().cloned()).collect()
    }

    /// After so many steps.
    fn trained(&self, bench: &Bench<'_>, steps: u64) -> Result<Rc<LanguageModel>> {
        let mut config = self.config.clone();
        config.train.steps = steps;
        let (train, validation) = (self.captions(Split::Train), self.captions(Split::Validation));
        let context = bench.training(self.seed);
        Ok(Rc::new(LanguageModel::train(&train, &validation, &config, &context)?.0))
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

    fn measure(&self, bench: &Bench<'_>) -> Result<Option<Cost>> {
        let mut bytes = 0;
        let (time, basis) = by_steps(self.config.train.steps, |steps| {
            let key = self.stage.key().as_str();
            let model = self.trained(bench, steps)?;
            bytes = saved(|folder| Ok(model.save(folder)?))?;
            bench.model(key, || Ok(model)).map(|_| ())
        })?;
        Ok(Some(Cost::measured(time, Some(bytes), basis)))
    }

    fn make(&self, desk: &Desk<'_>) -> Result<Made> {
        let (model, report) = LanguageModel::train(
            &self.captions(Split::Train),
            &self.captions(Split::Validation),
            &self.config,
            &desk.training(self.seed),
        )?;
        model.save(self.stage.dir())?;
        Made::whole(&report)
    }
}
