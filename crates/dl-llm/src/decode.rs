//! Greedy and beam search, and sampling, over anything that can score the next token:
//! batched, deterministic, one item's result independent of its neighbours'. One beam is
//! greedy search.

use std::cmp::Ordering;

use dl_core::fault::{ConfigError, Under, check};
use ndarray::{Array2, ArrayView1};
use serde::{Deserialize, Serialize};

use crate::{LlmError, SampleConfig};

mod greedy;
mod refill;

/// What becomes of a beam in which a hypothesis ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BeamRule {
    /// The finished one gives up its place, so that the search ends by itself.
    #[default]
    Shrink,
    /// Another hypothesis takes its place, as in the transformers library, and the search ends
    /// when no running one promises to beat the finished ones by the length that it has.
    Refill,
    /// The same, and it ends as soon as as many as there are beams have finished.
    RefillEarly,
    /// The same, and it ends when no running one can beat the finished ones by any length.
    RefillNever,
}

impl BeamRule {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How captions are searched for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecodeConfig {
    /// Hypotheses kept per item, at least 1; 1 is greedy search.
    pub beams: usize,
    /// Most tokens of a caption, its end mark included; at least 1.
    pub max_tokens: usize,
    /// Fewest tokens before the end mark.
    pub min_tokens: usize,
    /// Finished hypotheses are ranked by log-probability / tokens^this; at least 0.
    pub length_penalty: f64,
    /// No run of this many tokens occurs twice in a caption; 0 allows all.
    pub no_repeat_ngram: usize,
    /// What becomes of a beam in which a hypothesis ends.
    #[serde(skip_serializing_if = "BeamRule::is_default")]
    pub beam_rule: BeamRule,
    /// Tokens are drawn by these rules in place of the best ones; `beams` is 1 then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<SampleConfig>,
    /// Items decoded together, at least 1.
    pub batch: usize,
    /// A captioner decodes with copies of the projections to which its low-rank matrices are
    /// added: faster, rounded otherwise, and with the memory of these copies (see
    /// `Captioner::merge`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub merge_lora: bool,
}

impl Default for DecodeConfig {
    fn default() -> Self {
        Self {
            beams: 1,
            max_tokens: 40,
            min_tokens: 1,
            length_penalty: 1.0,
            no_repeat_ngram: 4,
            beam_rule: BeamRule::default(),
            sample: None,
            batch: 64,
            merge_lora: false,
        }
    }
}

impl DecodeConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`ConfigError`] for the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let penalty = self.length_penalty;
        check(self.beams > 0, "beams", self.beams, "at least 1")?;
        check(self.max_tokens > 0, "max_tokens", self.max_tokens, "at least 1")?;
        let fits = self.min_tokens < self.max_tokens;
        check(fits, "min_tokens", self.min_tokens, "below max_tokens")?;
        let good = penalty >= 0.0 && penalty.is_finite();
        check(good, "length_penalty", penalty, "at least 0")?;
        check(self.batch > 0, "batch", self.batch, "at least 1")?;
        let Some(sample) = &self.sample else { return Ok(()) };
        check(self.beams == 1, "beams", self.beams, "1 where tokens are drawn")?;
        sample.validate().under("sample")
    }
}

/// A model that reads one token per row and scores the next.
pub trait StepModel {
    /// Row i of the new batch continues row `parents[i]` of the one before with
    /// `tokens[i]`. Returns log-probabilities, `[rows, vocab]`. At the first call
    /// row i is item i and the token is the one that stands before every caption.
    ///
    /// # Errors
    /// Those of the model.
    fn step(&mut self, parents: &[usize], tokens: &[u32]) -> Result<Array2<f32>, LlmError>;

    /// As [`StepModel::step`], of each row the best token alone, of equals the one with the
    /// smallest id; `None` where everything is forbidden or impossible. A model that computes
    /// elsewhere can choose there, so that no scores have to be copied.
    ///
    /// # Errors
    /// Those of the model.
    fn best(
        &mut self,
        parents: &[usize],
        tokens: &[u32],
        forbidden: &Forbidden<'_>,
    ) -> Result<Vec<Option<u32>>, LlmError> {
        let scores = self.step(parents, tokens)?;
        let best = |(row, scores): (usize, ArrayView1<'_, f32>)| {
            let best = best_allowed(scores, 1, |token| !forbidden.holds(row, token));
            best.first().map(|&(token, _)| token)
        };
        Ok(scores.rows().into_iter().enumerate().map(best).collect())
    }
}

/// The tokens that may not come next.
#[derive(Clone, Copy, Debug)]
pub struct Forbidden<'a> {
    /// In any row.
    pub always: &'a [u32],
    /// In single rows: the row and the token.
    pub places: &'a [(usize, u32)],
}

impl Forbidden<'_> {
    fn holds(&self, row: usize, token: u32) -> bool {
        self.always.contains(&token) || self.places.contains(&(row, token))
    }
}

