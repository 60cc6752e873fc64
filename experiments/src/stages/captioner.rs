//! Captioners: a prefix mapper over the frozen language model. What it is trained on
//! makes the protocol.

use std::sync::Arc;

use anyhow::Result;
use dl_core::{EmbeddingSet, Stage};
use dl_eval::{
    EvalError,
    caption::{
        Item,
        metric::{self, BuiltIn},
    },
};
use dl_llm::{
    CaptionPairs, CaptionScore, Captioner, CaptionerTraining, DecodeConfig, LlmError, PrefixConfig,
};
use ndarray::{Array2, Axis};

use super::{
    Bench, Bridged, Cost, Desk, Embeddings, Fit, FrozenLm, Lab, Made, OutOfFold, Work,
    cost::{by_steps, saved},
};

/// Changes whenever the same inputs give another captioner.
const VERSION: u32 = 2;
/// Changes whenever a choice by CIDEr-D does: with the metric, or with what is captioned.
const CHOICE_VERSION: u32 = 1;
const PREFIX: &str = "prefix.safetensors";

/// What a decoder is trained on and chosen by.
#[derive(Clone)]
pub enum DecoderInputs {
    /// The captions' embeddings. One decoder serves every bridge that leaves them where
    /// they are: it never sees what a bridge makes.
    Text(Arc<Embeddings>),
    /// The captions' embeddings in the space of a bridge that moves them, as the method's
    /// source trains its decoder.
    MovedText(Arc<Fit>),
    /// The captions' embeddings through the frozen bridge, as audio goes.
    BridgedText(Arc<Fit>),
    /// The (bridged) audio embeddings.
    Audio {
        /// What it is trained on.
        train: Arc<Bridged>,
        /// What it is chosen by.
        validation: Arc<Bridged>,
        /// Their captions.
        pairs: Arc<Embeddings>,
    },
    /// The same, with training clips behind bridges that did not see them.
    OutOfFold {
        /// What it is trained on.
        train: Arc<OutOfFold>,
        /// What it is chosen by.
        validation: Arc<Bridged>,
        /// Their captions.
        pairs: Arc<Embeddings>,
    },
}

impl DecoderInputs {
    fn pairs(&self) -> &Arc<Embeddings> {
        match self {
            Self::Text(pairs) | Self::Audio { pairs, .. } | Self::OutOfFold { pairs, .. } => pairs,
            Self::MovedText(bridge) | Self::BridgedText(bridge) => bridge.pairs(),
        }
    }

    /// The stages read, and as what.
    fn stages(&self) -> Vec<(&'static str, Arc<dyn Work>)> {
        let pairs = ("pairs", Arc::clone(self.pairs()) as Arc<dyn Work>);
        match self {
            Self::Text(_) => vec![pairs],
            Self::MovedText(bridge) => {
                vec![pairs, ("bridge", Arc::clone(bridge) as Arc<dyn Work>)]
            }
            Self::BridgedText(bridge) => {
                vec![pairs, ("text_through", Arc::clone(bridge) as Arc<dyn Work>)]
            }
            Self::Audio { train, validation, .. } => vec![
                pairs,
                ("train", Arc::clone(train) as Arc<dyn Work>),
                ("validation", Arc::clone(validation) as Arc<dyn Work>),
            ],
            Self::OutOfFold { train, validation, .. } => vec![
                pairs,
                ("train", Arc::clone(train) as Arc<dyn Work>),
                ("validation", Arc::clone(validation) as Arc<dyn Work>),
            ],
        }
    }

