//! Retrieval after another bridge: the training captions nearest to the bridged
//! embedding and to the audio embedding itself, averaged with weights
//! softmax(((1 - s) bridged + s audio) . caption / temperature).
//!
//! Projection decoding (DeCap, Li et al. 2023, equation 4) asks the audio alone (s =
//! 1); a projection after a bridge asks the bridge alone (s = 0). The two err
//! differently: the encoder's own similarity generalises to unheard sources, the
//! bridge has seen the gap. No published captioning system lets both vote.

use dl_core::{ConfigError, Under, fault::check};
use dl_torch::{TrainContext, layers::l2_normalise, tensor_file::Tensors};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{
    common::check_all,
    support::{Support, check_temperature},
};
use crate::{
    config::BridgeConfig,
    data::Pairs,
    error::BridgeError,
    method::{BridgeMethod, Family, FittedMethod, MethodReport, Stored, inner_tensors},
    noise::RowNoise,
    register_bridge,
    scores::{Criterion, choose},
};

/// Which bridge, and how the captions are weighed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetrievalConfig {
    /// The bridge whose rows vote. It must not move the captions.
    pub of: BridgeConfig,
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
            of: BridgeConfig::default(),
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

struct Retrieval {
    inner: Box<dyn FittedMethod>,
    support: Support,
    /// `None` where validation found the bridge better without any vote.
    vote: Option<Vote>,
    report: MethodReport,
}

register_bridge!(RetrievalConfig);

impl BridgeMethod for RetrievalConfig {
    const KIND: &'static str = "retrieval";
    const VERSION: u32 = 1;
    const FAMILY: Family = Family::Refinement;

    fn validate(&self) -> Result<(), ConfigError> {
        self.of.validate().under("of")?;
        let range = "a method that leaves captions where they are: in a space of its own the \
                     audio embedding has no vote";
        check(!self.of.moves_text(), "of.kind", self.of.name(), range)?;
        check_all("temperatures", &self.temperatures, check_temperature, "above 0")?;
        check_all("audio_shares", &self.audio_shares, |s| (0.0..=1.0).contains(&s), "in [0, 1]")
    }

    fn version(&self) -> String {
        format!("{} {} of {}", Self::KIND, Self::VERSION, self.of.method_version())
    }

    fn bridges_text(&self) -> bool {
        self.of.bridges_text()
    }

    fn fit(
        &self,
        pairs: &Pairs,
        context: &TrainContext<'_>,
    ) -> Result<Box<dyn FittedMethod>, BridgeError> {
        let inner = self.of.fit_method(pairs, context)?;
        let split = &pairs.validation;
        let noise = RowNoise { seed: context.seed, items: &split.items };
        let rows = l2_normalise(&tch::no_grad(|| inner.apply(&split.audio, noise))?);
        let support = Support::of(pairs);
        let mut votes = vec![None];
        for &temperature in &self.temperatures {
            let shares = self.audio_shares.iter();
            votes.extend(shares.map(|&audio_share| Some(Vote { temperature, audio_share })));
        }
        let candidates = votes.iter().map(|vote| Ok(cast(*vote, &rows, &split.audio, &support)));
        let (best, scores) = choose(self.select, split, split, candidates)?;
        let report = MethodReport {
            of: Some(Box::new(inner.report())),
            ..MethodReport::choice(&votes, scores, best)
        };
        Ok(Box::new(Retrieval { inner, support, vote: votes[best], report }))
    }

    fn load(&self, mut stored: Stored<'_>) -> Result<Box<dyn FittedMethod>, BridgeError> {
        let vote = stored.chosen("temperatures and audio_shares", |vote: &Option<Vote>| {
            vote.is_none_or(|vote| {
                self.temperatures.contains(&vote.temperature)
                    && self.audio_shares.contains(&vote.audio_share)
            })
        })?;
        let support = Support::load(&mut stored)?;
        let report = stored.report.clone();
        let inner = self.of.load_method(stored.inner())?;
        Ok(Box::new(Retrieval { inner, support, vote, report }))
    }
}

/// Unit rows of bridge and audio `[rows, dim]` after the vote: `[rows, dim]`, not
/// normalised.
fn cast(vote: Option<Vote>, bridged: &Tensor, audio: &Tensor, support: &Support) -> Tensor {
    let Some(Vote { temperature, audio_share }) = vote else { return bridged.shallow_clone() };
    let query = bridged * (1.0 - audio_share) + audio * audio_share;
    support.project(&query, temperature)
}

impl FittedMethod for Retrieval {
    fn apply(&self, audio: &Tensor, noise: RowNoise<'_>) -> Result<Tensor, BridgeError> {
        let rows = l2_normalise(&self.inner.apply(audio, noise)?);
        Ok(cast(self.vote, &rows, audio, &self.support))
    }

    /// The caption's own embedding votes where that of the audio does.
    fn text_through(
        &self,
        text: &Tensor,
        noise: RowNoise<'_>,
    ) -> Option<Result<Tensor, BridgeError>> {
        let rows = self.inner.text_through(text, noise)?;
        Some(rows.map(|rows| cast(self.vote, &l2_normalise(&rows), text, &self.support)))
    }

    fn tensors(&self) -> Tensors {
        let mut tensors = inner_tensors(self.inner.as_ref());
        tensors.extend(self.support.tensors());
        tensors
    }

    fn report(&self) -> MethodReport {
        self.report.clone()
    }
}