/// The tokens that mean something to the search.
#[derive(Clone, Debug)]
pub struct Vocabulary<'a> {
    /// Stands before every caption.
    pub bos: u32,
    /// Ends it.
    pub eos: u32,
    /// Never generated (`eos` may be among them; it is generated all the same).
    pub banned: &'a [u32],
}

#[derive(Clone, Debug)]
struct Hypothesis {
    tokens: Vec<u32>,
    log_probability: f64,
    /// Its row in the model's batch.
    row: usize,
}

#[derive(Default)]
struct Item {
    live: Vec<Hypothesis>,
    finished: usize,
    best: Option<(f64, Vec<u32>)>,
}

struct Candidate {
    parent: usize,
    token: u32,
    log_probability: f64,
}

/// The tokens of the best caption of each of `items` items, without marks.
///
/// # Errors
/// [`LlmError::Config`], and those of the model.
pub fn search(
    model: &mut impl StepModel,
    items: usize,
    vocabulary: &Vocabulary<'_>,
    config: &DecodeConfig,
) -> Result<Vec<Vec<u32>>, LlmError> {
    search_from(model, 0, items, vocabulary, config, &mut |_, _| ())
}

/// As [`search`], for items numbered from `first` on (whose numbers decide what is drawn for
/// them), with `told` called for each token of each item that is certain at once: greedily
/// found and drawn ones.
pub(crate) fn search_from(
    model: &mut impl StepModel,
    first: usize,
    items: usize,
    vocabulary: &Vocabulary<'_>,
    config: &DecodeConfig,
    told: &mut dyn FnMut(usize, u32),
) -> Result<Vec<Vec<u32>>, LlmError> {
    config.validate()?;
    if config.beams == 1 && config.sample.is_none() {
        return greedy::search(model, items, vocabulary, config, told);
    }
    if config.beam_rule != BeamRule::Shrink && config.beams > 1 {
        return refill::search(model, items, vocabulary, config);
    }
    shrinking(model, first, items, vocabulary, config, told)
}

/// Search in which a finished hypothesis gives up its place, and sampling.
fn shrinking(
    model: &mut impl StepModel,
    first: usize,
    items: usize,
    vocabulary: &Vocabulary<'_>,
    config: &DecodeConfig,
    told: &mut dyn FnMut(usize, u32),
) -> Result<Vec<Vec<u32>>, LlmError> {
    let start = |row| Hypothesis { tokens: Vec::new(), log_probability: 0.0, row };
    let mut states: Vec<Item> =
        (0..items).map(|row| Item { live: vec![start(row)], ..Item::default() }).collect();
    let mut parents: Vec<usize> = (0..items).collect();
    let mut tokens = vec![vocabulary.bos; items];
    for _ in 0..config.max_tokens {
        if parents.is_empty() {
            break;
        }
        let scores = model.step(&parents, &tokens)?;
        parents.clear();
        tokens.clear();
        for (number, item) in states.iter_mut().enumerate() {
            match &config.sample {
                Some(sample) => item.draw(&scores, vocabulary, config, |row, length| {
                    sample.pick(row, first + number, length)
                }),
                None => item.advance(&scores, vocabulary, config),
            }
            if let [hypothesis] = item.live.as_slice()
                && config.beams == 1
                && let Some(&token) = hypothesis.tokens.last()
            {
                told(number, token);
            }
            for hypothesis in &mut item.live {
                parents.push(hypothesis.row);
                tokens.extend(hypothesis.tokens.last());
                hypothesis.row = parents.len() - 1;
            }
        }
    }
    let without_mark = |mut tokens: Vec<u32>| {
        tokens.pop_if(|last| *last == vocabulary.eos);
        tokens
    };
    Ok(states.into_iter().map(|item| without_mark(item.into_best(config))).collect())
}

impl Item {
    fn advance(&mut self, scores: &Array2<f32>, words: &Vocabulary<'_>, config: &DecodeConfig) {
        let places = config.beams.saturating_sub(self.finished);
        let live = std::mem::take(&mut self.live);
        let mut candidates: Vec<Candidate> = live
            .iter()
            .enumerate()
            .flat_map(|(parent, hypothesis)| {
                best_tokens(scores.row(hypothesis.row), &hypothesis.tokens, words, config, places)
                    .into_iter()
                    .map(move |(token, score)| Candidate {
                        parent,
                        token,
                        log_probability: hypothesis.log_probability + f64::from(score),
                    })
            })
            .collect();
        if candidates.is_empty() {
            // Every continuation is forbidden: what is there has to do.
            for hypothesis in live {
                self.finish(hypothesis, config);
            }
            return;
        }
        candidates.sort_by(|a, b| {
            let order = descending(a.log_probability, b.log_probability);
            order.then(a.parent.cmp(&b.parent)).then(a.token.cmp(&b.token))
        });
        candidates.truncate(places);
        for candidate in candidates {
            let parent = &live[candidate.parent];
            let mut tokens = parent.tokens.clone();
            tokens.push(candidate.token);
            let log_probability = candidate.log_probability;
            let hypothesis = Hypothesis { tokens, log_probability, row: parent.row };
            if candidate.token == words.eos {
                self.finish(hypothesis, config);
            } else {
                self.live.push(hypothesis);
            }
        }
        self.drop_hopeless(config);
    }