    /// One row for each caption of training and of validation.
    fn rows(&self, lab: &Lab<'_>) -> Result<(Array2<f32>, Array2<f32>)> {
        let by_caption = |set: &EmbeddingSet| set.audio.select(Axis(0), &set.owners);
        Ok(match self {
            Self::Text(pairs) => {
                let sets = pairs.sets()?;
                (sets.train.text.clone(), sets.validation.text.clone())
            }
            Self::MovedText(fit) | Self::BridgedText(fit) => {
                let (bridge, sets) = (fit.load(lab)?, fit.pairs().sets()?);
                let text = |set: &EmbeddingSet| {
                    let captions = 0..set.captions.len();
                    let ids: Vec<String> =
                        captions.map(|row| format!("{} {row}", set.ids[set.owners[row]])).collect();
                    match self {
                        Self::BridgedText(_) => bridge.text_through(&set.text, &ids, fit.seed()),
                        _ => bridge.decoder_text(&set.text, &ids, fit.seed()),
                    }
                };
                (text(&sets.train)?, text(&sets.validation)?)
            }
            Self::Audio { train, validation, .. } => {
                (by_caption(&train.read()?), by_caption(&validation.read()?))
            }
            Self::OutOfFold { train, validation, .. } => {
                (by_caption(&train.read()?), by_caption(&validation.read()?))
            }
        })
    }

    fn title(&self) -> String {
        match self {
            Self::Text(_) => "zero-shot decoder".into(),
            Self::MovedText(fit) => format!("zero-shot decoder of {}", fit.name()),
            Self::BridgedText(fit) => format!("zero-shot decoder on text through {}", fit.name()),
            Self::Audio { train, .. } => format!("supervised decoder on {}", train.title()),
            Self::OutOfFold { train, .. } => format!("supervised decoder on {}", train.title()),
        }
    }
}

/// A captioner over a frozen language model.
pub struct TrainedCaptioner {
    stage: Stage,
    lm: FrozenLm,
    inputs: DecoderInputs,
    /// The captioner that its training begins at; `None`: at random values.
    from: Option<Arc<TrainedCaptioner>>,
    prefix: PrefixConfig,
    /// How validation is decoded, where the best step is chosen by captions.
    by_captions: Option<DecodeConfig>,
    seed: u64,
    /// As its title tells it from the other decoders of a row.
    called: &'static str,
}

/// What a captioner is made of beside the language model.
pub struct Recipe {
    /// What it is trained on.
    pub inputs: DecoderInputs,
    /// The captioner that its training begins at; `None`: at random values.
    pub from: Option<Arc<TrainedCaptioner>>,
    /// The mapper and its training.
    pub prefix: PrefixConfig,
    /// How validation is decoded, where the best step is chosen by CIDEr-D of captions; `None`:
    /// it is chosen by the loss.
    pub by_captions: Option<DecodeConfig>,
    /// What stands before its title.
    pub called: &'static str,
}

impl TrainedCaptioner {
    /// By `recipe` under `seed`.
    pub fn new(lab: &Lab<'_>, lm: &FrozenLm, recipe: Recipe, seed: u64) -> Arc<Self> {
        let Recipe { inputs, from, prefix, by_captions, called } = recipe;
        let mut draft = lm.enter(lab.stage("captioner", VERSION));
        for (role, stage) in inputs.stages() {
            draft = draft.input(role, stage.stage().key());
        }
        if let Some(from) = &from {
            draft = draft.input("from", from.stage.key());
        }
        if let Some(decode) = &by_captions {
            draft = draft.config("chosen by CIDEr-D", &(CHOICE_VERSION, decode));
        }
        for (what, version) in prefix.versions() {
            draft = draft.config(what, &version);
        }
        let stage = draft.config("prefix", &prefix).config("seed", &seed).open();
        Arc::new(Self { stage, lm: lm.clone(), inputs, from, prefix, by_captions, seed, called })
    }

    /// The captioner, from its file.
    ///
    /// # Errors
    /// When a file is spoilt.
    pub fn load(&self, lab: &Lab<'_>) -> Result<Captioner> {
        Ok(Captioner::load_prefix(&self.lm.load(lab)?, &self.stage.file(PREFIX))?)
    }

