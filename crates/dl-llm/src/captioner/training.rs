//! The training of a captioner: what it begins at, what it is trained on and what its best
//! step is chosen by.

use std::{path::Path, rc::Rc};

use dl_core::Fingerprint;
use dl_torch::{Params, Subject, TorchError, TrainContext, TrainReport, tensor_file, train};
use ndarray::Array2;

use super::{CaptionPairs, Captioner, others};
use crate::{
    DecodeConfig, LanguageModel, LlmError, PrefixConfig,
    warning::{Warning, prefix_ignored},
};

/// A score of captions by which the best step is chosen, in place of the loss. Captioners
/// peak early in the one and late in the other: after the loss has passed its least, captions
/// may still become better, and the other way round.
#[derive(Clone, Copy)]
pub struct CaptionScore<'a> {
    /// What it is called; trainings that are chosen by scores of other names are different ones.
    pub name: &'a str,
    /// Embeddings to caption at every validation, `[items, dim]` of unit length.
    pub embeddings: &'a Array2<f32>,
    /// How they are decoded.
    pub decode: &'a DecodeConfig,
    /// The score of their captions, in order; higher is better.
    pub score: &'a dyn Fn(&[String]) -> Result<f64, LlmError>,
}

/// A captioner to be trained. [`Captioner::train_prefix`] is the common case.
#[derive(Clone)]
pub struct CaptionerTraining<'a> {
    lm: &'a Rc<LanguageModel>,
    train: CaptionPairs<'a>,
    validation: CaptionPairs<'a>,
    config: &'a PrefixConfig,
    from: Option<&'a Captioner>,
    score: Option<CaptionScore<'a>>,
}

impl<'a> CaptionerTraining<'a> {
    /// For `lm`, from random values, chosen by the loss of `validation`.
    pub fn new(
        lm: &'a Rc<LanguageModel>,
        train: CaptionPairs<'a>,
        validation: CaptionPairs<'a>,
        config: &'a PrefixConfig,
    ) -> Self {
        Self { lm, train, validation, config, from: None, score: None }
    }

    /// Begins at the prefix (and the low-rank matrices) of another captioner of the same
    /// language model, which stays as it is: one that was trained on text goes on with sound.
    /// The configuration may have another training and other noise; its mapper is of the same
    /// sizes.
    #[must_use]
    pub fn from(self, captioner: &'a Captioner) -> Self {
        Self { from: Some(captioner), ..self }
    }

    /// Chooses the best step by the captions themselves; the values in the report are then the
    /// negative scores.
    #[must_use]
    pub fn chosen_by(self, score: CaptionScore<'a>) -> Self {
        Self { score: Some(score), ..self }
    }

    /// Trains it.
    ///
    /// # Errors
    /// As [`Captioner::train_prefix`], those of the score, and when the sizes of the captioner
    /// to begin at differ.
    pub fn run(&self, context: &TrainContext<'_>) -> Result<(Captioner, TrainReport), LlmError> {
        let Self { lm, train, validation, config, .. } = *self;
        let dim = train.embeddings.ncols();
        train.check("training pairs", dim)?;
        validation.check("validation pairs", dim)?;
        let params = Params::new(context.seed, lm.device());
        let captioner = Captioner::new(Rc::clone(lm), dim as i64, config, params)?;
        if let Some(from) = self.from {
            let origin = Path::new("the captioner to go on from");
            captioner.params.restore(&from.params.snapshot(), origin)?;
        }
        let (data, held_out) = (captioner.resident(train)?, captioner.resident(validation)?);
        // As many as two batches say whether the prefix is heard.
        let heard = held_out.captions.len().min(2 * config.train.batch);
        let shuffled = others(context.seed, heard);
        let warning = Warning::new(context.progress);
        let watched = context.clone().progress(&warning);
        let inputs = || {
            let rows = [("train", &data.embeddings), ("validation", &held_out.embeddings)];
            let lm = lm.fingerprint().map_err(|error| TorchError::Torch(error.to_string()))?;
            let captions = Fingerprint::of(&(train.captions, validation.captions));
            Ok(Fingerprint::combine([&lm, &captions, &tensor_file::fingerprint(rows)]))
        };
        let configuration = || {
            let whole = match &self.score {
                None => Fingerprint::of(config),
                Some(score) => Fingerprint::of(&(config, score.name, score.decode)),
            };
            config.versions().into_iter().fold(whole, |whole, version| {
                Fingerprint::combine([&whole, &Fingerprint::of(&version)])
            })
        };
        let report = train::fit(
            &captioner.params,
            &config.train,
            &watched,
            &Subject {
                stream: "captioner",
                items: data.captions.len(),
                configuration: &configuration,
                data: &inputs,
            },
            |step, rows| captioner.step_loss(&data, rows, step, context.seed),
            || {
                if heard > 1 {
                    let first =
                        |of: &dyn Fn(usize) -> usize| captioner.loss_of(&held_out, heard, of);
                    let (own, other) = (first(&|row| row)?, first(&|row| shuffled[row])?);
                    warning.set(prefix_ignored(own, other));
                }
                match &self.score {
                    None => captioner.loss(&held_out, |row| row),
                    Some(CaptionScore { embeddings, decode, score, .. }) => {
                        Ok(-score(&captioner.caption(embeddings, decode)?)?)
                    }
                }
            },
        )?;
        captioner.params.freeze();
        Ok((captioner, report))
    }
}
