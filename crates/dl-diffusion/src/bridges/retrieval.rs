//! Retrieval after another bridge: the training captions nearest to the bridged
//! embedding and to the audio embedding itself, averaged with weights
//! softmax(((1 - s) bridged + s audio) . caption / temperature).
//!
//! Projection decoding (DeCap, Li et al. 2023, equation 4) asks the audio alone (s =
//! 1); a projection after a bridge asks the bridge alone (s = 0). The two err
//! differently: the encoder's own similarity generalises to unheard sources, the
//! bridge has seen the gap. No published captioning system lets both vote.

use dl_torch::{TrainContext, layers::l2_normalise, tensor_file::Tensors};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tch::Tensor;

use crate::{
    bridges::projection::{check_temperature, project},
    error::{BridgeError, check},
    methods::{BridgeConfig, Inner, Method, MethodConfig, Stored},
    pairs::Pairs,
    samplers::RowNoise,
    scores::{Criterion, Scores, choose},
};

/// Which bridge, and how the captions are weighed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetrievalConfig {
    /// The bridge whose rows vote. It must not move the captions.
    pub of: Box<BridgeConfig>,
    /// Candidate temperatures, each above 0.
    pub temperatures: Vec<f64>,
    /// Candidate shares of the audio embedding's vote, in [0, 1].
    pub audio_shares: Vec<f64>,
    /// What validation chooses by.
    pub select: Criterion,
}

impl Default for RetrievalConfig {
    fn default() -> Self {
        Self {
            of: Box::default(),
            temperatures: vec![0.01, 0.02, 0.035, 0.05],
            audio_shares: vec![0.0, 0.5, 0.75],
            select: Criterion::default(),
        }
    }
}

/// How the captions are weighed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Vote {
    temperature: f64,
    audio_share: f64,
}

#[derive(Serialize, Deserialize)]
struct Report {
    /// `None` where validation found the bridge better without any vote.
    chosen: Option<Vote>,
    /// Everything tried, with its validation scores.
    tried: Vec<(Option<Vote>, Scores)>,
    of: Value,
}

struct Retrieval {
    inner: Box<dyn Method>,
    /// Training captions, unit rows `[captions, dim]`.
    support: Tensor,
    report: Report,
}

impl MethodConfig for RetrievalConfig {
    fn name(&self) -> &'static str {
        "retrieval"
    }

    fn validate(&self) -> Result<(), BridgeError> {
        self.of.validate()?;
        let kind = self.of.name();
        let range = "a method that leaves captions where they are: in a space of its own the \
                     audio embedding has no vote";
        check(!self.of.moves_text(), "of", kind, range)?;
        check(!self.temperatures.is_empty(), "temperatures", "[]", "a list of at least one")?;
        self.temperatures.iter().try_for_each(|&t| check_temperature("temperatures", t))?;
        check(!self.audio_shares.is_empty(), "audio_shares", "[]", "a list of at least one")?;
        self.audio_shares
            .iter()
            .try_for_each(|&s| check((0.0..=1.0).contains(&s), "audio_shares", s, "in [0, 1]"))
    }

    fn fit(
        &self,
        pairs: &Pairs,
        context: &TrainContext<'_>,
    ) -> Result<Box<dyn Method>, BridgeError> {
        let inner = self.of.fit_method(pairs, context)?;
        let split = &pairs.validation;
        let noise = RowNoise { seed: context.seed, items: &split.items };
        let rows = l2_normalise(&tch::no_grad(|| inner.apply(&split.audio, noise))?);
        let support = pairs.train.text.shallow_clone();
        let mut votes = vec![None];
        for &temperature in &self.temperatures {
            votes.extend(
                self.audio_shares
                    .iter()
                    .map(|&audio_share| Some(Vote { temperature, audio_share })),
            );
        }
        let candidates = votes.iter().map(|vote| {
            Ok(match vote {
                Some(vote) => vote.apply(&rows, &split.audio, &support),
                None => rows.shallow_clone(),
            })
        });
        let (best, scores) = choose(self.select, split, split, candidates)?;
        let chosen = votes[best];
        let tried = votes.into_iter().zip(scores).collect();
        let report = Report { chosen, tried, of: inner.report() };
        Ok(Box::new(Retrieval { inner, support, report }))
    }

    fn load(&self, mut stored: Stored<'_>) -> Result<Box<dyn Method>, BridgeError> {
        let report: Report = stored.report()?;
        let support = stored.take("support", &[-1, stored.dim as i64])?;
        let inner = self.of.load_method(Inner::stored(stored, report.of.clone()))?;
        Ok(Box::new(Retrieval { inner, support, report }))
    }
}

impl Vote {
    /// Unit rows of bridge and audio `[rows, dim]` over unit captions
    /// `[captions, dim]`: `[rows, dim]`, not normalised.
    fn apply(self, bridged: &Tensor, audio: &Tensor, support: &Tensor) -> Tensor {
        let query = bridged * (1.0 - self.audio_share) + audio * self.audio_share;
        project(&query, support, self.temperature)
    }
}

impl Method for Retrieval {
    fn apply(&self, audio: &Tensor, noise: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        let rows = l2_normalise(&self.inner.apply(audio, noise)?);
        Ok(match self.report.chosen {
            Some(vote) => vote.apply(&rows, audio, &self.support),
            None => rows,
        })
    }

    fn tensors(&self) -> Tensors {
        let mut tensors = Inner::tensors(self.inner.as_ref());
        tensors.insert("support".into(), self.support.shallow_clone());
        tensors
    }

    fn report(&self) -> Value {
        json!(self.report)
    }
}