    /// After so many steps on the captions' own embeddings, whatever it learns from: one row
    /// for each caption all the same.
    pub(super) fn stand_in(&self, bench: &Bench<'_>, steps: u64) -> Result<Captioner> {
        let sets = bench.sets(self.inputs.pairs())?;
        let pairs = |set: &'_ EmbeddingSet| -> (Array2<f32>, Vec<String>) {
            (set.text.clone(), set.captions.clone())
        };
        let (train, validation) = (pairs(&sets.train), pairs(&sets.validation));
        let mut prefix = self.prefix.clone();
        prefix.train.steps = steps;
        let (captioner, _) = Captioner::train_prefix(
            &self.lm.stand_in(bench)?,
            CaptionPairs { embeddings: train.0.view(), captions: &train.1 },
            CaptionPairs { embeddings: validation.0.view(), captions: &validation.1 },
            &prefix,
            &bench.training(self.seed),
        )?;
        Ok(captioner)
    }

    /// The rows that [`TrainedCaptioner::stand_in`] is trained on, for a look at decoding.
    pub(super) fn some_rows(&self, bench: &Bench<'_>, rows: usize) -> Result<Array2<f32>> {
        let sets = bench.sets(self.inputs.pairs())?;
        let text = &sets.validation.text;
        let chosen: Vec<usize> = (0..rows.min(text.nrows())).collect();
        Ok(text.select(Axis(0), &chosen))
    }
}

impl Work for TrainedCaptioner {
    fn stage(&self) -> &Stage {
        &self.stage
    }

    fn title(&self) -> String {
        format!("{}{}, seed {}", self.called, self.inputs.title(), self.seed)
    }

    fn needs(&self) -> Vec<Arc<dyn Work>> {
        let mut needs: Vec<_> = self.lm.work().into_iter().collect();
        needs.extend(self.inputs.stages().into_iter().map(|(_, stage)| stage));
        needs.extend(self.from.iter().map(|from| Arc::clone(from) as Arc<dyn Work>));
        needs
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Option<Cost>> {
        let mut bytes = 0;
        let (time, basis) = by_steps(self.prefix.train.steps, |steps| {
            let captioner = self.stand_in(bench, steps)?;
            bytes = saved(|folder| Ok(captioner.save_prefix(&folder.join(PREFIX))?))?;
            Ok(())
        })?;
        Ok(Some(Cost::measured(time, Some(bytes), basis)))
    }

    fn make(&self, desk: &Desk<'_>) -> Result<Made> {
        let sets = self.inputs.pairs().sets()?;
        let (train, validation) = self.inputs.rows(desk.lab)?;
        // One embedding for each clip that has captions: that of the first.
        let captions_of = sets.validation.captions_of();
        let firsts: Vec<usize> =
            captions_of.iter().filter_map(|own| own.first().copied()).collect();
        let embeddings = validation.select(Axis(0), &firsts);
        let mut references = sets.validation.references();
        references.retain(|own| !own.is_empty());
        let score = |captions: &[String]| cider_d(captions, &references);
        let [train, validation] = [(&train, &sets.train), (&validation, &sets.validation)]
            .map(|(rows, set)| CaptionPairs { embeddings: rows.view(), captions: &set.captions });
        let lm = self.lm.load(desk.lab)?;
        let from = self.from.as_ref().map(|from| from.load(desk.lab)).transpose()?;
        let mut training = CaptionerTraining::new(&lm, train, validation, &self.prefix);
        if let Some(from) = &from {
            training = training.from(from);
        }
        if let Some(decode) = &self.by_captions {
            let (name, embeddings, score) = ("CIDEr-D", &embeddings, &score);
            training = training.chosen_by(CaptionScore { name, embeddings, decode, score });
        }
        let (captioner, report) = training.run(&desk.training(self.seed))?;
        captioner.save_prefix(&self.stage.file(PREFIX))?;
        Made::whole(&report)
    }
}

/// CIDEr-D of the captions of clips.
fn cider_d(captions: &[String], references: &[Vec<String>]) -> Result<f64, LlmError> {
    let fault = |error: EvalError| LlmError::Input(format!("CIDEr-D of validation: {error}"));
    let items = Item::all(captions, references).map_err(fault)?;
    let column = metric::evaluate(&[&BuiltIn::CiderD], &items).map_err(fault)?.swap_remove(0);
    let scores = column.scores.map_err(|why| LlmError::Input(format!("CIDEr-D: {why}")))?;
    Ok(scores.corpus)
}