    /// Goes on with a drawn token: `pick` chooses among allowed tokens and their
    /// log-probabilities, best first, for a caption of so many tokens.
    fn draw(
        &mut self,
        scores: &Array2<f32>,
        words: &Vocabulary<'_>,
        config: &DecodeConfig,
        pick: impl Fn(&[(u32, f32)], usize) -> Option<u32>,
    ) {
        for mut hypothesis in std::mem::take(&mut self.live) {
            let row = scores.row(hypothesis.row);
            let mut allowed = allowed_tokens(row, &hypothesis.tokens, words, config);
            allowed.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            let Some(token) = pick(&allowed, hypothesis.tokens.len()) else {
                self.finish(hypothesis, config);
                continue;
            };
            hypothesis.log_probability += f64::from(row[token as usize]);
            hypothesis.tokens.push(token);
            if token == words.eos {
                self.finish(hypothesis, config);
            } else {
                self.live.push(hypothesis);
            }
        }
    }

    fn finish(&mut self, hypothesis: Hypothesis, config: &DecodeConfig) {
        self.finished += 1;
        let length = hypothesis.tokens.len().max(1) as f64;
        let score = hypothesis.log_probability / length.powf(config.length_penalty);
        if self.best.as_ref().is_none_or(|(best, _)| score > *best) {
            self.best = Some((score, hypothesis.tokens));
        }
    }

    /// Ends the search where no continuation can beat what is finished: more
    /// tokens never raise the log-probability, and at best divide it by the most.
    fn drop_hopeless(&mut self, config: &DecodeConfig) {
        let Some((best, _)) = self.best else { return };
        let longest = (config.max_tokens as f64).powf(config.length_penalty);
        self.live.retain(|hypothesis| hypothesis.log_probability / longest > best);
    }

    fn into_best(mut self, config: &DecodeConfig) -> Vec<u32> {
        for hypothesis in std::mem::take(&mut self.live) {
            self.finish(hypothesis, config);
        }
        self.best.map(|(_, tokens)| tokens).unwrap_or_default()
    }
}

/// The `count` best allowed tokens of one row of scores, best first; of equals the
/// smaller id first.
fn best_tokens(
    row: ArrayView1<'_, f32>,
    before: &[u32],
    words: &Vocabulary<'_>,
    config: &DecodeConfig,
    count: usize,
) -> Vec<(u32, f32)> {
    best_allowed(row, count, allowance(before, words, config))
}

/// The same of the tokens for which `allowed` holds.
fn best_allowed(
    row: ArrayView1<'_, f32>,
    count: usize,
    allowed: impl Fn(u32) -> bool,
) -> Vec<(u32, f32)> {
    let mut best: Vec<(u32, f32)> = Vec::with_capacity(count + 1);
    for (token, &score) in row.iter().enumerate() {
        let beaten = best.len() == count && best.last().is_none_or(|(_, worst)| score <= *worst);
        // NaN is not above anything either.
        let possible = score > f32::NEG_INFINITY;
        if beaten || !possible || !allowed(token as u32) {
            continue;
        }
        let place = best.partition_point(|(_, kept)| *kept >= score);
        best.insert(place, (token as u32, score));
        best.truncate(count);
    }
    best
}

/// Which tokens may follow `before`.
fn allowance<'a>(
    before: &'a [u32],
    words: &'a Vocabulary<'_>,
    config: &'a DecodeConfig,
) -> impl Fn(u32) -> bool + 'a {
    let repeats = repeating_tokens(before, config.no_repeat_ngram);
    move |token| {
        if token == words.eos {
            return before.len() >= config.min_tokens;
        }
        !words.banned.contains(&token) && !repeats.contains(&token)
    }
}

/// All tokens that may follow `before`, with their scores.
fn allowed_tokens(
    row: ArrayView1<'_, f32>,
    before: &[u32],
    words: &Vocabulary<'_>,
    config: &DecodeConfig,
) -> Vec<(u32, f32)> {
    let allowed = allowance(before, words, config);
    let scored = row.iter().enumerate().map(|(token, &score)| (token as u32, score));
    scored.filter(|&(token, score)| score > f32::NEG_INFINITY && allowed(token)).collect()
}

/// Tokens that would complete a run of `n` that is there already.
fn repeating_tokens(tokens: &[u32], n: usize) -> Vec<u32> {
    if n == 0 || tokens.len() < n {
        return Vec::new();
    }
    let ending = &tokens[tokens.len() + 1 - n..];
    tokens.windows(n).filter(|run| run[..n - 1] == *ending).map(|run| run[n - 1]).collect()
}

fn descending(a: f64, b: f64) -> Ordering {
    b.total_cmp(&a)
}

#[cfg(test)]
mod tests;
